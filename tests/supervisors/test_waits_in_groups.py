"""What a wait or a trial of one child means for the others, and for itself when it is suspended. Found by the oracle."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from messages.supervision import ChildStarted, ChildTerminated, Crash, Resume, StartChild, Suspend, TerminateChild
from supervisors.quarantine import Quarantine
from supervisors.restart import Backoff
from supervisors.spec import ChildSpec, Intensity
from tests.actors.runtime.trees import Slow, Worker, growing, quiet, workers

pytestmark = pytest.mark.looptime

WAITS: dict[str, Any] = {"intensity": Intensity(0), "on_exhausted": "backoff", "backoff": Backoff(first=2.0)}  # the first wait is 1 s: half of it


async def test_a_child_that_waits_is_not_started_before_those_that_it_depends_on_when_one_of_them_has_to_wait_longer() -> None:
    async with growing(*workers("abc"), strategy="rest_for_one", **WAITS) as tree:
        tree.system.tell("/c", Crash())
        await asyncio.sleep(0.5)
        tree.system.tell("/a", Crash())
        await asyncio.sleep(0.75)  # c's own wait would be over, a's is not
        assert [tree.cell(address).shown_state for address in ("/a", "/b", "/c")] == ["restarting"] * 3
        await asyncio.sleep(0.5)
        assert tree.trail("restarted") == ["restarted /a", "restarted /b", "restarted /c"]
        assert [tree.cell(address).incarnation for address in ("/a", "/b", "/c")] == [2, 2, 2]
        await asyncio.sleep(10)
        assert tree.cell("/c").incarnation == 2


async def test_an_instance_on_trial_that_is_suspended_meanwhile_has_passed_when_it_is_resumed() -> None:
    quarantine = Quarantine(first=1.0, trial=2.0)
    async with growing(*workers("a"), intensity=Intensity(0), on_exhausted="quarantine", quarantine=quarantine) as tree:
        tree.system.tell("/a", Crash())
        await asyncio.sleep(1.5)
        assert tree.cell("/a").shown_state == "half_open"
        await tree.system.ask("/a", Suspend())
        await asyncio.sleep(3.0)
        assert (tree.cell("/a").state, tree.trail("recovered")) == ("suspended", ["recovered /a"])
        await tree.system.ask("/a", Resume())
        await quiet()
        assert tree.cell("/a").shown_state == "running"


async def test_those_that_wait_with_a_child_wait_no_longer_when_that_is_terminated() -> None:
    async with growing(*workers("abc"), strategy="one_for_all", **WAITS) as tree:
        tree.system.tell("/b", Crash())
        await asyncio.sleep(0.5)
        await tree.system.ask("/", TerminateChild(id="c"))  # not the one that they wait for
        assert [tree.cell(address).shown_state for address in ("/a", "/b", "/c")] == ["restarting", "restarting", "stopped"]
        await tree.system.ask("/", TerminateChild(id="b"))
        assert [tree.cell(address).shown_state for address in ("/a", "/b", "/c")] == ["running", "stopped", "stopped"]


async def test_a_child_that_comes_while_a_group_is_started_by_hand_is_started_once() -> None:
    async with growing(*workers("ac"), strategy="one_for_all", makes=workers("b"), **WAITS) as tree:
        tree.system.tell("/a", Crash())
        await asyncio.sleep(0.5)
        calls = (tree.system.ask("/", TerminateChild(id="a")), tree.system.ask("/", StartChild(id="b", make="b")))
        assert tuple(await asyncio.gather(*calls)) == (ChildTerminated(address="/a"), ChildStarted(address="/b", incarnation=1))
        assert [tree.cell(address).incarnation for address in ("/", "/a", "/b", "/c")] == [1, 1, 1, 2]


async def test_nor_do_they_wait_for_one_that_is_terminated_before_its_next_attempt_is_decided_on() -> None:
    class FailsOnce(Worker):
        def on_start(self) -> None:
            if self.incarnation == 2:
                raise OSError("not yet")

    async with growing(ChildSpec("a", FailsOnce), ChildSpec("b", partial(Slow, stop=1.0)), strategy="one_for_all") as tree:
        tree.system.tell("/a", Crash())
        await asyncio.sleep(0.5)
        await tree.system.ask("/", TerminateChild(id="a"))  # waits for the restart of the group, which stops at a
        await quiet()
        assert [(tree.cell(address).state, tree.cell(address).incarnation) for address in ("/a", "/b")] == [("stopped", 2), ("running", 2)]
