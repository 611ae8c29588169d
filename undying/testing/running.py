"""A supervised tree inside a test, or one actor alone.

    async with tree(ChildSpec("counter", Counter)) as running:
        running.tell("/counter", Add(n=1))
        running.crash("/counter")
        assert (await running.ask("/counter", Total())).n == 0

At the end the tree is stopped in order, and nothing may be left of it: see `leaks.py`. No fixture, because on virtual time all has to
happen inside the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from actors.runtime.cell import Cell
from actors.runtime.describe import status_of
from actors.runtime.supervised import SupervisedActor
from actors.runtime.system import ASK_TIMEOUT, ActorSystem, DeadLetter, Wire
from messages.envelope import Address
from messages.message import Ask, Message, pack, unpack
from messages.outcome import Outcome, describe
from messages.supervision import ChildRestarted, Crash, Decision, Delay, Describe, Described, Drop, RestartChild, State
from supervisors.spec import ChildSpec, Strategy
from supervisors.supervisor import Supervisor
from undying.testing.census import Kind
from undying.testing.leaks import leak_check
from undying.testing.probe import Probe
from undying.testing.settling import settle

R = TypeVar("R")

LONG = 100_000.0  # on virtual time, a test that waits for what never comes ends here at once

PATIENCE = 5.0  # seconds for tasks that were cancelled; one that refuses to end is a leak


@dataclass
class RunningTree:
    """A tree that runs. `events` is every decision so far: what started, ended, was restarted or given up, in order."""

    system: ActorSystem
    root: Cell
    events: list[Decision] = field(default_factory=list[Decision])
    probes: list[Probe] = field(default_factory=list[Probe])

    # ---- talking to it

    def tell(self, address: str, message: Message, *, timeout: float | None = None) -> Outcome | None:
        """Sends. None when it is in the mailbox, else why not. After `timeout` seconds it is no longer worth handling."""
        return self.system.tell(address, message, timeout=timeout)

    def ask(self, address: str, message: Ask[R], *, timeout: float = ASK_TIMEOUT) -> asyncio.Future[R]:
        """Sends and awaits the typed answer, for at most `timeout` seconds. Raises `AskFailed`."""
        return self.system.ask(address, message, timeout=timeout)

    def inject(self, address: str, message: Message) -> None:
        """Sends as `POST /inject` does: packed and read again, whatever `wire` is. Raises AssertionError when it is not taken."""
        outcome = self.system.tell(address, unpack(pack(message)))
        if outcome is not None:
            raise AssertionError(f"{address} did not take {message.kind}: {describe(outcome)}")

    def probe(self, at: str = "") -> Probe:
        """An address of the test's own, or the address `at`, where nobody lives. It lasts as long as the tree."""
        probe = Probe(self.system, at)
        probe.open()
        self.probes.append(probe)
        return probe

    # ---- breaking it

    def crash(self, address: str, detail: str = "injected") -> None:
        """The actor raises, after the messages that it has already; its supervisor decides what follows."""
        self.inject(address, Crash(detail=detail))

    def delay(self, address: str, seconds: float) -> None:
        """The actor handles nothing for so long; its mailbox goes on filling."""
        self.inject(address, Delay(seconds=seconds))

    def drop(self, address: str, count: int = 1) -> None:
        """The next messages go to the dead letters instead of the actor; their askers are told."""
        self.inject(address, Drop(count=count))

    def kill(self, address: str) -> None:
        """Ends the instance now; nothing of it is asked. Its supervisor decides what follows."""
        self.cell(address).kill("killed by the test")

    async def restart(self, address: str) -> ChildRestarted:
        """Stops and starts the actor by hand; returns when it runs. Raises `AskFailed`, also for the root: kill that."""
        parent, _, id = address.rpartition("/")
        return await self.ask(parent or "/", RestartChild(id=id, running="restart"))

    # ---- looking at it

    def cell(self, address: str) -> Cell:
        """The cell of an actor; what it holds is the kernel's own."""
        cell = self.system.directory.get(address)
        if not isinstance(cell, Cell):
            raise AssertionError(f"no actor lives at {address}; there are {', '.join(self.system.directory)}")
        return cell

    def state(self, address: str) -> State:
        """What the actor is at now: running, stopped, ..."""
        return status_of(self.cell(address), 0, 0).state

    def describe(self, address: str, depth: int = -1) -> asyncio.Future[Described]:
        """Its status, as `/status/actors` shows it, its children's below it."""
        return self.ask(address, Describe(depth=depth))

    def trail(self, *names: str) -> list[str]:
        """The events of these names, or all, as "name address", in order."""
        return [f"{event.event} {event.address}" for event in self.events if not names or event.event in names]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """The messages that nobody handled, and why."""
        return list(self.system.dead_letters)

    async def settle(self) -> None:
        """Everything that can happen without time passing has happened; see `settling.py`."""
        await settle()

    async def stop(self, patience: float = PATIENCE) -> None:
        """Stops the tree in reverse order, gives cancelled tasks the time to end, and closes the probes. Done at the end anyway."""
        await self.system.stop_root()
        if self.system.ending:
            await asyncio.wait(set(self.system.ending), timeout=patience)
        while self.probes:
            self.probes.pop().close()


@asynccontextmanager
async def tree(
    *specs: ChildSpec, strategy: Strategy = "one_for_one", wire: Wire = "always", chance: Callable[[], float] = lambda: 0.5,
    limit: float = LONG, patience: float = PATIENCE, may_leave: Collection[Kind] = (), **root: Any,
) -> AsyncGenerator[RunningTree]:  # fmt: skip
    """A root supervisor with these children, while the body runs. Raises `StartFailed` when one does not start, `Leaked` at the end.

    `root` is what else a `Supervisor` takes (intensity, on_exhausted, backoff). `chance` draws the jitter of back-offs, by default
    always half. The body, and then the stop, may take `limit` seconds of the loop's clock; tasks that were cancelled
    may take `patience` seconds of it to end. `may_leave`: see `leak_check`.
    """
    async with leak_check(may_leave=may_leave) as check:
        system = ActorSystem(wire=wire, chance=chance)
        check.watch(system)
        running = RunningTree(system, Cell(system, Address("/"), lambda: Supervisor(*specs, strategy=strategy, **root), None))
        system.listeners.append(running.events.append)
        try:
            async with asyncio.timeout(limit):
                await system.start_root(running.root)
                yield running
        finally:
            async with asyncio.timeout(limit):
                await running.stop(patience)


@asynccontextmanager
async def actor(
    make: Callable[[], SupervisedActor[Any]], id: str = "actor", *,
    wire: Wire = "always", limit: float = LONG, may_leave: Collection[Kind] = (), **spec: Any,
) -> AsyncGenerator[RunningTree]:  # fmt: skip
    """One actor alone, at `/actor`, or wherever `id` says; `spec` is what else a `ChildSpec` takes (restart, mailbox, isolation)."""
    async with tree(ChildSpec(id, make, **spec), wire=wire, limit=limit, may_leave=may_leave) as running:
        yield running
