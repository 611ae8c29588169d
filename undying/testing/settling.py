"""When nothing more can happen unless time passes, or somebody outside speaks."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

IDLE = 3  # turns of the loop with nothing to do: sockets and timers that are due were looked at in each
TURNS = 100_000

settling: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()
"""How many wait for each loop to settle: each of the others has one thing to do, always."""


async def settle() -> None:
    """Returns when everything that can happen on this loop without time passing has happened; no time passes, virtual or not.

    Knows only what shares the loop: what a thread, a process or a foreign socket will do has to be awaited. Raises AssertionError when
    something never comes to rest. Needs asyncio's own loop, whose queue can be looked at.
    """
    loop: Any = asyncio.get_running_loop()
    if not hasattr(loop, "_ready"):
        raise RuntimeError(f"settle() needs asyncio's own event loop, and this is {type(loop).__module__}.{type(loop).__qualname__}")
    idle = 0
    settling[loop] = settling.get(loop, 0) + 1
    try:
        for _ in range(TURNS):
            await asyncio.sleep(0)
            idle = idle + 1 if len(loop._ready) < settling[loop] else 0
            if idle == IDLE:
                return
    finally:
        settling[loop] -= 1
    restless = [task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()} if getattr(task, "_fut_waiter", None) is None]
    raise AssertionError(f"does not settle: after {TURNS} turns of the loop there is still {list(loop._ready)[:3]} to do; tasks that never wait: {restless}")
