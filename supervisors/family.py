"""What every supervisor does with a child: starts it, stops it, decides when it has ended, and answers who asks about it.

Owns the cells of its children. What is decided is in `restart.py` and `quarantine.py`; here it is done::

    child_ended -> verdict -> forget | keep (either may end the supervisor, when the child is significant)
                           -> restart: within the intensity at once, else escalate, wait, or quarantine

A supervisor never waits inside: a restart that fails is tried again by a signal to itself, and what takes several steps (a group
restart, a call that stops or starts a child) is an owned task. So it always answers. Only one such task works on a child at a time; what
else concerns the child waits until it is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, assert_never

from actors.runtime.cell import Cell
from actors.runtime.mailbox import Mailbox
from actors.runtime.supervised import SupervisedActor
from actors.runtime.timer import Timer
from messages.envelope import Address
from messages.message import Message
from messages.outcome import AskFailed, describe
from messages.supervision import Decision, ExitReason
from supervisors.housing import house
from supervisors.quarantine import Quarantine
from supervisors.restart import Backoff, add_restart, ends_supervisor, next_step, verdict
from supervisors.spec import AutoShutdown, ChildSpec, Intensity, OnExhausted, checked, fitting, one_of


@dataclass(slots=True, eq=False)
class Child:
    """One child as its supervisor sees it. `cell` outlives the instances, of the child and of the supervisor."""

    spec: ChildSpec
    cell: Cell
    stopped: bool = False  # nobody starts it by himself: it ended for good, or was stopped by hand
    busy: bool = False  # a task is just stopping and starting it
    failed: bool = False  # it did not start, and when that is tried again is not decided yet
    too_fast: int = 0  # restarts in a row that had to wait
    step: int = 0  # times in a row that it came into quarantine
    timer: Timer | None = None  # of a wait, or of a trial

    @property
    def id(self) -> str:
        """The last part of its address."""
        return self.spec.id

    @property
    def runs(self) -> bool:
        """Whether it lives, or starts for the first time: a further attempt to start it counts as waiting for one."""
        return self.cell.state != "stopped" and (self.cell.state != "starting" or self.cell.incarnation == 1)

    def calm(self) -> None:
        """No wait and no trial is under way any more."""
        self.stop_timer()
        self.failed = False
        self.cell.restart_at = None
        self.cell.on_trial = False

    def stop_timer(self) -> None:
        """What it waited for comes no more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Family(SupervisedActor[Any]):
    """See the module. Subclasses say which children a failed one takes with it, and in which order all stop."""

    start_limit: ClassVar[float | None] = None  # each child has its own

    def __init__(
        self, *, intensity: Intensity, on_exhausted: OnExhausted, backoff: Backoff, quarantine: Quarantine, auto_shutdown: AutoShutdown,
        makes: Iterable[ChildSpec],
    ) -> None:  # fmt: skip
        super().__init__()
        one_of(OnExhausted, "on_exhausted", on_exhausted)
        one_of(AutoShutdown, "auto_shutdown", auto_shutdown)
        self.intensity = intensity
        self.on_exhausted: OnExhausted = on_exhausted
        self.backoff = backoff
        self.quarantine = quarantine
        self.auto_shutdown: AutoShutdown = auto_shutdown
        self.makes = {make.id: make for make in checked(tuple(makes))}
        self.kids: dict[str, Child] = {}
        self._history: tuple[float, ...] = ()
        self._work: set[asyncio.Task[None]] = set()
        self._afterwards: list[Callable[[], None]] = []  # what concerns busy children

    # ---- for subclasses

    def group(self, child: Child) -> tuple[Child, ...]:
        """The children that start again when this one has failed, itself among them, in start order."""
        return (child,)

    # ---- one child

    def adopt(self, spec: ChildSpec) -> Child:
        """The child to a spec. A cell that an earlier incarnation of this supervisor left behind keeps its mailbox."""
        fitting(spec, self.auto_shutdown)
        cell = self._cell.children.get(spec.id)
        if cell is None:
            cell = Cell(self.system, child_address(self.address, spec.id), spec.start, self._cell)
            if spec.mailbox is not None:
                cell.mailbox = Mailbox(*spec.mailbox)
            self._cell.children[spec.id] = cell
        house(cell, spec.start, spec.isolation, spec.hung_after)
        cell.restart_type = spec.restart
        cell.significant = spec.significant
        child = self.kids[spec.id] = Child(spec, cell)
        return child

    def start_child(self, child: Child) -> asyncio.Future[ExitReason | None]:
        """Starts it; the result is why it did not start, or None."""
        started: asyncio.Future[ExitReason | None] = self.system.loop.create_future()
        child.stopped = False
        child.cell.start(partial(resolve, started))
        return started

    def stop_child(self, child: Child) -> asyncio.Future[None]:
        """Stops it, within its shutdown time."""
        stopped: asyncio.Future[None] = self.system.loop.create_future()
        child.calm()
        child.cell.stop(partial(resolve, stopped, None), child.spec.shutdown)
        return stopped

    def forget(self, child: Child) -> None:
        """Its spec and its address go."""
        child.calm()
        del self.kids[child.id]
        del self._cell.children[child.id]
        child.cell.dispose()

    def brings_back(self, cell: Cell) -> bool:
        """Whether a child that is down is about to be started again."""
        child = self.kids.get(id_of(cell))  # none when an earlier incarnation had other children
        return child is not None and child.cell is cell and child.spec.restart != "temporary" and not child.stopped

    def abandon_work(self) -> None:
        """Nothing is started any more."""
        for task in self._work:
            task.cancel()
        for child in self.kids.values():
            child.calm()

    # ---- when a child ends

    def child_ended(self, cell: Cell, incarnation: int, reason: ExitReason) -> None:
        """Decides what to do about it."""
        child = self._due(cell, incarnation, partial(self.child_ended, cell, incarnation, reason))
        if child is None:
            return
        match verdict(child.spec.restart, reason.how):
            case "restart":
                self._forgive(child)
                self._restart(child, incarnation)
            case "keep":
                child.calm()
                child.stopped = True
                cell.turn_away()
                self._ended_for_good(child)
            case "forget":
                self.forget(child)
                self._ended_for_good(child)
            case never:
                assert_never(never)

    def _due(self, cell: Cell, incarnation: int, again: Callable[[], None]) -> Child | None:
        """The child whose incarnation's end is to be dealt with now; `again` is called later when now is not the time."""
        child = self.kids.get(id_of(cell))
        if child is None or child.cell is not cell or cell.incarnation != incarnation or cell.state != "stopped" or child.stopped:
            return None  # it is gone, or somebody was faster
        if child.busy:
            self._afterwards.append(again)
            return None
        return child

    def _forgive(self, child: Child) -> None:
        lived = self.now - child.cell.started_at
        if lived > self.backoff.healthy:
            child.too_fast = 0
        if lived > self.quarantine.healthy and not child.cell.on_trial:
            child.step = 0

    def _ended_for_good(self, child: Child) -> None:
        """By itself, that is: what a supervisor stops, alone or with its group, never ends the supervisor."""
        if not child.spec.significant:
            return
        others = sum(other.spec.significant and not other.stopped for other in self.kids.values() if other is not child)
        if ends_supervisor(self.auto_shutdown, others):
            self._give_up("auto_shutdown", "AutoShutdown", child, f"{child.cell.address} ended, and auto_shutdown is {self.auto_shutdown}")

    def _give_up(self, event: str, error: str, child: Child, detail: str) -> None:
        """Ends this supervisor, in order."""
        self.publish(event, child.cell, detail)
        self._cell.leave(ExitReason(how="shutdown", error=error, detail=detail), None)

    def _restart(self, child: Child, incarnation: int) -> None:
        """Starts it again: at once, or later when this is too often, or not at all when that escalates."""
        if self._due(child.cell, incarnation, partial(self._restart, child, incarnation)) is None:
            return
        child.failed = False
        on_trial, allowed = child.cell.on_trial, True
        if not on_trial:
            allowed, self._history = add_restart(self._history, self.now, self.intensity)
        match next_step(on_trial, allowed, self.on_exhausted):
            case "restart":
                self._begin_again(child, incarnation)
            case "escalate":
                often = f"more than {self.intensity.restarts} restarts in {self.intensity.seconds:g} s"
                self._give_up("gave_up", "MaxIntensityReached", child, f"{often}, the last one for {child.cell.address}")
            case "backoff":
                child.too_fast += 1
                wait = self.backoff.wait(child.too_fast, self.system.chance())
                self.publish("restarting", child.cell, f"wait number {child.too_fast}", wait)
                self._wait(child, incarnation, wait)
            case "quarantine":
                self._shut_away(child, incarnation)
            case never:
                assert_never(never)

    def _shut_away(self, child: Child, incarnation: int) -> None:
        child.step += 1
        wait = self.quarantine.wait(child.step, self.system.chance())
        self.publish("quarantined", child.cell, f"time number {child.step}", wait)
        self._wait(child, incarnation, wait)
        child.cell.on_trial = True

    def _wait(self, child: Child, incarnation: int, wait: float) -> None:
        """Has the child, and those that go with it, down until then."""
        group = self.group(child)
        until = self.now + wait
        child.calm()
        for waiting in self.fallen(group):
            waiting.stop_timer()  # one that waited for itself starts with its group, not before
            waiting.cell.restart_at = until
        child.timer = self.after(wait, partial(self._begin_again, child, incarnation))
        if len(group) > 1:
            self._stop_rest(group, child, until)

    def _stop_rest(self, group: tuple[Child, ...], child: Child, until: float) -> None:
        if child.cell.restart_at == until:  # else it runs again, or waits for something else
            self.work_on(group, partial(self._stop_group, group, until), partial(self._stop_rest, group, child, until))

    async def _stop_group(self, group: tuple[Child, ...], until: float) -> None:
        for child in reversed(group):
            if child.cell.state != "stopped":
                await self.stop_child(child)
                if child.spec.restart == "temporary":
                    self.forget(child)
                else:
                    child.cell.restart_at = until

    def _begin_again(self, child: Child, incarnation: int) -> None:
        again = partial(self._begin_again, child, incarnation)
        if self._due(child.cell, incarnation, again) is None:
            return
        group = self.group(child)
        if len(group) > 1:
            self.work_on(group, partial(self._regroup, group), again)
        else:
            child.cell.restarts += 1
            child.cell.start(partial(self.tried, child))

    async def _regroup(self, group: tuple[Child, ...]) -> None:
        """Stops the group in reverse and starts it in order, but for the temporary ones. Counts as one restart, whatever its size."""
        for child in reversed(group):
            trial = child.cell.on_trial and child.cell.state == "stopped"
            await self.stop_child(child)
            child.cell.on_trial = trial
            child.stopped = False
            if child.spec.restart == "temporary":
                self.forget(child)
        await self.start_down(group)

    async def start_down(self, group: Iterable[Child]) -> str:
        """Starts what is down in the group, in order, until one fails: trying that one again takes the rest with it, as the strategy says.

        Returns how it failed, empty when it did not.
        """
        for child in self.fallen(group):
            child.cell.restarts += 1
            reason = await self.start_child(child)
            self.tried(child, reason)
            if reason is not None:
                return f"{child.cell.address} did not start: {reason.error}: {reason.detail}"
        return ""

    def fallen(self, group: Iterable[Child]) -> tuple[Child, ...]:
        """The children in the group that do not run and should."""
        return tuple(child for child in group if child.cell.state == "stopped" and not child.stopped and self.kids.get(child.id) is child)

    def tried(self, child: Child, reason: ExitReason | None) -> None:
        if reason is not None:
            child.failed = True
            self.publish_failed(child, reason)
            self._cell.notice(partial(self._restart, child, child.cell.incarnation))
            return
        self.publish("restarted", child.cell)
        if child.cell.on_trial:
            self._try_out(child)

    # ---- trials

    def _try_out(self, child: Child) -> None:
        incarnation = child.cell.incarnation
        self.publish("half_open", child.cell, "one message at a time")
        if child.spec.probe is None:
            child.timer = self.after(self.quarantine.trial, partial(self._passed, child, incarnation))
        else:
            self.ask_then(child.cell.address, child.spec.probe, partial(self._probed, child, incarnation), timeout=self.quarantine.trial)

    def _probed(self, child: Child, incarnation: int, answer: Message | AskFailed) -> None:
        if not isinstance(answer, AskFailed):
            self._passed(child, incarnation)
        elif child.cell.incarnation == incarnation:
            child.cell.kill(f"did not pass its trial: {describe(answer.outcome)}")  # nothing, when it ended by itself

    def _passed(self, child: Child, incarnation: int) -> None:
        if child.cell.incarnation == incarnation and child.cell.on_trial and child.cell.state in ("half_open", "suspended"):
            child.timer = None
            child.cell.pass_trial()
            self.publish("recovered", child.cell)

    # ---- work that takes several steps

    def work_on(self, children: tuple[Child, ...], work: Callable[[], Coroutine[Any, Any, None]], again: Callable[[], None]) -> None:
        """Runs it as an owned task, alone with these children; `again` is called later when one of them is busy."""
        if any(child.busy for child in children):
            self._afterwards.append(again)
            return
        for child in children:
            child.busy = True
        task = self.spawn(self._worked(children, work), "restart")
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _worked(self, children: tuple[Child, ...], work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await work()
        self._cell.notice(partial(self._done_with, children))

    def _done_with(self, children: tuple[Child, ...]) -> None:
        """In a turn: what came after those that wait stays behind them."""
        for child in children:
            child.busy = False
        afterwards, self._afterwards = self._afterwards, []
        for look in afterwards:
            self._cell.notice(look, overtake=True)

    def publish(self, event: Any, cell: Cell, detail: str = "", wait: float = 0.0, reason: ExitReason | None = None) -> None:
        """Tells whoever listens what was decided about a child; `reason` is the end that it is about."""
        if self.system.listeners or self.system.recorders:
            how, error = (None, "") if reason is None else (reason.how, reason.error)
            self.system.publish(
                Decision(
                    at=self.now, address=cell.address, event=event, incarnation=cell.incarnation, detail=detail, how=how, error=error,
                    delay_ms=int(wait * 1000),
                )
            )

    def publish_failed(self, child: Child, reason: ExitReason) -> None:
        """The same of a start that failed."""
        self.publish("start_failed", child.cell, f"{reason.error}: {reason.detail}", reason=reason)


def child_address(parent: str, id: str) -> Address:
    """The address of a child, such as `/providers` + `moonshot`; the root is `/`."""
    return Address(f"{parent.rstrip('/')}/{id}")


def id_of(cell: Cell) -> str:
    """The last part of its address."""
    return cell.address.rpartition("/")[2]


def resolve(future: asyncio.Future[Any], result: Any) -> None:
    """Sets the result, unless nobody waits any more."""
    if not future.done():
        future.set_result(result)
