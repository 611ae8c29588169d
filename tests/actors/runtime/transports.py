"""The ways over which two actors can talk. One suite of promises is run over all of them, see test_transports.py.

    local             both in one system
    loopback-bytes    two systems on one loop, joined by a border: every message crosses as bytes
    thread, process   the other one is hosted
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from actors.runtime.border import Border
from actors.runtime.supervised import SupervisedActor
from messages.envelope import Address, Envelope
from messages.supervision import Decision, Down, Isolation
from supervisors.spec import ChildSpec
from tests.actors.runtime.housed import Lodger
from tests.actors.runtime.trees import Tree, Worker, growing
from tests.actors.runtime.vocabulary import Totalled

TRANSPORTS = ("local", "loopback-bytes", "thread", "process")
HOSTED: tuple[Isolation, ...] = ("thread", "process")


@dataclass
class Peers:
    """`/here` is a Lodger in this system, `/there` lives over the transport; `lose` breaks the transport itself."""

    here: Tree
    there: Tree
    lose: Callable[[], None]


@asynccontextmanager
async def meeting(transport: str, make: Callable[[], SupervisedActor[Any]] = Worker, **keywords: Any) -> AsyncIterator[Peers]:
    """The two, while they live. `keywords` are the spec's of the one over there."""
    here = ChildSpec("here", Lodger)
    if transport == "loopback-bytes":
        async with growing(here) as tree, growing(ChildSpec("there", make, **keywords)) as other:
            to, back = join(tree, other)
            yield Peers(tree, other, lambda: lose(to, back))
            lose(to, back)
    else:
        isolation = "task" if transport == "local" else cast(Isolation, transport)
        with nothing_left():
            async with growing(here, ChildSpec("there", make, isolation=isolation, **keywords)) as tree:
                yield Peers(tree, tree, lambda: tree.cell("/there").kill("lost"))


def join(one: Tree, other: Tree) -> tuple[Border, Border]:
    """Joins two systems on one loop; frames arrive in order, in a turn of their own."""
    loop = one.system.loop
    other.system.number_apart(1)
    to = Border(one.system, lambda frame: later(loop, back, frame))
    back = Border(other.system, lambda frame: later(loop, to, frame))
    one.system.elsewhere, other.system.elsewhere = to, back
    return to, back


def later(loop: asyncio.AbstractEventLoop, border: Border, frame: bytes) -> None:
    assert type(frame) is bytes
    loop.call_soon(lambda: None if border.closed else border.take(frame))


def lose(*borders: Border) -> None:
    for border in borders:
        border.close()


class nothing_left:
    """No thread, no child process and no descriptor is left that was not there before."""

    def __enter__(self) -> None:
        self.before = left()

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            threads, descriptors, children = left()
            assert threads <= self.before[0]
            assert descriptors <= self.before[1]
            assert children <= self.before[2]


def left() -> tuple[set[threading.Thread], int, set[str]]:
    """Threads of ours, open descriptors, child processes."""
    threads = {thread for thread in threading.enumerate() if thread.name.startswith("undying")}
    children = {entry for entry in os.listdir("/proc") if entry.isdigit() and parent_of(entry) == os.getpid()}
    return threads, len(os.listdir("/proc/self/fd")), children


def parent_of(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


async def until(tree: Tree, event: str, address: str = "/there", incarnation: int | None = None) -> Decision:
    """The first such decision; waits for it when it was not taken yet."""
    happened = asyncio.Event()

    def look(_: Decision) -> None:
        happened.set()

    tree.system.listeners.append(look)
    await asyncio.sleep(0)  # what was published before now is told to the others only
    try:
        async with asyncio.timeout(20):
            while True:
                for decision in tree.events:
                    if decision.event == event and decision.address == address and incarnation in (None, decision.incarnation):
                        return decision
                happened.clear()
                await happened.wait()
    finally:
        tree.system.listeners.remove(look)


class Answering:
    """Lives at `/other` and answers whatever it is asked; notes from whom, and the numbers of the envelopes."""

    def __init__(self, tree: Tree) -> None:
        self.system = tree.system
        self.address = Address("/other")
        self.incarnation = 7
        self.watchers: dict[Any, int] = {}
        self.watching: set[Any] = set()
        self.senders: list[str] = []
        self.numbers: list[int] = []

    async def __aenter__(self) -> Answering:
        self.system.directory[self.address] = self
        return self

    async def __aexit__(self, *_: object) -> None:
        del self.system.directory[self.address]

    def deliver(self, envelope: Envelope) -> None:
        self.senders.append(envelope.sender)
        self.numbers.append(envelope.id)
        self.system.answer(envelope, Totalled(n=42, incarnation=7), self.address)

    def notice_down(self, down: Down, incarnation: int) -> None:
        raise AssertionError(down)

    def watched_by(self, watcher: Any, incarnation: int) -> bool:
        raise AssertionError(watcher)
