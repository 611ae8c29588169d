"""Telling and asking, against what asyncio itself does for it: a raw queue between two tasks, and a future in it for an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pykka

from actors.runtime.asyncio_actor import AsyncioActor
from actors.runtime.system import ActorSystem
from benchmarks.kernel_actors import Answered, Counter, Drive, Driver, Ping, Question, tree
from benchmarks.kernel_measure import Row, cpu, median, ratio, rounds, until
from supervisors.spec import ChildSpec

BURST = 5_000
ASKS = 2_000
QUEUE = 10_000  # bounded like a mailbox
QUESTION = Question(n=1)

SPECS = ChildSpec("counter", Counter), ChildSpec("driver", Driver)


async def rows(count: int) -> list[Row]:
    async with tree(*SPECS) as edge, tree(*SPECS, wire="always") as packed:
        return [*await tells(count, edge, packed), *await tells_in_waves(count, edge, packed), *await asks(count, edge, packed), *await pykka_asks(count)]


# ---- tell


async def tells(count: int, edge: ActorSystem, packed: ActorSystem) -> list[Row]:
    taken = await rounds(
        count, raw=raw_burst, ours=partial(burst, edge), inside=partial(burst_inside, edge),
        packed=partial(burst, packed), packed_inside=partial(burst_inside, packed),
    )  # fmt: skip
    return [
        Row(f"raw asyncio.Queue put+get, bursts of {BURST}", median(taken, "raw"), "us"),
        Row("system.tell to receive", ratio(taken, "ours", "raw"), "x raw", 1.25, note=f"{median(taken, 'ours'):.2f} us"),
        Row("self.tell from actor to actor", ratio(taken, "inside", "raw"), "x raw", 1.25, note=f"{median(taken, 'inside'):.2f} us"),
        Row("system.tell, wire: always", ratio(taken, "packed", "raw"), "x raw", note=f"{median(taken, 'packed'):.2f} us"),
        Row("self.tell, wire: always", ratio(taken, "packed_inside", "raw"), "x raw", note=f"{median(taken, 'packed_inside'):.2f} us"),
    ]


async def raw_burst() -> float:
    queue: asyncio.Queue[Ping] = asyncio.Queue(QUEUE)

    async def consume() -> None:
        left = BURST
        while left:
            await queue.get()
            left -= 1

    async def produce() -> None:
        for _ in range(BURST):
            await queue.put(message)

    message = Ping(n=1)
    began = cpu()
    await asyncio.gather(produce(), consume())
    return (cpu() - began) / BURST


async def burst(system: ActorSystem) -> float:
    message = Ping(n=1)
    reached = Counter.expect(BURST, cpu)
    began = cpu()
    for _ in range(BURST):
        system.tell("/counter", message)
    return (await reached - began) / BURST


async def burst_inside(system: ActorSystem) -> float:
    reached = Counter.expect(BURST, cpu)
    began = cpu()
    system.tell("/driver", Drive(address="/counter", n=BURST, ask=False))
    return (await reached - began) / BURST


async def tells_in_waves(count: int, edge: ActorSystem, packed: ActorSystem) -> list[Row]:
    found = []
    for size, told in ((10, "ten at a time"), (1, "one at a time")):
        taken = await rounds(count, raw=partial(raw_waves, size), ours=partial(waves, size, edge), packed=partial(waves, size, packed))
        found += [
            Row(f"raw queue, {told}, the consumer asleep in between", median(taken, "raw"), "us"),
            Row(f"system.tell, {told}", ratio(taken, "ours", "raw"), "x raw", 1.25, note=f"{median(taken, 'ours'):.2f} us"),
            Row("the same, wire: always", ratio(taken, "packed", "raw"), "x raw", note=f"{median(taken, 'packed'):.2f} us"),
        ]
    return found


async def raw_waves(size: int) -> float:
    queue: asyncio.Queue[Ping] = asyncio.Queue(QUEUE)
    left = ASKS

    async def consume() -> None:
        nonlocal left
        while left:
            await queue.get()
            left -= 1

    consumer = asyncio.create_task(consume())
    await asyncio.sleep(0)
    message = Ping(n=1)
    began = cpu()
    while left:
        after = left - size
        for _ in range(size):
            await queue.put(message)
        await until(lambda: left == after)  # noqa: B023 - looked at before the next round
    taken = (cpu() - began) / ASKS
    await consumer
    return taken


async def waves(size: int, system: ActorSystem) -> float:
    message = Ping(n=1)
    reached = Counter.expect(ASKS, cpu)
    began = cpu()
    while Counter.left:
        after = Counter.left - size
        for _ in range(size):
            system.tell("/counter", message)
        await until(lambda: Counter.left == after)  # noqa: B023 - looked at before the next round
    await reached
    return (cpu() - began) / ASKS


# ---- ask


async def asks(count: int, edge: ActorSystem, packed: ActorSystem) -> list[Row]:
    taken = await rounds(
        count, raw=raw_asks, limited=raw_asks_with_a_limit, ours=partial(questions, edge), inside=partial(questions_inside, edge),
        packed=partial(questions, packed), packed_inside=partial(questions_inside, packed),
    )  # fmt: skip
    return [
        Row("raw: a future put into a queue, answered by a task", median(taken, "raw"), "us"),
        Row("the same under asyncio.timeout, as every ask of ours is", ratio(taken, "limited", "raw"), "x raw", note=f"{median(taken, 'limited'):.2f} us"),
        Row("await system.ask", ratio(taken, "ours", "raw"), "x raw", 1.10, note=f"{median(taken, 'ours'):.2f} us"),
        Row("ask_then from actor to actor", ratio(taken, "inside", "raw"), "x raw", 1.10, note=f"{median(taken, 'inside'):.2f} us"),
        Row("await system.ask, wire: always", ratio(taken, "packed", "raw"), "x raw", note=f"{median(taken, 'packed'):.2f} us"),
        Row("ask_then, wire: always", ratio(taken, "packed_inside", "raw"), "x raw", note=f"{median(taken, 'packed_inside'):.2f} us"),
    ]


class RawServer:
    """A task that answers what is put into its queue."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        self.answer = answer
        self.queue: asyncio.Queue[tuple[Any, asyncio.Future[Any]]] = asyncio.Queue(QUEUE)
        self.task = asyncio.create_task(self.serve())

    async def serve(self) -> None:
        while True:
            question, future = await self.queue.get()
            future.set_result(self.answer(question))

    async def ask(self, question: Any) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        await self.queue.put((question, future))
        return await future

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


def answered(question: Question) -> Answered:
    return Answered(n=question.n)


def itself(question: str) -> str:
    return question


async def raw_asks(answer: Callable[[Any], Any] = answered, question: Any = QUESTION) -> float:
    server = RawServer(answer)
    began = cpu()
    for _ in range(ASKS):
        await server.ask(question)
    taken = (cpu() - began) / ASKS
    await server.end()
    return taken


async def raw_asks_with_a_limit() -> float:
    server = RawServer(answered)
    began = cpu()
    for _ in range(ASKS):
        async with asyncio.timeout(30):
            await server.ask(QUESTION)
    taken = (cpu() - began) / ASKS
    await server.end()
    return taken


async def questions(system: ActorSystem) -> float:
    began = cpu()
    for _ in range(ASKS):
        await system.ask("/counter", QUESTION)
    return (cpu() - began) / ASKS


async def questions_inside(system: ActorSystem) -> float:
    Driver.finished = asyncio.get_running_loop().create_future()
    began = cpu()
    system.tell("/driver", Drive(address="/counter", n=ASKS, ask=True))
    return (await Driver.finished - began) / ASKS


# ---- pykka's way


class OnTheLoop(AsyncioActor):
    def on_receive(self, message: Any) -> Any:
        return message


class InAThread(pykka.ThreadingActor):
    def on_receive(self, message: Any) -> Any:
        return message


async def pykka_asks(count: int) -> list[Row]:
    on_loop, in_thread = OnTheLoop.start(), InAThread.start()
    taken = await rounds(
        count, raw=partial(raw_asks, itself, "?"), ours=partial(ask_pykka, on_loop, cpu),
        wall=partial(ask_pykka, on_loop, time.perf_counter), theirs=lambda: asyncio.to_thread(ask_from_thread, in_thread),
        awaited=partial(await_thread, in_thread),
    )  # fmt: skip
    await on_loop.stop(block=False)
    await asyncio.to_thread(in_thread.stop)
    return [
        Row("raw: the same future and queue, answered with the question itself", median(taken, "raw"), "us"),
        Row("await AsyncioActor's ref.ask(m, block=False)", ratio(taken, "ours", "raw"), "x raw", 1.30, note=f"{median(taken, 'ours'):.2f} us"),
        Row("ThreadingActor's ref.ask(m) from a thread", median(taken, "theirs"), "us"),
        Row("AsyncioActor's ask faster than ThreadingActor's", ratio(taken, "theirs", "wall"), "x", 3.0, at_least=True),
        Row("ThreadingActor's, awaited on a loop by asyncio.to_thread", median(taken, "awaited"), "us", note="what an asyncio program has to do"),
    ]


async def ask_pykka(ref: Any, clock: Callable[[], float]) -> float:
    began = clock()
    for _ in range(ASKS):
        await ref.ask("?", block=False)
    return (clock() - began) / ASKS


def ask_from_thread(ref: Any) -> float:
    began = time.perf_counter()
    for _ in range(ASKS):
        ref.ask("?")
    return (time.perf_counter() - began) / ASKS


async def await_thread(ref: Any) -> float:
    times = ASKS // 10
    began = time.perf_counter()
    for _ in range(times):
        await asyncio.to_thread(ref.ask, "?")
    return (time.perf_counter() - began) / times
