"""When an instance ends: who is told what at once, what is kept for the next one, and what is never delivered again."""

from __future__ import annotations

import asyncio

import pytest

from actors.runtime.cell import Cell
from actors.runtime.supervised import Later, SupervisedActor
from actors.runtime.system import Wire
from messages.faults import Fault
from messages.outcome import AskFailed, Crashed, NoSuchAddress
from messages.supervision import Crash, Down, ExitReason
from supervisors.spec import ChildSpec
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Worker, crashed, growing, quiet
from tests.actors.runtime.vocabulary import Add, Break, BreakAsked, Echo, Go, Heard, Hold, Total, Totalled

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
        assert len(tree.system.asks.slots) == 2
        tree.system.tell("/a", Break())
        await quiet()
        assert tree.system.asks.slots == {}
        for later in tree.cell("/b").instance.held:  # type: ignore[union-attr]
            later.answer(Totalled(n=1, incarnation=1))
        await quiet()
        assert answers == []
        assert tree.system.late_replies == 2


async def test_an_ask_that_was_put_off_and_then_crashed_fails_once(wire: Wire) -> None:
    class Hasty(SupervisedActor[Hold]):
        def receive(self, message: Hold) -> Later:
            self.later()
            raise ValueError("broken")

    async with growing(ChildSpec("a", Hasty), wire=wire) as tree:
        assert isinstance(await tree.failure("/a", Hold()), Crashed)
        assert tree.system.dead_letter_count == 1


async def test_what_the_kernel_had_to_say_to_an_ended_instance_is_not_said_to_the_next() -> None:
    called: list[str] = []

    class Listening(Worker):
        def on_start(self) -> None:
            if self.incarnation == 1:
                self.after(1.0, lambda: called.append("timer"))
                self.ask_then("/b", Hold(), lambda _: called.append("answer"))
                self.monitor("/b")

        def down(self, down: Down) -> None:
            called.append("down")

    async with growing(ChildSpec("b", Worker), ChildSpec("a", Listening)) as tree:
        tree.cell("/a").suspend()
        tree.system.tell("/b", Break())
        await asyncio.sleep(2.0)
        assert len(tree.cell("/a").mailbox) == 3
        tree.cell("/a").kill()
        await quiet()
        assert tree.cell("/a").incarnation == 2
        assert called == []


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
