"""What is left of an exception once it is let go: its traceback as text, and the place in the code where it was raised.

    exception --remains--> Remains (no frames, no locals) --told, place--> crash file

`remains` is called on the loop and reads no file; the text is made elsewhere, where reading source files stops nobody. Frames and lines
of source are code; what an exception says may repeat content, so every such text is scrubbed: see `hearsay.py`.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from actors.runtime.hearsay import is_code, scrubber

FRAMES = 60  # of one exception; a recursion is told by its ends
SAYS = 1000  # characters of what one exception says
CHAIN = 8  # exceptions, one behind the other or one in the other
INNERMOST = 12  # frames that make a place

KERNEL = str(Path(__file__).parent)

Remains = traceback.TracebackException


class Spot(NamedTuple):
    """One frame of a place: lines move when a file is edited, what stands in them does not."""

    file: str
    function: str
    line: str


def remains(error: BaseException) -> Remains:
    """The exception without what it holds on to."""
    return Remains(type(error), error, error.__traceback__, limit=-FRAMES, lookup_lines=False, compact=True)


def told(left: Remains) -> str:
    """The traceback as Python prints it, with what exceptions say cut, and told in words of the code only."""
    code = "".join(_told(left, lambda _: "", CHAIN))
    return "".join(_told(left, scrubber(code), CHAIN))


def told_again(traceback: str) -> str:
    """The same for a traceback that is text already, from another thread or process."""
    lines = traceback.splitlines(keepends=True)
    scrub = scrubber("".join(filter(is_code, lines)))
    return "".join(line if is_code(line) else scrub(line) for line in lines)


def place(left: Remains) -> tuple[Spot, ...]:
    """Where it was raised: the innermost frames, without the kernel's that led there."""
    spots = [frame for frame in left.stack if frame.name]
    while spots and spots[0].filename.startswith(KERNEL):
        del spots[0]
    return tuple(Spot("/".join(Path(frame.filename).parts[-2:]), frame.name, frame.line or "") for frame in spots[-INNERMOST:])


def _told(left: Remains, scrub: Callable[[str], str], chain: int) -> Iterator[str]:
    if chain == 0:
        yield "... and more before it\n"
        return
    if left.__cause__ is not None:
        yield from _told(left.__cause__, scrub, chain - 1)
        yield "\nThe above exception was the direct cause of the following exception:\n\n"
    elif left.__context__ is not None and not left.__suppress_context__:
        yield from _told(left.__context__, scrub, chain - 1)
        yield "\nDuring handling of the above exception, another exception occurred:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from left.stack.format()
    says = scrub(str(left)[:SAYS])
    kind = left.exc_type.__qualname__ if left.exc_type is not None else "Exception"
    yield f"{kind}: {says}\n" if says else f"{kind}\n"
    yield from (f"{scrub(note[:SAYS])}\n" for note in getattr(left, "__notes__", None) or ())
    for number, inner in enumerate((left.exceptions or ())[:CHAIN], 1):
        yield f"--- {number} of {len(left.exceptions or ())} in this group ---\n"
        yield from _told(inner, scrub, chain - 1)
