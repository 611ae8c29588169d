"""A thousand actors in three levels below the root, and what they are told. Importable, so that a process of its own can start them.

    root --- 8 branches --- 10 groups each, of every strategy, and every way to deal with too many restarts --- 12 members each
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import cycle
from typing import Literal, assert_never

from actors.runtime.supervised import Later, SupervisedActor
from messages.message import Ask, Message
from messages.supervision import Isolation, RestartType
from supervisors.quarantine import Quarantine
from supervisors.restart import Backoff
from supervisors.spec import ChildSpec, Intensity, OnExhausted, StopOrder, Strategy
from supervisors.supervisor import Supervisor

BRANCHES, GROUPS, MEMBERS = 8, 10, 12
SHUTDOWN = 0.05  # seconds that a member may take to stop
STUBBORN = 0.3  # seconds for which a hung member's task ignores that it is cancelled
SOON = Backoff(first=0.01, cap=0.5, healthy=5.0)
AWAY = Quarantine(first=0.1, cap=0.5, trial=0.1, healthy=5.0)

How = Literal["now", "later", "never", "poison"]
Nature = Literal["quick", "slow", "moody"]


class Count(Message, kind="chaos.count"):
    """To be counted once, or to crash the one who reads it."""

    n: int
    poison: bool = False


class Counted(Message, kind="chaos.counted"):
    n: int


class Query(Ask[Counted], kind="chaos.query"):
    """Answered now, later or never; or it crashes the one who reads it."""

    n: int
    how: How = "now"


class Hang(Message, kind="chaos.hang"):
    """From now on the actor's `on_stop` never ends, and a task of it does not mind being cancelled."""


class Leave(Message, kind="chaos.leave"):
    """The actor leaves, as it may."""


class Member(SupervisedActor[Count | Query | Hang | Leave]):
    """Notes the number of every message that it begins and that is no poison."""

    def __init__(self, note: Callable[[int], None], nature: Nature = "quick") -> None:
        super().__init__()
        self.note = note
        self.nature = nature
        self.stop_takes: float | None = 0.02 if nature == "slow" else 0.0

    async def on_start(self) -> None:
        if self.nature == "slow":
            await asyncio.sleep(0.02)
        if self.nature == "moody" and self.incarnation in (2, 3, 5, 9):
            raise OSError("not this time")

    async def on_stop(self) -> None:
        if self.stop_takes is None:
            await asyncio.Event().wait()
        elif self.stop_takes:
            await asyncio.sleep(self.stop_takes)

    def receive(self, message: Count | Query | Hang | Leave) -> Message | Later | None:
        match message:
            case Count():
                if message.poison:
                    raise ValueError(f"poison {message.n}")
                self.note(message.n)
            case Query():
                return self.answer(message)
            case Hang():
                self.stop_takes = None
                self.spawn(self.linger(), "linger")
            case Leave():
                self.leave()
            case _:
                assert_never(message)
        return None

    def answer(self, message: Query) -> Message | Later:
        if message.how == "poison":
            raise ValueError(f"poison {message.n}")
        self.note(message.n)
        if message.how == "now":
            return Counted(n=message.n)
        later = self.later()
        if message.how == "later":
            self.after(0.01, partial(later.answer, Counted(n=message.n)))
        return later

    async def linger(self) -> None:
        over = self.now + STUBBORN
        while (left := over - self.now) > 0:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(left)


class Recorder(Member):
    """A member that may live in another thread or process: it notes numbers in a file, which outlives it."""

    def __init__(self, path: str) -> None:
        super().__init__(partial(append, path))


def append(path: str, n: int) -> None:
    """One line, in one write: what a killed process had noted is there."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, b"%d\n" % n)
    os.close(file)


def grown(note: Callable[[int], None], path: str) -> Supervisor:
    """The root. Its last branch holds the few that live in threads and processes."""
    strategies: cycle[Strategy] = cycle(("one_for_one", "one_for_all", "rest_for_one"))
    exhausted: cycle[OnExhausted] = cycle(("backoff", "quarantine", "escalate", "backoff"))
    orders: cycle[StopOrder] = cycle(("reverse", "together", "together", "reverse", "together"))
    branches = []
    for number in range(BRANCHES):
        # one that does not start fails the start of all above it: they are few, and first, so that the root's next attempt comes soon
        groups = [
            ChildSpec(f"g{n}", partial(group, n == 0 and number < 3, next(strategies), next(exhausted), next(orders), note), shutdown=None)
            for n in range(GROUPS)
        ]  # fmt: skip
        branches.append(ChildSpec(f"b{number}", partial(branch, groups, next(exhausted)), shutdown=None))
    return Supervisor(*branches, ChildSpec("hosted", partial(hosted, path), shutdown=None), on_exhausted="backoff", backoff=SOON)


def branch(groups: list[ChildSpec], on_exhausted: OnExhausted) -> Supervisor:
    """A supervisor of supervisors."""
    return Supervisor(*groups, on_exhausted=on_exhausted, intensity=Intensity(5, 1.0), backoff=SOON, quarantine=AWAY)


def group(moody: bool, strategy: Strategy, on_exhausted: OnExhausted, stop: StopOrder, note: Callable[[int], None]) -> Supervisor:
    """A dozen members, one of them moody or none, and a make for one more."""
    return Supervisor(
        *(member(number, moody, note) for number in range(MEMBERS)), strategy=strategy, on_exhausted=on_exhausted, stop=stop, intensity=Intensity(3, 1.0),
        backoff=SOON, quarantine=AWAY, makes=[ChildSpec("more", partial(Member, note), shutdown=SHUTDOWN)],
    )  # fmt: skip


def hosted(path: str) -> Supervisor:
    """Those that live elsewhere."""
    kinds: tuple[Isolation, ...] = ("process", "thread", "thread")
    specs = [ChildSpec(f"{kind}{number}", partial(Recorder, path), isolation=kind, shutdown=2.0) for number, kind in enumerate(kinds)]
    return Supervisor(*specs, on_exhausted="backoff", backoff=SOON)


def member(number: int, moody: bool, note: Callable[[int], None]) -> ChildSpec:
    """Most are permanent, and quick; some may leave for good, some take their time, a few don't start at every attempt."""
    restart: RestartType = "transient" if number == 4 else "temporary" if number == 9 else "permanent"
    nature: Nature = "slow" if number == 7 else "moody" if moody and number == 2 else "quick"
    return ChildSpec(f"m{number}", partial(Member, note, nature), restart=restart, shutdown=SHUTDOWN)
