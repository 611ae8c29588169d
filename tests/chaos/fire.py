"""The fire that a thousand actors are under: what is sent to them, what is done to them, and how they come to rest."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from actors.runtime.cell import Cell
from actors.runtime.system import ActorSystem
from messages.message import Ask
from messages.outcome import AskFailed, Outcome
from messages.supervision import Crash, Decision, Delay, DeleteChild, Describe, Drop, RestartChild, Resume, StartChild, Suspend, TerminateChild
from tests.chaos.crowd import BRANCHES, GROUPS, MEMBERS, Count, Hang, How, Leave, Query

SECONDS = float(os.environ.get("UNDYING_CHAOS_SECONDS", "20"))
EVERY = 0.005  # seconds from one blow to the next
TELLS, ASKS = 8, 2  # for each blow
SETTLE_LIMIT = 60.0
GUESTS = ("/hosted/process0", "/hosted/thread1", "/hosted/thread2")

Blow = Callable[["Chaos", str], object]


class Chaos:
    """Drives the tree from the loop's own timer; knows what was sent, and what was counted."""

    def __init__(self, system: ActorSystem, path: Path, seed: int) -> None:
        self.system = system
        self.path = path
        self.chance = random.Random(seed)
        self.sent: dict[int, Outcome | None] = {}  # what `tell` said about each numbered message
        self.poisonous: set[int] = set()
        self.counted: Counter[int] = Counter()
        self.asked: dict[int, asyncio.Future[Any]] = {}
        self.orders: list[asyncio.Future[Any]] = []
        self.blows: Counter[str] = Counter()
        self.once = list(BLOWS)  # each is dealt at least once, however short the run
        self.terminated: set[str] = set()  # what waits for those is turned away, as it should be
        self.changed = asyncio.Event()
        self.finished = asyncio.Event()
        self.left = round(SECONDS / EVERY)
        system.dead_letters = deque()  # all of them
        system.listeners.append(self.note_change)

    def note_change(self, _: Decision) -> None:
        self.changed.set()

    def note(self, n: int) -> None:
        self.counted[n] += 1

    # ---- what is done to the tree

    def again(self) -> None:
        if not self.left:
            self.finished.set()
            return
        self.left -= 1
        self.system.loop.call_later(EVERY, self.again)
        members = [f"/b{b}/g{g}/m{m}" for b, g, m in (self.place() for _ in range(TELLS + ASKS + 1))]
        for address in members[:TELLS]:
            self.tell(address)
        for address in members[TELLS:-1]:
            self.ask(address)
        self.ask(self.chance.choice(GUESTS))
        blow = self.once.pop() if self.once else self.chance.choices(list(BLOWS), list(BLOWS.values()))[0]
        self.blows[blow.__name__] += 1
        blow(self, members[-1])

    def place(self) -> tuple[int, int, int]:
        return self.chance.randrange(BRANCHES), self.chance.randrange(GROUPS), self.chance.randrange(MEMBERS)

    def tell(self, address: str) -> None:
        n = self.system.unique()
        poison = self.chance.random() < 0.02
        if poison:
            self.poisonous.add(n)
        self.sent[n] = self.system.tell(address, Count(n=n, poison=poison), trace=str(n))

    def ask(self, address: str) -> None:
        n = self.system.unique()
        how: How = self.chance.choices(get_args(How), (80, 15, 3, 2))[0]
        self.asked[n] = self.system.ask(address, Query(n=n, how=how), timeout=self.chance.choice((0.2, 1.0, 4.0)), trace=str(n))

    def order(self, address: str, order: Ask[Any]) -> None:
        self.orders.append(self.system.ask(address, order, timeout=60.0))

    def cells(self) -> Iterator[Cell]:
        for resident in tuple(self.system.directory.values()):
            assert isinstance(resident, Cell)
            yield resident

    # ---- when it is over

    async def settle(self) -> None:
        """Waits until the tree is as its specs say: resumes whom nobody else will, and looks again whenever something was decided."""
        try:
            async with asyncio.timeout(SETTLE_LIMIT):
                while self.unfit():
                    self.changed.clear()
                    for cell in self.cells():
                        if cell.state == "suspended":
                            self.order(cell.address, Resume())
                    await self.changed.wait()
                await asyncio.gather(*self.asked.values(), *self.orders, return_exceptions=True)
        except TimeoutError:
            raise AssertionError(f"does not come to rest: {self.unfit()[:20]}, {len(self.system.asks.slots)} asks wait") from None

    def unfit(self) -> list[str]:
        """Who is not as its spec says."""
        return [f"{cell.address} is {cell.shown_state}" for cell in self.cells() if cell.state != "running" and not self.ended_for_good(cell)]

    def ended_for_good(self, cell: Cell) -> bool:
        if cell.address in self.terminated and cell.state == "stopped" and cell.restart_at is None:
            return True
        return cell.restart_type == "transient" and cell.state == "stopped" and cell.last_exit is not None and cell.last_exit.how in ("normal", "shutdown")

    async def drain(self) -> None:
        """Each is asked something once more, behind all that still waits for it. Orders to drop a message may stand: then again."""
        for cell in self.cells():
            if cell.state == "running" and not cell.supervises:
                for _ in range(5):
                    n = self.system.unique()
                    with suppress(AskFailed):
                        self.asked[n] = self.system.ask(cell.address, Query(n=n), trace=str(n))
                        await self.asked[n]
                        break


# ---- the blows


def kill(chaos: Chaos, address: str) -> None:
    cell = chaos.system.directory.get(address)
    if isinstance(cell, Cell):
        cell.kill("chaos")


def crash(chaos: Chaos, address: str) -> None:
    chaos.system.tell(address, Crash(detail="chaos"))


def kill_a_group(chaos: Chaos, address: str) -> None:
    kill(chaos, address.rpartition("/")[0])


def crash_a_branch(chaos: Chaos, address: str) -> None:
    crash(chaos, address[:3])


def kill_the_root(chaos: Chaos, _: str) -> None:
    kill(chaos, "/")


def pause(chaos: Chaos, address: str) -> None:
    chaos.system.tell(address, Delay(seconds=0.05))


def drop(chaos: Chaos, address: str) -> None:
    chaos.system.tell(address, Drop())


def hang(chaos: Chaos, address: str) -> None:
    chaos.system.tell(address, Hang())


def leave(chaos: Chaos, address: str) -> None:
    chaos.system.tell(address, Leave())


def suspend(chaos: Chaos, address: str) -> None:
    chaos.order(address, Suspend())


def resume(chaos: Chaos, address: str) -> None:
    chaos.order(address, Resume())


def describe(chaos: Chaos, address: str) -> None:
    chaos.order(address.rpartition("/")[0], Describe())


def restart(chaos: Chaos, address: str) -> None:
    group, _, id = address.rpartition("/")
    chaos.order(group, RestartChild(id=id, running="restart"))


def terminate(chaos: Chaos, address: str) -> None:
    chaos.terminated.add(address)
    group, _, id = address.rpartition("/")
    chaos.order(group, TerminateChild(id=id))
    if chaos.chance.random() < 0.8:
        chaos.order(group, RestartChild(id=id))


def start_and_delete(chaos: Chaos, address: str) -> None:
    group = address.rpartition("/")[0]
    chaos.order(group, StartChild(id="more", make="more"))
    chaos.terminated.add(f"{group}/more")
    if chaos.chance.random() < 0.7:
        chaos.order(group, TerminateChild(id="more"))
        chaos.order(group, DeleteChild(id="more"))


def kill_a_process(chaos: Chaos, _: str) -> None:
    """With -9, if it is one: what it had begun is lost, the rest is not."""
    cell = chaos.system.directory.get(GUESTS[0])
    pid = getattr(cell.instance, "pid", None) if isinstance(cell, Cell) else None
    if pid is not None and pid != os.getpid():
        os.kill(pid, signal.SIGKILL)


def crash_a_guest(chaos: Chaos, _: str) -> None:
    crash(chaos, chaos.chance.choice(GUESTS))


BLOWS: dict[Blow, float] = {
    kill: 20, crash: 20, kill_a_group: 3, crash_a_branch: 0.5, kill_the_root: 0.2, pause: 10, drop: 5, hang: 8, leave: 5, suspend: 5, resume: 5, describe: 3,
    restart: 5, terminate: 5, start_and_delete: 3, kill_a_process: 0.5, crash_a_guest: 0.5,
}  # fmt: skip
