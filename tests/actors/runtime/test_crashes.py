"""Where an actor can crash, what it tells of it, and what becomes of all that it had started."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from actors.runtime.exits import Exit
from actors.runtime.supervised import Later, SupervisedActor
from actors.runtime.system import Wire
from messages.faults import Fault
from messages.message import Message
from messages.outcome import AskFailed, Crashed, Refused
from messages.supervision import ExitReason
from supervisors.spec import ChildSpec
from tests.actors.runtime.trees import Worker, growing, quiet
from tests.actors.runtime.vocabulary import Break, Echo, Fail, Go, Heard, Hold, Total

pytestmark = pytest.mark.looptime


def timer_crash(actor: SupervisedActor[Go]) -> None:
    def ring() -> None:
        raise ValueError("in a timer")

    actor.after(1.0, ring)


def task_crash(actor: SupervisedActor[Go]) -> None:
    async def work() -> None:
        await asyncio.sleep(1.0)
        raise ValueError("in a task")

    actor.spawn(work())


def cancelled_crash(actor: SupervisedActor[Go]) -> None:
    async def work() -> None:
        gone = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone

    actor.spawn(work())


def answer_crash(actor: SupervisedActor[Go]) -> None:
    def then(_: object) -> None:
        raise ValueError("in an answer")

    actor.ask_then("/nobody", Total(), then)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (timer_crash, "crashed ValueError in a timer"),
        (task_crash, "crashed ValueError in a task"),
        (cancelled_crash, "crashed CancelledError what it awaited was cancelled"),
        (answer_crash, "crashed ValueError in an answer"),
    ],
)
async def test_a_crash_anywhere_ends_the_actor_and_fails_what_it_had_begun(what: Callable[[SupervisedActor[Go]], None], told: str) -> None:
    class Crasher(SupervisedActor[Hold | Go]):
        def receive(self, message: Hold | Go) -> Later | None:
            if isinstance(message, Hold):
                return self.later()
            what(self)  # type: ignore[arg-type]
            return None

    async with growing(ChildSpec("a", Crasher)) as tree:
        held = tree.system.ask("/a", Hold())
        tree.system.tell("/a", Go())
        with pytest.raises(AskFailed) as failed:
            await held
        assert isinstance(failed.value.outcome, Crashed)
        await quiet()
        assert [event.detail for event in tree.events if event.event == "exited"] == [told]
        assert tree.cell("/a").incarnation == 2


async def test_a_cancelled_future_asked_for_its_result_is_a_crash_like_any_other() -> None:
    class Careless(SupervisedActor[Echo]):
        def receive(self, message: Echo) -> Message:
            gone: asyncio.Future[Message] = self.system.loop.create_future()
            gone.cancel()
            return gone.result()

    async with growing(ChildSpec("a", Careless)) as tree:
        outcome = await tree.failure("/a", Echo(text="?"))
        assert isinstance(outcome, Crashed)
        assert outcome.error == "CancelledError"
        assert tree.system.now() == 0.0


async def test_a_task_that_is_cancelled_on_purpose_crashes_nobody() -> None:
    class Changeable(SupervisedActor[Go]):
        def receive(self, message: Go) -> None:
            self.spawn(asyncio.sleep(100.0)).cancel()

    async with growing(ChildSpec("a", Changeable)) as tree:
        tree.system.tell("/a", Go())
        await quiet()
        assert tree.cell("/a").tasks == set()
        assert tree.cell("/a").incarnation == 1


async def test_tasks_and_timers_end_with_their_instance() -> None:
    rung: list[str] = []
    undone: list[str] = []

    class Busy(SupervisedActor[Go | Break]):
        def receive(self, message: Go | Break) -> None:
            if isinstance(message, Break):
                raise ValueError("broken")
            self.after(1.0, lambda: rung.append("timer"))
            self.spawn(self.work())

        async def work(self) -> None:
            try:
                await asyncio.sleep(1.0)
                rung.append("task")
            finally:
                undone.append("task")

    async with growing(ChildSpec("a", Busy)) as tree:
        tree.system.tell("/a", Go())
        await quiet()
        tree.system.tell("/a", Break())
        await quiet()
        assert undone == ["task"]
        await asyncio.sleep(2.0)
        assert rung == []
        assert tree.cell("/a").timers == set()


async def test_a_task_that_ignores_its_cancellation_is_still_held_until_it_is_gone_and_its_error_hurts_nobody() -> None:
    class Stubborn(SupervisedActor[Go | Break]):
        def receive(self, message: Go | Break) -> None:
            if isinstance(message, Break):
                raise ValueError("broken")
            self.spawn(self.work())

        async def work(self) -> None:
            try:
                await asyncio.sleep(1000.0)
            except asyncio.CancelledError:
                await asyncio.sleep(5.0)
                raise LookupError("at last") from None

    async with growing(ChildSpec("a", Stubborn)) as tree:
        tree.system.tell("/a", Go())
        await quiet()
        tree.system.tell("/a", Break())
        await quiet()
        assert len(tree.system.ending) == 1
        await asyncio.sleep(6.0)
        assert tree.system.ending == set()
        assert tree.cell("/a").incarnation == 2
        assert tree.cell("/a").state == "running"


async def test_a_failure_that_was_to_be_expected_is_told_as_its_fault_to_every_asker(wire: Wire) -> None:
    fault = Fault(cls="rate_limit", message="slow down", provider="p", retry_after_ms=700)
    async with growing(ChildSpec("a", Worker), wire=wire) as tree:
        held = tree.system.ask("/a", Hold())
        assert await tree.failure("/a", Fail(fault=fault)) == Refused(fault=fault)
        with pytest.raises(AskFailed) as failed:
            await held
        assert failed.value.outcome == Refused(fault=fault)
        assert tree.cell("/a").last_exit == ExitReason(how="failed", error="rate_limit", detail="slow down", fault=fault)


async def test_an_exit_reason_can_always_be_told_whatever_the_exception_says() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("not even that")

    errors = [Mute(), ValueError("\ud800 half a character"), ValueError("x" * 10_000)]

    class Odd(SupervisedActor[Echo]):
        def receive(self, message: Echo) -> Heard:
            raise errors.pop(0)

    async with growing(ChildSpec("a", Odd)) as tree:
        details = [await tree.failure("/a", Echo(text="?")) for _ in range(3)]
        assert [detail.error for detail in details if isinstance(detail, Crashed)] == ["Mute", "ValueError", "ValueError"]
        assert [len(detail.detail) for detail in details[1:] if isinstance(detail, Crashed)] == [len("? half a character"), 500]


async def test_an_exit_can_be_raised_from_anywhere_with_its_typed_reason() -> None:
    class Quitter(SupervisedActor[Go]):
        def receive(self, message: Go) -> None:
            async def work() -> None:
                raise Exit(ExitReason(how="shutdown", error="Enough"))

            self.spawn(work())

    async with growing(ChildSpec("a", Quitter, restart="transient")) as tree:
        tree.system.tell("/a", Go())
        await quiet()
        assert tree.cell("/a").last_exit == ExitReason(how="shutdown", error="Enough")


@pytest.mark.parametrize("where", ["in receive", "in a task", "in on_start"])
async def test_what_is_no_exception_but_a_base_exception_is_a_crash_like_any_other(where: str) -> None:
    class Panic(BaseException):
        """As libraries written in Rust raise it."""

    class Panicking(SupervisedActor[Echo | Go]):
        def on_start(self) -> None:
            if where == "in on_start" and self.incarnation == 2:
                raise Panic("broken")

        def receive(self, message: Echo | Go) -> Message | Later | None:
            if isinstance(message, Go):
                raise ValueError
            if where == "in receive":
                raise Panic("broken")
            self.spawn(self.panic())
            return self.later()

        async def panic(self) -> None:
            raise Panic("broken")

    async with growing(ChildSpec("a", Panicking)) as tree:
        if where == "in on_start":
            tree.system.tell("/a", Go())
        else:
            assert await tree.failure("/a", Echo(text="?")) == Crashed(address="/a", incarnation=1, error="Panic", detail="broken")
        await quiet()
        assert (tree.cell("/a").state, tree.cell("/a").incarnation) == ("running", 3 if where == "in on_start" else 2)
