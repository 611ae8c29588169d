"""A list of children under one strategy: OTP's supervisor.

    on_start ----> children start one after the other; one that fails stops the others, and the supervisor with them
    child_ended -> see `family.py`; the strategy says whom a failed child takes with it
    on_stop -----> children stop one after the other, the last one first; or all at once, where their order means nothing

What may be asked of it is in `calls.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from actors.runtime.cell import Cell
from actors.runtime.exits import Exit
from messages.supervision import ExitReason
from supervisors.calls import Steered
from supervisors.family import Child, id_of
from supervisors.quarantine import Quarantine
from supervisors.restart import Backoff, affected
from supervisors.spec import AutoShutdown, ChildSpec, Intensity, OnExhausted, StopOrder, Strategy, checked, fitting, one_of


class Supervisor(Steered):
    """Children in start order; subclassed only to give it a name.

    `makes` are specs for children that may be started later: `StartChild(id=..., make=...)`. `stop` is reverse, as OTP does it, or together.
    """

    def __init__(
        self, *specs: ChildSpec, strategy: Strategy = "one_for_one", intensity: Intensity = Intensity(),
        on_exhausted: OnExhausted = "escalate", backoff: Backoff = Backoff(), quarantine: Quarantine = Quarantine(),
        auto_shutdown: AutoShutdown = "never", stop: StopOrder = "reverse", makes: Iterable[ChildSpec] = (),
    ) -> None:  # fmt: skip
        super().__init__(
            intensity=intensity, on_exhausted=on_exhausted, backoff=backoff, quarantine=quarantine, auto_shutdown=auto_shutdown, makes=makes
        )
        one_of(Strategy, "strategy", strategy)
        one_of(StopOrder, "stop", stop)
        self.strategy: Strategy = strategy
        self.specs = {spec.id: fitting(spec, auto_shutdown) for spec in checked(specs)}
        self._together = stop == "together"

    @property
    def strategy_name(self) -> str:  # type: ignore[override]
        """For the tree."""
        return self.strategy

    def group(self, child: Child) -> tuple[Child, ...]:
        """As the strategy says."""
        if self.strategy == "one_for_one":
            return (child,)
        return tuple(self.kids[id] for id in affected(self.strategy, tuple(self.kids), child.id))

    def brings_back(self, cell: Cell) -> bool:
        """Also one that lived under the earlier incarnation, and whose turn to start has not come."""
        return super().brings_back(cell) or (id_of(cell) in self.specs and id_of(cell) not in self.kids and self._cell.state == "starting")

    async def on_start(self) -> None:
        """Starts the children in order. One that fails stops those before it, and fails this start."""
        for id, cell in tuple(self._cell.children.items()):
            if id not in self.specs:  # added by hand, under an earlier incarnation: they are not started again, as with OTP
                del self._cell.children[id]
                cell.dispose()
        for spec in self.specs.values():
            reason = await self.start_child(self.adopt(spec))
            if reason is not None:
                await self.on_stop()
                detail = f"{self.address.rstrip('/')}/{spec.id}: {reason.detail}"
                raise Exit(ExitReason(how="start_failed", error=reason.error, detail=detail, traceback=reason.traceback))

    async def on_stop(self) -> None:
        """Stops the children, the last one first. Nothing is started any more."""
        self.abandon_work()
        if self._together:
            stops = [self.stop_child(child) for child in self.kids.values()]
            if stops:
                await asyncio.wait(stops)
            return
        for child in reversed(tuple(self.kids.values())):
            await self.stop_child(child)
