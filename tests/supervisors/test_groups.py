"""one_for_all and rest_for_one: who is stopped and started with whom, and in which order."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from actors.runtime.supervised import SupervisedActor
from messages.outcome import NoSuchAddress
from messages.supervision import ChildRestarted, RestartChild
from supervisors.restart import Backoff
from supervisors.spec import ChildSpec, Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Slow, Tree, Worker, growing, quiet, workers
from tests.actors.runtime.vocabulary import Add, Break, Hold, Quit, Total, Totalled

pytestmark = pytest.mark.looptime


def incarnations(tree: Tree, ids: str) -> list[int]:
    return [tree.cell(f"/{id}").incarnation for id in ids]


@pytest.mark.parametrize(
    ("strategy", "trail", "after"),
    [
        ("one_for_all", ["exited /b", "exited /d", "exited /c", "exited /a", "started /a", "started /b", "started /c", "started /d"], [2, 2, 2, 2]),
        ("rest_for_one", ["exited /b", "exited /d", "exited /c", "started /b", "started /c", "started /d"], [1, 2, 2, 2]),
    ],
)
async def test_a_crash_stops_its_group_in_reverse_and_starts_it_in_order(strategy: Strategy, trail: list[str], after: list[int]) -> None:
    async with growing(*workers("abcd"), strategy=strategy) as tree:
        tree.events.clear()
        tree.system.tell("/b", Break())
        await quiet()
        assert tree.trail("exited", "started") == trail
        assert incarnations(tree, "abcd") == after
        assert tree.root.instance._history == (0.0,)  # type: ignore[union-attr]  # one restart, whatever the group's size


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_what_waits_for_a_sibling_survives_the_groups_restart(strategy: Strategy) -> None:
    async with growing(*workers("ab"), strategy=strategy) as tree:
        tree.cell("/b").suspend()
        tree.system.tell("/b", Add(n=4))
        waiting = tree.system.ask("/b", Total())
        tree.system.tell("/a", Break())
        assert await waiting == Totalled(n=4, incarnation=2)


async def test_a_temporary_child_of_a_restarted_group_is_removed_and_not_restarted() -> None:
    for strategy in ("one_for_all", "rest_for_one"):
        async with growing(*workers("a"), ChildSpec("t", Worker, restart="temporary"), *workers("b"), strategy=strategy) as tree:
            tree.system.tell("/a", Break())
            await quiet()
            assert incarnations(tree, "ab") == [2, 2]
            assert [child.address for child in (await tree.describe("/")).status.children] == ["/a", "/b"]
            assert await tree.failure("/t", Total()) == NoSuchAddress(address="/t")


async def test_a_transient_child_that_had_ended_normally_comes_back_with_its_group() -> None:
    async with growing(*workers("a"), *workers("t", "transient"), strategy="one_for_all") as tree:
        tree.system.tell("/t", Quit())
        await quiet()
        assert tree.cell("/t").state == "stopped"
        tree.system.tell("/a", Break())
        await quiet()
        assert (await tree.total("/t")).incarnation == 2


class Choosy(SupervisedActor[Total | Break]):
    """Does not start as the incarnations named."""

    def __init__(self, *refused: int) -> None:
        super().__init__()
        self.refused = refused

    def on_start(self) -> None:
        if self.incarnation in self.refused:
            raise OSError("not this time")

    def receive(self, message: Total | Break) -> Totalled:
        if isinstance(message, Break):
            raise ValueError(message.detail)
        return Totalled(n=0, incarnation=self.incarnation)


@pytest.mark.parametrize(("strategy", "after"), [("one_for_all", [3, 3, 2]), ("rest_for_one", [2, 3, 2])])
async def test_a_group_whose_restart_fails_half_way_is_tried_again_from_the_one_that_failed(strategy: Strategy, after: list[int]) -> None:
    async with growing(*workers("a"), ChildSpec("b", partial(Choosy, 2)), *workers("c"), strategy=strategy) as tree:
        tree.system.tell("/a", Break())
        await quiet()
        assert incarnations(tree, "abc") == after
        assert tree.root.instance._history == (0.0, 0.0)  # type: ignore[union-attr]
        assert (await tree.total("/c")).incarnation == 2


async def test_children_that_end_while_their_group_is_restarted_are_looked_at_once_and_afterwards() -> None:
    async with growing(*workers("a"), ChildSpec("b", partial(Slow, start=2.0)), *workers("c"), strategy="one_for_all") as tree:
        tree.system.tell("/a", Break())
        await quiet()  # /a runs again, /b is just starting
        assert incarnations(tree, "abc") == [2, 2, 1]
        tree.system.tell("/a", Break())
        await asyncio.sleep(5.0)
        assert incarnations(tree, "abc") == [3, 3, 3]
        assert len(tree.root.instance._history) == 2  # type: ignore[union-attr]


async def test_two_children_that_crash_at_once_are_one_restart_of_the_group() -> None:
    async with growing(*workers("abc"), strategy="one_for_all", intensity=Intensity(1, 5.0)) as tree:
        tree.system.tell("/a", Break())
        tree.system.tell("/c", Break())
        await quiet()
        assert incarnations(tree, "abc") == [2, 2, 2]
        assert tree.root.incarnation == 1


async def test_a_restart_by_hand_in_a_group_takes_nobody_along() -> None:
    async with growing(*workers("abc"), strategy="one_for_all") as tree:
        assert await tree.system.ask("/", RestartChild(id="b", running="restart")) == ChildRestarted(address="/b", incarnation=2)
        assert incarnations(tree, "abc") == [1, 2, 1]


async def test_a_restart_by_hand_brings_back_those_that_a_failed_restart_of_the_group_left_down() -> None:
    specs = (*workers("a"), ChildSpec("b", partial(Choosy, 2)), *workers("c"))
    async with growing(*specs, strategy="one_for_all", intensity=Intensity(1), on_exhausted="backoff", backoff=Backoff(first=100.0, cap=100.0)) as tree:
        tree.system.tell("/a", Break())
        await quiet()
        assert [tree.cell(f"/{id}").state for id in "abc"] == ["stopped", "stopped", "stopped"]
        for id in "abc":  # all wait for the same restart, 50 s away
            outcome = await tree.failure(f"/{id}", Total())
            assert outcome.kind == "ask.refused"
        assert await tree.system.ask("/", RestartChild(id="b", running="restart")) == ChildRestarted(address="/b", incarnation=3)
        assert [(await tree.total(f"/{id}")).incarnation for id in "abc"] == [3, 3, 2]
        await asyncio.sleep(100.0)
        assert incarnations(tree, "abc") == [3, 3, 2]


async def test_a_supervisor_that_is_told_to_stop_while_a_group_restarts_stops_in_order_and_starts_nothing_more() -> None:
    specs = [ChildSpec(id, partial(Slow, stop=2.0)) for id in "abc"]
    async with growing(ChildSpec("s", lambda: Supervisor(*specs, strategy="one_for_all"), shutdown=None)) as tree:
        tree.system.tell("/s/a", Break())
        await asyncio.sleep(1.0)  # /s/c is just stopping
        tree.events.clear()
        await tree.system.stop_root()
        assert tree.trail("started", "exited") == ["exited /s/c", "exited /s/b", "exited /s", "exited /"]
        assert tree.system.now() == pytest.approx(4.0)


async def test_asks_that_were_begun_fail_when_the_group_takes_their_actor_along() -> None:
    async with growing(*workers("ab"), strategy="one_for_all") as tree:
        held = tree.system.ask("/b", Hold())
        await quiet()
        tree.system.tell("/a", Break())
        outcome = await asyncio.gather(held, return_exceptions=True)
        assert str(outcome[0]) == "ask.crashed: /b ended before it answered (shutdown: )"
