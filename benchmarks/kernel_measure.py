"""How the kernel's figures are taken: what is compared runs in turns in one process, so that a noisy machine is noisy for both.

What never waits is measured in processor time of its thread, which on an idle machine is the time on the wall: what others do on this
machine is not counted. Latencies, and whatever crosses threads, are measured on the wall.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

cpu = time.thread_time

Subject = Callable[[], Awaitable[float]]
"""One round; returns seconds for each of the things it did."""


@dataclass(frozen=True)
class Row:
    """One figure. `bar` is the most it may be, or the least with `at_least`; none is for comparison only."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def met(self) -> bool:
        return self.bar is None or (self.value >= self.bar if self.at_least else self.value <= self.bar)


async def rounds(count: int, **subjects: Subject) -> dict[str, list[float]]:
    """Each subject's microseconds in every round: a, b, c, a, b, c, ..., after one round that only warms up."""
    taken: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(count + 1):
        for name, subject in subjects.items():
            gc.collect()
            seconds = await subject()
            if number:
                taken[name].append(seconds * 1e6)
    return taken


async def until(true: Callable[[], bool]) -> None:
    """Gives the loop its turns, and nothing else, until that is so."""
    while not true():  # noqa: ASYNC110 - the loop is what is measured: no event is to wake us
        await asyncio.sleep(0)


def ratio(taken: dict[str, list[float]], ours: str, raw: str) -> float:
    """The median of the rounds' ratios: each round compares what ran side by side."""
    return statistics.median(a / b for a, b in zip(taken[ours], taken[raw], strict=True))


def median(taken: dict[str, list[float]], name: str) -> float:
    """Microseconds."""
    return statistics.median(taken[name])


def percentiles(values: list[float]) -> tuple[float, float]:
    """p50 and p99."""
    cuts = statistics.quantiles(values, n=100)
    return cuts[49], cuts[98]


def table(title: str, rows: list[Row]) -> str:
    """The rows as text."""
    lines = [f"\n{title}", f"  {'figure':<58}{'value':>10} {'unit':<7}{'bar':>9}  {'':<8}"]
    for row in rows:
        bar = "" if row.bar is None else f"{'>=' if row.at_least else '<='} {row.bar:g}"
        verdict = "" if row.bar is None else "met" if row.met else "MISSED"
        lines.append(f"  {row.name:<58}{row.value:>10.2f} {row.unit:<7}{bar:>9}  {verdict:<8}{row.note}".rstrip())
    return "\n".join(lines)
