"""How long an address is not served when its actor crashes: from the poison's delivery to the next message handled by the new incarnation.

Beside it pykka, where the actor's own `on_failure` starts its successor: its registry is a list, so the more actors live, the longer it takes.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from typing import Any

import pykka

from actors.runtime.asyncio_actor import AsyncioActor
from actors.runtime.system import ActorSystem
from benchmarks.kernel_actors import Counter, Ping, Poison, tree
from benchmarks.kernel_measure import Row, percentiles, until
from supervisors.spec import ChildSpec

SIBLINGS = 10_000
CRASHES = 200  # in one round


async def rows(count: int) -> list[Row]:
    logging.disable(logging.CRITICAL)  # pykka logs every crash
    crowd = [ChildSpec(f"sibling{number}", Counter) for number in range(SIBLINGS)]
    few: list[float] = []
    many: list[float] = []
    packed: list[float] = []
    async with tree(ChildSpec("counter", Counter)) as alone, tree(*crowd, ChildSpec("counter", Counter)) as crowded, tree(
        ChildSpec("counter", Counter), wire="always"
    ) as packing:  # fmt: skip
        for number in range(count + 1):
            for system, times in ((alone, few), (crowded, many), (packing, packed)):
                gc.collect()
                taken = [await crash(system) for _ in range(CRASHES)]
                times += taken if number else []
    theirs = await pykka_rows(count)
    logging.disable(logging.NOTSET)
    alone50, alone99 = percentiles(few)
    many50, many99 = percentiles(many)
    packed50, packed99 = percentiles(packed)
    return [
        Row("p50, a tree of its own", alone50, "us", 50),
        Row("p99", alone99, "us", 1000),
        Row(f"p50 with {SIBLINGS:,} siblings", many50 / alone50, "x", 1.5, note=f"{many50:.1f} us, p99 {many99:.0f} us"),
        Row("p50, wire: always", packed50, "us", note=f"p99 {packed99:.0f} us"),
        *theirs,
    ]


async def crash(system: ActorSystem) -> float:
    """Microseconds."""
    reached = Counter.expect(1)
    poison, ping = Poison(), Ping(n=1)
    began = time.perf_counter()
    system.tell("/counter", poison)
    system.tell("/counter", ping)
    return (await reached - began) * 1e6


# ---- pykka


class Phoenix(AsyncioActor):
    """Starts its successor when it fails, and tells it what comes next: what pykka offers in place of a supervisor."""

    def __init__(self, served: asyncio.Future[float]) -> None:
        super().__init__()
        self.served = served

    def on_receive(self, message: Any) -> None:
        if message == "poison":
            raise ValueError(message)
        self.served.set_result(time.perf_counter())
        self.stop()

    def on_failure(self, *_: Any) -> None:
        type(self).start(self.served).tell("next")


class ThreadPhoenix(pykka.ThreadingActor):
    """The same with threads."""

    def __init__(self, served: pykka.ThreadingFuture[float]) -> None:
        super().__init__()
        self.served = served

    def on_receive(self, message: Any) -> None:
        if message == "poison":
            raise ValueError(message)
        self.served.set(time.perf_counter())
        self.stop()

    def on_failure(self, *_: Any) -> None:
        type(self).start(self.served).tell("next")


class Bystander(AsyncioActor):
    pass


async def pykka_rows(count: int) -> list[Row]:
    found: dict[str, float] = {}
    for name in ("alone", "crowded"):
        if name == "crowded":
            for _ in range(SIBLINGS):
                Bystander.start()
            await asyncio.sleep(0)
        on_loop, threads = [], []
        for _ in range(count):
            gc.collect()
            on_loop += [await crash_pykka() for _ in range(CRASHES // 10)]
            threads += await asyncio.to_thread(crash_threads, CRASHES // 10)
        found[f"loop {name}"], found[f"threads {name}"] = percentiles(on_loop)[0], percentiles(threads)[0]
    pykka.ActorRegistry.stop_all(block=False)
    await until(lambda: not pykka.ActorRegistry.get_all())
    return [
        Row("pykka's registry, AsyncioActor, p50", found["loop alone"], "us"),
        Row(f"with {SIBLINGS:,} siblings", found["loop crowded"] / found["loop alone"], "x", note=f"{found['loop crowded']:.1f} us"),
        Row("pykka's ThreadingActor, p50", found["threads alone"], "us"),
        Row(f"with {SIBLINGS:,} siblings in the registry", found["threads crowded"] / found["threads alone"], "x", note=f"{found['threads crowded']:.1f} us"),
    ]


async def crash_pykka() -> float:
    served: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    ref = Phoenix.start(served)
    await asyncio.sleep(0)
    began = time.perf_counter()
    ref.tell("poison")
    return (await served - began) * 1e6


def crash_threads(times: int) -> list[float]:
    found = []
    for _ in range(times):
        served: pykka.ThreadingFuture[float] = pykka.ThreadingFuture()
        ref = ThreadPhoenix.start(served)
        began = time.perf_counter()
        ref.tell("poison")
        found.append((served.get() - began) * 1e6)
    return found
