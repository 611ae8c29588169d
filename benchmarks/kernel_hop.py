"""Hops into a thread and a process. A hop is one way: half of a question and its answer; both are told."""

from __future__ import annotations

import gc
import os
import threading
import time
from typing import Any

from benchmarks.kernel_actors import Counter, Locate, Question, tree
from benchmarks.kernel_measure import Row, percentiles
from messages.supervision import Isolation
from supervisors.spec import ChildSpec

BARS: dict[Isolation, float] = {"thread": 60, "process": 250}
ASKS = 200


async def rows(count: int) -> list[Row]:
    found: list[Row] = []
    for isolation, bar in BARS.items():
        async with tree(ChildSpec("counter", Counter, isolation=isolation)) as system:
            where = await system.ask("/counter", Locate())
            if (where.pid, where.thread) == (os.getpid(), threading.get_ident()):
                found.append(Row(f"{isolation}: runs on the loop, so there is no hop yet", 0, "us"))
                continue
            found += await hops(count, isolation, bar, system)
    return found


async def hops(count: int, isolation: Isolation, bar: float, system: Any) -> list[Row]:
    times: list[float] = []
    for number in range(count + 1):
        gc.collect()
        for _ in range(ASKS):
            began = time.perf_counter()
            await system.ask("/counter", Question(n=1))
            if number:
                times.append((time.perf_counter() - began) * 1e6)
    p50, p99 = percentiles(times)
    return [
        Row(f"{isolation} hop p50, one way", p50 / 2, "us", bar, note=f"p99 {p99 / 2:.0f} us"),
        Row(f"{isolation}, question and answer p50", p50, "us", note=f"p99 {p99:.0f} us"),
    ]
