"""When an instance ends: who is told what at once, what is kept for the next one, and what is never delivered again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from actors.runtime.cell import Cell, Exit
from actors.runtime.supervised import Later, SupervisedActor
from actors.runtime.system import Wire
from messages.faults import Fault
from messages.message import Message
from messages.outcome import AskFailed, Crashed, NoSuchAddress, Refused
from messages.supervision import Crash, ExitReason
from supervisors.spec import ChildSpec
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Worker, crashed, growing, quiet
from tests.actors.runtime.vocabulary import Add, Break, BreakAsked, Echo, Fail, Go, Heard, Hold, Total, Totalled

pytestmark = pytest.mark.looptime


async def test_an_actor_that_crashes_in_an_ask_fails_that_ask_at_once_with_the_error(wire: Wire) -> None:
    async with growing(ChildSpec("a", Worker), wire=wire) as tree:
        outcome = await tree.failure("/a", BreakAsked(detail="no such luck"))
        assert outcome == Crashed(address="/a", incarnation=1, error="ValueError", detail="no such luck")
        assert tree.system.now() == 0.0


async def test_an_actor_that_crashes_in_a_tell_is_restarted_and_the_message_is_a_dead_letter_with_the_crash(wire: Wire) -> None:
    async with growing(ChildSpec("a", Worker), wire=wire) as tree:
        tree.system.tell("/a", Break(), trace="t7")
        assert (await tree.total("/a")).incarnation == 2
        [letter] = tree.system.dead_letters
        assert (letter.address, letter.kind, letter.trace, letter.reason) == ("/a", "test.break", "t7", crashed())
        assert letter.why == "/a ended before it answered (ValueError: broken)"
        assert tree.trail() == ["started /a", "started /", "exited /a", "started /a", "restarted /a"]


async def test_what_waits_outlives_the_crash_and_the_message_that_caused_it_does_not(wire: Wire) -> None:
    handled: list[int] = []

    class Fragile(SupervisedActor[Add | Total]):
        def receive(self, message: Add | Total) -> Totalled | None:
            if isinstance(message, Total):
                return Totalled(n=len(handled), incarnation=self.incarnation)
            handled.append(message.n)
            if message.n == 2:
                raise ValueError("two")
            return None

    async with growing(ChildSpec("a", Fragile), wire=wire) as tree:
        for n in (1, 2, 3, 4):
            tree.system.tell("/a", Add(n=n))
        assert await tree.total("/a") == Totalled(n=4, incarnation=2)
        assert handled == [1, 2, 3, 4]  # each begun once
        assert [letter.kind for letter in tree.system.dead_letters] == ["test.add"]


async def test_every_ask_that_was_begun_fails_and_every_ask_that_was_not_is_answered_by_the_next_instance(wire: Wire) -> None:
    async with growing(ChildSpec("a", Worker), wire=wire) as tree:
        begun = [tree.system.ask("/a", Hold()), tree.system.ask("/a", Hold())]
        poison = tree.system.ask("/a", BreakAsked())
        waiting = tree.system.ask("/a", Total())
        outcomes = await asyncio.gather(*begun, poison, return_exceptions=True)
        assert [failed.outcome for failed in outcomes if isinstance(failed, AskFailed)] == [
            Crashed(address="/a", incarnation=1, error="ValueError", detail="broken"),
        ] * 3  # fmt: skip
        assert await waiting == Totalled(n=0, incarnation=2)
        assert tree.system.now() == 0.0


async def test_a_later_of_an_ended_instance_answers_nobody(wire: Wire) -> None:
    kept: list[Later] = []

    class Hoarder(SupervisedActor[Hold | Break]):
        def receive(self, message: Hold | Break) -> Later:
            if isinstance(message, Break):
                raise ValueError("broken")
            kept.append(self.later())
            return kept[-1]

    async with growing(ChildSpec("a", Hoarder), wire=wire) as tree:
        first = tree.system.ask("/a", Hold())
        tree.system.tell("/a", Break())
        second = tree.system.ask("/a", Hold())
        with pytest.raises(AskFailed):
            await first
        await quiet()
        kept[0].answer(Totalled(n=1, incarnation=1))
        kept[0].refuse(Fault(cls="busy", message="too late"))
        assert kept[0].forward("/a") is None
        await quiet()
        assert not second.done()
        kept[1].answer(Totalled(n=2, incarnation=2))
        kept[1].answer(Totalled(n=3, incarnation=2))
        assert (await second).n == 2


async def test_the_asks_of_an_ended_instance_vanish_and_their_late_answers_are_counted() -> None:
    answers: list[object] = []

    class Asker(SupervisedActor[Go | Break]):
        def receive(self, message: Go | Break) -> None:
            if isinstance(message, Break):
                raise ValueError("broken")
            self.ask_then("/b", Hold(), answers.append)
            self.spawn(self.wait())

        async def wait(self) -> None:
            answers.append(await self.ask("/b", Hold()))

    async with growing(ChildSpec("a", Asker), ChildSpec("b", Worker)) as tree:
        tree.system.tell("/a", Go())
        await quiet()
        assert len(tree.system._slots) == 2
        tree.system.tell("/a", Break())
        await quiet()
        assert tree.system._slots == {}
        for later in tree.cell("/b").instance.held:  # type: ignore[union-attr]
            later.answer(Totalled(n=1, incarnation=1))
        await quiet()
        assert answers == []
        assert tree.system.late_replies == 2


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


async def test_leave_ends_the_actor_after_the_message_at_hand_and_answers_it_first(wire: Wire) -> None:
    stopped: list[str] = []

    class Leaver(SupervisedActor[Echo]):
        def receive(self, message: Echo) -> Heard:
            self.leave(ExitReason(how="normal", detail="had enough"))
            return Heard(text=message.text)

        def on_stop(self) -> None:
            stopped.append(self.address)

    async with growing(ChildSpec("a", Leaver, restart="transient"), wire=wire) as tree:
        last = tree.system.ask("/a", Echo(text="last words"))
        unheard = tree.system.ask("/a", Echo(text="too late"))
        assert await last == Heard(text="last words")
        with pytest.raises(AskFailed) as failed:
            await unheard
        assert failed.value.outcome == NoSuchAddress(address="/a")
        assert stopped == ["/a"]
        assert tree.cell("/a").last_exit == ExitReason(how="normal", detail="had enough")
        assert tree.system.now() == 0.0


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


async def test_everybody_else_hears_of_an_end_only_when_its_asks_have_failed_and_its_tasks_are_cancelled() -> None:
    seen: list[tuple[bool, int]] = []

    class Nosy(Supervisor):
        def child_ended(self, cell: Cell, incarnation: int, reason: ExitReason) -> None:
            seen.append((held.done(), len(cell.tasks) + len(cell.timers) + len(cell.slots) + len(cell.pending)))
            super().child_ended(cell, incarnation, reason)

    class Busy(Worker):
        def on_start(self) -> None:
            self.spawn(asyncio.sleep(100.0))
            self.after(100.0, self.leave)
            self.ask_then("/s/b", Hold(), print)

    async with growing(ChildSpec("s", lambda: Nosy(ChildSpec("b", Worker), ChildSpec("a", Busy)))) as tree:
        held = tree.system.ask("/s/a", Hold())
        tree.system.tell("/s/a", Crash())
        with pytest.raises(AskFailed):
            await held
        await quiet()
        assert seen == [(True, 0)]
