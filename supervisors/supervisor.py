"""Starts children in order, watches them, restarts them, stops them in reverse; reports every decision.

Owns the cells of its children. OTP's semantics; what is decided is in `restart.py`, this file does it::

    on_start ----> children start one after the other; one that fails stops the others, and the supervisor with them
    child_ended -> verdict -> forget | keep | restart: at once, or after a wait when restarts come too fast
    on_stop -----> children stop one after the other, the last one first

A supervisor never waits inside: a restart that fails is tried again by a signal to itself, and what takes several steps (a group
restart, a restart by hand) is an owned task. So it always answers. Only one such task works on a child at a time; what else
concerns the child waits until it is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, ClassVar, assert_never

from actors.runtime.cell import Cell
from actors.runtime.exits import Exit
from actors.runtime.mailbox import Mailbox
from actors.runtime.supervised import Later, SupervisedActor
from messages.envelope import Address, Envelope
from messages.faults import Fault
from messages.message import Message
from messages.outcome import Crashed
from messages.supervision import ChildrenListed, ChildRestarted, Decision, Down, ExitReason, RestartChild, WhichChildren
from supervisors.restart import Backoff, add_restart, affected, verdict
from supervisors.spec import ChildSpec, Intensity, OnExhausted, Strategy, checked


class Supervisor(SupervisedActor[RestartChild | WhichChildren]):
    """A fixed list of children under one strategy; subclassed only to give it a name."""

    start_limit: ClassVar[float | None] = None  # each child has its own

    def __init__(
        self, *specs: ChildSpec, strategy: Strategy = "one_for_one", intensity: Intensity = Intensity(),
        on_exhausted: OnExhausted = "escalate", backoff: Backoff = Backoff(),
    ) -> None:  # fmt: skip
        super().__init__()
        self.specs = {spec.id: spec for spec in checked(specs)}
        self.strategy: Strategy = strategy
        self.intensity = intensity
        self.on_exhausted: OnExhausted = on_exhausted
        self.backoff = backoff
        self._history: tuple[float, ...] = ()
        self._too_fast: dict[str, int] = {}  # restarts of a child in a row that had to wait
        self._stopped: set[str] = set()  # children that nobody will start again by himself
        self._busy: set[str] = set()  # children that a task is just stopping and starting
        self._work: set[asyncio.Task[None]] = set()
        self._afterwards: list[Callable[[], None]] = []  # what concerns busy children

    @property
    def strategy_name(self) -> str:  # type: ignore[override]
        """For the tree."""
        return self.strategy

    # ---- start and stop

    async def on_start(self) -> None:
        """Starts the children in order. One that fails stops those before it, and fails this start."""
        for id, cell in tuple(self._cell.children.items()):
            if id not in self.specs:
                del self._cell.children[id]
                cell.dispose()
        for id in self.specs:
            reason = await self._start_child(id)
            if reason is not None:
                await self.on_stop()
                detail = f"{self.address.rstrip('/')}/{id}: {reason.detail}"
                raise Exit(ExitReason(how="start_failed", error=reason.error, detail=detail))

    async def on_stop(self) -> None:
        """Stops the children, the last one first. Nothing is started any more."""
        for task in self._work:
            task.cancel()
        for id in reversed(tuple(self.specs)):
            await self._stop_child(id)

    def _adopt(self, id: str) -> Cell:
        """The child's cell; one that an earlier incarnation left behind keeps its mailbox."""
        spec = self.specs[id]
        cell = self._cell.children.get(id)
        if cell is None:
            cell = Cell(self.system, child_address(self.address, id), spec.start, self._cell, restart_type=spec.restart)
            if spec.mailbox is not None:
                cell.mailbox = Mailbox(*spec.mailbox)
            self._cell.children[id] = cell
        cell.factory = spec.start
        return cell

    def _start_child(self, id: str) -> asyncio.Future[ExitReason | None]:
        started: asyncio.Future[ExitReason | None] = self.system.loop.create_future()
        self._stopped.discard(id)
        self._adopt(id).start(partial(_resolve, started))
        return started

    def _stop_child(self, id: str) -> asyncio.Future[None]:
        stopped: asyncio.Future[None] = self.system.loop.create_future()
        cell = self._cell.children.get(id)
        if cell is None:
            stopped.set_result(None)
        else:
            cell.restart_at = None
            cell.stop(partial(_resolve, stopped, None), self.specs[id].shutdown)
        return stopped

    # ---- when a child ends

    def child_ended(self, cell: Cell, incarnation: int, reason: ExitReason) -> None:
        """Decides what to do about it."""
        id = cell.address.rpartition("/")[2]
        if not self._is_due(id, cell, incarnation, partial(self.child_ended, cell, incarnation, reason)):
            return
        match verdict(self.specs[id].restart, reason.how):
            case "restart":
                if self.now - cell.started_at > self.backoff.healthy:
                    self._too_fast.pop(id, None)
                self._restart(id, cell, incarnation)
            case "keep":
                self._stopped.add(id)
                cell.turn_away()
            case "forget":
                self._forget(id)
            case never:
                assert_never(never)

    def _is_due(self, id: str, cell: Cell, incarnation: int, again: Callable[[], None]) -> bool:
        """Whether the end of this incarnation is still to be dealt with, now; `again` is called later when now is not the time."""
        if self._cell.children.get(id) is not cell or cell.incarnation != incarnation or cell.state != "stopped":
            return False  # it is gone, or somebody was faster
        if id in self._busy:
            self._afterwards.append(again)
            return False
        return True

    def _forget(self, id: str) -> None:
        del self.specs[id]
        self._cell.children.pop(id).dispose()

    def brings_back(self, cell: Cell) -> bool:
        """Whether a child that is down is about to be started again."""
        id = cell.address.rpartition("/")[2]
        spec = self.specs.get(id)  # none when an earlier incarnation had other children
        return spec is not None and spec.restart != "temporary" and self._cell.children.get(id) is cell and id not in self._stopped

    def _restart(self, id: str, cell: Cell, incarnation: int) -> None:
        """Starts a child again: at once, or later when this is too often, or not at all when that escalates."""
        if not self._is_due(id, cell, incarnation, partial(self._restart, id, cell, incarnation)):
            return
        allowed, self._history = add_restart(self._history, self.now, self.intensity)
        if allowed:
            self._try(id, cell, incarnation)
        elif self.on_exhausted == "escalate":
            detail = f"{cell.address} was restarted more than {self.intensity.restarts} times in {self.intensity.seconds:g} s"
            self._publish("gave_up", cell, detail)
            self._cell.leave(ExitReason(how="shutdown", error="MaxIntensityReached", detail=detail), None)
        else:
            failures = self._too_fast[id] = self._too_fast.get(id, 0) + 1
            wait = self.backoff.wait(failures, self.system.chance())
            for waiting in self._down(affected(self.strategy, tuple(self.specs), id)):
                self._cell.children[waiting].restart_at = self.now + wait
            self._publish("restarting", cell, f"wait number {failures}", wait)
            self.after(wait, partial(self._try, id, cell, incarnation))

    def _try(self, id: str, cell: Cell, incarnation: int) -> None:
        again = partial(self._try, id, cell, incarnation)
        if not self._is_due(id, cell, incarnation, again):
            return
        group = affected(self.strategy, tuple(self.specs), id)
        if group != (id,):
            self._work_on(group, partial(self._regroup, group), again)
            return
        cell.restarts += 1
        cell.start(partial(self._tried, id, cell))

    def _tried(self, id: str, cell: Cell, reason: ExitReason | None) -> None:
        if reason is None:
            self._publish("restarted", cell)
        else:
            self._publish("start_failed", cell, f"{reason.error}: {reason.detail}")
            self._cell.notice(partial(self._restart, id, cell, cell.incarnation))

    def _work_on(self, ids: tuple[str, ...], work: Callable[[], Coroutine[Any, Any, None]], again: Callable[[], None]) -> None:
        """Runs it as an owned task, alone with these children; `again` is called later when one of them is busy."""
        if not self._busy.isdisjoint(ids):
            self._afterwards.append(again)
            return
        self._busy.update(ids)
        task = self.spawn(self._worked(ids, work), "restart")
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _worked(self, ids: tuple[str, ...], work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await work()
        self._busy.difference_update(ids)
        afterwards, self._afterwards = self._afterwards, []
        for look in afterwards:
            self._cell.notice(look)

    async def _regroup(self, group: tuple[str, ...]) -> None:
        """Stops the group in reverse and starts it in order, but for the temporary ones. Counts as one restart, whatever its size."""
        for id in reversed(group):
            await self._stop_child(id)
            self._stopped.discard(id)
            if self.specs[id].restart == "temporary":
                self._forget(id)
        await self._start_down(tuple(id for id in group if id in self.specs))

    async def _start_down(self, group: tuple[str, ...]) -> str:
        """Starts what is down in the group, in order, until one fails: trying that one again takes the rest with it, as the strategy says.

        Returns how it failed, empty when it did not.
        """
        for id in self._down(group):
            cell = self._adopt(id)
            cell.restarts += 1
            reason = await self._start_child(id)
            self._tried(id, cell, reason)
            if reason is not None:
                return f"{cell.address} did not start: {reason.error}: {reason.detail}"
        return ""

    def _down(self, group: tuple[str, ...]) -> tuple[str, ...]:
        """The children in the group that do not run and should."""
        return tuple(id for id in group if self._cell.children[id].state == "stopped" and id not in self._stopped)

    # ---- messages

    def receive(self, message: RestartChild | WhichChildren) -> Message | Later | None:
        """Restarts a child by hand, free of charge, and answers when it runs; or tells which children there are."""
        if isinstance(message, WhichChildren):
            return children_of(self._cell)
        later = self.later()
        self._by_hand(message.id, later)
        return later

    def _by_hand(self, id: str, later: Later) -> None:
        if id not in self.specs:
            children = tuple(self.specs)
            later.refuse(Fault(cls="not_found", message=f"{self.address} has no child {id!r}; it has {', '.join(children)}", names=children))
            return
        group = affected(self.strategy, tuple(self.specs), id)
        self._work_on(group, partial(self._restart_by_hand, id, group, later), partial(self._by_hand, id, later))

    async def _restart_by_hand(self, id: str, group: tuple[str, ...], later: Later) -> None:
        """Stops and starts that one, and starts those of its group that are down because of it."""
        await self._stop_child(id)
        self._stopped.discard(id)
        cell = self._adopt(id)
        failure = await self._start_down(group)
        if cell.state == "running":
            later.answer(ChildRestarted(address=cell.address, incarnation=cell.incarnation))
        else:
            later.refuse(Fault(cls="internal", message=failure or f"{cell.address} ended again at once"))

    def _publish(self, event: Any, cell: Cell, detail: str = "", wait: float = 0.0) -> None:
        self.system.publish(
            Decision(at=self.now, address=cell.address, event=event, incarnation=cell.incarnation, detail=detail, delay_ms=int(wait * 1000))
        )


class DynamicSupervisor(SupervisedActor[WhichChildren]):
    """Any number of temporary children of one make: a message of a starting kind starts one, which then handles it.

    The message is handed on unread. Whoever sent it gets Down when the child ends, also when it never started; the child's answer
    goes to whoever asked.
    """

    strategy_name: ClassVar[str] = "dynamic"
    decides_nothing: ClassVar[bool] = True

    def __init__(self, start: Callable[[], SupervisedActor[Any]], *starters: type[Message], shutdown: float | None = 5.0) -> None:
        super().__init__()
        self.make = start
        self.starters = frozenset(kind.kind for kind in starters)
        self.shutdown = shutdown
        self.understands = self.starters | type(self).understands  # type: ignore[misc]

    def handle(self, envelope: Envelope) -> None:
        """Starts a child for a starting envelope; the child's id is the envelope's, so that whoever sent it knows the address."""
        if envelope.kind not in self.starters:
            super().handle(envelope)
            return
        id = str(envelope.id)
        cell = Cell(self.system, child_address(self.address, id), self.make, self._cell, restart_type="temporary")
        cell.trace = envelope.trace
        self._cell.children[id] = cell
        sender = self.system.directory.get(envelope.sender)
        if sender is not None:
            cell.add_watcher(sender, sender.incarnation)
        cell.mailbox.put(envelope)
        cell.start(partial(self._started, cell))

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
        """Forgets the child; what it had not begun is refused with how it ended."""
        self._cell.children.pop(cell.address.rpartition("/")[2], None)
        nothing_waits = not cell.mailbox.ready(normal=True)
        cell.dispose(None if nothing_waits else Crashed(address=cell.address, incarnation=incarnation, error=reason.error or reason.how, detail=reason.detail))

    def receive(self, message: WhichChildren) -> ChildrenListed:
        """Tells which children live."""
        return children_of(self._cell)

    async def on_stop(self) -> None:
        """Stops all children at once: their order means nothing."""
        waits = []
        for cell in tuple(self._cell.children.values()):
            stopped: asyncio.Future[None] = self.system.loop.create_future()
            cell.stop(partial(_resolve, stopped, None), self.shutdown)
            waits.append(stopped)
        if waits:
            await asyncio.wait(waits)


def children_of(cell: Cell) -> ChildrenListed:
    """The answer to `WhichChildren`."""
    return ChildrenListed(addresses=tuple(child.address for child in cell.children.values()))


def child_address(parent: str, id: str) -> Address:
    """The address of a child, such as `/providers` + `moonshot`; the root is `/`."""
    return Address(f"{parent.rstrip('/')}/{id}")


def _resolve(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)
