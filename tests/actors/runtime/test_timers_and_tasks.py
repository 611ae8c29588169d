"""What an instance starts besides: timers and tasks, each in its turn."""

from __future__ import annotations

import asyncio

import pytest

from actors.runtime.cell import BATCH
from actors.runtime.supervised import SupervisedActor
from actors.runtime.system import TRACE
from actors.runtime.timer import Timer
from supervisors.dynamic import DynamicSupervisor
from supervisors.spec import ChildSpec
from tests.actors.runtime.trees import Worker, growing, quiet
from tests.actors.runtime.vocabulary import Add, Go, Hold

pytestmark = pytest.mark.looptime


async def test_a_timer_calls_in_the_actors_turn_behind_what_waits_already() -> None:
    seen: list[object] = []

    class Alarmed(SupervisedActor[Go | Add]):
        def receive(self, message: Go | Add) -> None:
            if isinstance(message, Go):
                self.after(2.0, lambda: seen.append(("timer", self.now)))
            else:
                seen.append(message.n)

    async with growing(ChildSpec("a", Alarmed)) as tree:
        tree.system.tell("/a", Go())
        await asyncio.sleep(1.0)
        tree.cell("/a").suspend()
        tree.system.tell("/a", Add(n=1))
        await asyncio.sleep(2.0)
        tree.system.tell("/a", Add(n=2))
        tree.cell("/a").resume()
        await quiet()
        assert seen == [1, ("timer", pytest.approx(3.0)), 2]


async def test_a_cancelled_timer_never_calls_even_when_its_time_has_come_already() -> None:
    seen: list[str] = []

    class Undecided(SupervisedActor[Go | Add]):
        timer: Timer

        def receive(self, message: Go | Add) -> None:
            if isinstance(message, Go):
                self.timer = self.after(1.0, lambda: seen.append("called"))
            else:
                self.timer.cancel()

    async with growing(ChildSpec("a", Undecided)) as tree:
        for late in (False, True):
            tree.system.tell("/a", Go())
            await quiet()
            if late:
                tree.cell("/a").suspend()
            tree.system.tell("/a", Add(n=1))
            await asyncio.sleep(2.0)
            tree.cell("/a").resume()
            await quiet()
        assert seen == []
        assert tree.cell("/a").timers == set()


async def test_timers_that_were_cancelled_are_not_kept() -> None:
    class Impatient(SupervisedActor[Go]):
        def receive(self, message: Go) -> None:
            for _ in range(1000):
                self.after(100.0, self.leave).cancel()

    async with growing(ChildSpec("a", Impatient)) as tree:
        tree.system.tell("/a", Go())
        await quiet()
        assert tree.cell("/a").timers == set()


async def test_a_timer_belongs_to_the_trace_of_the_message_that_set_it() -> None:
    seen: list[str] = []

    class Alarmed(SupervisedActor[Go]):
        def receive(self, message: Go) -> None:
            self.after(1.0, lambda: seen.append(TRACE.get()))

    async with growing(ChildSpec("a", Alarmed)) as tree:
        tree.system.tell("/a", Go(), trace="t1")
        tree.system.tell("/a", Go(), trace="t2")
        await asyncio.sleep(2.0)
        assert seen == ["t1", "t2"]


async def test_an_owned_task_runs_beside_the_actor_and_is_let_go_when_it_is_done() -> None:
    class Busy(Worker):
        def on_start(self) -> None:
            self.spawn(self.work(), "work")

        async def work(self) -> None:
            await asyncio.sleep(1.0)
            self.total = 42

    async with growing(ChildSpec("a", Busy)) as tree:
        assert [task.get_name() for task in tree.cell("/a").tasks] == ["/a:work"]
        assert (await tree.total("/a")).n == 0
        await asyncio.sleep(2.0)
        assert (await tree.total("/a")).n == 42
        assert tree.cell("/a").tasks == set()


async def test_an_actor_with_much_to_do_lets_the_others_have_their_turns() -> None:
    order: list[str] = []

    class Noted(SupervisedActor[Add]):
        def receive(self, message: Add) -> None:
            order.append(self.address)

    async with growing(ChildSpec("a", Noted), ChildSpec("b", Noted)) as tree:
        for _ in range(3 * BATCH):
            tree.system.tell("/a", Add(n=1))
        tree.system.tell("/b", Add(n=1))
        await quiet()
        assert order.index("/b") == BATCH


@pytest.mark.parametrize("children", [1, BATCH, 4 * BATCH])
async def test_a_supervisor_hears_of_every_child_that_stops_however_many_stop_at_once(children: int) -> None:
    async with growing(ChildSpec("d", lambda: DynamicSupervisor(Worker, Hold), shutdown=None)) as tree:
        asks = [tree.system.ask("/d", Hold()) for _ in range(children)]
        await quiet()
        assert len(tree.cell("/d").children) == children
        await tree.system.stop_root()
        await asyncio.wait(asks)
        assert tree.system.now() < 1.0
        assert len({str(ask.exception()) for ask in asks}) == children
