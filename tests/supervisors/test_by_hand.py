"""Restarts by hand: in order, free of charge, one at a time, and never in anybody's way."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from messages.outcome import Refused
from messages.supervision import ChildRestarted, Crash, ExitReason, RestartChild
from supervisors.spec import ChildSpec
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Slow, Worker, growing, quiet, workers
from tests.actors.runtime.vocabulary import Add, Break, Echo, Heard, Quit, Total

pytestmark = pytest.mark.looptime


async def test_a_child_that_was_down_can_be_started_again_by_hand() -> None:
    async with growing(*workers("a", "transient")) as tree:
        tree.system.tell("/a", Quit())
        await quiet()
        assert await tree.system.ask("/", RestartChild(id="a", running="restart")) == ChildRestarted(address="/a", incarnation=2)
        assert (await tree.total("/a")).incarnation == 2


async def test_a_restart_by_hand_stops_in_order_starts_afresh_keeps_what_waits_and_is_free_of_charge() -> None:
    async with growing(*workers("ab")) as tree:
        tree.system.tell("/a", Add(n=5))
        for incarnation in range(2, 12):
            restart = tree.system.ask("/", RestartChild(id="a", running="restart"))
            ask = tree.system.ask("/a", Total())
            assert await restart == ChildRestarted(address="/a", incarnation=incarnation)
            assert (await ask).incarnation in (incarnation - 1, incarnation)
        assert tree.root.incarnation == 1
        assert tree.root.instance._history == ()  # type: ignore[union-attr]
        assert tree.cell("/a").restarts == 10
        assert tree.cell("/a").last_exit == ExitReason(how="shutdown")
        assert tree.cell("/b").incarnation == 1


async def test_a_restart_by_hand_that_fails_says_why_and_is_tried_again() -> None:
    class Moody(Worker):
        def on_start(self) -> None:
            if self.incarnation == 2:
                raise OSError("not today")

    async with growing(ChildSpec("a", Moody)) as tree:
        outcome = await tree.failure("/", RestartChild(id="a", running="restart"))
        assert isinstance(outcome, Refused)
        assert outcome.fault.message == "/a did not start: OSError: not today"
        assert (await tree.total("/a")).incarnation == 3


async def test_restarts_by_hand_of_one_child_at_the_same_time_happen_one_after_the_other() -> None:
    async with growing(ChildSpec("a", partial(Slow, start=1.0, stop=1.0))) as tree:
        answers = await asyncio.gather(*(tree.system.ask("/", RestartChild(id="a", running="restart")) for _ in range(3)))
        assert sorted(answer.incarnation for answer in answers) == [2, 3, 4]
        assert tree.cell("/a").incarnation == 4
        assert tree.system.now() == pytest.approx(7.0, abs=0.01)
        assert [event for event in tree.trail("started", "exited") if event.endswith("/a")] == ["started /a", *["exited /a", "started /a"] * 3]


async def test_a_slow_restart_by_hand_holds_up_no_other_child() -> None:
    async with growing(ChildSpec("a", partial(Slow, start=5.0, stop=5.0)), *workers("b")) as tree:
        restart = tree.system.ask("/", RestartChild(id="a", running="restart"))
        await quiet()
        tree.system.tell("/b", Break())
        assert (await tree.total("/b")).incarnation == 2
        assert not restart.done()
        assert tree.system.now() < 6.0
        await restart


async def test_a_restart_by_hand_of_a_child_that_is_just_being_restarted_leaves_one_instance() -> None:
    async with growing(ChildSpec("a", partial(Slow, start=5.0))) as tree:
        tree.system.tell("/a", Break())
        await quiet()
        assert tree.cell("/a").state == "starting"
        restart = tree.system.ask("/", RestartChild(id="a", running="restart"))
        assert await restart == ChildRestarted(address="/a", incarnation=3)
        assert await tree.system.ask("/a", Echo(text="now")) == Heard(text="now 3")
        assert tree.system.now() == pytest.approx(10.0, abs=0.01)


async def test_a_supervisor_always_answers_while_a_child_is_slow_to_start_or_to_stop() -> None:
    async with growing(ChildSpec("s", lambda: Supervisor(ChildSpec("a", partial(Slow, start=5.0, stop=5.0)), *workers("b")))) as tree:
        began = tree.system.now()
        restart = tree.system.ask("/s", RestartChild(id="a", running="restart"))
        states = []
        for _ in range(2):
            await asyncio.sleep(2.5)
            states.append([child.state for child in (await tree.describe("/s")).status.children])
            assert (await tree.system.ask("/s", RestartChild(id="b", running="restart"))).address == "/s/b"
            await asyncio.sleep(2.5)
        await restart
        assert states == [["stopping", "running"], ["starting", "running"]]
        assert tree.system.now() == pytest.approx(began + 10.0, abs=0.01)
        tree.system.tell("/s", Crash())
        await quiet()
        assert (await tree.describe("/s")).status.state == "starting"
