"""A tree inside a test: talked to, broken, looked at, on virtual time."""

from __future__ import annotations

import asyncio
from typing import assert_type

import pytest

from tests.undying.testing.host import COUNTER, Add, Consult, Counter, Leave, Total, Totalled
from undying import AskFailed, ChildSpec, DynamicSupervisor, Intensity, StartFailed
from undying.testing import actor, tree

pytestmark = pytest.mark.looptime


async def test_a_tree_is_told_and_asked_at_its_addresses_and_the_answer_has_its_type() -> None:
    async with tree(COUNTER) as running:
        assert running.tell("/counter", Add(n=2)) is None
        answer = await running.ask("/counter", Total())
        assert_type(answer, Totalled)
        assert answer == Totalled(n=2)


async def test_one_actor_alone_lives_at_slash_actor_or_where_it_is_told_to() -> None:
    async with actor(Counter) as running:
        assert (await running.ask("/actor", Total())).n == 0
    async with actor(Counter, "store", restart="temporary") as running:
        running.kill("/store")
        await running.settle()
        assert running.trail() == ["started /store", "started /", "exited /store"]


@pytest.mark.parametrize("wire", ["always", "edge"])
async def test_messages_cross_the_wire_that_was_asked_for(wire: str) -> None:
    async with tree(COUNTER, wire=wire) as running:  # type: ignore[arg-type]
        probe, message = running.probe(), Add(n=1)
        running.tell(probe.address, message)
        assert probe.received == [message]
        assert (probe.received[0] is message) == (wire == "edge")


async def test_no_time_passes_that_the_test_does_not_let_pass() -> None:
    now = asyncio.get_running_loop().time
    async with tree(COUNTER) as running:
        began = now()
        running.tell("/counter", Add(n=1))
        running.crash("/counter")
        await running.settle()
        assert running.state("/counter") == "running"
        assert now() == began


# ----------------------------------------------------------------------------------------------------------- breaking it


async def test_a_crash_comes_after_the_messages_before_it_and_the_supervisor_restarts() -> None:
    async with tree(COUNTER) as running:
        running.tell("/counter", Add(n=1))
        asked = running.ask("/counter", Total())
        running.crash("/counter", "as told")
        assert (await asked).n == 1
        assert (await running.ask("/counter", Total())).n == 0
        assert [event.detail for event in running.events if event.event == "exited"] == ["crashed InjectedCrash as told"]
        status = (await running.describe("/counter")).status
        assert (status.incarnation, status.restarts) == (2, 1)


async def test_a_kill_ends_the_instance_before_it_has_handled_anything_and_the_mailbox_stays() -> None:
    async with tree(COUNTER) as running:
        asked = running.ask("/counter", Total())
        running.kill("/counter")
        assert running.state("/counter") == "stopped"
        assert (await asked).n == 0
        assert running.trail("exited") == ["exited /counter"]
        assert running.events[2].detail.startswith("killed Killed killed by the test")


async def test_a_delay_holds_the_messages_back_for_its_time() -> None:
    now = asyncio.get_running_loop().time
    async with tree(COUNTER) as running:
        running.delay("/counter", 60)
        await running.settle()
        assert running.state("/counter") == "suspended"
        began = now()
        await running.ask("/counter", Total(), timeout=100)
        assert now() - began == pytest.approx(60)


async def test_dropped_messages_are_dead_letters_and_their_askers_are_told() -> None:
    async with tree(COUNTER) as running:
        running.drop("/counter", 2)
        running.tell("/counter", Add(n=1))
        with pytest.raises(AskFailed, match="dropped"):
            await running.ask("/counter", Total())
        assert (await running.ask("/counter", Total())).n == 0
        assert [(letter.kind, letter.address) for letter in running.dead_letters] == [("kit.add", "/counter"), ("kit.total", "/counter")]


async def test_a_restart_by_hand_returns_when_the_actor_runs_again() -> None:
    async with tree(COUNTER) as running:
        running.tell("/counter", Add(n=1))
        await running.settle()
        restarted = await running.restart("/counter")
        assert (restarted.address, restarted.incarnation) == ("/counter", 2)
        assert (await running.ask("/counter", Total())).n == 0
        with pytest.raises(AskFailed, match="no child"):
            await running.restart("/nobody")


async def test_what_is_injected_at_a_wrong_address_says_so_at_once() -> None:
    async with tree(COUNTER) as running:
        with pytest.raises(AssertionError, match=r"/conter did not take kernel\.crash: nobody lives at /conter"):
            running.crash("/conter")
        with pytest.raises(AssertionError, match=r"/counter did not take .* does not understand 'kit\.totalled'"):
            running.inject("/counter", Totalled(n=1))
        for look in (running.kill, running.state):
            with pytest.raises(AssertionError, match="no actor lives at /conter; there are /, /counter"):
                look("/conter")


async def test_an_injected_message_is_a_copy_even_where_messages_are_handed_over() -> None:
    async with tree(COUNTER, wire="edge") as running:
        probe = running.probe()
        message = Totalled(n=1)
        running.inject(probe.address, message)
        running.tell(probe.address, message)
        assert probe.received == [message, message]
        assert [received is message for received in probe.received] == [False, True]


# ------------------------------------------------------------------------------------------------------------ looking at it


async def test_the_root_takes_what_a_supervisor_takes() -> None:
    specs = [COUNTER, ChildSpec("other", Counter)]
    async with tree(*specs, strategy="one_for_all", intensity=Intensity(1, 5), on_exhausted="backoff") as running:
        running.crash("/other")
        await running.settle()
        assert running.trail("started")[-2:] == ["started /counter", "started /other"]
        running.crash("/other")
        await running.settle()
        assert running.state("/other") == "restarting"


async def test_children_of_supervisors_below_the_root_are_reached_like_any() -> None:
    async with tree(ChildSpec("consulted", lambda: DynamicSupervisor(Counter, Consult)), COUNTER) as running:
        assert (await running.ask("/consulted", Consult(whom="/counter"))).n == 0
        await running.settle()
        assert len((await running.describe("/consulted")).status.children) == 1


async def test_an_actor_that_has_left_is_stopped_and_refused() -> None:
    async with actor(Counter, restart="transient") as running:
        running.tell("/actor", Leave())
        await running.settle()
        assert running.state("/actor") == "stopped"
        with pytest.raises(AskFailed, match="nobody lives at /actor"):
            await running.ask("/actor", Total())


# ------------------------------------------------------------------------------------------------------------------- ends


class Unwilling(Counter):
    def on_start(self) -> None:
        raise ValueError("not today")


async def test_a_start_that_fails_says_who_and_why_and_leaves_nothing() -> None:
    with pytest.raises(StartFailed, match="/actor: not today") as failed:
        async with actor(Unwilling):
            pytest.fail("it runs")
    assert not hasattr(failed.value, "__notes__")


async def test_a_test_that_waits_for_what_never_comes_ends_at_its_limit() -> None:
    with pytest.raises(TimeoutError):
        async with tree(COUNTER, limit=1000.0):
            await asyncio.get_running_loop().create_future()


async def test_a_tree_may_be_stopped_before_the_end() -> None:
    async with tree(COUNTER) as running:
        running.probe()
        await running.stop()
        assert running.system.directory == {}
