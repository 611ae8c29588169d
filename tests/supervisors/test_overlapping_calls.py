"""Calls, crashes and slow children all at once: whatever comes together, the supervisor lives, answers, and forgets nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Any, get_args

import pytest

from messages.message import Ask
from messages.outcome import AskFailed, DeadlinePassed
from messages.supervision import CountChildren, DeleteChild, GetChildSpec, RestartChild, StartChild, TerminateChild, WhichChildren
from supervisors.dynamic import DynamicSupervisor
from supervisors.family import Family
from supervisors.quarantine import Quarantine
from supervisors.restart import Backoff
from supervisors.spec import ChildSpec, Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Slow, Tree, Worker, growing
from tests.actors.runtime.vocabulary import Break, Hold, Quit

pytestmark = pytest.mark.looptime

IDS = "abcxyz"
PATIENCE = 1000.0  # virtual seconds


class Flaky(Worker):
    """Starts and stops slowly or not at all, as chance has it, and ties itself to others."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.random = random

    async def on_start(self) -> None:
        await asyncio.sleep(self.random.choice((0.0, 0.0, 0.3, 1.5)))
        if self.random.random() < 0.15:
            raise OSError("does not start today")
        if self.random.random() < 0.2:
            self.link(f"/s/{self.random.choice(IDS)}")

    async def on_stop(self) -> None:
        await asyncio.sleep(self.random.choice((0.0, 0.0, 0.5, 2.0)))
        if self.random.random() < 0.05:
            raise OSError("does not stop in order")


def supervisor(random: Random, strategy: str) -> ChildSpec:
    make = partial(Flaky, random)
    policy: dict[str, Any] = {
        "intensity": Intensity(random.randint(0, 3), 5.0), "on_exhausted": random.choice(("backoff", "quarantine")), "backoff": Backoff(first=0.5, cap=3.0),
        "quarantine": Quarantine(first=0.5, cap=3.0, trial=1.0), "makes": (ChildSpec("m", make, shutdown=1.0),),
    }  # fmt: skip
    if strategy == "dynamic":
        return ChildSpec("s", lambda: DynamicSupervisor(make, Hold, limit=8, shutdown=1.0, **policy))
    specs = (ChildSpec("a", Worker), ChildSpec("b", Worker, restart="transient"), ChildSpec("c", partial(Slow, 0.5, 0.5), restart="temporary"))
    return ChildSpec("s", lambda: Supervisor(*specs, strategy=strategy, **policy), shutdown=None)  # type: ignore[arg-type]


def call(random: Random) -> Ask[Any]:
    id = random.choice(IDS)
    calls: tuple[Ask[Any], ...] = (
        StartChild(id=id, make="m", restart=random.choice(("permanent", "transient", "temporary"))), TerminateChild(id=id), DeleteChild(id=id),
        RestartChild(id=id), RestartChild(id=id, running="restart"), WhichChildren(), CountChildren(), GetChildSpec(id=id),
    )  # fmt: skip
    return random.choice(calls)


def steps(random: Random, tree: Tree) -> Iterator[asyncio.Future[Any]]:
    """One thing after the other; yields what must be answered."""
    for _ in range(300):
        match random.randrange(12):
            case 0:
                tree.system.tell(f"/s/{random.choice(IDS)}", Break())
            case 1:
                tree.system.tell(f"/s/{random.choice(IDS)}", Quit())
            case 2:
                for cell in random.sample(tuple(tree.cell("/s").children.values()), k=min(1, len(tree.cell("/s").children))):
                    cell.kill("by the test")
            case _:
                yield tree.system.ask("/s", call(random), timeout=PATIENCE)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("strategy", [*get_args(Strategy), "dynamic"])
async def test_whatever_comes_together_the_supervisor_lives_answers_and_forgets_nobody(strategy: str, seed: int) -> None:
    random = Random(f"{strategy} {seed}")
    async with growing(supervisor(random, strategy)) as tree:
        answers = []
        for answer in steps(random, tree):
            answers.append(answer)
            await asyncio.sleep(random.choice((0.0, 0.0, 0.05, 0.7)))
        ends = await asyncio.gather(*answers, return_exceptions=True)
        assert [end for end in ends if isinstance(end, AskFailed) and isinstance(end.outcome, DeadlinePassed)] == []
        assert (tree.root.incarnation, tree.cell("/s").incarnation) == (1, 1)
        await asyncio.sleep(100.0)
        family = tree.cell("/s").instance
        assert isinstance(family, Family)
        kids = family.kids.values()
        assert [kid.id for kid in kids if kid.busy] == []
        assert [kid.id for kid in kids if not kid.stopped and kid.cell.shown_state == "stopped"] == []
        assert {id: cell.address for id, cell in tree.cell("/s").children.items() if id in family.kids} == {kid.id: f"/s/{kid.id}" for kid in kids}
