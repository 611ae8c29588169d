"""What crosses a border: byte frames, each a msgpack array of a tag and a few plain values. No pickles, no objects.

    either way       deliver, answer, forward, monitor, demonitor, down
    host -> guest    start, stop, resume, told_down
    guest -> host    started, ended, begun, stashed, resumed, buried, watch, unwatch, link, unlink, report

What is not of one of these shapes is refused with `Unreadable`: whoever sends that can't be talked to.
"""

from __future__ import annotations

from typing import Any

import msgpack

from messages.message import Unreadable

_SHAPES: dict[str, tuple[type, ...]] = {
    "deliver": (str, bytes),  # address, envelope
    "answer": (int, bytes),  # slot, the packed answer or outcome; empty: there won't be one
    "forward": (str, int, bytes),  # address, the slot of the ask that comes back, envelope
    "monitor": (str, int, str),  # who watches, which incarnation of it, whom
    "demonitor": (str, str),  # who watches, whom
    "down": (str, int, bytes),  # who watches, which incarnation of it (0: the one that lives), the packed Down
    "start": (int, str, int, str, str, str, bytes, float),  # which guest, address, incarnation, trace, module, name, packed arguments, seconds per beat
    "stop": (),
    "resume": (),  # the gate says that you may
    "told_down": (bytes,),  # the packed Down
    "started": (tuple, str),  # understood kinds, the actor's title
    "ended": (bytes,),  # the packed Down of the guest itself
    "begun": (),  # look at the gate
    "stashed": (int, int, bytes),  # number, the slot if it is an ask, envelope: a message that was begun is put aside
    "resumed": (int,),  # number: it is begun again
    "buried": (str, str, str, str, str),  # address, kind, sender, trace, why
    "watch": (str,),  # monitor that address for me
    "unwatch": (str,),  # no more
    "link": (str,),  # tie my life to that one's
    "unlink": (str,),  # untie it
    "report": (str,),  # report my end to that address
}


def pack_frame(tag: str, *parts: Any) -> bytes:
    """One frame."""
    packed: bytes = msgpack.packb((tag, *parts))
    return packed


def read_frame(data: bytes) -> tuple[Any, ...]:
    """Tag and parts, checked. Raises `Unreadable`."""
    try:
        frame = msgpack.unpackb(data, use_list=False)
    except ValueError as error:  # every exception of msgpack's is one
        raise Unreadable(f"not a frame ({type(error).__name__}: {error})") from error
    if not isinstance(frame, tuple) or not frame or not isinstance(frame[0], str) or frame[0] not in _SHAPES:
        found = frame[0] if isinstance(frame, tuple) and frame else type(frame).__name__
        raise Unreadable(f"no frame begins with {str(found)[:80]!r}; there are {', '.join(_SHAPES)}")
    shape = _SHAPES[frame[0]]
    if tuple(map(type, frame)) != (str, *shape):
        raise Unreadable(f"a frame {frame[0]!r} holds {', '.join(kind.__name__ for kind in shape) or 'nothing else'}")
    return frame
