"""The actors that are measured, as small as they can be, and the tree they live in. Importable, so that a process of its own can start them."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar, assert_never

from actors.runtime.cell import Cell
from actors.runtime.supervised import SupervisedActor
from actors.runtime.system import ActorSystem, Wire
from messages.envelope import Address
from messages.message import Ask, Message
from messages.outcome import AskFailed
from supervisors.spec import ChildSpec, Intensity
from supervisors.supervisor import Supervisor


class Ping(Message, kind="bench.ping"):
    n: int


class Answered(Message, kind="bench.answered"):
    n: int


class Question(Ask[Answered], kind="bench.question"):
    n: int


class Poison(Message, kind="bench.poison"):
    """The actor raises."""


class Leave(Message, kind="bench.leave"):
    """The actor leaves."""


class Begin(Message, kind="bench.begin"):
    """The actor starts one more child's life: it does nothing but be there."""


class Located(Message, kind="bench.located"):
    pid: int
    thread: int


class Locate(Ask[Located], kind="bench.locate"):
    """Where does it run?"""


class Drive(Message, kind="bench.drive"):
    """Tell the one at `address` this many pings, or ask it this many questions one after the other."""

    address: str
    n: int
    ask: bool


class Counter(SupervisedActor[Ping | Question | Poison | Leave | Begin | Locate]):
    """Handles; calls `reached` when it has handled as many pings as somebody waits for. What is waited for is not the actor's, but its class's."""

    left: ClassVar[int] = 0
    clock: ClassVar[Callable[[], float]] = time.perf_counter
    reached: ClassVar[asyncio.Future[float] | None] = None

    def receive(self, message: Ping | Question | Poison | Leave | Begin | Locate) -> Message | None:
        match message:
            case Ping():
                Counter.left -= 1
                if Counter.left == 0 and Counter.reached is not None:
                    Counter.reached.set_result(Counter.clock())
            case Question():
                return Answered(n=message.n)
            case Poison():
                raise ValueError("poison")
            case Leave():
                self.leave()
            case Begin():
                pass
            case Locate():
                return Located(pid=os.getpid(), thread=threading.get_ident())
            case _:
                assert_never(message)
        return None

    @classmethod
    def expect(cls, pings: int, clock: Callable[[], float] = time.perf_counter) -> asyncio.Future[float]:
        """When the last of so many pings was handled, in seconds of that clock."""
        cls.left, cls.clock, cls.reached = pings, staticmethod(clock), asyncio.get_running_loop().create_future()
        return cls.reached


class Driver(SupervisedActor[Drive]):
    """Sends from within the tree; `finished` is when, in seconds of this thread's processor time."""

    finished: ClassVar[asyncio.Future[float] | None] = None

    def receive(self, message: Drive) -> None:
        if message.ask:
            self.left, self.target, self.question = message.n, message.address, Question(n=1)
            self.next(None)
            return
        ping = Ping(n=1)
        for _ in range(message.n):
            self.tell(message.address, ping)

    def next(self, answer: Answered | AskFailed | None) -> None:
        assert not isinstance(answer, AskFailed), answer
        if self.left:
            self.left -= 1
            self.ask_then(self.target, self.question, self.next)
        elif Driver.finished is not None:
            Driver.finished.set_result(time.thread_time())


@asynccontextmanager
async def tree(*specs: ChildSpec, wire: Wire = "edge", root: Callable[[], SupervisedActor[Any]] | None = None) -> AsyncIterator[ActorSystem]:
    """A running tree. Its restarts are never too many: the window is too short for two."""
    system = ActorSystem(wire=wire)
    await system.start_root(Cell(system, Address("/"), root or (lambda: Supervisor(*specs, intensity=Intensity(3, 1e-9))), None))
    try:
        yield system
    finally:
        await system.stop_root()
