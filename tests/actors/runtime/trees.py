"""A tree to try things on, and the actors that most tests put into it.

`async with growing(ChildSpec("a", Worker)) as tree` starts a root supervisor with these children; it is the test kit's tree, which sees
at the end that nothing is left of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, assert_never

from actors.runtime.supervised import Later, SupervisedActor
from messages.message import Ask, Message
from messages.outcome import AskFailed, Outcome, Refusal
from messages.supervision import ExitReason, RestartType
from supervisors.spec import ChildSpec
from tests.actors.runtime.vocabulary import Add, Break, BreakAsked, Echo, Fail, Heard, Hold, Quit, Release, SayNo, Total, Totalled
from undying.testing import RunningTree, tree

LONG = 100_000.0  # virtual seconds: some actors here take their time to be cancelled

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


class Tree(RunningTree):
    """A running tree, and what these tests ask of their workers."""

    async def failure(self, address: str, message: Ask[Any], timeout: float = 30.0) -> Outcome:
        """How an ask ends that must not be answered."""
        try:
            answer = await self.ask(address, message, timeout=timeout)
        except AskFailed as failed:
            return failed.outcome
        raise AssertionError(f"answered with {answer!r}")

    async def total(self, address: str) -> Totalled:
        return await self.ask(address, Total())


@asynccontextmanager
async def growing(*specs: ChildSpec, **keywords: Any) -> AsyncIterator[Tree]:
    """`undying.testing.tree` with the questions of these tests. Raises `StartFailed` as `start_root` does."""
    async with tree(*specs, patience=LONG, **keywords) as running:
        yield Tree(running.system, running.root, running.events, running.probes)


def watch_loop() -> list[dict[str, Any]]:
    """What the running loop's callbacks and tasks raised that nobody caught."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    return complaints


async def quiet() -> None:
    """On virtual time: everything that can happen without time passing has happened, and a millisecond has passed."""
    await asyncio.sleep(0.001)


def crashed(detail: str = "broken") -> ExitReason:
    return ExitReason(how="crashed", error="ValueError", detail=detail)


def bare(reason: ExitReason) -> ExitReason:
    """The reason of a failed start, without the traceback that it must have."""
    assert "in on_start" in reason.traceback
    assert reason.traceback.rstrip().endswith(f"{reason.error}: {reason.detail.rpartition(': ')[2]}")
    return reason.model_copy(update={"traceback": ""})
