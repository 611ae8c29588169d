"""Tell and ask: every ask ends in its answer or in one typed failure, and what can't be handled is refused, never ignored."""

from __future__ import annotations

import asyncio

import msgpack
import pytest

from actors.runtime.supervised import SupervisedActor
from actors.runtime.system import ASK_TIMEOUT, OUTSIDE, ActorSystem, Hop, Wire
from messages.envelope import Envelope
from messages.faults import Fault
from messages.message import Message, pack
from messages.outcome import AskFailed, Crashed, DeadlinePassed, Full, NoSuchAddress, Refused
from messages.supervision import Delay
from supervisors.spec import ChildSpec
from tests.actors.runtime.trees import Worker, growing, quiet
from tests.actors.runtime.vocabulary import Add, Blob, BreakAsked, Echo, Heard, Hold, Release, SayNo, Total, Totalled, Unknown

pytestmark = pytest.mark.looptime

HUGE = 2**70  # an int that msgpack can't hold


async def test_an_ask_is_answered_with_its_typed_answer(wire: Wire) -> None:
    async with growing(ChildSpec("a", Worker), wire=wire) as tree:
        assert tree.system.tell("/a", Add(n=3)) is None
        assert await tree.system.ask("/a", Total()) == Totalled(n=3, incarnation=1)


async def test_messages_of_one_sender_are_handled_in_the_order_in_which_they_were_sent(wire: Wire) -> None:
    order: list[int] = []

    class Listener(SupervisedActor[Add]):
        def receive(self, message: Add) -> None:
            order.append(message.n)

    async with growing(ChildSpec("a", Listener), wire=wire) as tree:
        for n in range(500):
            tree.system.tell("/a", Add(n=n))
        await quiet()
        assert order == list(range(500))


async def test_what_crosses_a_mailbox_is_a_copy_and_on_the_edge_wire_the_frozen_message_itself(wire: Wire) -> None:
    got: list[Add] = []

    class Keeper(SupervisedActor[Add]):
        def receive(self, message: Add) -> None:
            got.append(message)

    async with growing(ChildSpec("a", Keeper), wire=wire) as tree:
        sent = Add(n=1)
        tree.system.tell("/a", sent)
        await quiet()
        assert got == [sent]
        assert (got[0] is sent) == (wire == "edge")


async def test_an_ask_to_an_address_where_nobody_lives_fails_at_once_and_is_a_dead_letter(wire: Wire) -> None:
    async with growing(wire=wire) as tree:
        assert tree.system.tell("/nobody", Add(n=1)) == NoSuchAddress(address="/nobody")
        assert await tree.failure("/nobody", Total()) == NoSuchAddress(address="/nobody")
        assert tree.system.now() == 0.0
        assert [(letter.kind, letter.why) for letter in tree.system.dead_letters] == [
            ("test.add", "nobody lives at /nobody"), ("test.total", "nobody lives at /nobody"),
        ]  # fmt: skip


async def test_a_refusal_is_told_to_the_asker_with_its_fault_and_the_actor_lives_on(wire: Wire) -> None:
    fault = Fault(cls="busy", message="no room", retry_after_ms=5, names=("a", "b"))
    async with growing(ChildSpec("a", Worker), wire=wire) as tree:
        tree.system.tell("/a", Add(n=1))
        assert await tree.failure("/a", SayNo(fault=fault)) == Refused(fault=fault)
        assert tree.system.dead_letter_count == 0  # no is an answer
        assert await tree.total("/a") == Totalled(n=1, incarnation=1)


async def test_a_kind_that_the_actor_does_not_understand_is_refused_and_says_what_is_understood(wire: Wire) -> None:
    async with growing(ChildSpec("a", Worker), wire=wire) as tree:
        outcome = await tree.failure("/a", Unknown())
        assert isinstance(outcome, Refused)
        assert outcome.fault.cls == "not_understood"
        assert "/a does not understand 'test.unknown'" in outcome.fault.message
        assert "test.total" in outcome.fault.message
        assert outcome.fault.names == tuple(sorted(Worker.understands))
        assert isinstance(tree.system.tell("/a", Heard(text="?")), Refused)
        assert tree.cell("/a").incarnation == 1


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"\xc1garbage", "not msgpack"),
        (b"", "not msgpack"),
        (msgpack.packb(("test.total", 2, {})), "version 2 is not spoken here, version 1 is"),
        (msgpack.packb(("test.nowhere", 1, {})), "unknown kind 'test.nowhere'"),
        (msgpack.packb(("test.total", 1, {"n": 1})), "test.total: n: Extra inputs are not permitted"),
        (msgpack.packb(("test.add", 1, {"n": "1"})), "test.add: n: Input should be a valid integer"),
        (pack(Add(n=1)), "the envelope says 'test.total' and holds 'test.add'"),
    ],
)
async def test_bytes_that_are_no_message_are_refused_with_the_reason_and_crash_nobody(payload: bytes, why: str) -> None:
    async with growing(ChildSpec("a", Worker)) as tree:
        ended: asyncio.Future[Message] = tree.system.loop.create_future()
        slot = tree.system.open_slot(OUTSIDE, "/a", Hold(), 30.0, ended.set_result)
        envelope = Envelope(tree.system.unique(), "test.total", payload, len(payload), at=0.0, sender=OUTSIDE, reply_to=OUTSIDE, slot=slot)
        assert tree.system.deliver("/a", envelope) is None
        outcome = await ended
        assert isinstance(outcome, Refused)
        assert outcome.fault.cls == "not_understood"
        assert why in outcome.fault.message
        assert outcome.fault.names == tuple(sorted(Worker.understands))
        assert (await tree.total("/a")).incarnation == 1


async def test_an_ask_that_is_never_answered_fails_at_its_deadline_and_without_one_after_half_a_minute(wire: Wire) -> None:
    async with growing(ChildSpec("a", Worker), wire=wire) as tree:
        assert await tree.failure("/a", Hold(), timeout=2.5) == DeadlinePassed(address="/a", seconds=2.5)
        assert tree.system.now() == 2.5
        with pytest.raises(AskFailed, match="did not answer within 30 s"):
            await tree.system.ask("/a", Hold())
        assert tree.system.now() == 2.5 + ASK_TIMEOUT


async def test_a_reply_after_the_deadline_is_counted_and_dropped(wire: Wire) -> None:
    async with growing(ChildSpec("a", Worker), wire=wire) as tree:
        await tree.failure("/a", Hold(), timeout=1.0)
        assert tree.system.late_replies == 0
        tree.system.tell("/a", Release())
        await quiet()
        assert tree.system.late_replies == 1


async def test_a_reply_to_an_asker_who_has_given_up_is_counted_and_dropped() -> None:
    async with growing(ChildSpec("a", Worker)) as tree:
        ask = tree.system.ask("/a", Hold())
        await quiet()
        ask.cancel()
        await quiet()
        tree.system.tell("/a", Release())
        await quiet()
        assert tree.system.late_replies == 1


async def test_a_message_past_its_deadline_is_dropped_unhandled_and_its_asker_told(wire: Wire) -> None:
    async with growing(ChildSpec("a", Worker), wire=wire) as tree:
        tree.system.tell("/a", Delay(seconds=10.0))
        tree.system.tell("/a", Add(n=1), timeout=5.0)
        tree.system.tell("/a", Add(n=10), timeout=15.0)
        assert await tree.failure("/a", Total(), timeout=5.0) == DeadlinePassed(address="/a", seconds=5.0)
        assert tree.system.now() == 5.0
        assert (await tree.total("/a")).n == 10
        assert [letter.kind for letter in tree.system.dead_letters] == ["test.add", "test.total"]
        assert tree.system.late_replies == 0  # nobody replied


async def test_a_full_mailbox_refuses_with_its_depth_and_takes_more_when_there_is_room(wire: Wire) -> None:
    async with growing(ChildSpec("a", Worker, mailbox=(3, 1 << 20)), wire=wire) as tree:
        outcomes = [tree.system.tell("/a", Add(n=1)) for _ in range(5)]
        assert outcomes[:3] == [None, None, None]
        assert all(isinstance(outcome, Full) and (outcome.address, outcome.depth) == ("/a", 3) for outcome in outcomes[3:])
        assert isinstance(await tree.failure("/a", Total()), Full)
        await quiet()
        assert (await tree.total("/a")).n == 3
        assert tree.cell("/a").mailbox.high_water == 3


async def test_a_mailbox_is_bounded_in_bytes_too() -> None:
    class Store(SupervisedActor[Blob]):
        def receive(self, message: Blob) -> None:
            """Nothing is kept."""

    async with growing(ChildSpec("a", Store, mailbox=(1000, 2500))) as tree:
        outcomes = [tree.system.tell("/a", Blob(data=bytes(1000))) for _ in range(3)]
        assert outcomes[:2] == [None, None]
        assert isinstance(outcomes[2], Full)
        assert 2000 < outcomes[2].size < 2500
        await quiet()
        assert tree.system.tell("/a", Blob(data=bytes(1000))) is None


async def test_an_actor_that_is_asked_and_answers_nothing_has_crashed() -> None:
    class Silent(SupervisedActor[Echo]):
        def receive(self, message: Echo) -> None:
            return None

    async with growing(ChildSpec("a", Silent)) as tree:
        outcome = await tree.failure("/a", Echo(text="?"))
        assert isinstance(outcome, Crashed)
        assert outcome.error == "TypeError"
        assert "Silent was asked test.echo and answered nothing" in outcome.detail


async def test_an_answer_that_can_not_be_packed_crashes_the_answerer_and_the_asker_is_told() -> None:
    class Boaster(SupervisedActor[Total]):
        def receive(self, message: Total) -> Totalled:
            return Totalled(n=HUGE, incarnation=1)

    async with growing(ChildSpec("a", Boaster)) as tree:
        outcome = await tree.failure("/a", Total())
        assert isinstance(outcome, Crashed)
        assert outcome.error == "OverflowError"
        assert tree.system.now() == 0.0


async def test_a_message_that_can_not_be_packed_is_the_senders_error_and_leaves_nothing_behind() -> None:
    class Number(SupervisedActor[Add]):
        def receive(self, message: Add) -> None:
            """Never reached."""

    async with growing(ChildSpec("a", Number)) as tree:
        with pytest.raises(OverflowError):
            tree.system.tell("/a", Add(n=HUGE))
        with pytest.raises(UnicodeEncodeError):
            tree.system.ask("/a", BreakAsked(detail="\ud800"))
        assert tree.system.asks.slots == {}


async def test_the_trace_of_a_message_is_inherited_by_everything_it_causes() -> None:
    class Relay(SupervisedActor[Echo]):
        def receive(self, message: Echo) -> object:  # type: ignore[override]
            later = self.later()
            self.after(1.0, lambda: self.ask_then("/b", Total(), lambda _: later.answer(Heard(text="done"))))
            return later

    async with growing(ChildSpec("a", Relay), ChildSpec("b", Worker)) as tree:
        await tree.system.ask("/a", Echo(text=""), trace="t1")
        assert [(hop.trace, hop.kind, hop.sender, hop.address) for hop in map(Hop._make, tree.system.hops)] == [
            ("t1", "test.echo", "", "/a"), ("t1", "test.total", "/a", "/b"), ("t1", "test.totalled", "/b", "/a"), ("t1", "test.heard", "/a", ""),
        ]  # fmt: skip


async def test_a_listener_that_raises_disturbs_no_actor() -> None:
    told: list[str] = []

    def bad(_: object) -> None:
        raise LookupError("the listener's own fault")

    async with growing(ChildSpec("a", Worker)) as tree:
        tree.system.loop.set_exception_handler(lambda _, context: told.append(str(context["exception"])))
        tree.system.listeners.append(bad)
        assert isinstance(await tree.failure("/a", BreakAsked()), Crashed)
        assert (await tree.total("/a")).incarnation == 2
        tree.system.listeners.remove(bad)
        assert told == ["the listener's own fault"] * 3  # exited, started, restarted


async def test_a_system_stops_once_however_often_it_is_told_to() -> None:
    async with growing(ChildSpec("a", Worker)) as tree:
        await asyncio.gather(tree.system.stop_root(), tree.system.stop_root())
        assert isinstance(tree.system, ActorSystem)
        assert tree.system.tell("/a", Add(n=1)) == NoSuchAddress(address="/a")


async def test_an_ask_for_no_number_of_seconds_is_refused_and_every_other_one_ends_at_its_deadline() -> None:
    async with growing(ChildSpec("a", Worker)) as tree:
        with pytest.raises(ValueError, match="an ask of /a for nan seconds"):
            tree.system.ask("/a", Hold(), timeout=float("nan"))
        assert await tree.failure("/a", Hold(), timeout=2.0) == DeadlinePassed(address="/a", seconds=2.0)
        assert tree.system.asks.slots == {}
