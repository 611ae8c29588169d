"""`on_start` and `on_stop`: when they are called, how long they may take, and what happens when they raise, hang, or will not go."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from actors.runtime.cell import START_LIMIT, Cell
from actors.runtime.supervised import SupervisedActor
from actors.runtime.system import ActorSystem, StartFailed, Wire
from messages.envelope import Address
from messages.supervision import Delay, Describe, ExitReason, TerminateChild
from supervisors.restart import Backoff
from supervisors.spec import ChildSpec, Intensity
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Slow, Worker, growing, quiet, watch_loop
from tests.actors.runtime.vocabulary import Add, Break, Echo, Heard, Quit

pytestmark = pytest.mark.looptime


async def test_nothing_is_handled_before_on_start_is_done_and_nothing_is_lost(wire: Wire) -> None:
    class Preparing(SupervisedActor[Echo | Break]):
        ready = False

        async def on_start(self) -> None:
            await asyncio.sleep(5.0)
            self.ready = True

        def receive(self, message: Echo | Break) -> Heard:
            if isinstance(message, Break):
                raise ValueError(message.detail)
            return Heard(text=f"{message.text} {self.ready}")

    async with growing(ChildSpec("a", Preparing), wire=wire) as tree:
        tree.system.tell("/a", Break())
        await quiet()
        assert tree.cell("/a").state == "starting"
        answers = await asyncio.gather(*(tree.system.ask("/a", Echo(text=str(n))) for n in range(3)))
        assert [answer.text for answer in answers] == ["0 True", "1 True", "2 True"]
        assert tree.system.now() == pytest.approx(10.0, abs=0.01)


async def test_an_on_start_that_raises_fails_the_start_and_says_who_and_why() -> None:
    class Unlucky(Worker):
        def on_start(self) -> None:
            raise OSError("no such device")

    with pytest.raises(StartFailed, match="OSError: /a: no such device") as failed:
        async with growing(ChildSpec("a", Unlucky)):
            raise AssertionError("it must not start")
    assert failed.value.reason.how == "start_failed"


async def test_an_async_on_start_that_raises_fails_the_start_as_well() -> None:
    class Unlucky(Worker):
        async def on_start(self) -> None:
            await asyncio.sleep(1.0)
            raise OSError("no such device")

    with pytest.raises(StartFailed, match="OSError: /a: no such device"):
        async with growing(ChildSpec("a", Unlucky)):
            raise AssertionError("it must not start")


async def test_a_factory_that_raises_or_makes_no_actor_fails_the_start() -> None:
    def no_actor() -> object:
        return object()

    def nothing() -> object:
        raise LookupError("no plan")

    for factory, error in ((no_actor, "is no actor"), (nothing, "LookupError")):
        with pytest.raises(StartFailed, match=error):
            async with growing(ChildSpec("a", factory)):
                raise AssertionError("it must not start")


async def test_an_on_start_may_take_ten_seconds_and_no_longer() -> None:
    async with growing(ChildSpec("a", lambda: Slow(start=START_LIMIT - 0.1))) as tree:
        assert tree.system.now() == pytest.approx(9.9)
    with pytest.raises(StartFailed, match="StartTimeout: /a: on_start took longer than 10 s"):
        async with growing(ChildSpec("a", lambda: Slow(start=START_LIMIT + 0.1))):
            raise AssertionError("it must not start")


async def test_an_on_start_that_will_not_be_cancelled_is_left_behind_and_comes_to_nothing() -> None:
    class Stubborn(SupervisedActor[Echo]):
        def receive(self, message: Echo) -> Heard:
            return Heard(text=str(self.incarnation))

        async def on_start(self) -> None:
            if self.incarnation == 1:
                return
            try:
                await asyncio.sleep(100.0)
            except asyncio.CancelledError:
                await asyncio.sleep(10.0)  # goes on all the same

    async with growing(ChildSpec("a", Stubborn), intensity=Intensity(1, 60.0), on_exhausted="backoff", backoff=Backoff(first=50.0)) as tree:
        tree.cell("/a").kill()
        await asyncio.sleep(START_LIMIT + 0.1)
        assert tree.cell("/a").last_exit == ExitReason(how="start_failed", error="StartTimeout", detail="on_start took longer than 10 s")
        await asyncio.sleep(11.0)  # the first one's on_start has come to its end: nobody may take it for a started actor
        assert tree.cell("/a").state == "stopped"
        assert tree.system.ending == set()


async def test_an_on_start_whose_awaitable_was_cancelled_has_failed_and_does_not_hang() -> None:
    class Unlucky(Worker):
        async def on_start(self) -> None:
            gone = asyncio.get_running_loop().create_future()
            gone.cancel()
            await gone

    with pytest.raises(StartFailed, match="CancelledError"):
        async with growing(ChildSpec("a", Unlucky)):
            raise AssertionError("it must not start")


async def test_an_on_start_that_somebody_else_cancels_is_not_taken_for_a_start() -> None:
    async def cancel() -> None:
        await asyncio.sleep(1.0)
        next(task for task in asyncio.all_tasks() if task.get_name() == "/a:on_start").cancel()

    cancelling = asyncio.ensure_future(cancel())
    with pytest.raises(StartFailed, match="StartTimeout"):
        async with growing(ChildSpec("a", lambda: Slow(start=5.0))):
            raise AssertionError("it must not start")
    await cancelling


async def test_a_supervisor_has_as_long_to_start_as_its_children_together() -> None:
    specs = [ChildSpec(id, lambda: Slow(start=6.0)) for id in "abc"]
    async with growing(ChildSpec("s", lambda: Supervisor(*specs))) as tree:
        assert tree.system.now() == pytest.approx(18.0)


async def test_a_task_of_the_actors_that_crashes_before_on_start_is_done_fails_the_start() -> None:
    class Hasty(Worker):
        async def on_start(self) -> None:
            self.spawn(self.work())
            await asyncio.sleep(5.0)

        async def work(self) -> None:
            raise OSError("no such device")

    with pytest.raises(StartFailed, match="OSError: /a: no such device"):
        async with growing(ChildSpec("a", Hasty)):
            raise AssertionError("it must not start")


@pytest.mark.parametrize("pause", [None, 1.0])
async def test_an_actor_that_leaves_in_on_start_starts_and_ends_in_order(pause: float | None) -> None:
    stopped: list[str] = []

    class Brief(Worker):
        def on_start(self) -> None:
            self.leave()

        def on_stop(self) -> None:
            stopped.append(self.address)

    class SlowlyBrief(Brief):
        async def on_start(self) -> None:  # type: ignore[override]
            self.leave()
            await asyncio.sleep(1.0)

    async with growing(ChildSpec("a", SlowlyBrief if pause else Brief, restart="transient")) as tree:
        await quiet()
        assert tree.trail() == ["started /a", "started /", "exited /a"] or tree.trail() == ["started /a", "exited /a", "started /"]
        assert tree.cell("/a").last_exit == ExitReason(how="normal")
        assert stopped == ["/a"]


async def test_on_stop_is_called_when_it_ends_in_order_and_not_on_a_crash() -> None:
    stopped: list[int] = []

    class Noted(Worker):
        def on_stop(self) -> None:
            stopped.append(self.incarnation)

    async with growing(ChildSpec("a", Noted)) as tree:
        tree.system.tell("/a", Break())
        tree.system.tell("/a", Quit())
        assert (await tree.total("/a")).incarnation == 3
        assert stopped == [2]
        await tree.system.stop_root()
        assert stopped == [2, 3]


async def test_an_on_stop_that_takes_longer_than_its_limit_is_killed() -> None:
    async with growing(ChildSpec("a", lambda: Slow(stop=100.0), shutdown=3.0)) as tree:
        cell = tree.cell("/a")
        await tree.system.stop_root()
        assert tree.system.now() == 3.0
        assert cell.last_exit == ExitReason(how="killed", error="ShutdownTimeout", detail="on_stop took longer than 3 s")


async def test_an_on_stop_that_will_not_be_cancelled_holds_up_nobody() -> None:
    class Stubborn(Worker):
        async def on_stop(self) -> None:
            for _ in range(5):
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(10.0)

    async with growing(ChildSpec("a", Stubborn, shutdown=3.0)) as tree:
        await tree.system.stop_root()
        assert tree.system.now() == 3.0
        assert len(tree.system.ending) == 1


async def test_an_on_stop_without_limit_is_waited_for() -> None:
    async with growing(ChildSpec("a", lambda: Slow(stop=5000.0), shutdown=None)) as tree:
        cell = tree.cell("/a")
        await tree.system.stop_root()
        assert tree.system.now() == 5000.0
        assert cell.last_exit == ExitReason(how="shutdown")


async def test_a_shutdown_of_zero_is_a_kill_and_nothing_is_asked() -> None:
    async with growing(ChildSpec("a", lambda: Slow(stop=5.0), shutdown=0)) as tree:
        cell = tree.cell("/a")
        await tree.system.stop_root()
        assert tree.system.now() == 0.0
        assert cell.last_exit == ExitReason(how="killed", error="Killed", detail="killed by its supervisor")


@pytest.mark.parametrize("later", [False, True])
async def test_an_on_stop_that_raises_is_the_actors_own_crash_and_nobody_elses(later: bool) -> None:
    class Unlucky(Worker):
        def on_stop(self) -> None:
            raise OSError("already gone")

    class UnluckyLater(Worker):
        async def on_stop(self) -> None:
            raise OSError("already gone")

    async with growing(ChildSpec("a", Worker), ChildSpec("b", UnluckyLater if later else Unlucky), ChildSpec("c", Worker)) as tree:
        cells = [tree.cell(address) for address in ("/a", "/b", "/c", "/")]
        await tree.system.stop_root()
        assert [cell.last_exit.how for cell in cells if cell.last_exit] == ["shutdown", "crashed", "shutdown", "shutdown"]


async def test_a_start_under_way_is_broken_off_when_the_tree_stops() -> None:
    async with growing(ChildSpec("a", lambda: Slow(start=5.0)), ChildSpec("b", Worker)) as tree:
        tree.system.tell("/a", Delay(seconds=0.0))
        tree.system.restart_root()
        await quiet()
        assert tree.cell("/a").state == "starting"
        await tree.system.stop_root()
        assert tree.system.now() == pytest.approx(5.0, abs=0.1)
        assert tree.system.directory == {}


async def test_whoever_waits_for_the_start_may_go_away_meanwhile() -> None:
    complaints = watch_loop()
    system = ActorSystem()
    root = Cell(system, Address("/"), lambda: Supervisor(ChildSpec("a", lambda: Slow(start=5.0))), None)
    system.start_root(root).cancel()
    await asyncio.sleep(6.0)
    assert (root.state, root.incarnation) == ("running", 1)
    system.stop_root().cancel()
    await quiet()
    assert system.directory == {}
    assert complaints == []


async def test_an_actor_that_is_stopping_handles_nothing_but_its_mailbox_goes_on_filling() -> None:
    async with growing(ChildSpec("a", lambda: Slow(stop=4.0))) as tree:
        tree.cell("/a").leave(ExitReason(how="normal"), 5.0)
        await quiet()
        assert tree.cell("/a").state == "stopping"
        assert await tree.system.ask("/a", Echo(text="next one")) == Heard(text="next one 2")
        assert tree.system.now() == pytest.approx(4.0, abs=0.01)


async def test_status_is_told_whatever_the_actor_is_at() -> None:
    async with growing(ChildSpec("a", lambda: Slow(start=3.0, stop=4.0)), ChildSpec("b", Worker)) as tree:
        tree.system.tell("/b", Delay(seconds=2.0))
        for _ in range(100):
            tree.system.tell("/b", Add(n=1))
        await quiet()
        states = [(await tree.system.ask("/b", Describe())).status.state]
        tree.cell("/a").leave(ExitReason(how="normal"), 5.0)
        await quiet()
        states.append((await tree.system.ask("/a", Describe())).status.state)
        await asyncio.sleep(5.0)
        states.append((await tree.system.ask("/a", Describe())).status.state)
        assert states == ["suspended", "stopping", "starting"]
        assert tree.system.now() == pytest.approx(8.0, abs=0.01)  # not a moment later than it was asked for


@pytest.mark.parametrize("shutdown", [1.0, 0])
async def test_one_that_is_leaving_already_is_stopped_within_its_shutdown_time_all_the_same(shutdown: float) -> None:
    async with growing(ChildSpec("a", lambda: Slow(stop=100.0), shutdown=shutdown)) as tree:
        tree.cell("/a").leave(ExitReason(how="normal"), None)
        await quiet()
        began = tree.system.now()
        await tree.system.ask("/", TerminateChild(id="a"))
        assert tree.system.now() - began == pytest.approx(shutdown, abs=0.01)


async def test_one_that_is_leaving_may_not_take_longer_because_somebody_else_would_wait_longer() -> None:
    async with growing(ChildSpec("a", lambda: Slow(stop=100.0), shutdown=None)) as tree:
        tree.cell("/a").leave(ExitReason(how="normal"), 2.0)
        await quiet()
        await tree.system.ask("/", TerminateChild(id="a"))
        assert tree.system.now() == pytest.approx(2.0, abs=0.01)


async def test_a_supervisor_that_gave_up_and_hangs_does_not_keep_the_one_above_from_stopping_it() -> None:
    hanging = ChildSpec("h", lambda: Slow(stop=1_000_000.0), shutdown=None)
    async with growing(ChildSpec("s", lambda: Supervisor(hanging, ChildSpec("w", Worker), intensity=Intensity(0)), shutdown=3.0)) as tree:
        tree.system.tell("/s/w", Break())
        await quiet()
        assert tree.cell("/s").state == "stopping"
        await tree.system.ask("/", TerminateChild(id="s"))
        assert tree.system.now() == pytest.approx(3.0, abs=0.01)
