"""What an actor went through lately: the messages it began, the answers it got, how its instances ended.

    cell begins a message ---> Ring (the last 16) ------+--> `TellHistory`: kinds, never contents
    an ask is answered ------> heard (the last 16) -----+--> after a crash: those of the crashed incarnation, into its file
    an instance ends --------> exits (the last 10) -----'

Owned by the cell, made when there is something to note, kept over restarts. The count of messages that the cell has begun serves as
the clock: it says which entries belong to which incarnation, and between which two messages an answer came.

Bounded in bytes too. Small entries are few, so they need no counting; when a large one comes, older ones give up their place until the
large ones together take no more than half of the bound. One that is larger than that keeps its place, but not its content.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from messages.envelope import Envelope
from messages.message import Message
from messages.supervision import ExitReason, Handled, History, PastExit

if TYPE_CHECKING:
    from actors.runtime.cell import Cell

MESSAGES = 16
ANSWERS = 16
EXITS = 10
BYTES = 256 * 1024
SMALL = BYTES // 2 // MESSAGES  # so many small ones take half of the bound, the large ones the other half


class Sized(Protocol):
    """What takes room."""

    @property
    def size(self) -> int:
        """In bytes, or an estimate."""
        ...


S = TypeVar("S", bound=Sized)


class Heard(NamedTuple):
    """Something that came to an actor past its mailbox: the answer to an ask of its own, or a Down (then `asked` is empty).

    `after` is how many messages the actor had begun before it, `address` who was asked, or who ended.
    """

    after: int
    at: float
    address: str
    asked: str
    message: Message
    size: int


class End(NamedTuple):
    """One end of an instance; `crash` is the id of its crash file."""

    incarnation: int
    at: float
    reason: ExitReason
    crash: str


class Ring(deque[Envelope]):
    """See the module; made by `ring_of`. Whoever appends a message that is not small calls `make_room`."""

    # Defaults in the class: most rings are those of actors that serve one request, and never set any of these.
    starts: tuple[tuple[int, int], ...] = ((1, 0),)  # incarnations, and how many messages had been begun when each started
    heard: deque[Heard] | None = None
    first: deque[Heard] | None = None  # what this incarnation heard while it started: later answers don't push it out
    exits: deque[End] | None = None

    def make_room(self) -> None:
        """Called when a large message was appended."""
        if not make_room(self):
            super().append(_hollow(self.pop()))

    def incarnate(self, incarnation: int, begun: int) -> None:
        """A new incarnation starts."""
        self.first = self.heard = None
        starts = [(number, at) for number, at in self.starts if at < begun]  # the others have begun nothing
        while len(starts) > 1 and starts[1][1] <= begun - len(self):
            del starts[0]
        self.starts = (*starts, (incarnation, begun))

    def hear(self, heard: Heard, *, starting: bool) -> None:
        """Notes what came past the mailbox."""
        kept = self.first if starting else self.heard
        if kept is None:
            kept = deque(maxlen=ANSWERS)
            if starting:
                self.first = kept
            else:
                self.heard = kept
        kept.append(heard)
        if heard.size > SMALL and not make_room(kept):
            kept.pop()

    def end(self, end: End) -> None:
        """Notes how an instance ended."""
        if self.exits is None:
            self.exits = deque(maxlen=EXITS)
        self.exits.append(end)

    def of_incarnation(self, begun: int) -> tuple[tuple[Envelope, ...], tuple[Heard, ...]]:
        """The messages that the latest incarnation began, and what it heard, both in order."""
        start = self.starts[-1][1]
        messages = tuple(islice(self, max(0, len(self) - (begun - start)), None))
        return messages, (*(self.first or ()), *(self.heard or ()))

    def incarnation_of(self, number: int) -> int:
        """Which incarnation began message number `number` (from 1)."""
        return next((incarnation for incarnation, at in reversed(self.starts) if at < number), self.starts[0][0])


class LentRing(Ring):
    """That of an actor that lives elsewhere. Its cell hands messages over long before they are begun: the host says when one is."""

    def append(self, envelope: Envelope) -> None:
        """Nothing: the message is only handed over."""

    def make_room(self) -> None:
        """Nothing, for the same reason."""

    def begin(self, envelope: Envelope) -> None:
        """Notes a message that is begun."""
        deque.append(self, envelope)
        if envelope.size > SMALL:
            super().make_room()


R = TypeVar("R", bound=Ring)


def turned_into(kind: type[R], ring: Ring) -> R:
    """The same ring, as one of the other kind."""
    other = kind(ring, MESSAGES)
    other.starts, other.heard, other.first, other.exits = ring.starts, ring.heard, ring.first, ring.exits
    return other


def ring_of(incarnation: int, begun: int) -> Ring:
    """An empty ring for an address where this incarnation lives, and where so many messages have been begun."""
    ring = Ring((), MESSAGES)
    if incarnation != 1 or begun:
        ring.starts = ((incarnation, begun),)
    return ring


def make_room(items: deque[S]) -> bool:
    """Lets the oldest go until the large ones take half of the bound or less; False when the latest alone takes more."""
    room = BYTES // 2
    for place, item in enumerate(reversed(items)):
        if item.size > SMALL:
            room -= item.size
        if room < 0 and place:
            for _ in range(len(items) - place):
                items.popleft()
            return True
        if room < 0:
            return False
    return True


def weight(message: Message) -> int:
    """About how many bytes a message takes: of what is long, and without looking deeper."""
    size = 64
    for value in message.__dict__.values():
        kind = type(value)
        if kind is bytes or kind is str:
            size += len(value)
        elif kind is tuple or kind is dict:
            size += 64 * len(value)
    return size


def history_of(cell: Cell) -> History:
    """The answer to `TellHistory`."""
    ring, now, before = cell.ring, cell.system.now(), cell.handled
    if ring is None:
        return History(address=cell.address, messages=(), exits=())
    before -= len(ring)
    messages = tuple(
        Handled(
            id=envelope.id, kind=envelope.kind, sender=envelope.sender, trace=envelope.trace, size=envelope.size,
            ms_ago=int((now - envelope.at) * 1000), incarnation=ring.incarnation_of(before + number),
        ) for number, envelope in enumerate(ring, 1)
    )  # fmt: skip
    exits = tuple(
        PastExit(incarnation=end.incarnation, ms_ago=int((now - end.at) * 1000), reason=end.reason, crash=end.crash) for end in ring.exits or ()
    )
    return History(address=cell.address, messages=messages, exits=exits)


def _hollow(envelope: Envelope) -> Envelope:
    """The envelope without what was in it; its `size` still says how much that was."""
    return Envelope(
        envelope.id, envelope.kind, b"", envelope.size, envelope.at, envelope.sender, envelope.trace, envelope.reply_to, envelope.slot, envelope.deadline
    )
