"""Quarantine: what crashes too often is shut away, tried again with one instance on trial, and let out when that proves itself."""

from __future__ import annotations

import asyncio
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from messages.faults import Fault
from messages.outcome import Refusal, Refused
from messages.supervision import RestartChild
from supervisors.quarantine import Quarantine
from supervisors.spec import BadSpec, ChildSpec, Intensity
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Tree, Worker, growing, quiet, workers
from tests.actors.runtime.vocabulary import Add, Break, Hold, Total

pytestmark = pytest.mark.looptime

STRICT: dict[str, Any] = {"intensity": Intensity(0), "on_exhausted": "quarantine", "quarantine": Quarantine(first=10.0, cap=40.0, trial=5.0, jitter=0.0)}


@given(st.integers(1, 60), st.floats(0, 1, exclude_max=True))
def test_a_wait_doubles_up_to_the_cap_and_stays_within_its_jitter(step: int, chance: float) -> None:
    policy = Quarantine(first=2.0, cap=300.0, jitter=0.2)
    whole = min(300.0, 2.0 * 2 ** (step - 1))
    assert whole * 0.8 <= policy.wait(step, chance) <= whole * 1.2


async def crash(tree: Tree, address: str = "/a") -> None:
    tree.system.tell(address, Break())
    await quiet()


async def test_one_crash_too_many_shuts_it_away_and_whoever_asks_is_told_until_when() -> None:
    async with growing(*workers("ab"), **STRICT) as tree:
        await crash(tree)
        outcome = await tree.failure("/a", Total())
        assert isinstance(outcome, Refused)
        assert (outcome.fault.cls, outcome.fault.message) == ("restarting", "/a is in quarantine, and tried again in 10.0 s")
        assert outcome.fault.retry_after_ms == pytest.approx(10_000, abs=10)
        assert [child.state for child in (await tree.describe("/")).status.children] == ["quarantined", "running"]
        assert (await tree.total("/b")).incarnation == 1
        assert tree.trail("quarantined", "half_open") == ["quarantined /a"]


async def test_on_trial_it_takes_one_message_at_a_time_and_is_let_out_when_it_has_lived_long_enough() -> None:
    async with growing(*workers("a"), **STRICT) as tree:
        await crash(tree)
        await asyncio.sleep(10.0)
        assert tree.cell("/a").state == "half_open"
        held = tree.system.ask("/a", Hold())
        outcome = await tree.failure("/a", Total())
        assert isinstance(outcome, Refused)
        assert outcome.fault.message == "/a is on trial, and takes one message at a time"
        await asyncio.sleep(5.0)
        assert tree.cell("/a").state == "running"
        assert (await tree.total("/a")).incarnation == 2
        assert not held.done()
        assert tree.trail("quarantined", "half_open", "recovered") == ["quarantined /a", "half_open /a", "recovered /a"]
        held.cancel()


async def test_what_waited_when_it_crashed_is_handled_on_trial() -> None:
    async with growing(*workers("a"), **STRICT) as tree:
        tree.system.tell("/a", Break())
        tree.system.tell("/a", Add(n=5))
        await asyncio.sleep(16.0)
        assert (await tree.total("/a")).n == 5


async def test_a_trial_that_fails_doubles_the_wait_and_counts_towards_no_intensity() -> None:
    async with growing(*workers("a"), **STRICT) as tree:
        waits = []
        for _ in range(4):
            await crash(tree)
            cell = tree.cell("/a")
            assert cell.restart_at is not None
            waits.append(round(cell.restart_at - tree.system.now()))
            await asyncio.sleep(cell.restart_at - tree.system.now() + 0.01)
        assert waits == [10, 20, 40, 40]
        assert (tree.cell("/a").incarnation, tree.root.incarnation) == (5, 1)


async def test_a_start_that_fails_on_trial_goes_back_too() -> None:
    class Cold(Worker):
        def on_start(self) -> None:
            if self.incarnation in (2, 3):
                raise OSError("still cold")

    async with growing(ChildSpec("a", Cold), **STRICT) as tree:
        await crash(tree)
        await asyncio.sleep(10 + 20 + 40 + 5 + 1)
        assert tree.trail("quarantined", "half_open", "recovered") == ["quarantined /a"] * 3 + ["half_open /a", "recovered /a"]


async def test_steps_are_forgotten_after_a_healthy_minute_and_not_by_passing_a_trial() -> None:
    async with growing(*workers("a"), **STRICT) as tree:

        async def wait_after(seconds: float) -> int:
            await asyncio.sleep(seconds)
            await crash(tree)
            return round((tree.cell("/a").restart_at or 0) - tree.system.now())

        assert await wait_after(1.0) == 10
        assert await wait_after(10 + 30) == 20  # it lived half a minute
        assert await wait_after(20 + 61) == 10


class Patient(Worker):
    """Answers the probe as its mood is."""

    mood = "well"

    def receive(self, message: Any) -> Any:
        if isinstance(message, Total):
            match type(self).mood:
                case "ill":
                    raise Refusal(Fault(cls="internal", message="not well"))
                case "silent":
                    return self.later()
                case "mad":
                    raise ValueError("mad")
        return super().receive(message)


async def test_with_a_probe_it_is_let_out_as_soon_as_it_answers() -> None:
    class Well(Patient):
        pass

    async with growing(ChildSpec("a", Well, probe=Total()), **STRICT) as tree:
        await crash(tree)
        await asyncio.sleep(10.0)
        await quiet()
        assert tree.cell("/a").state == "running"
        assert tree.trail("recovered") == ["recovered /a"]


@pytest.mark.parametrize(("mood", "seconds"), [("ill", 0.0), ("silent", 5.0), ("mad", 0.0)])
async def test_one_that_refuses_its_probe_or_is_silent_or_dies_of_it_goes_back(mood: str, seconds: float) -> None:
    class Moody(Patient):
        pass

    Moody.mood = mood
    async with growing(ChildSpec("a", Moody, probe=Total()), **STRICT) as tree:
        await crash(tree)
        await asyncio.sleep(10.0 + seconds)
        await quiet()
        assert tree.trail("quarantined", "half_open", "recovered") == ["quarantined /a", "half_open /a", "quarantined /a"]
        assert [child.state for child in (await tree.describe("/")).status.children] == ["quarantined"]
        Moody.mood = "well"
        await asyncio.sleep(20.0)
        assert tree.cell("/a").state == "running"


async def test_a_start_by_hand_ends_the_quarantine_without_a_trial() -> None:
    async with growing(*workers("a"), **STRICT) as tree:
        await crash(tree)
        assert (await tree.system.ask("/", RestartChild(id="a", running="restart"))).incarnation == 2
        assert tree.cell("/a").state == "running"
        await asyncio.sleep(100.0)
        assert tree.cell("/a").incarnation == 2


async def test_a_group_is_down_together_and_only_the_one_that_failed_is_on_trial() -> None:
    async with growing(*workers("abc"), strategy="rest_for_one", **STRICT) as tree:
        await crash(tree, "/b")
        assert [child.state for child in (await tree.describe("/")).status.children] == ["running", "quarantined", "restarting"]
        await asyncio.sleep(10.0)
        await quiet()
        assert [tree.cell(f"/{id}").state for id in "abc"] == ["running", "half_open", "running"]
        await asyncio.sleep(5.0)
        assert [tree.cell(f"/{id}").incarnation for id in "abc"] == [1, 2, 2]


async def test_the_other_children_of_a_supervisor_with_one_in_quarantine_still_count_their_own_crashes() -> None:
    spec = ChildSpec("s", lambda: Supervisor(*workers("ab"), **{**STRICT, "intensity": Intensity(1)}))
    async with growing(spec) as tree:
        for _ in range(2):
            await crash(tree, "/s/a")
        await asyncio.sleep(6.0)
        await crash(tree, "/s/b")
        assert (tree.cell("/s/b").incarnation, tree.cell("/s/b").state, tree.cell("/s").incarnation) == (2, "running", 1)


async def test_a_supervisor_that_ends_while_a_child_is_shut_away_leaves_nothing_running() -> None:
    async with growing(ChildSpec("s", lambda: Supervisor(*workers("a"), **STRICT)), on_exhausted="backoff") as tree:
        await crash(tree, "/s/a")
        tree.cell("/s").kill()
        await quiet()
        assert (tree.cell("/s/a").state, tree.cell("/s/a").incarnation) == ("running", 2)
        await asyncio.sleep(100.0)
        assert tree.cell("/s/a").incarnation == 2


def test_a_probe_that_is_no_ask_is_refused() -> None:
    with pytest.raises(BadSpec, match="probe of 'a'"):
        ChildSpec("a", Worker, probe=Add(n=1))  # type: ignore[arg-type]


