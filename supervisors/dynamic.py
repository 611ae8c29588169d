"""Any number of children, in no order: OTP's simple_one_for_one.

    a message of a starting kind --> a temporary child starts, and handles it; whoever sent it gets Down when that ends
    StartChild(id, make) ----------> a child of that make starts, and is restarted as its spec says

The first kind is for one request, one call, one session: hundreds a second. The message is handed on unread, and the child's answer goes to
whoever asked. The second kind is for what is found while the service runs: a user, a device, a shard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar

from actors.runtime.cell import Cell
from actors.runtime.supervised import Later, SupervisedActor
from messages.envelope import Envelope
from messages.message import Message
from messages.outcome import Crashed, Full
from messages.supervision import ChildTerminated, Down, ExitReason, Isolation, StartChild, TerminateChild
from supervisors.calls import Calls, Steered, no
from supervisors.family import Child, child_address, resolve
from supervisors.housing import house
from supervisors.quarantine import Quarantine
from supervisors.restart import Backoff
from supervisors.spec import AutoShutdown, BadSpec, ChildSpec, Intensity, OnExhausted


class DynamicSupervisor(Steered):
    """See the module. `limit` bounds how many children there may be at once; a message that would start one more is refused as `Full`.

    A supervisor with `starters` takes no numbers as ids: they are those of the messages.
    """

    strategy_name: ClassVar[str] = "dynamic"
    decides_nothing: ClassVar[bool] = True

    def __init__(
        self, start: Callable[[], SupervisedActor[Any]] | None = None, *starters: type[Message], shutdown: float | None = 5.0,
        limit: int | None = None, isolation: Isolation = "task", intensity: Intensity = Intensity(), on_exhausted: OnExhausted = "escalate",
        backoff: Backoff = Backoff(), quarantine: Quarantine = Quarantine(), auto_shutdown: AutoShutdown = "never", makes: Iterable[ChildSpec] = (),
    ) -> None:  # fmt: skip
        super().__init__(
            intensity=intensity, on_exhausted=on_exhausted, backoff=backoff, quarantine=quarantine, auto_shutdown=auto_shutdown, makes=makes
        )
        if starters and start is None:
            raise BadSpec(f"start: None, must make the actors that {', '.join(kind.kind for kind in starters)} start")
        if start is not None:
            ChildSpec("any", start, shutdown=shutdown, isolation=isolation)  # refuses what can't live there
        if limit is not None and (type(limit) is not int or limit < 1):
            raise BadSpec(f"limit: {limit!r}, must be a whole number >= 1, or None for as many as come")
        self.make = start
        self.isolates: Isolation = isolation
        self.starters = frozenset(kind.kind for kind in starters)
        self.shutdown = shutdown
        self.limit = limit
        self.understands = self.starters | type(self).understands  # type: ignore[misc]

    def admitted(self, message: StartChild) -> Child:
        """As any supervisor does, up to the limit."""
        if message.id not in self.kids and self._is_full():
            raise no("busy", "max_children", f"{self.address} has {len(self._cell.children)} children, and its limit is {self.limit}")
        return super().admitted(message)

    def adopt(self, spec: ChildSpec) -> Child:
        """As any supervisor does; but an id that a message may have got, or get one day, is not to be had."""
        if self.starters and spec.id.isdecimal():
            raise BadSpec(f"id: {spec.id!r}, must not be a number: such ids are those of children that messages start")
        return super().adopt(spec)

    def on_start(self) -> None:
        """Begins with nobody: who lived under an earlier incarnation has ended with it."""
        for cell in tuple(self._cell.children.values()):
            cell.dispose()
        self._cell.children.clear()

    def handle(self, envelope: Envelope) -> None:
        """Starts a child for a starting envelope; the child's id is the envelope's, so that whoever sent it knows the address."""
        if envelope.kind not in self.starters:
            super().handle(envelope)
            return
        if self._is_full():
            self.system.fail(self.address, envelope, Full(address=self.address, depth=len(self._cell.children), size=0))
            self.passed_over(envelope)
            return
        assert self.make is not None, "checked when it was made"
        id = str(envelope.id)
        cell = Cell(self.system, child_address(self.address, id), self.make, self._cell, restart_type="temporary")
        house(cell, self.make, self.isolates)
        cell.trace = envelope.trace
        self._cell.children[id] = cell
        sender = self.system.directory.get(envelope.sender)
        if sender is not None:
            cell.add_watcher(sender, sender.incarnation)
        cell.mailbox.put(envelope)
        cell.start(partial(self._started, cell))

    def _is_full(self) -> bool:
        return self.limit is not None and len(self._cell.children) >= self.limit

    def passed_over(self, envelope: Envelope) -> None:
        """A child that never started is told of like one that ended: whoever counts on its Down must not wait for ever."""
        sender = self.system.directory.get(envelope.sender)
        if envelope.kind in self.starters and sender is not None:
            reason = ExitReason(how="killed", error="NeverStarted", detail="the message that was to start it was dropped")
            sender.notice_down(Down(address=child_address(self.address, str(envelope.id)), incarnation=0, reason=reason), sender.incarnation)

    def _started(self, cell: Cell, reason: ExitReason | None) -> None:
        if reason is not None:
            self.child_ended(cell, cell.incarnation, reason)

    def child_ended(self, cell: Cell, incarnation: int, reason: ExitReason) -> None:
        """Forgets a temporary child at once; what it had not begun is refused with how it ended. What has a spec is decided about in turn."""
        id = cell.address.rpartition("/")[2]
        if id in self.kids:
            self._cell.notice(partial(super().child_ended, cell, incarnation, reason))
            return
        self._cell.children.pop(id, None)
        nothing_waits = not cell.mailbox.ready(normal=True)
        cell.dispose(None if nothing_waits else Crashed(address=cell.address, incarnation=incarnation, error=reason.error or reason.how, detail=reason.detail))

    def receive(self, message: Calls) -> Message | Later | None:
        """OTP's calls. Of a child that a message started, only its end can be asked for."""
        if not isinstance(message, TerminateChild) or message.id in self.kids or message.id not in self._cell.children:
            return super().receive(message)
        cell, later = self._cell.children[message.id], self.later()

        def stopped() -> None:
            self.child_ended(cell, cell.incarnation, ExitReason(how="shutdown"))
            later.answer(ChildTerminated(address=cell.address))

        cell.stop(stopped, self.shutdown)
        return later

    async def on_stop(self) -> None:
        """Stops all children at once: their order means nothing."""
        self.abandon_work()
        waits = []
        for id, cell in tuple(self._cell.children.items()):
            child = self.kids.get(id)
            stopped: asyncio.Future[None] = self.system.loop.create_future()
            cell.stop(partial(resolve, stopped, None), self.shutdown if child is None else child.spec.shutdown)
            waits.append(stopped)
        if waits:
            await asyncio.wait(waits)
