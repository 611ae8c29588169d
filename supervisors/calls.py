"""What may be asked of a supervisor: OTP's calls, as typed asks.

Each answers or refuses, and a refusal's `code` is OTP's word: not_found, running, restarting, already_started, already_present,
start_failed. What stops or starts a child works alone with it, in the order in which it was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, assert_never

from actors.runtime.cell import Cell
from actors.runtime.origin import origin_of
from actors.runtime.supervised import Later
from messages.faults import Fault, FaultClass
from messages.message import Message
from messages.outcome import Refusal
from messages.supervision import (
    ChildDeleted,
    ChildEntry,
    ChildrenCounted,
    ChildrenListed,
    ChildRestarted,
    ChildSpecTold,
    ChildStarted,
    ChildTerminated,
    CountChildren,
    DeleteChild,
    ExitReason,
    GetChildSpec,
    RestartChild,
    StartChild,
    TerminateChild,
    WhichChildren,
)  # fmt: skip
from supervisors.family import Child, Family
from supervisors.spec import BadSpec, ChildSpec

Work = Callable[[Child, tuple[Child, ...], Later], Coroutine[Any, Any, None]]
"""What a call does to a child, alone with its group: those, and no others that have come meanwhile."""

Calls = StartChild | TerminateChild | RestartChild | DeleteChild | WhichChildren | CountChildren | GetChildSpec


class Steered(Family):
    """A supervisor that answers them."""

    understands = frozenset(kind.kind for kind in Calls.__args__)

    def receive(self, message: Calls) -> Message | Later | None:
        """See the module."""
        match message:
            case WhichChildren():
                return children_of(self._cell, message.limit)
            case CountChildren():
                return self._counted()
            case GetChildSpec():
                return _told(self._child(message.id))
            case StartChild():
                return self._start(message)
            case TerminateChild():
                return self._alone_with(message.id, self._terminate)
            case RestartChild():
                return self._alone_with(message.id, partial(self._restart_by_hand, message.running))
            case DeleteChild():
                return self._alone_with(message.id, self._delete)
            case _:
                assert_never(message)

    def _child(self, id: str) -> Child:
        child = self.kids.get(id)
        if child is None:
            raise Refusal(self._unknown(id))
        return child

    def _unknown(self, id: str) -> Fault:
        names = tuple(self.kids)[:50]
        has = f"it has {', '.join(names)}" if names else "it has none"
        return Fault(cls="not_found", code="not_found", message=f"{self.address} has no child {id!r}; {has}", names=names)

    def _alone_with(self, id: str, work: Work) -> Later:
        self._child(id)
        later = self.later()
        self._in_turn(id, work, later)
        return later

    def _in_turn(self, id: str, work: Work, later: Later) -> None:
        """Looks the child up again, whenever its turn comes: it may have gone while this waited."""
        child = self.kids.get(id)
        if child is None:
            later.refuse(self._unknown(id))
        else:
            group = self.group(child)
            self.work_on(group, partial(work, child, group, later), partial(self._in_turn, id, work, later))

    # ---- the calls

    def _start(self, message: StartChild) -> Later:
        known = self.kids.get(message.id)
        if known is not None and known.busy:
            later = self.later()
            self._afterwards.append(partial(self._start_after, message, later))
            return later
        child = self.admitted(message)
        later = self.later()
        self._start_alone(child, later)
        return later

    def _start_after(self, message: StartChild, later: Later) -> None:
        """What was asked for before has been done to the child of that id: perhaps it is gone now."""
        known = self.kids.get(message.id)
        if known is not None and known.busy:
            self._afterwards.append(partial(self._start_after, message, later))
            return
        try:
            child = self.admitted(message)
        except Refusal as refusal:
            later.refuse(refusal.fault)
        else:
            self._start_alone(child, later)

    def _start_alone(self, child: Child, later: Later) -> None:
        self.work_on((child,), partial(self._start_first, child, later), lambda: None)  # it is new: nobody is busy with it

    def admitted(self, message: StartChild) -> Child:
        """The new child. Raises `Refusal`."""
        known = self.kids.get(message.id)
        if known is not None and known.runs:
            raise no("conflict", "already_started", f"{known.cell.address} runs already")
        if known is not None:
            raise no("conflict", "already_present", f"{known.cell.address} is there already, {known.cell.state}: restart it, or delete it first")
        spec = self._spec(message)
        try:
            return self.adopt(spec)
        except BadSpec as error:
            raise no("bad_request", "bad_spec", str(error)) from error

    def _spec(self, message: StartChild) -> ChildSpec:
        handed = self.system.handed.pop(message.handed, None)
        if isinstance(handed, ChildSpec) and handed.id == message.id:
            return handed
        make = self.makes.get(message.make)
        if make is None:
            names = tuple(self.makes)
            raise no("not_found", "unknown_make", f"{self.address} knows no make {message.make!r}; it knows {', '.join(names) or 'none'}", names)
        try:
            return replace(
                make, id=message.id, restart=message.restart or make.restart,
                significant=make.significant if message.significant is None else message.significant,
            )  # fmt: skip
        except BadSpec as error:
            raise no("bad_request", "bad_spec", str(error)) from error

    async def _start_first(self, child: Child, later: Later) -> None:
        """A child that does not start leaves nothing behind, not even its spec."""
        reason = await self.start_child(child)
        if reason is None:
            later.answer(ChildStarted(address=child.cell.address, incarnation=child.cell.incarnation))
        else:
            self.forget(child)
            later.refuse(_not_started(child, reason))

    async def _terminate(self, child: Child, group: tuple[Child, ...], later: Later) -> None:
        """Those of its group that waited for it wait no longer: there is nobody any more whose restart would bring them back."""
        waited = child.cell.state == "stopped" and (child.failed or child.timer is not None)
        await self.stop_child(child)
        child.stopped = True
        if child.spec.restart == "temporary":
            self.forget(child)
        else:
            child.cell.turn_away()
        self.publish("stopped", child.cell, "by hand")
        if waited:
            await self.start_down(group)
        later.answer(ChildTerminated(address=child.cell.address))

    async def _restart_by_hand(self, running: str, child: Child, group: tuple[Child, ...], later: Later) -> None:
        """Starts it, and those of its group that are down because of it. If that fails, it is tried again, as after a crash."""
        if running == "refuse" and not child.stopped:
            code = "running" if child.runs else "restarting"
            later.refuse(no("conflict", code, f"{child.cell.address} is {code}: nothing needs to be started").fault)
            return
        if child.stopped:
            await self._revive(child, later)
            return
        await self.stop_child(child)
        failure = await self.start_down(group)
        if child.cell.instance is None:
            later.refuse(Fault(cls="internal", code="start_failed", message=failure or f"{child.cell.address} ended again at once"))
        else:
            later.answer(ChildRestarted(address=child.cell.address, incarnation=child.cell.incarnation))

    async def _revive(self, child: Child, later: Later) -> None:
        """Starts what was down for good. If that fails, it stays down."""
        child.cell.restarts += 1
        reason = await self.start_child(child)
        if reason is None:
            self.publish("restarted", child.cell)
            later.answer(ChildRestarted(address=child.cell.address, incarnation=child.cell.incarnation))
        else:
            child.stopped = True
            child.cell.turn_away()
            self.publish_failed(child, reason)
            later.refuse(_not_started(child, reason))

    async def _delete(self, child: Child, _group: tuple[Child, ...], later: Later) -> None:
        if not child.stopped:
            code = "running" if child.runs else "restarting"
            later.refuse(no("conflict", code, f"{child.cell.address} is {code}: terminate it first").fault)
            return
        self.forget(child)
        self.publish("deleted", child.cell)
        later.answer(ChildDeleted(address=child.cell.address))

    def _counted(self) -> ChildrenCounted:
        cells = self._cell.children.values()
        supervisors = sum(cell.supervises for cell in cells)
        active = sum(cell.state not in ("starting", "stopped") for cell in cells)
        return ChildrenCounted(specs=len(cells), active=active, supervisors=supervisors, workers=len(cells) - supervisors)


def no(cls: FaultClass, code: str, message: str, names: tuple[str, ...] = ()) -> Refusal:
    """A refusal with OTP's word for it."""
    return Refusal(Fault(cls=cls, code=code, message=message, names=names))


def _not_started(child: Child, reason: ExitReason) -> Fault:
    return Fault(cls="internal", code="start_failed", message=f"{child.cell.address} did not start: {reason.error}: {reason.detail}")


def _told(child: Child) -> ChildSpecTold:
    spec, mailbox = child.spec, child.cell.mailbox
    return ChildSpecTold(
        id=spec.id, make=origin_of(spec.start).path, restart=spec.restart, shutdown_ms=None if spec.shutdown is None else int(spec.shutdown * 1000),
        significant=spec.significant, isolation=spec.isolation, max_messages=mailbox.max_messages, max_bytes=mailbox.max_bytes,
    )  # fmt: skip


def children_of(cell: Cell, limit: int) -> ChildrenListed:
    """The answer to `WhichChildren`."""
    cells = tuple(islice(cell.children.values(), limit))
    addresses = tuple(child.address for child in cells)
    return ChildrenListed(addresses=addresses, children=tuple(map(_entry, cells)), untold=len(cell.children) - len(cells))


def _entry(cell: Cell) -> ChildEntry:
    return ChildEntry(
        id=cell.address.rpartition("/")[2], address=cell.address, state=cell.shown_state, incarnation=cell.incarnation,
        type="supervisor" if cell.supervises else "worker",
    )  # fmt: skip
