"""Starting, keeping and stopping many actors: microseconds and bytes for each, up to 100,000 alive."""

from __future__ import annotations

import gc
import statistics
import tracemalloc
from functools import partial
from pathlib import Path

from actors.runtime.system import ActorSystem
from benchmarks.kernel_actors import Begin, Counter, Leave, tree
from benchmarks.kernel_measure import Row, cpu, until
from supervisors.dynamic import DynamicSupervisor
from supervisors.spec import ChildSpec, Intensity
from supervisors.supervisor import Supervisor

MANY = 100_000
SOME = 1_000
PIECE = 5_000  # told at once: a mailbox takes 10,000


async def rows(count: int) -> list[Row]:
    return [*await alive(count), *await stopping(count), *await traced()]


async def alive(count: int) -> list[Row]:
    async with tree(root=partial(DynamicSupervisor, Counter, Begin)) as system:
        await start(system, 10)
        few = await taken_in_turns(count, system)
        before = rss()
        began = cpu()
        for _ in range(MANY // PIECE):
            await start(system, PIECE)
        all_of_them = cpu() - began
        assert len(system.directory) > MANY
        gc.collect()
        size = (rss() - before) / MANY
        many = await taken_in_turns(count, system)
        began = cpu()
    stopped = cpu() - began
    fixed = [await start_fixed() for _ in range(count)]
    return [
        Row("start of a dynamic child, by tell", few[0], "us", 20),
        Row("start of a fixed child, one of 1,000", statistics.median(fixed) * 1e6, "us", 20),
        Row("removal of a dynamic child, by a message to leave", few[1], "us"),
        Row("start of a dynamic child, 100,000 alive", many[0], "us", 70),
        Row("removal of a dynamic child, 100,000 alive", many[1], "us"),
        Row("100,000 started", all_of_them, "s", note=f"{all_of_them / MANY * 1e6:.1f} us each"),
        Row("100,000 alive, RSS of each", size / 1000, "KB", 4.0, note="difference of the process's RSS, after one message each; KB = 1,000 bytes"),
        Row("100,000 stopped", stopped, "s"),
    ]


async def taken_in_turns(count: int, system: ActorSystem) -> tuple[float, float]:
    """Medians of so many rounds: microseconds to start one, and to have one leave."""
    starts, ends = [], []
    for _ in range(count):
        gc.collect()
        there = set(system.directory)
        starts.append(await start(system, SOME) / SOME)
        new = set(system.directory) - there
        began = cpu()
        for address in new:
            system.tell(address, Leave())
        await until(lambda: len(system.directory) == len(there))  # noqa: B023 - looked at before the next round
        ends.append((cpu() - began) / SOME)
    return statistics.median(starts) * 1e6, statistics.median(ends) * 1e6


async def start(system: ActorSystem, count: int) -> float:
    """Seconds until so many more live."""
    target = len(system.directory) + count
    began = cpu()
    for _ in range(count):
        assert system.tell("/", Begin()) is None
    await until(lambda: len(system.directory) == target)
    return cpu() - began


async def start_fixed() -> float:
    gc.collect()
    specs = [ChildSpec(str(number), Counter) for number in range(SOME)]
    began = cpu()
    async with tree(*specs):
        return (cpu() - began) / SOME


async def stopping(count: int) -> list[Row]:
    dynamic, fixed = [], []
    for _ in range(max(3, count // 3)):
        async with tree(root=partial(DynamicSupervisor, Counter, Begin)) as system:
            await start(system, PIECE)
            await start(system, PIECE)
            gc.collect()
            began = cpu()
        dynamic.append(cpu() - began)
        specs = [ChildSpec(str(number), Counter) for number in range(10_000)]
        async with tree(root=lambda specs=specs: Supervisor(*specs, intensity=Intensity(3, 1e-9))):  # type: ignore[misc]
            gc.collect()
            began = cpu()
        fixed.append(cpu() - began)
    return [
        Row("10,000 dynamic children stopped, at once", statistics.median(dynamic), "s", 0.5),
        Row("10,000 fixed children stopped, one after the other", statistics.median(fixed), "s", 0.5),
    ]


async def traced() -> list[Row]:
    """What Python allocated for them, told apart from what the allocator keeps."""
    gc.collect()
    tracemalloc.start()
    async with tree(root=partial(DynamicSupervisor, Counter, Begin)) as system:
        before = tracemalloc.get_traced_memory()[0]
        await start(system, PIECE)
        gc.collect()
        dynamic = (tracemalloc.get_traced_memory()[0] - before) / PIECE
    specs = [ChildSpec(str(number), Counter) for number in range(PIECE)]
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    async with tree(*specs):
        gc.collect()
        fixed = (tracemalloc.get_traced_memory()[0] - before) / PIECE
    tracemalloc.stop()
    return [
        Row("bytes of an idle dynamic child, tracemalloc", dynamic / 1000, "KB", 4.0, note="after one message"),
        Row("bytes of an idle fixed child, tracemalloc", fixed / 1000, "KB", 4.0, note="never told anything; without its spec"),
    ]


def rss() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) * 1024
