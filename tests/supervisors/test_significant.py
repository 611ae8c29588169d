"""Significant children: a supervisor that ends because they did. As OTP has it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from messages.message import Message
from messages.supervision import ExitReason, RestartChild, RestartType, TerminateChild
from supervisors.spec import AutoShutdown, BadSpec, ChildSpec
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Tree, Worker, growing, quiet
from tests.actors.runtime.vocabulary import Break, Quit

pytestmark = pytest.mark.looptime


def pair(auto_shutdown: AutoShutdown, restart: RestartType = "transient", **keywords: Any) -> ChildSpec:
    """A supervisor of two significant children, a and b, and an everyday one, c. It is temporary: once it has ended, it is gone."""
    children = [ChildSpec(id, Worker, restart=restart, significant=True) for id in "ab"]
    return ChildSpec("s", partial(Supervisor, *children, ChildSpec("c", Worker), auto_shutdown=auto_shutdown, **keywords), restart="temporary")


async def ended(tree: Tree) -> bool:
    await quiet()
    return "/s" not in tree.system.directory


async def test_with_any_the_first_significant_child_that_ends_for_good_ends_the_supervisor_in_order() -> None:
    async with growing(pair("any_significant")) as tree:
        cell = tree.cell("/s")
        tree.system.tell("/s/a", Quit())
        assert await ended(tree)
        assert cell.last_exit == ExitReason(how="shutdown", error="AutoShutdown", detail="/s/a ended, and auto_shutdown is any_significant")
        assert tree.trail("exited", "auto_shutdown") == ["exited /s/a", "auto_shutdown /s/a", "exited /s/c", "exited /s/b", "exited /s"]


async def test_with_all_the_last_one_does() -> None:
    async with growing(pair("all_significant")) as tree:
        tree.system.tell("/s/b", Quit())
        assert not await ended(tree)
        tree.system.tell("/s/a", Quit())
        assert await ended(tree)


@pytest.mark.parametrize("auto_shutdown", ["any_significant", "all_significant"])
async def test_a_transient_child_that_crashes_is_restarted_and_ends_nobody(auto_shutdown: AutoShutdown) -> None:
    async with growing(pair(auto_shutdown)) as tree:
        for id in "ab":
            tree.system.tell(f"/s/{id}", Break())
        assert not await ended(tree)
        assert [tree.cell(f"/s/{id}").incarnation for id in "abc"] == [2, 2, 1]


async def test_a_temporary_child_counts_however_it_ends() -> None:
    async with growing(pair("any_significant", "temporary")) as tree:
        tree.system.tell("/s/a", Break())
        assert await ended(tree)


async def test_an_everyday_child_ends_nobody() -> None:
    everyday = ChildSpec("s", partial(Supervisor, ChildSpec("c", Worker, restart="transient"), auto_shutdown="any_significant"))
    async with growing(everyday) as tree:
        tree.system.tell("/s/c", Quit())
        await quiet()
        assert tree.cell("/s").incarnation == 1


@pytest.mark.parametrize("auto_shutdown", ["any_significant", "all_significant"])
async def test_what_is_terminated_by_hand_ends_nobody(auto_shutdown: AutoShutdown) -> None:
    async with growing(pair(auto_shutdown)) as tree:
        for id in "ab":
            await tree.system.ask("/s", TerminateChild(id=id))
        assert not await ended(tree)


async def test_one_that_was_terminated_by_hand_is_not_waited_for() -> None:
    async with growing(pair("all_significant")) as tree:
        await tree.system.ask("/s", TerminateChild(id="b"))
        tree.system.tell("/s/a", Quit())
        assert await ended(tree)


async def test_one_that_was_started_again_by_hand_counts_again() -> None:
    async with growing(pair("all_significant")) as tree:
        tree.system.tell("/s/a", Quit())
        await quiet()
        await tree.system.ask("/s", RestartChild(id="a"))
        tree.system.tell("/s/b", Quit())
        assert not await ended(tree)
        tree.system.tell("/s/a", Quit())
        assert await ended(tree)


@pytest.mark.parametrize("message", [Break(), Quit()])
async def test_temporary_children_that_a_group_restart_takes_along_end_nobody(message: Message) -> None:
    async with growing(pair("any_significant", "temporary", strategy="one_for_all")) as tree:
        tree.system.tell("/s/c", message)
        assert not await ended(tree)
        assert sorted(tree.system.directory) == ["/", "/s", "/s/c"]


async def test_a_permanent_supervisor_above_starts_it_anew_and_a_transient_one_does_not() -> None:
    def shut(restart: RestartType) -> ChildSpec:
        child = ChildSpec("a", Worker, restart="transient", significant=True)
        return ChildSpec(restart, partial(Supervisor, child, auto_shutdown="any_significant"), restart=restart)

    async with growing(shut("permanent"), shut("transient")) as tree:
        for id in ("permanent", "transient"):
            tree.system.tell(f"/{id}/a", Quit())
        await quiet()
        assert (tree.cell("/permanent").incarnation, tree.cell("/permanent").state) == (2, "running")
        assert (tree.cell("/transient").incarnation, tree.cell("/transient").state) == (1, "stopped")


def test_specs_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(BadSpec, match="significant of 'a': True, must be False for a permanent child"):
        ChildSpec("a", Worker, significant=True)
    with pytest.raises(BadSpec, match="significant of 'a': True, but its supervisor's auto_shutdown is 'never'"):
        Supervisor(ChildSpec("a", Worker, restart="transient", significant=True))
    with pytest.raises(BadSpec, match="auto_shutdown: 'sometimes', must be one of never, any_significant, all_significant"):
        Supervisor(auto_shutdown="sometimes")  # type: ignore[arg-type]
