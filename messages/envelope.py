"""What surrounds a message on its way: who sent it, where the answer goes, by when, and to which trace it belongs.

Inside a process an envelope is handed over as it is; its payload is the packed message (`wire: always`), or the frozen message
itself (`wire: edge`). At a process border `to_bytes` packs the whole envelope; there deadlines travel as remaining milliseconds,
because two processes share no clock.
"""

from __future__ import annotations

from typing import Literal, NewType, get_args

import msgpack

from messages.message import Message, Unreadable, pack

Address = NewType("Address", str)
"""An actor's path in the tree, such as `/providers/moonshot`. It outlives the actor's instances."""

ENVELOPE_VERSION = 1

Priority = Literal["normal", "system"]

_PRIORITIES = get_args(Priority)
_SHAPES = frozenset(  # looked up whole: with what may be None, and without
    (int, int, str, str, str, reply_to, int, remaining, str, bytes) for reply_to in (str, type(None)) for remaining in (int, type(None))
)


class Envelope:
    """One message in transit.

    `deadline` is in seconds of the loop's clock, None for never. `reply_to` and `slot` are set for an ask: the answer goes to
    that address, into that slot. `at` is when it was sent, in seconds of the loop's clock, `size` the payload's length in bytes, an
    estimate when the payload is not packed.
    """

    __slots__ = ("at", "deadline", "id", "kind", "payload", "priority", "reply_to", "sender", "size", "slot", "trace")

    def __init__(
        self, id: int, kind: str, payload: bytes | Message, size: int, at: float, sender: Address,
        trace: str = "", reply_to: Address | None = None, slot: int = 0,
        deadline: float | None = None, priority: Priority = "normal",
    ) -> None:  # fmt: skip
        self.id = id
        self.kind = kind
        self.payload = payload
        self.size = size
        self.at = at
        self.sender = sender
        self.trace = trace
        self.reply_to = reply_to
        self.slot = slot
        self.deadline = deadline
        self.priority = priority

    def __repr__(self) -> str:
        return f"<Envelope {self.id} {self.kind} from {self.sender or 'outside'}>"


def to_bytes(envelope: Envelope, now: float) -> bytes:
    """The envelope as msgpack, for a border between processes; `now` is the sender's clock in seconds."""
    payload = envelope.payload if isinstance(envelope.payload, bytes) else pack(envelope.payload)
    remaining = None if envelope.deadline is None else max(0, int((envelope.deadline - now) * 1000))
    packed: bytes = msgpack.packb((
        ENVELOPE_VERSION, envelope.id, envelope.kind, envelope.trace, envelope.sender, envelope.reply_to, envelope.slot,
        remaining, envelope.priority, payload,
    ))
    return packed


def from_bytes(data: bytes, now: float) -> Envelope:
    """The envelope that `to_bytes` packed; `now` is the receiver's clock in seconds. Raises `Unreadable`."""
    try:
        parts = msgpack.unpackb(data, use_list=False)
    except ValueError as error:  # every exception of msgpack's is one
        raise Unreadable(f"not an envelope ({type(error).__name__}: {error})") from error
    if not isinstance(parts, tuple) or not parts or type(parts[0]) is not int or parts[0] != ENVELOPE_VERSION:
        found = parts[0] if isinstance(parts, tuple) and parts else type(parts).__name__
        raise Unreadable(f"envelope version {found!r} is not spoken here, version {ENVELOPE_VERSION} is")
    if tuple(map(type, parts)) not in _SHAPES or parts[8] not in _PRIORITIES:
        raise Unreadable("an envelope is (version, id, kind, trace, sender, reply_to, slot, remaining ms, priority, payload)")
    _, id, kind, trace, sender, reply_to, slot, remaining, priority, payload = parts
    deadline = None if remaining is None else now + remaining / 1000
    return Envelope(id, kind, payload, len(payload), at=now, sender=sender, trace=trace, reply_to=reply_to, slot=slot, deadline=deadline, priority=priority)
