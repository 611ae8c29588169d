"""When restarts come too fast: escalate as OTP does, or wait ever longer."""

from __future__ import annotations

import asyncio

import pytest

from actors.runtime.cell import Cell
from actors.runtime.system import ActorSystem
from messages.envelope import Address
from messages.outcome import AskFailed, Refused
from messages.supervision import Crash, Decision, ExitReason, RestartChild
from supervisors.restart import Backoff
from supervisors.spec import ChildSpec, Intensity
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Worker, growing, quiet, workers
from tests.actors.runtime.vocabulary import Add, Break, Quit, Total

pytestmark = pytest.mark.looptime


class Broken(Worker):
    """Starts once, and never again."""

    def on_start(self) -> None:
        if self.incarnation > 1:
            raise OSError("still broken")


@pytest.mark.parametrize("limit", [0, 1, 3])
async def test_when_every_restart_fails_there_are_exactly_as_many_attempts_as_the_intensity_allows(limit: int) -> None:
    starts: list[int] = []

    class Once(Worker):
        def on_start(self) -> None:
            starts.append(self.incarnation)
            if self.incarnation != 1:
                raise OSError("still broken")

    inner = Supervisor(ChildSpec("a", Once), intensity=Intensity(limit, 5.0))
    async with growing(ChildSpec("s", lambda: inner, restart="temporary")) as tree:
        cell = tree.cell("/s")
        tree.system.tell("/s/a", Break())
        await quiet()
        assert starts == list(range(1, limit + 2))
        assert tree.trail("gave_up") == ["gave_up /s/a"]
        assert cell.last_exit == ExitReason(
            how="shutdown", error="MaxIntensityReached", detail=f"more than {limit} restarts in 5 s, the last one for /s/a"
        )
        assert "/s" not in tree.system.directory


async def test_one_crash_more_than_allowed_ends_the_supervisor_in_order_and_the_one_above_starts_it_afresh() -> None:
    async with growing(ChildSpec("s", lambda: Supervisor(*workers("ab"), intensity=Intensity(2, 5.0)))) as tree:
        for n in range(3):
            tree.system.tell("/s/b", Break())
            await quiet()
            assert tree.cell("/s").incarnation == (2 if n == 2 else 1)
        assert tree.trail()[-8:] == [
            "exited /s/b", "gave_up /s/b", "exited /s/a", "exited /s", "started /s/a", "started /s/b", "started /s", "restarted /s",
        ]  # fmt: skip
        tree.system.tell("/s/b", Break())  # the new one has its full allowance
        await quiet()
        assert tree.cell("/s").incarnation == 2


async def test_what_waits_survives_an_escalation() -> None:
    async with growing(ChildSpec("s", lambda: Supervisor(*workers("a"), intensity=Intensity(0)))) as tree:
        tree.system.tell("/s/a", Break())
        tree.system.tell("/s/a", Add(n=2))
        assert (await tree.total("/s/a")).n == 2
        assert tree.cell("/s").incarnation == 2


async def test_a_transient_supervisor_that_gave_up_stays_down() -> None:
    async with growing(ChildSpec("s", lambda: Supervisor(*workers("a"), intensity=Intensity(0)), restart="transient")) as tree:
        tree.system.tell("/s/a", Break())
        waiting = tree.system.ask("/s/a", Total())
        with pytest.raises(AskFailed, match="nobody lives at /s/a"):
            await waiting
        assert tree.cell("/s").state == "stopped"


async def test_crashes_that_are_far_enough_apart_are_never_too_many() -> None:
    async with growing(*workers("a"), intensity=Intensity(1, 5.0)) as tree:
        for _ in range(20):
            tree.system.tell("/a", Break())
            await asyncio.sleep(5.1)
        assert (tree.cell("/a").incarnation, tree.root.incarnation) == (21, 1)


async def test_the_crashes_of_all_children_are_counted_together() -> None:
    async with growing(ChildSpec("s", lambda: Supervisor(*workers("abc"), intensity=Intensity(2, 5.0)))) as tree:
        for id in "abc":
            tree.system.tell(f"/s/{id}", Break())
            await quiet()
        assert tree.cell("/s").incarnation == 2


async def test_injected_crashes_count_and_restarts_by_hand_and_normal_ends_of_transient_children_do_not() -> None:
    specs = *workers("a"), *workers("t", "transient")
    async with growing(*specs, intensity=Intensity(1, 5.0)) as tree:
        for _ in range(5):
            await tree.system.ask("/", RestartChild(id="a", running="restart"))
            tree.system.tell("/t", Quit())
            await quiet()
            await tree.system.ask("/", RestartChild(id="t", running="restart"))
        assert tree.root.incarnation == 1
        tree.system.tell("/a", Crash())
        await quiet()
        tree.system.tell("/a", Crash())
        await quiet()
        assert tree.root.incarnation == 2


def waits(events: list[Decision]) -> list[float]:
    return [event.delay_ms / 1000 for event in events if event.event == "restarting"]


async def test_a_supervisor_that_backs_off_waits_ever_longer_up_to_the_cap_and_never_gives_up() -> None:
    backoff = Backoff(first=1.0, cap=10.0)
    async with growing(ChildSpec("a", Broken), intensity=Intensity(3, 600.0), on_exhausted="backoff", backoff=backoff, chance=lambda: 0.5) as tree:
        tree.system.tell("/a", Break())
        await asyncio.sleep(60.0)
        assert waits(tree.events)[:8] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0]
        assert tree.root.incarnation == 1
        starts = [event.at for event in tree.events if event.event == "start_failed"]
        assert starts[:6] == [pytest.approx(at, abs=0.01) for at in (0.0, 0.0, 0.0, 0.5, 1.5, 3.5)]


async def test_a_wait_may_be_no_wait_at_all_when_chance_wills_it() -> None:
    chances = iter([0.0, 0.999, 0.0])
    async with growing(
        ChildSpec("a", Worker), intensity=Intensity(0), on_exhausted="backoff", backoff=Backoff(first=1.0), chance=lambda: next(chances)
    ) as tree:
        for _ in range(3):
            tree.system.tell("/a", Break())
            await asyncio.sleep(5.0)
        assert waits(tree.events) == [0.0, 1.998, 0.0]


async def test_a_healthy_minute_makes_the_waits_short_again_and_a_failing_start_is_not_health() -> None:
    async with growing(ChildSpec("a", Worker), intensity=Intensity(0), on_exhausted="backoff", backoff=Backoff(first=1.0), chance=lambda: 0.5) as tree:
        for _ in range(4):
            tree.system.tell("/a", Break())
            await asyncio.sleep(10.0)
        assert waits(tree.events) == [0.5, 1.0, 2.0, 4.0]
        await asyncio.sleep(60.0)
        tree.system.tell("/a", Break())
        await asyncio.sleep(10.0)
        tree.system.tell("/a", Break())
        await asyncio.sleep(10.0)
        assert waits(tree.events)[4:] == [0.5, 1.0]

    async with growing(ChildSpec("a", Broken), intensity=Intensity(0), on_exhausted="backoff", backoff=Backoff(first=1.0), chance=lambda: 0.5) as tree:
        await asyncio.sleep(3600.0)  # healthy for an hour, and then for ever broken
        tree.system.tell("/a", Break())
        await asyncio.sleep(300.0)
        assert waits(tree.events)[:8] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


async def test_while_the_next_restart_is_more_than_a_second_away_messages_are_refused_and_told_when() -> None:
    async with growing(ChildSpec("a", Worker), intensity=Intensity(0), on_exhausted="backoff", backoff=Backoff(first=10.0), chance=lambda: 0.5) as tree:
        tree.system.tell("/a", Break())
        await asyncio.sleep(1.0)
        outcome = await tree.failure("/a", Total())
        assert isinstance(outcome, Refused)
        assert (outcome.fault.cls, outcome.fault.message, outcome.fault.retry_after_ms) == ("restarting", "/a is restarted in 4.0 s", 4000)
        assert isinstance(tree.system.tell("/a", Add(n=1)), Refused)
        await asyncio.sleep(3.5)
        assert (await tree.total("/a")).incarnation == 2
        assert tree.system.now() == pytest.approx(5.0, abs=0.01)


async def test_what_lives_below_a_supervisor_that_waits_for_its_restart_is_refused_with_it() -> None:
    inner = ChildSpec("s", lambda: Supervisor(*workers("a")))
    async with growing(inner, intensity=Intensity(0), on_exhausted="backoff", backoff=Backoff(first=10.0), chance=lambda: 0.5) as tree:
        tree.system.tell("/s", Crash())
        await quiet()
        outcome = await tree.failure("/s/a", Total())
        assert isinstance(outcome, Refused)
        assert (outcome.fault.cls, outcome.fault.message) == ("restarting", "/s is restarted in 5.0 s")


async def test_a_restart_by_hand_does_not_wait() -> None:
    async with growing(ChildSpec("a", Worker), intensity=Intensity(0), on_exhausted="backoff", backoff=Backoff(first=100.0), chance=lambda: 0.5) as tree:
        tree.system.tell("/a", Break())
        await quiet()
        assert (await tree.system.ask("/", RestartChild(id="a", running="restart"))).incarnation == 2
        assert tree.system.now() < 1.0
        await asyncio.sleep(100.0)
        assert tree.cell("/a").incarnation == 2


async def test_a_supervisor_that_ends_while_a_child_waits_starts_it_no_more() -> None:
    async with growing(
        ChildSpec("s", lambda: Supervisor(*workers("a"), intensity=Intensity(0), on_exhausted="backoff", backoff=Backoff(first=10.0)))
    ) as tree:
        tree.system.tell("/s/a", Break())
        await quiet()
        tree.system.tell("/s", Crash())
        await quiet()
        assert tree.cell("/s/a").incarnation == 2  # by the new supervisor, at once
        await asyncio.sleep(20.0)
        assert tree.cell("/s/a").incarnation == 2


async def test_a_root_that_escalates_is_started_again_because_nobody_above_could_do_better() -> None:
    system = ActorSystem()
    root = Cell(system, Address("/"), lambda: Supervisor(*workers("a"), intensity=Intensity(0)), None)
    await system.start_root(root)
    for _ in range(3):
        system.tell("/a", Break())
        await quiet()
    assert (root.incarnation, root.restarts) == (4, 3)
    await system.stop_root()


async def test_a_root_that_ends_again_and_again_is_started_ever_more_slowly_and_never_given_up() -> None:
    starts: list[float] = []

    class Doomed(Worker):
        def on_start(self) -> None:
            starts.append(self.now)
            self.after(0.001, self.die)

        def die(self) -> None:
            raise ValueError("doomed")

    async with growing(ChildSpec("a", Doomed), intensity=Intensity(0)):
        await asyncio.sleep(60.0)
        assert len(starts) < 200
        assert starts[-1] > 58.0
        assert starts[3] < 0.1  # the first few come at once
