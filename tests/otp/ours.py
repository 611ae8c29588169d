"""Plays scenarios.txt on our Supervisor, and answers each line in the words of supervision.escript, which plays it on OTP's.

    a line --> the supervisor at /s --> its children --what happened--> Play.trail --> the line's answer

On virtual time: after each line everything has happened that can happen without time passing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from actors.runtime.cell import Cell
from actors.runtime.port import Port
from actors.runtime.supervised import SupervisedActor
from actors.runtime.system import ActorSystem
from messages.envelope import Address
from messages.message import Message
from messages.outcome import AskFailed, Refused
from messages.supervision import (
    CountChildren,
    DeleteChild,
    Down,
    ExitReason,
    GetChildSpec,
    RestartChild,
    StartChild,
    TerminateChild,
    WhichChildren,
)  # fmt: skip
from supervisors.dynamic import DynamicSupervisor
from supervisors.local import start_child
from supervisors.spec import ChildSpec, Intensity
from supervisors.supervisor import Supervisor

HERE = Path(__file__).parent
SCENARIOS = HERE / "scenarios.txt"
QUIET = 0.001  # virtual seconds
CRAWL = 0.06
SUP = "/s"

How = Literal["normal", "shutdown", "shutdown_x", "crash"]


class Line(NamedTuple):
    """A line of a scenario and what came of it: what was returned, then what happened."""

    case: str
    line: str
    answer: str


class Finish(Message, kind="tests.otp.finish"):
    """Tells a child how to end."""

    how: How


class Member(SupervisedActor[Finish]):
    """A child; what it does is told to the play."""

    def __init__(self, play: Play, manner: str) -> None:
        super().__init__()
        self.play = play
        self.manner = manner
        self.finishing = False

    @property
    def id(self) -> str:
        return self.address.rpartition("/")[2]

    async def on_start(self) -> None:
        left = self.play.broken.get(self.id, 0)
        if left == "crawl":
            await asyncio.sleep(CRAWL)
            raise OSError("broken")
        if left:
            self.play.broken[self.id] = left - 1
            self.play.trail.append(f"!{self.id}")
            raise OSError("broken")
        self.play.trail.append(f"+{self.id}")
        self.play.addresses[self.id] = self.address
        self.report_end_to(self.play.scribe.address)

    async def on_stop(self) -> None:
        if self.finishing:
            return
        if self.manner == "stubborn":
            await asyncio.get_running_loop().create_future()
        self.play.trail.append(f"-{self.id}")

    def receive(self, message: Finish) -> None:
        self.finishing = True
        if message.how == "crash":
            raise ValueError("crashed")
        self.leave(ExitReason(how="normal" if message.how == "normal" else "shutdown", detail="x" if message.how == "shutdown_x" else ""))


class Scribe(Port):
    """Notes who was killed, and how the supervisor ended."""

    def __init__(self, system: ActorSystem, play: Play) -> None:
        super().__init__(system)
        self.play = play

    def notice_down(self, down: Down, incarnation: int) -> None:
        if down.address != SUP:
            if down.reason.how == "killed":
                self.play.trail.append(f"~{down.address.rpartition('/')[2]}")
        elif not self.play.stopping:
            self.play.trail.append(f"ended:{down.reason.how}")


class Play:
    """One case."""

    def __init__(self, system: ActorSystem) -> None:
        self.system = system
        self.scribe = Scribe(system, self)
        self.trail: list[str] = []
        self.broken: dict[str, Any] = {}  # how many starts fail, or "crawl"
        self.addresses: dict[str, str] = {}
        self.flags: list[str] = []
        self.wished: list[list[str]] = []
        self.stopping = False

    @property
    def simple(self) -> bool:
        return self.flags[0] == "simple_one_for_one"

    async def do(self, line: str) -> str | None:
        """Does what the line says; answers None where the line only prepares something."""
        verb, *words = line.split()
        match verb, words:
            case "supervisor", _:
                self.flags = words
            case "child", _:
                self.wished.append(words)
            case "break", [id, *count]:
                self.broken[id] = int(count[0]) if count else 10**6
            case "mend", [id]:
                self.broken[id] = 0
            case "crawl", [id]:
                self.broken[id] = "crawl"
            case "hasty", [id, how]:
                return self.end(id, how)
            case _:
                answer = await self.said(verb, words)
                await asyncio.sleep(QUIET)
                trail, self.trail = self.trail, []
                return " ".join([answer, *trail])
        return None

    async def said(self, verb: str, words: list[str]) -> str:
        match verb, words:
            case "start", []:
                return await self.start()
            case "wait", [ms]:
                await asyncio.sleep(int(ms) / 1000)
                return "ok"
            case "end", [id, how]:
                return self.end(id, how)
        if SUP not in self.system.directory:
            return "gone"
        match verb, words:
            case "stop", []:
                self.stopping = True
                await self.system.ask("/", TerminateChild(id=SUP[1:]))
                return "ok"
            case "both", [one, other, how]:
                self.end(one, how)
                return self.end(other, how)
        try:
            return await self.asked(verb, words)
        except AskFailed as failed:
            return word_for(failed)

    def end(self, id: str, how: str) -> str:
        cell = self.system.directory.get(self.addresses[id])
        if not isinstance(cell, Cell) or cell.instance is None:
            return "gone"
        if how == "kill":
            cell.kill("by the scenario")
        else:
            self.system.tell(cell.address, Finish.model_validate({"how": how}))
        return "ok"

    async def start(self) -> str:
        try:
            await start_child(self.system, "/", ChildSpec(SUP[1:], self.supervisor, restart="temporary", shutdown=None))
        except AskFailed as failed:
            return word_for(failed)
        cell = self.system.directory[SUP]
        assert isinstance(cell, Cell)
        cell.watched_by(self.scribe, self.scribe.incarnation)
        return "ok"

    def supervisor(self) -> Supervisor | DynamicSupervisor:
        strategy, restarts, seconds, *auto = self.flags
        wished: dict[str, Any] = {"auto_shutdown": auto[0]} if auto else {}
        specs = [self.spec(*words) for words in self.wished]
        intensity = Intensity(int(restarts), float(seconds))
        if self.simple:
            return DynamicSupervisor(makes=specs, intensity=intensity)
        return Supervisor(*specs, strategy=strategy, intensity=intensity, **wished)  # type: ignore[arg-type]

    def spec(self, id: str, restart: Any, *options: str) -> ChildSpec:
        manner = "stubborn" if "stubborn" in options else "docile"
        inner = "supervisor" in options
        make: Any = partial(self.inner, id) if inner else partial(Member, self, manner)
        limit: float | None = None if inner else 5.0
        for option in options:
            name, _, value = option.partition("=")
            if name == "shutdown":
                limit = {"brutal": 0.0, "infinity": None}[value] if value.isalpha() else int(value) / 1000
        return ChildSpec(id, make, restart=restart, shutdown=limit, significant="significant" in options)

    def inner(self, id: str) -> Supervisor:
        return Supervisor(ChildSpec(f"{id}.w", partial(Member, self, "docile")), intensity=Intensity(0, 5.0))

    async def asked(self, verb: str, words: list[str]) -> str:
        ask = self.system.ask
        match verb, words:
            case "which", []:
                listed = await ask(SUP, WhichChildren())
                states = {"running": "up", "stopped": "down", "restarting": "restarting", "starting": "restarting"}
                return " ".join(f"{child.id}:{states[child.state]}" for child in reversed(listed.children))
            case "count", []:
                counted = await ask(SUP, CountChildren())
                return f"{counted.specs} {counted.active} {counted.supervisors} {counted.workers}"
            case "add", [id]:
                await ask(SUP, StartChild(id=id, make=self.wished[0][0]))
            case "add", _:
                try:
                    spec = self.spec(*words)
                except ValueError:
                    return "refused"
                await start_child(self.system, SUP, spec)
            case "terminate", [id]:
                await ask(SUP, TerminateChild(id=id))
            case "restart", [id]:
                await ask(SUP, RestartChild(id=id))
            case "delete", [id]:
                await ask(SUP, DeleteChild(id=id))
            case "spec", [id]:
                told = await ask(SUP, GetChildSpec(id=id))
                shutdown = {None: "infinity", 0: "brutal_kill"}.get(told.shutdown_ms, str(told.shutdown_ms))
                return f"{told.restart} {shutdown} {str(told.significant).lower()}"
            case _:
                raise AssertionError(f"{verb} {words}")
        return "ok"


def word_for(failed: AskFailed) -> str:
    """How a call failed, in OTP's word."""
    assert isinstance(failed.outcome, Refused), failed.outcome
    fault = failed.outcome.fault
    if fault.code != "start_failed":
        return "refused" if fault.code == "bad_spec" else fault.code or fault.cls
    culprit = re.search(rf"{SUP}/([^/: ]+):", fault.message)
    if "BadSpec" in fault.message:
        return "refused"
    return f"failed {culprit[1]}" if culprit else "broken"


def cases() -> Iterator[tuple[str, list[str]]]:
    """Each case's name and lines."""
    for block in ("\n" + SCENARIOS.read_text()).split("\ncase ")[1:]:
        name, *lines = block.splitlines()
        yield name, [line.strip() for line in lines if line.strip()]


async def played(name: str, lines: list[str]) -> list[Line]:
    """Plays one case, and sees that nothing is left of it."""
    system = ActorSystem(wire="edge")
    root = Cell(system, Address("/"), Supervisor, None)
    play = Play(system)
    async with play.scribe:
        await system.start_root(root)
        answers = [(line, await play.do(line)) for line in lines]
        play.stopping = True
        play.broken.clear()
        await system.stop_root()
        while system.ending:
            await asyncio.wait(set(system.ending))
    return [Line(name, line, answer.strip()) for line, answer in answers if answer is not None]
