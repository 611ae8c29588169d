"""Many time limits on one timer: each comes at its time, in order, unless it was lifted; and what was lifted is not kept for ever."""

from __future__ import annotations

import asyncio
from functools import partial

import hypothesis.strategies as st
import looptime
import pytest
from hypothesis import given

from actors.runtime.alarms import FEW, Alarm, Alarms
from actors.runtime.supervised import SupervisedActor
from supervisors.spec import ChildSpec
from tests.actors.runtime.trees import growing
from tests.actors.runtime.vocabulary import Go

pytestmark = pytest.mark.looptime

TENTH = 0.1
NEVER = -1

steps = st.lists(st.tuples(st.sampled_from(("set", "lift", "wait")), st.integers(1, 30)), max_size=60)


@given(steps)
def test_every_alarm_that_was_not_lifted_comes_at_its_time_and_in_the_order_of_times(todo: list[tuple[str, int]]) -> None:
    loop = looptime.new_event_loop()
    alarms = Alarms(loop)
    made: list[Alarm] = []
    called: list[tuple[int, int]] = []
    expected: dict[int, int] = {}  # the alarm's number: when, in tenths of a second

    def ring(number: int) -> None:
        called.append((round(loop.time() / TENTH), number))

    async def play() -> None:
        now = 0
        for what, n in [*todo, ("wait", 100)]:
            if what == "set":
                expected[len(made)] = now + n
                made.append(alarms.at((now + n) * TENTH, partial(ring, len(made))))
            elif what == "lift" and n < len(made):
                made[n].lift()
                if expected[n] > now:
                    expected[n] = NEVER
            elif what == "wait":
                now += n
                await asyncio.sleep(now * TENTH + 0.01 - loop.time())  # to just after it

    loop.run_until_complete(play())
    loop.close()
    assert called == sorted((when, number) for number, when in expected.items() if when != NEVER)
    assert (len(alarms), alarms.lifted) == (0, 0)


async def test_an_alarm_may_lift_another_that_is_due_in_the_same_moment_and_set_a_new_one() -> None:
    loop = asyncio.get_running_loop()
    alarms = Alarms(loop)
    called: list[str] = []
    victim: list[Alarm] = []

    def first() -> None:
        called.append("first")
        victim[0].lift()
        alarms.at(loop.time(), partial(called.append, "third"))

    alarms.at(1.0, first)
    victim.append(alarms.at(1.0, partial(called.append, "second")))
    await asyncio.sleep(1.5)
    assert called == ["first", "third"]
    assert (len(alarms), alarms.lifted) == (0, 0)


async def test_an_earlier_alarm_is_not_held_up_by_one_that_was_set_before_it() -> None:
    loop = asyncio.get_running_loop()
    alarms = Alarms(loop)
    called: list[float] = []
    for when in (50.0, 5.0, 20.0, 1.0):
        alarms.at(when, lambda: called.append(loop.time()))
    await asyncio.sleep(60.0)
    assert called == [1.0, 5.0, 20.0, 50.0]


async def test_alarms_that_were_lifted_are_not_kept() -> None:
    alarms = Alarms(asyncio.get_running_loop())
    for _ in range(100 * FEW):
        alarms.at(30.0, lambda: None).lift()
    assert len(alarms) <= 2 * FEW + 2
    alarms.at(1.0, lambda: None)
    await asyncio.sleep(31.0)
    assert (len(alarms), alarms.lifted) == (0, 0)


async def test_two_actors_that_never_stop_talking_leave_the_loop_its_turns() -> None:
    class Chatterbox(SupervisedActor[Go]):
        talking = True

        def receive(self, message: Go) -> None:
            if Chatterbox.talking:
                self.tell("/b" if self.address == "/a" else "/a", Go())

    async with growing(ChildSpec("a", Chatterbox), ChildSpec("b", Chatterbox)) as tree:
        tree.system.tell("/a", Go())
        for _ in range(20):
            await asyncio.sleep(0)
        assert tree.cell("/b").handled > 20
        Chatterbox.talking = False


async def test_a_time_that_is_no_number_is_refused_and_all_others_ring() -> None:
    alarms = Alarms(asyncio.get_running_loop())
    rang: list[int] = []
    alarms.at(2.0, lambda: rang.append(2))
    with pytest.raises(ValueError, match="at nan seconds"):
        alarms.at(float("nan"), lambda: rang.append(0))
    alarms.at(1.0, lambda: rang.append(1))
    await asyncio.sleep(3.0)
    assert rang == [1, 2]
