"""A host app's actors, made of what `undying` offers and nothing else."""

from __future__ import annotations

import asyncio
from typing import assert_never

from undying import Actor, Address, Ask, AskFailed, ChildSpec, Later, Message


class Add(Message, kind="kit.add"):
    n: int


class Totalled(Message, kind="kit.totalled"):
    n: int


class Total(Ask[Totalled], kind="kit.total"):
    pass


class Leave(Message, kind="kit.leave"):
    pass


class Report(Message, kind="kit.report"):
    """Tell the total to this address."""

    to: str


class Consult(Ask[Totalled], kind="kit.consult"):
    """Ask this address for a total, and answer with it."""

    whom: str


class Counter(Actor[Add | Total | Leave | Report | Consult]):
    """Counts, tells, asks, leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def receive(self, message: Add | Total | Leave | Report | Consult) -> Message | Later | None:
        match message:
            case Add():
                self.total += message.n
            case Total():
                return Totalled(n=self.total)
            case Leave():
                self.leave()
            case Report():
                self.tell(message.to, Totalled(n=self.total))
            case Consult():
                later = self.later()
                self.spawn(self.consult(Address(message.whom), later))
                return later
            case _:
                assert_never(message)
        return None

    async def consult(self, whom: Address, later: Later) -> None:
        try:
            later.answer(await self.ask(whom, Total()))
        except AskFailed:
            later.answer(Totalled(n=-1))


class Careless(Actor[Add]):
    """Starts a task that it does not own, which asyncio lets anybody do."""

    def __init__(self, seconds: float = 3600.0) -> None:
        super().__init__()
        self.seconds = seconds

    def receive(self, message: Add) -> None:
        loop = asyncio.get_running_loop()
        loop.forgotten = loop.create_task(wait_for(self.seconds))  # type: ignore[attr-defined]  # held: a task that nobody holds may be collected


async def wait_for(seconds: float) -> None:
    await asyncio.sleep(seconds)


COUNTER = ChildSpec("counter", Counter)
