"""An actor that lives elsewhere: its cell, its address and its mailbox are here, its code runs in a thread or a process.

    cell --handle--> Hosted --deliver--> guest            messages, unread
    cell <--Exit---- Hosted <--ended---- guest            or whatever befell the host: killed, hung, closed, rubbish
    anybody <---- border <--answer, deliver, watch-- guest

Owns one host, for one life: what ends the host ends this instance with the same reason, and the supervisor decides as ever. Of the
messages handed over the gate knows which were begun: those fail with the instance, the others go back to the front of the mailbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Protocol

from actors.runtime.border import Border
from actors.runtime.cell import Cell
from actors.runtime.exits import Exit, reraise
from actors.runtime.frames import pack_frame, read_frame
from actors.runtime.gate import Gate
from actors.runtime.lending import LendingMailbox
from actors.runtime.ring import LentRing, Ring, ring_of, turned_into
from actors.runtime.supervised import SupervisedActor
from actors.runtime.system import DeadLetter
from messages.envelope import Envelope, from_bytes
from messages.message import Unreadable, pack, unpack
from messages.supervision import Down, ExitReason, Isolation

BOOT = 20.0  # seconds for a host to be there, before the actor's own start limit counts
LOOKS = 4  # how often within `hung_after` the host's pulse is felt


class Host(Protocol):
    """A thread or a process. It tells `heard` its frames and, once, `lost` when it is gone without having said why."""

    isolation: Isolation
    gate: Gate
    pid: int | None

    async def open(self, cell: Cell, beat: float, heard: Callable[[list[bytes]], None], lost: Callable[[ExitReason], None]) -> None:
        """Starts it, and has it start the actor for this cell."""
        ...

    def send(self, frame: bytes) -> None:
        """Sends a frame."""
        ...

    def close(self) -> None:
        """It has said that it ended: it may go by itself, within a moment."""
        ...

    def kill(self) -> None:
        """Ends it now."""
        ...

    async def gone(self) -> None:
        """Waits until nothing of it is left."""
        ...


class Hosted(SupervisedActor[Any]):
    """See the module. `start` and `hung_after` are the child's spec's; `make` is the class that `start` makes, None when only the host knows."""

    start_limit: ClassVar[float | None]

    def __init__(self, host: Host, start: Callable[[], Any], make: type[SupervisedActor[Any]] | None, hung_after: float | None) -> None:
        super().__init__()
        self._host = host
        self._start = start
        self._title = "" if make is None else make.__name__
        self._hung_after = hung_after
        self._over: ExitReason | None = None
        self._said_so = False  # the guest told of its end itself
        limit = SupervisedActor.start_limit if make is None else make.start_limit
        self.start_limit = None if limit is None else limit + BOOT  # type: ignore[misc]
        if make is not None:
            self.understands = make.understands  # type: ignore[misc]

    def attach(self, cell: Cell) -> None:
        """Until the guest has told what it understands, that is what the last one did."""
        super().attach(cell)
        assert isinstance(cell.mailbox, LendingMailbox), "a hosted actor's mailbox lends"
        self._mailbox = cell.mailbox
        cell.ring = ring = turned_into(LentRing, cell.ring or ring_of(cell.incarnation, cell.handled))
        self._border = _HostBorder(cell, cell.mailbox, ring, self._host)
        self._mailbox.look = self._border.look
        self._started: asyncio.Future[None] = cell.system.loop.create_future()
        self._stopped: asyncio.Future[None] = cell.system.loop.create_future()
        if not self.understands:
            self.understands = cell.accepts  # type: ignore[misc]

    @property
    def title(self) -> str:
        """The class of the actor that lives there."""
        return self._title

    @property
    def pid(self) -> int | None:  # type: ignore[override]
        """Its own process, if it has one."""
        return self._host.pid

    # ---- life

    async def on_start(self) -> None:
        """Starts the host and waits until the actor runs there."""
        beat = 0.0 if self._hung_after is None else self._hung_after / LOOKS
        await self._host.open(self._cell, beat, self._heard, self._fallen)
        await self._started
        if self._over is not None:
            raise Exit(self._over)
        if self._hung_after is not None:
            self._feel_pulse(-1, 0, self._hung_after)

    async def on_stop(self) -> None:
        """Asks the actor's own `on_stop`, and waits until the host is gone."""
        if self._over is None:
            self._host.send(pack_frame("stop"))
            await self._stopped
        self._host.close()
        await self._host.gone()
        assert self._over is not None
        if self._over.how != "shutdown":
            raise Exit(self._over)

    def underway(self) -> Envelope | None:
        """The message that was begun last, when it is not done."""
        self._border.look()
        last, gate = self._mailbox.last, self._host.gate
        return last[1] if last is not None and last[0] == gate.begun > gate.done else None

    def made_by(self) -> Callable[[], Any]:
        """What makes the actor itself."""
        return self._start

    def paused(self, paused: bool) -> None:
        """Nothing is begun over there either, of what has been handed over."""
        self._host.gate.pause(paused)
        if not paused:
            self._host.send(pack_frame("resume"))

    def released(self) -> None:
        """However this ends: the guest begins nothing more, and what it had not begun waits for the next instance."""
        gate = self._host.gate
        gate.seal()
        self._border.look()
        poison = self.underway()
        killed = not self._said_so or (self._over is not None and self._over.how == "crashed")
        if killed and poison is not None and not poison.slot:
            self._cell.pending.setdefault(poison.id, poison)
        self._border.let_go()
        self._mailbox.take_back()
        self._cell.ring = turned_into(Ring, self._border.ring)  # the next instance may live here
        gate.close()
        if self._said_so:
            self._host.close()
        else:
            self._host.kill()
        self.system.outlast(self._host.gone())

    def _fallen(self, reason: ExitReason) -> None:
        """The first reason counts. It is the instance's own, in its turn."""
        if self._over is not None or self._cell.instance is not self:
            return
        self._over = reason
        self._pass_on(reason)

    def _pass_on(self, reason: ExitReason) -> None:
        cell = self._cell
        if cell.instance is not self:
            return
        if cell.state == "starting" and self._started.done():  # its start is over, and the cell about to hear of it
            cell.system.loop.call_soon(self._pass_on, reason)
        elif cell.state == "starting":
            self._started.set_result(None)
        elif cell.state == "stopping":
            self._stopped.set_result(None)
        else:
            cell.notice(partial(reraise, Exit(reason)), overtake=True)

    def _feel_pulse(self, before: int, missed: int, hung_after: float) -> None:
        beats = self._host.gate.beats
        missed = missed + 1 if beats == before else 0
        if missed > LOOKS:
            self._fallen(ExitReason(how="killed", error="Hung", detail=f"its {self._host.isolation} gave no sign of life for {hung_after:g} s"))
        else:
            self._cell.after(hung_after / LOOKS, partial(self._feel_pulse, beats, missed, hung_after), overtake=True)

    # ---- mail

    def handle(self, envelope: Envelope) -> None:
        """Hands it over, unread. It counts as handled when it is begun."""
        self._cell.handled -= 1
        self._mailbox.lend(envelope)
        self._border.deliver(self.address, envelope)

    def down(self, down: Down) -> None:
        """Whoever the guest watches, or a child that it had started, has ended."""
        self._host.send(pack_frame("told_down", pack(down)))

    def _heard(self, frames: list[bytes]) -> None:
        """In the loop's turn, not in this actor's: answers and messages go on at once, whatever else waits here."""
        if self._over is not None or self._cell.instance is not self:
            return
        self._border.look()
        try:
            for frame in frames:
                self._hear(read_frame(frame))
        except Unreadable as error:
            self._fallen(ExitReason(how="crashed", error="Unreadable", detail=f"its {self._host.isolation} talks rubbish: {error}"))

    def _hear(self, frame: tuple[Any, ...]) -> None:
        match frame:
            case ("begun",):
                pass
            case ("started", kinds, title):
                self.understands = self._cell.accepts = frozenset(kinds)  # type: ignore[misc]
                self._title = title
                if not self._started.done():
                    self._started.set_result(None)
            case ("ended", packed):
                down = unpack(packed)
                if not isinstance(down, Down):
                    raise Unreadable(f"a frame 'ended' holds a kernel.down, not {down.kind!r}")
                self._said_so = self._over is None
                self._fallen(down.reason)
            case ("stashed", number, slot, data):
                self._border.stashed(number, slot, data)
            case ("resumed", number):
                self._border.resumed(number)
            case ("buried", address, kind, sender, trace, why):
                self.system.bury_letter(DeadLetter(self.now, address, kind, sender, trace, why))
            case ("watch", address):
                self.monitor(address)
            case ("unwatch", address):
                self.demonitor(address)
            case ("link", address):
                self.link(address)
            case ("unlink", address):
                self.unlink(address)
            case ("report", address):
                self.report_end_to(address)
            case _:
                self._border.obey(frame)


class _HostBorder(Border):
    """The border between a host's system and its guest. What the guest sends goes wherever this system can send it."""

    def __init__(self, cell: Cell, mailbox: LendingMailbox, ring: LentRing, host: Host) -> None:
        super().__init__(cell.system, host.send, cell.system.deliver)
        self.ring = ring
        self._cell = cell
        self._mailbox = mailbox
        self._gate = host.gate

    def look(self) -> None:
        """Notes what has been begun meanwhile. An ask that is begun fails with the instance."""
        for envelope in self._mailbox.begun(self._gate.begun):
            self._note_begun(envelope)

    def _note_begun(self, envelope: Envelope) -> None:
        self.ring.begin(envelope)
        self._cell.handled += 1
        if envelope.slot in self.asked:
            self._cell.pending[envelope.id] = envelope

    def stashed(self, number: int, slot: int, data: bytes) -> None:
        """A message that was begun is put aside over there. Until it is begun again it is lost with no instance."""
        if slot:
            if slot not in self.asked:
                return  # nobody waits for it any more
            envelope = self.asked[slot][1]
            self._cell.pending.pop(envelope.id, None)
        else:
            envelope = from_bytes(data, self.system.now())
        self._mailbox.keep(number, envelope)

    def resumed(self, number: int) -> None:
        """It is begun again."""
        envelope = self._mailbox.resume(number)
        if envelope is not None:
            self._note_begun(envelope)

    def settled(self, envelope: Envelope) -> None:
        """The guest has answered, refused, or handed it on."""
        if self._cell.pending.pop(envelope.id, None) is None:
            self._mailbox.settled(envelope)

    def let_go(self) -> None:
        """The asks under way are the cell's to fail, or to hand over again."""
        self.asked.clear()
        self.close()
