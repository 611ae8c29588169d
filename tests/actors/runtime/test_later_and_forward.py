"""Answers that come later, and asks that are handed on."""

from __future__ import annotations

import asyncio

import pytest

from actors.runtime.supervised import Later, SupervisedActor
from actors.runtime.system import Wire
from messages.faults import Fault
from messages.message import Message
from messages.outcome import AskFailed, Crashed, Full, NoSuchAddress, Outcome, Refused
from messages.supervision import Delay
from supervisors.spec import ChildSpec
from tests.actors.runtime.trees import Worker, growing, quiet
from tests.actors.runtime.vocabulary import Add, Echo, Go, Heard, Hold, Release, Total, Totalled

pytestmark = pytest.mark.looptime


class Thinker(SupervisedActor[Echo]):
    """Answers after a second, from a task."""

    def receive(self, message: Echo) -> Later:
        later = self.later()
        self.spawn(self.think(message, later))
        return later

    async def think(self, message: Echo, later: Later) -> None:
        await asyncio.sleep(1.0)
        if message.text == "no":
            later.refuse(Fault(cls="busy", message="not now"))
        later.answer(Heard(text=message.text))


class Door(SupervisedActor[Echo | Total | Go | Add]):
    """Hands everything on to one address."""

    def __init__(self, to: str) -> None:
        super().__init__()
        self.to = to

    def receive(self, message: Echo | Total | Go | Add) -> Later:
        return self.forward(self.to)


class SenderTold(SupervisedActor[Echo | Add]):
    """Answers who it believes the sender to be."""

    senders: list[str]

    def on_start(self) -> None:
        self.senders = []

    def receive(self, message: Echo | Add) -> Message | None:
        self.senders.append(self.sender)
        return Heard(text=f"{self.sender} until {self.deadline}") if isinstance(message, Echo) else None


async def test_an_ask_can_be_answered_later_and_the_actor_handles_others_meanwhile(wire: Wire) -> None:
    async with growing(ChildSpec("a", Thinker), wire=wire) as tree:
        answers = await asyncio.gather(*(tree.system.ask("/a", Echo(text=str(n))) for n in range(50)))
        assert [answer.text for answer in answers] == [str(n) for n in range(50)]
        assert tree.system.now() == pytest.approx(1.0)
        assert tree.cell("/a").pending == {}


async def test_an_ask_can_be_refused_later_and_only_the_first_word_counts(wire: Wire) -> None:
    async with growing(ChildSpec("a", Thinker), wire=wire) as tree:
        assert await tree.failure("/a", Echo(text="no")) == Refused(fault=Fault(cls="busy", message="not now"))
        assert tree.system.late_replies == 0


async def test_answering_later_what_nobody_asked_does_nothing() -> None:
    async with growing(ChildSpec("a", Thinker)) as tree:
        assert tree.system.tell("/a", Echo(text="just so")) is None
        await asyncio.sleep(2.0)
        assert tree.cell("/a").incarnation == 1
        assert tree.cell("/a").pending == {}


async def test_a_forwarded_ask_keeps_its_asker_and_its_deadline_and_the_forwarder_becomes_the_sender(wire: Wire) -> None:
    async with growing(ChildSpec("door", lambda: Door("/b")), ChildSpec("b", SenderTold), wire=wire) as tree:
        assert await tree.system.ask("/door", Echo(text=""), timeout=7.0) == Heard(text="/door until 7.0")
        assert tree.system.tell("/door", Add(n=1)) is None
        await quiet()
        instance = tree.cell("/b").instance
        assert isinstance(instance, SenderTold)
        assert instance.senders == ["/door", "/door"]


async def test_a_forwarded_ask_survives_the_crash_of_the_forwarder() -> None:
    async with growing(ChildSpec("door", lambda: Door("/b")), ChildSpec("b", Worker)) as tree:
        tree.system.tell("/b", Delay(seconds=1.0))
        ask = tree.system.ask("/door", Total())
        await quiet()
        tree.cell("/door").kill()
        assert await ask == Totalled(n=0, incarnation=1)


async def test_an_ask_forwarded_to_nobody_or_to_a_full_mailbox_fails_at_once(wire: Wire) -> None:
    specs = ChildSpec("lost", lambda: Door("/nobody")), ChildSpec("door", lambda: Door("/b")), ChildSpec("b", Worker, mailbox=(1, 1 << 20))
    async with growing(*specs, wire=wire) as tree:
        assert await tree.failure("/lost", Total()) == NoSuchAddress(address="/nobody")
        assert isinstance(await tree.failure("/door", Echo(text="?")), Refused)  # /b does not understand it
        tree.system.tell("/b", Delay(seconds=1.0))
        await quiet()
        tree.system.tell("/b", Add(n=1))
        assert isinstance(await tree.failure("/door", Total()), Full)
        assert tree.system.now() < 1.0


async def test_a_tell_that_can_not_be_forwarded_is_a_dead_letter_and_crashes_nobody() -> None:
    async with growing(ChildSpec("lost", lambda: Door("/nobody"))) as tree:
        assert tree.system.tell("/lost", Add(n=1)) is None
        await quiet()
        assert [(letter.address, letter.kind) for letter in tree.system.dead_letters] == [("/nobody", "test.add")]
        assert tree.cell("/lost").incarnation == 1


async def test_what_was_put_off_can_be_handed_on_later(wire: Wire) -> None:
    class Patient(SupervisedActor[Hold | Release]):
        def receive(self, message: Hold | Release) -> Later | None:
            if isinstance(message, Hold):
                self.held = self.later()
                return self.held
            self.outcomes: list[Outcome | None] = [self.held.forward("/b"), self.held.forward("/b")]
            return None

    async with growing(ChildSpec("a", Patient), ChildSpec("b", Worker), wire=wire) as tree:
        ask = tree.system.ask("/a", Hold())
        tree.system.tell("/a", Release())
        await quiet()
        tree.system.tell("/b", Release())
        assert await ask == Totalled(n=0, incarnation=1)
        assert tree.cell("/a").pending == {}
        assert tree.system.dead_letter_count == 0


async def test_ask_then_gives_the_answer_or_the_failure_in_the_actors_turn(wire: Wire) -> None:
    got: list[Totalled | AskFailed] = []

    class Asker(SupervisedActor[Go]):
        def receive(self, message: Go) -> None:
            self.ask_then("/b", Total(), got.append)
            self.ask_then("/b", Hold(), got.append, timeout=2.0)
            self.ask_then("/nobody", Total(), got.append)
            assert got == [], "never before receive has returned"

    async with growing(ChildSpec("a", Asker), ChildSpec("b", Worker), wire=wire) as tree:
        tree.system.tell("/a", Go())
        await quiet()
        assert Totalled(n=0, incarnation=1) in got
        assert [str(failed) for failed in got if isinstance(failed, AskFailed)] == ["ask.no_such_address: nobody lives at /nobody"]
        await asyncio.sleep(2.0)
        assert str(got[2]) == "ask.deadline_passed: /b did not answer within 2 s"
        assert tree.cell("/a").slots == set()


async def test_an_owned_task_can_await_an_answer_and_give_up_waiting() -> None:
    got: list[object] = []

    class Asker(SupervisedActor[Go]):
        def receive(self, message: Go) -> None:
            self.spawn(self.work())

        async def work(self) -> None:
            got.append(await self.ask("/b", Total()))
            try:
                async with asyncio.timeout(1.0):
                    await self.ask("/b", Hold())
            except TimeoutError:
                got.append("gave up")

    async with growing(ChildSpec("a", Asker), ChildSpec("b", Worker)) as tree:
        tree.system.tell("/a", Go())
        await asyncio.sleep(1.5)
        assert got == [Totalled(n=0, incarnation=1), "gave up"]
        tree.system.tell("/b", Release())
        await quiet()
        assert (tree.system.late_replies, tree.system.asks.slots) == (1, {})
        assert tree.cell("/a").slots == set()


@pytest.mark.parametrize("where", ["in a task", "in another turn"])
async def test_a_later_answer_that_can_not_be_sent_crashes_the_actor_and_its_asker_is_told_at_once(where: str) -> None:
    class Huge(SupervisedActor[Total | Go]):
        held: Later

        def receive(self, message: Total | Go) -> Message | Later | None:
            if isinstance(message, Go):
                self.held.answer(Totalled(n=2**70, incarnation=1))
                return None
            self.held = self.later()
            if where == "in a task":
                self.spawn(self.work())
            return self.held

        async def work(self) -> None:
            self.held.answer(Totalled(n=2**70, incarnation=1))

    async with growing(ChildSpec("a", Huge), wire="always") as tree:
        asked = asyncio.ensure_future(tree.failure("/a", Total()))
        await quiet()
        if where == "in another turn":
            tree.system.tell("/a", Go())
        outcome = await asked
        assert isinstance(outcome, Crashed)
        assert (outcome.incarnation, tree.system.now() < 1.0) == (1, True)


async def test_asks_that_were_put_off_and_are_too_late_are_let_go() -> None:
    async with growing(ChildSpec("a", Worker)) as tree:
        for _ in range(10):
            asks = [tree.system.ask("/a", Hold(), timeout=1.0) for _ in range(100)]
            await asyncio.gather(*asks, return_exceptions=True)
        assert len(tree.cell("/a").pending) < 250
        held = tree.system.ask("/a", Hold(), timeout=100.0)
        await quiet()
        tree.system.tell("/a", Release())
        assert (await held).incarnation == 1  # one that somebody waits for is kept
