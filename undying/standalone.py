"""The kernel alone, in any asyncio program: a supervised tree, without a gateway.

    async with supervise(ChildSpec("store", Store), ChildSpec("index", Index), strategy="rest_for_one") as system:
        total = await system.ask("/store", Total())

The tree's root is a supervisor at `/` and never gives up: when its children make it end, it is started again, ever more slowly.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from actors.runtime.cell import Cell
from actors.runtime.crashes import Crashes
from actors.runtime.decision_log import TracebackLog, log_decision
from actors.runtime.log import configure_library
from actors.runtime.system import ABANDON_AFTER, ActorSystem, Wire
from actors.runtime.watchdog import LIMIT, Watchdog
from messages.envelope import Address
from supervisors.quarantine import Quarantine
from supervisors.restart import Backoff
from supervisors.spec import BadSpec, ChildSpec, Intensity, OnExhausted, StopOrder, Strategy, one_of
from supervisors.supervisor import Supervisor
from undying.version import VERSION


@asynccontextmanager
async def supervise(
    *specs: ChildSpec, strategy: Strategy = "one_for_one", intensity: Intensity = Intensity(), on_exhausted: OnExhausted = "escalate",
    backoff: Backoff = Backoff(), quarantine: Quarantine = Quarantine(), stop: StopOrder = "reverse", makes: Iterable[ChildSpec] = (),
    wire: Wire = "always", crashes: Path | str | None = None, keep_content: bool = False, watchdog: float | None = LIMIT,
) -> AsyncGenerator[ActorSystem]:  # fmt: skip
    """Starts these children under a root supervisor, on the running loop, and stops them in order at the end.

    The first two lines are a `Supervisor`'s own. `wire`: "always" packs every message, "edge" hands frozen ones over. `crashes` is a folder
    for crash files, which `run.py replay` and `undying.testing.replay` run again, with what messages said if `keep_content`; without it
    a crash is logged with its traceback. Who keeps the loop for more than `watchdog` seconds is logged by name; None watches nobody.
    Raises `BadSpec`, or `StartFailed` when a child does not start.
    """
    makes = tuple(makes)
    root = partial(
        Supervisor, *specs, strategy=strategy, intensity=intensity, on_exhausted=on_exhausted, backoff=backoff, quarantine=quarantine, stop=stop, makes=makes
    )
    one_of(Wire, "wire", wire)
    if watchdog is not None and not watchdog > 0:
        raise BadSpec(f"watchdog: {watchdog!r}, must be seconds > 0, or None for none")
    root()  # what can't be right is refused here, with the caller's own line in the traceback
    configure_library()
    async with AsyncExitStack() as undo:
        files = None if crashes is None else Crashes(Path(crashes), version=VERSION, wall=time.time, keep_content=keep_content)
        if files is not None:
            undo.push_async_callback(files.close)
        system = ActorSystem(wire=wire, crashes=files or TracebackLog())
        system.recorders.append(log_decision if files is not None else partial(log_decision, unmeant=("killed",)))
        if watchdog is not None:
            undo.callback(Watchdog(system, watchdog).stop)
        undo.push_async_callback(_stop, system)
        await system.start_root(Cell(system, Address("/"), root, None))
        yield system


async def _stop(system: ActorSystem) -> None:
    await system.stop_root()
    if system.ending:
        await asyncio.wait(set(system.ending), timeout=ABANDON_AFTER)
