"""Actors that crash, each in a way of its own, and what it takes to write their crashes down and read them again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.runtime.cell import Cell
from actors.runtime.crash_file import CrashFile
from actors.runtime.crashes import Crashes
from actors.runtime.exits import Exit
from actors.runtime.supervised import Later, SupervisedActor
from actors.runtime.system import ActorSystem
from messages.envelope import Address, Envelope
from messages.message import Message
from messages.outcome import AskFailed
from messages.supervision import Down, ExitReason
from supervisors.spec import ChildSpec, Intensity
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Worker
from tests.actors.runtime.vocabulary import Add, Blob, Echo, Go, Heard, Hold, Total, Totalled

CANARY = "the quick brown fox jumps"
WALL = 1_700_000_000.0


class Sum(SupervisedActor[Add | Total]):
    """Crashes on the third message, and on no other."""

    def __init__(self, most: int = 2, name: str = "") -> None:
        super().__init__()
        self.most = most
        self.name = name
        self.seen = 0

    def receive(self, message: Add | Total) -> Message | None:
        self.seen += 1
        if self.seen > self.most:
            raise OverflowError(f"{self.name} has seen enough")
        return Totalled(n=self.seen, incarnation=self.incarnation) if isinstance(message, Total) else None


class Asker(SupervisedActor[Go]):
    """Learns at its start and at each message what `/b` counts, and crashes when it counts more than it did at the start."""

    def __init__(self) -> None:
        super().__init__()
        self.first = -1

    async def on_start(self) -> None:
        self.first = (await self.ask("/b", Total())).n

    def receive(self, message: Go) -> None:
        self.tell("/b", Add(n=1))
        self.ask_then("/b", Total(), self._told)

    def _told(self, answer: Totalled | AskFailed) -> None:
        assert isinstance(answer, Totalled)
        if answer.n > self.first:
            raise ArithmeticError("it grew")


class Thrower(SupervisedActor[Go]):
    """Crashes in a task, when its second question is answered."""

    def receive(self, message: Go) -> None:
        self.spawn(self._work())

    async def _work(self) -> None:
        before = await self.ask("/b", Total())
        after = await self.ask("/b", Total())
        raise LookupError(f"{before.n} {after.n}")


class Mourner(SupervisedActor[Go]):
    """Crashes when the one it watches ends."""

    def receive(self, message: Go) -> None:
        self.monitor("/b")

    def down(self, down: Down) -> None:
        raise RuntimeError(f"{down.address} is gone")


class Patient(SupervisedActor[Go]):
    """Crashes half a minute after it was told to."""

    def receive(self, message: Go) -> None:
        self.after(30.0, self._crash)

    def _crash(self) -> None:
        raise TimeoutError("half a minute is over")


class Reader(SupervisedActor[Echo | Blob]):
    """Crashes on what its message says, so that filler mends it."""

    def receive(self, message: Echo | Blob) -> Heard | None:
        if isinstance(message, Blob):
            raise ValueError(int(message.data))
        if "fox" in message.text:
            raise ValueError(f"a fox in {message.text!r}")
        return Heard(text="none")


class Fugitive(SupervisedActor[Go]):
    """Reaches for the world: crashes when it is refused, and also when it is not."""

    def receive(self, message: Go) -> None:
        self.spawn(self._reach())

    async def _reach(self) -> None:
        try:
            await asyncio.open_connection("127.0.0.1", 9)
        except OSError as error:
            raise LookupError(type(error).__name__) from error
        raise AssertionError("it got out")


class Launcher(SupervisedActor[Go]):
    """Starts a program."""

    def receive(self, message: Go) -> None:
        subprocess.run(["true"])


class Stubborn(SupervisedActor[Go]):
    """Crashes, and in the sandbox first keeps its thread for ever."""

    forever = False

    def receive(self, message: Go) -> None:
        while type(self).forever:
            pass
        raise ValueError("at last")


class Hoarder(SupervisedActor[Add | Go]):
    """Puts a message aside until another one comes, and crashes at the end, when it has seen it twice: not more and not less."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def receive(self, message: Add | Go) -> Later | None:
        self.seen.append(message.kind)
        if len(self.seen) == 1:
            return self.stash()
        if isinstance(message, Go) and self.seen.count(Go.kind) == 1:
            self.unstash()
        elif isinstance(message, Go) and self.seen.count(Add.kind) == 2:
            raise ValueError(" ".join(self.seen))
        return None


class Busy(SupervisedActor[Total]):
    """Has an ask of its own under way whenever it answers one, and hears of it when that is answered."""

    def receive(self, message: Total) -> Totalled:
        self.ask_then("/b", Hold(), self._told)
        return Totalled(n=0, incarnation=self.incarnation)

    def _told(self, answer: Any) -> None:
        if isinstance(answer, Totalled):
            raise AssertionError("it was given its own answer")


class Suicidal(SupervisedActor[Go]):
    """Takes its whole process along, in the way that it is told."""

    how = "SIGSEGV"

    def receive(self, message: Go) -> None:
        match type(self).how:
            case "exit":
                os._exit(0)
            case "hang":
                while True:
                    pass
            case "raise":
                raise ValueError("only this")
            case "nothing":
                pass
            case name:
                os.kill(os.getpid(), signal.Signals[name])


class Remote(SupervisedActor[Add | Go]):
    """As a hosted actor does it: hands its messages on, and ends with an exit that somebody else told it."""

    exit = ExitReason(how="killed", error="SIGSEGV", detail="its process was killed by signal 11")

    def __init__(self) -> None:
        super().__init__()
        self.begun: Envelope | None = None

    def handle(self, envelope: Envelope) -> None:
        if self.begun is None and envelope.kind == Go.kind:
            self.begun = envelope
            self.after(0.0, self._fall)

    def _fall(self) -> None:
        raise Exit(self.exit)

    def underway(self) -> Envelope | None:
        return self.begun

    def made_by(self) -> Callable[[], Any]:
        return Suicidal


class Starter(SupervisedActor[Go]):
    """Needs the answer of `/b` to start at all."""

    async def on_start(self) -> None:
        await self.ask("/b", Total())

    def receive(self, message: Go) -> None:
        raise ValueError("started, then broken")


class Waiting(SupervisedActor[Hold | Go]):
    """Has an ask under way that nobody ever answers, when it crashes."""

    def receive(self, message: Hold | Go) -> Later | None:
        if isinstance(message, Hold):
            return self.later()
        self.ask_then("/b", Hold(), self._told)
        self.after(1.0, self._crash)
        return None

    def _told(self, answer: Any) -> None:
        raise AssertionError("it was answered")

    def _crash(self) -> None:
        raise ValueError("waited long enough")


@dataclass
class Scene:
    """A running system with a journal of crashes."""

    system: ActorSystem
    crashes: Crashes
    folder: Path

    def cell(self, address: str) -> Cell:
        cell = self.system.directory[address]
        assert isinstance(cell, Cell)
        return cell

    def tell(self, address: str, *messages: Message) -> None:
        for message in messages:
            assert self.system.tell(address, message) is None

    async def crashed(self, address: str = "/a", times: int = 1) -> None:
        """Waits until so many instances there have crashed, and the next one lives."""

        def so_often() -> bool:
            cell = self.cell(address)
            return cell.crashes >= times and cell.state == "running"

        await self.until(so_often)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until that is so; looks whenever something is decided."""
        changed = asyncio.Event()

        def look(_: object) -> None:
            changed.set()

        self.system.listeners.append(look)
        while not condition():
            changed.clear()
            await changed.wait()
        self.system.listeners.remove(look)

    async def written(self) -> list[CrashFile]:
        """All crash files, when those that are queued are there."""
        await self.crashes.written()
        return [self.crashes.load(head.id) for head in self.crashes.heads()]


@asynccontextmanager
async def scene(folder: Path, *specs: ChildSpec, keep_content: bool = False, wire: Any = "always") -> AsyncIterator[Scene]:
    """A root over these children, on a real loop: the files are written by a thread."""
    before = asyncio.all_tasks()
    crashes = Crashes(folder / "crashes", version="9.9.9", wall=lambda: WALL, keep_content=keep_content)
    system = ActorSystem(wire=wire, crashes=crashes)
    root = Cell(system, Address("/"), lambda: Supervisor(*specs, intensity=Intensity(1000, 1.0)), None)
    try:
        async with asyncio.timeout(20):
            await system.start_root(root)
            yield Scene(system, crashes, folder / "crashes")
    finally:
        await system.stop_root()
        await crashes.close()
    assert asyncio.all_tasks() <= before


async def crash_of(folder: Path, actor: Callable[[], SupervisedActor[Any]], *messages: Message, keep_content: bool = False) -> CrashFile:
    """The crash file of an actor that crashes on these messages; `/b` is a worker that it may ask."""
    async with scene(folder, ChildSpec("b", Worker), ChildSpec("a", actor), keep_content=keep_content) as set_up:
        set_up.tell("/a", *messages)
        await set_up.crashed()
        [crash] = await set_up.written()
    return crash


