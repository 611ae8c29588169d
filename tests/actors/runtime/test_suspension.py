"""Suspended, an actor handles nothing: its mailbox fills, and it can be looked at, resumed and stopped."""

from __future__ import annotations

import asyncio

import pytest

from messages.outcome import Refused
from messages.supervision import Delay, RestartChild, Resume, Steered, Suspend, TerminateChild
from supervisors.spec import ChildSpec
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Slow, growing, quiet, workers
from tests.actors.runtime.vocabulary import Add, Break, Total

pytestmark = pytest.mark.looptime


async def test_it_handles_nothing_until_it_is_resumed_and_then_everything_in_order() -> None:
    async with growing(*workers("a")) as tree:
        assert await tree.system.ask("/a", Suspend()) == Steered(address="/a", state="suspended")
        tree.system.tell("/a", Add(n=1))
        total = tree.system.ask("/a", Total(), timeout=100.0)
        await asyncio.sleep(50.0)
        status = (await tree.describe("/a")).status
        assert (status.state, status.depth, total.done()) == ("suspended", 2, False)
        assert await tree.system.ask("/a", Resume()) == Steered(address="/a", state="running")
        assert (await total).n == 1
        assert tree.trail("suspended", "resumed") == ["suspended /a", "resumed /a"]


async def test_both_can_be_said_twice() -> None:
    async with growing(*workers("a")) as tree:
        for message, state in ((Suspend(), "suspended"), (Resume(), "running")):
            for _ in range(2):
                assert (await tree.system.ask("/a", message)).state == state


async def test_a_suspension_by_hand_outlasts_an_injected_delay_and_a_resumption_ends_it() -> None:
    async with growing(*workers("a")) as tree:
        tree.system.tell("/a", Delay(seconds=1.0))
        await quiet()
        await tree.system.ask("/a", Suspend())
        await asyncio.sleep(5.0)
        assert tree.cell("/a").state == "suspended"
        await tree.system.ask("/a", Resume())
        tree.system.tell("/a", Delay(seconds=50.0))
        await quiet()
        await tree.system.ask("/a", Resume())
        assert (await tree.total("/a")).incarnation == 1
        assert tree.system.now() < 10.0


async def test_it_can_be_stopped_and_restarted_and_the_new_one_runs() -> None:
    async with growing(*workers("a")) as tree:
        await tree.system.ask("/a", Suspend())
        assert (await tree.system.ask("/", RestartChild(id="a", running="restart"))).incarnation == 2
        assert (await tree.total("/a")).incarnation == 2


async def test_what_does_not_live_can_not_be_suspended() -> None:
    async with growing(*workers("a")) as tree:
        await tree.system.ask("/", TerminateChild(id="a"))
        outcome = await tree.failure("/a", Suspend())
        assert isinstance(outcome, Refused)
        assert (outcome.fault.cls, outcome.fault.code) == ("conflict", "stopped")
        assert outcome.fault.message == "/a is stopped: only what lives can be suspended and resumed"


async def test_what_is_still_starting_can_not_be_suspended() -> None:
    async with growing(ChildSpec("s", lambda: Slow(start=1.0))) as tree:
        restart = tree.system.ask("/", RestartChild(id="s", running="restart"))
        await quiet()
        outcome = await tree.failure("/s", Suspend())
        assert isinstance(outcome, Refused)
        assert outcome.fault.code == "starting"
        await restart


async def test_a_suspended_supervisor_restarts_nobody_until_it_is_resumed() -> None:
    async with growing(ChildSpec("s", lambda: Supervisor(*workers("a")))) as tree:
        await tree.system.ask("/s", Suspend())
        tree.system.tell("/s/a", Break())
        waiting = tree.system.ask("/s/a", Total())
        await asyncio.sleep(10.0)
        assert tree.cell("/s/a").state == "stopped"
        await tree.system.ask("/s", Resume())
        assert (await waiting).incarnation == 2


async def test_a_coroutine_that_ignores_its_cancellation_is_reported_and_not_waited_for() -> None:
    class Stubborn(Slow):
        def on_start(self) -> None:  # type: ignore[override]
            self.spawn(self.go_on(), "work")

        async def go_on(self) -> None:
            until = self.now + 20.0
            while self.now < until:
                try:
                    await asyncio.sleep(until - self.now)
                except asyncio.CancelledError:
                    continue

    async with growing(ChildSpec("a", Stubborn)) as tree:
        began = tree.system.now()
        await tree.system.ask("/", RestartChild(id="a", running="restart"))
        assert tree.system.now() == began
        await asyncio.sleep(6.0)
        assert tree.system.abandoned == 1
        told = [event for event in tree.events if event.event == "abandoned"]
        assert [(event.address, event.detail) for event in told] == [("/a", "its task work was cancelled 5 s ago and goes on")]
        await asyncio.sleep(30.0)
        assert tree.system.ending == set()
