"""The other side of a host: the actor itself, in its thread or process, in a system of its own with nobody else in it.

    host --start--> Guest: makes the actor --started | ended--> host
    host --deliver--> mailbox --> the actor's turn, noted in the gate
    the actor --tell, ask, answer, watch, report--> border --> host
    host --stop--> on_stop --ended--> host

Whatever the actor sends goes to the host's system, also what it sends to itself: there its messages wait, and there they are kept
when this side dies. Only what the gate says is begun here is ever begun.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from actors.runtime.border import Border, Far
from actors.runtime.cell import Cell
from actors.runtime.frames import pack_frame, read_frame
from actors.runtime.gate import Gate
from actors.runtime.mailbox import Mailbox
from actors.runtime.supervised import SupervisedActor
from actors.runtime.system import ActorSystem, Resident
from messages.envelope import Address, Envelope, to_bytes
from messages.message import Unreadable, pack, unpack
from messages.outcome import Outcome, describe
from messages.supervision import Down, ExitReason

NO_LIMIT = 1 << 62  # the host's mailbox is the one that is bounded

Send = Callable[[bytes], None]


class Guest:
    """See the module. Made on the loop it lives on; `send` takes frames for the host, `flush` sees that they survive this side, and
    `ended` is called after the last one."""

    def __init__(self, gate: Gate, send: Send, flush: Callable[[], None], ended: Callable[[], None]) -> None:
        self._gate = gate
        self._hand_over = send
        self._flush = flush
        self._ended = ended
        self._told = 0  # how far the host has been told to look at the gate
        self.system = _GuestSystem(self)
        self.border = self.system.elsewhere = Border(self.system, self.send, self._receive)
        self._cell: _GuestCell | None = None
        self._numbers: dict[int, int] = {}
        self._count = 0
        self._stashed: dict[int, int] = {}  # numbers of what the actor has put aside, by the envelope's

    def send(self, frame: bytes) -> None:
        """One frame to the host, who then looks at the gate too."""
        self._told = self._gate.begun
        self._hand_over(frame)

    def start(self, which: int, address: str, incarnation: int, trace: str, make: Callable[[], Any], beat: float) -> None:
        """Makes the actor and starts it."""
        self.system.number_apart(which)
        self._cell = cell = _GuestCell(self, Address(address), partial(_worker, make))
        cell.incarnation = incarnation - 1
        cell.trace = trace
        if beat:
            self._beat(beat)
        cell.start(self._started)

    def _started(self, reason: ExitReason | None) -> None:
        cell = self._the_cell()
        if reason is not None:
            self.tell_end(reason)
        elif cell.instance is not None:
            self.send(pack_frame("started", sorted(cell.accepts), cell.instance.title))

    def _beat(self, seconds: float) -> None:
        self._gate.beat()
        self.system.loop.call_later(seconds, self._beat, seconds)

    def hear(self, frames: list[bytes]) -> None:
        """Frames from the host, and what they lead to at once: a round of the loop costs more than most messages. Raises `Unreadable`."""
        for data in frames:
            self._hear(data)
        self.system.catch_up()

    def _hear(self, data: bytes) -> None:
        frame = read_frame(data)
        match frame:
            case ("stop",):
                cell = self._the_cell()
                cell.stop(lambda: self.tell_end(cell.last_exit or ExitReason(how="shutdown")), None)
            case ("resume",):
                self._the_cell().resume()
            case ("told_down", packed):
                down = unpack(packed)
                assert isinstance(down, Down), down
                cell = self._the_cell()
                cell.notice_down(down, cell.incarnation)
            case _:
                self.border.obey(frame)

    def _the_cell(self) -> _GuestCell:
        if self._cell is None:
            raise Unreadable("the first frame is 'start'")
        return self._cell

    def _receive(self, address: str, envelope: Envelope) -> Outcome | None:
        self._count += 1
        self._numbers[envelope.id] = self._count
        outcome = self._the_cell().deliver(envelope)
        if outcome is not None:
            del self._numbers[envelope.id]
            self.system.bury(address, envelope, describe(outcome))
        return outcome

    @property
    def paused(self) -> bool:
        """Whether the host's cell is suspended: then nothing is begun here either."""
        return self._gate.paused

    def number_of(self, envelope: Envelope) -> int:
        """Which of the host's messages this is."""
        return self._numbers.get(envelope.id) or self._stashed.get(envelope.id, 0)

    def begin(self, envelope: Envelope) -> bool:
        """Notes in the gate that the message is begun; False when the host has cut this side off."""
        number = self._numbers.pop(envelope.id, 0)
        if not number and envelope.id in self._stashed:
            self.send(pack_frame("resumed", self._stashed.pop(envelope.id)))
            self._flush()
        return self._gate.begin(number or self._gate.begun)

    def stashed(self, envelope: Envelope, number: int) -> None:
        """Has the host keep a message that the actor has put aside."""
        self._stashed[envelope.id] = number
        self.send(pack_frame("stashed", number, self.border.asker_of(envelope.slot), to_bytes(envelope, self.system.now())))

    def done(self) -> None:
        """It is done, now that what it sent can't be lost any more."""
        self._flush()
        self._gate.rest()

    def tell_begun(self) -> None:
        """Has the host look at the gate, unless a frame has made it do so already."""
        if self._told != self._gate.begun:
            self.send(pack_frame("begun"))

    def tell_end(self, reason: ExitReason) -> None:
        """The last frame."""
        cell = self._the_cell()
        self.send(pack_frame("ended", pack(Down(address=cell.address, incarnation=cell.incarnation, reason=reason))))
        self._ended()


def _worker(make: Callable[[], Any]) -> SupervisedActor[Any]:
    actor = make()
    if not isinstance(actor, SupervisedActor):
        raise TypeError(f"start made a {type(actor).__name__}, must make a SupervisedActor")
    if actor.strategy_name:
        raise TypeError(f"{type(actor).__name__} is a supervisor, and supervision is always local: give it isolation='task'; its children may live elsewhere")
    return actor


class _GuestSystem(ActorSystem):
    """Nobody lives here by an address, so all that is sent goes elsewhere: to the host's system. Packs at the border only."""

    def __init__(self, guest: Guest) -> None:
        super().__init__(wire="edge")
        self._guest = guest

    def bury(self, address: str, envelope: Envelope, why: str, reason: ExitReason | None = None) -> None:
        """The host keeps the dead letters."""
        self._guest.send(pack_frame("buried", address, envelope.kind, envelope.sender, envelope.trace, why))

    def fail(self, address: str, envelope: Envelope, outcome: Outcome, reason: ExitReason | None = None) -> None:
        """What the actor takes with it when it ends, the host knows itself, and tells whoever asked."""
        if reason is None:
            super().fail(address, envelope, outcome)

    def catch_up(self) -> None:
        """Gives those their turn now who wait for one."""
        self._turns()

    def root_ended(self, root: Cell, reason: ExitReason) -> None:
        """There is nobody here to start it again."""
        self._guest.tell_end(reason)


class _GuestCell(Cell):
    """Watching and being watched is the host's business. A crash is told with its traceback: no crash file here will hold it."""

    traced: ClassVar[bool] = True

    def __init__(self, guest: Guest, address: Address, factory: Callable[[], SupervisedActor[Any]]) -> None:
        super().__init__(guest.system, address, factory, None, mailbox=Mailbox(NO_LIMIT, NO_LIMIT))
        del self.system.directory[address]
        self._guest = guest

    def turn(self, began: float) -> float:
        """And tells the host how far it has come."""
        over = super().turn(began)
        self._guest.tell_begun()
        return over

    def _begin(self, envelope: Envelope) -> None:
        if self._guest.paused:
            self.mailbox.put_back([envelope])
            self.suspend()
            return
        number, aside = self._guest.number_of(envelope), self.mailbox.stashed
        if self._guest.begin(envelope):
            super()._begin(envelope)
            if self.mailbox.stashed > aside:
                self._guest.stashed(envelope, number)
            self._guest.done()

    def monitor(self, address: str) -> None:
        """The host watches, and tells."""
        self._guest.send(pack_frame("watch", address))

    def demonitor(self, address: str) -> None:
        """The host watches no more; what it has told already is dropped."""
        super().demonitor(address)
        self._guest.send(pack_frame("unwatch", address))

    def link(self, address: str) -> None:
        """The host's life is this one's."""
        self._guest.send(pack_frame("link", address))

    def unlink(self, address: str) -> None:
        """It is untied."""
        self._guest.send(pack_frame("unlink", address))

    def watched_by(self, watcher: Resident, incarnation: int) -> bool:
        """The host's end is this one's."""
        self._guest.send(pack_frame("report", watcher.address))
        assert isinstance(watcher, Far), "nobody else lives here"
        self._guest.border.forget(watcher)
        return True
