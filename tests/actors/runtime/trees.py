"""A tree to try things on, and the actors that most tests put into it.

`async with growing(ChildSpec("a", Worker)) as tree` starts a root supervisor with these children. At the end it stops the tree and
sees that nothing is left of it, no task, no address, no ask that still waits, and that the loop had nothing to complain of. (No fixture:
on virtual time all has to happen inside the test.)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, assert_never

from actors.runtime.cell import Cell
from actors.runtime.supervised import Later, SupervisedActor
from actors.runtime.system import ActorSystem, Wire
from messages.envelope import Address
from messages.message import Ask, Message
from messages.outcome import AskFailed, Outcome, Refusal
from messages.supervision import Decision, Describe, Described, ExitReason, RestartType
from supervisors.spec import ChildSpec
from supervisors.supervisor import Supervisor
from tests.actors.runtime.vocabulary import Add, Break, BreakAsked, Echo, Fail, Heard, Hold, Quit, Release, SayNo, Total, Totalled

LONG = 100_000.0  # virtual seconds until a test that waits for nothing gives up

Inbox = Add | Total | Break | BreakAsked | Hold | Release | Fail | SayNo | Quit


class Worker(SupervisedActor[Inbox]):
    """Counts; breaks, holds, refuses and leaves when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0
        self.held: list[Later] = []

    def receive(self, message: Inbox) -> Message | Later | None:
        match message:
            case Add():
                self.total += message.n
            case Total():
                return self.totalled()
            case Break() | BreakAsked():
                raise ValueError(message.detail)
            case Hold():
                self.held.append(self.later())
                return self.held[-1]
            case Release():
                for later in self.held:
                    later.answer(self.totalled())
                self.held.clear()
            case Fail():
                self.fail(message.fault)
            case SayNo():
                raise Refusal(message.fault)
            case Quit():
                self.leave()
            case _:
                assert_never(message)
        return None

    def totalled(self) -> Totalled:
        return Totalled(n=self.total, incarnation=self.incarnation)


class Slow(SupervisedActor[Echo | Break]):
    """Takes its seconds to start and to stop."""

    def __init__(self, start: float = 0.0, stop: float = 0.0) -> None:
        super().__init__()
        self.seconds = start, stop

    async def on_start(self) -> None:
        await asyncio.sleep(self.seconds[0])

    async def on_stop(self) -> None:
        await asyncio.sleep(self.seconds[1])

    def receive(self, message: Echo | Break) -> Heard:
        if isinstance(message, Break):
            raise ValueError(message.detail)
        return Heard(text=f"{message.text} {self.incarnation}")


def workers(ids: str, restart: RestartType = "permanent") -> list[ChildSpec]:
    return [ChildSpec(id, Worker, restart=restart) for id in ids]


@dataclass
class Tree:
    """A running tree. `events` is every decision so far."""

    system: ActorSystem
    root: Cell
    events: list[Decision] = field(default_factory=list)

    def cell(self, address: str) -> Cell:
        cell = self.system.directory[address]
        assert isinstance(cell, Cell)
        return cell

    def trail(self, *names: str) -> list[str]:
        """The events of these names as "name address", in order."""
        return [f"{event.event} {event.address}" for event in self.events if not names or event.event in names]

    async def failure(self, address: str, message: Ask[Any], timeout: float = 30.0) -> Outcome:
        """How an ask ends that must not be answered."""
        try:
            answer = await self.system.ask(address, message, timeout=timeout)
        except AskFailed as failed:
            return failed.outcome
        raise AssertionError(f"answered with {answer!r}")

    async def total(self, address: str) -> Totalled:
        return await self.system.ask(address, Total())

    async def describe(self, address: str) -> Described:
        return await self.system.ask(address, Describe())


@asynccontextmanager
async def growing(
    *specs: ChildSpec, wire: Wire = "always", chance: Callable[[], float] = lambda: 0.5, **keywords: Any,
) -> AsyncIterator[Tree]:  # fmt: skip
    """The tree, while it runs; `keywords` are the root's. Raises `StartFailed` as `start_root` does."""
    before = asyncio.all_tasks()
    system = ActorSystem(wire=wire, chance=chance)
    tree = Tree(system, Cell(system, Address("/"), lambda: Supervisor(*specs, **keywords), None))
    system.listeners.append(tree.events.append)
    complaints = watch_loop()
    try:
        async with asyncio.timeout(LONG):
            await system.start_root(tree.root)
            yield tree
    finally:
        async with asyncio.timeout(LONG):
            await system.stop_root()
            while system.ending:
                await asyncio.wait(set(system.ending))
    assert complaints == []
    assert asyncio.all_tasks() <= before
    assert system.directory == {}
    assert system.asks.slots == {}


def watch_loop() -> list[dict[str, Any]]:
    """What the running loop's callbacks and tasks raised that nobody caught."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    return complaints


async def quiet() -> None:
    """On virtual time: everything that can happen without time passing has happened."""
    await asyncio.sleep(0.001)


def crashed(detail: str = "broken") -> ExitReason:
    return ExitReason(how="crashed", error="ValueError", detail=detail)


def bare(reason: ExitReason) -> ExitReason:
    """The reason of a failed start, without the traceback that it must have."""
    assert "in on_start" in reason.traceback
    assert reason.traceback.rstrip().endswith(f"{reason.error}: {reason.detail.rpartition(': ')[2]}")
    return reason.model_copy(update={"traceback": ""})
