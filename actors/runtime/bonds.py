"""Who is told of an actor's end, and whose end is its own: monitors and links.

    watcher --monitor--> watched: when its instance ends, Down, behind what it sent before
    one <--link--> other: when either ends other than normally, so does the other one

Both are of one instance: they vanish with it, and its successor begins without any.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from actors.runtime.exits import Exit
from actors.runtime.system import ActorSystem, Resident
from messages.envelope import Address, Envelope
from messages.message import Message
from messages.outcome import Outcome
from messages.supervision import Down, ExitReason

if TYPE_CHECKING:
    from actors.runtime.mailbox import Mailbox
    from actors.runtime.supervised import SupervisedActor

NONE: Any = frozenset()  # stands for a set that nobody has put anything into yet


class Bonds(ABC):
    """What a cell has to do with the ends of others. `watchers` says as which incarnation each asked for Down."""

    __slots__ = ("links", "watchers", "watching")

    system: ActorSystem
    address: Address
    incarnation: int
    instance: SupervisedActor[Any] | None
    mailbox: Mailbox

    def __init__(self) -> None:
        self.watchers: dict[Resident, int] = {}
        self.watching: set[Resident] = NONE
        self.links: set[Bonds] | None = None

    @abstractmethod
    def deliver(self, envelope: Envelope) -> Outcome | None:
        """See `Cell`."""

    @abstractmethod
    def notice(self, signal: Callable[[], None], *, overtake: bool = False) -> None:
        """See `Cell`."""

    @abstractmethod
    def hear(self, address: str, asked: str, message: Message) -> None:
        """See `Cell`."""

    # ---- monitors

    def monitor(self, address: str) -> None:
        """Has Down sent here when whoever lives there ends; at once when nobody does."""
        target = self.system.resident(address)
        if target is not None and target.watched_by(self, self.incarnation):
            return
        reason = ExitReason(how="killed", error="NoSuchAddress", detail=f"nobody lives at {address}")
        self.notice_down(Down(address=address, incarnation=0, reason=reason), self.incarnation)

    def demonitor(self, address: str) -> None:
        """Takes it back. A Down that is here already, and was not handled yet, is dropped too."""
        for target in tuple(self.watching):
            if target.address == address:
                self.watching.discard(target)
                target.watchers.pop(self, None)
        self.mailbox.drop_signals(lambda signal: isinstance(signal, DownSignal) and signal.down.address == address)

    def watched_by(self, watcher: Resident, incarnation: int) -> bool:
        """From now on that one gets Down when the instance here ends; False when none lives here."""
        if self.instance is not None:
            self.add_watcher(watcher, incarnation)
        return self.instance is not None

    def add_watcher(self, watcher: Resident, incarnation: int) -> None:
        """The same before the start: that one is also told when it fails."""
        self.watchers[watcher] = incarnation
        watcher.watching = watcher.watching or set()
        watcher.watching.add(self)

    def notice_down(self, down: Down, incarnation: int) -> None:
        """Gives Down to the instance that asked for it, behind what is already waiting."""
        if incarnation == self.incarnation and self.instance is not None:
            self.notice(DownSignal(self, self.instance, down))

    def tell_watchers(self, reason: ExitReason) -> None:
        """The instance has ended: whoever monitors it is told, and it monitors nobody any more."""
        watching, self.watching = self.watching, NONE
        for target in watching:
            target.watchers.pop(self, None)
        watchers, self.watchers = self.watchers, {}
        if watchers:
            down = Down(address=self.address, incarnation=self.incarnation, reason=reason)
            for watcher, incarnation in watchers.items():
                watcher.watching.discard(self)
                watcher.notice_down(down, incarnation)

    # ---- links

    def link(self, address: str) -> None:
        """Ties two lives together: when either ends other than normally, so does the other one. At once, when nobody lives there."""
        other = self.system.directory.get(address)
        if isinstance(other, Bonds) and other.instance is not None and other is not self:
            for one, two in ((self, other), (other, self)):
                one.links = one.links or set()
                one.links.add(two)
        elif other is not self:
            self.notice(LinkSignal(address, ExitReason(how="killed", error="NoSuchAddress", detail=f"nobody lives at {address}")))

    def unlink(self, address: str) -> None:
        """Unties them. An end that is here already, and has not had its effect, is dropped too."""
        for other in tuple(self.links or ()):
            if other.address == address:
                self._untie(other)
                other._untie(self)
        self.mailbox.drop_signals(lambda signal: isinstance(signal, LinkSignal) and signal.address == address)

    def _untie(self, other: Bonds) -> None:
        if self.links is not None:
            self.links.discard(other)
            self.links = self.links or None

    def end_linked(self, reason: ExitReason) -> None:
        """The instance has ended: so do those that are linked to it, unless this was meant."""
        links, self.links = self.links, None
        for other in links or ():
            other._untie(self)
            if reason.how != "normal":
                other.notice(LinkSignal(self.address, reason))


class DownSignal:
    """Down on its way through a mailbox."""

    __slots__ = ("cell", "down", "instance")

    def __init__(self, cell: Bonds, instance: SupervisedActor[Any], down: Down) -> None:
        self.cell = cell
        self.instance = instance
        self.down = down

    def __call__(self) -> None:
        """In the turn of the instance that asked for it."""
        self.cell.hear(self.down.address, "", self.down)
        self.instance.down(self.down)


class LinkSignal:
    """The end of a linked actor on its way through a mailbox."""

    __slots__ = ("address", "reason")

    def __init__(self, address: str, reason: ExitReason) -> None:
        self.address = address
        self.reason = reason

    def __call__(self) -> None:
        """In the turn of an actor that was linked to that one: it ends for the same reason."""
        reason = self.reason
        how = reason.how if reason.how in ("shutdown", "failed") else "crashed"
        detail = f"linked to {self.address}, which ended: {reason.how} {reason.error} {reason.detail}".strip()
        raise Exit(ExitReason(how=how, error="LinkedExit", detail=detail, fault=reason.fault))
