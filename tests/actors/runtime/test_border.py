"""Where two systems meet: what it keeps while something is under way, and that it keeps nothing afterwards. On one loop, by bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgpack
import pytest

from actors.runtime.border import LATE, Border
from actors.runtime.frames import pack_frame, read_frame
from actors.runtime.port import Port
from actors.runtime.supervised import SupervisedActor
from messages.envelope import Address, Envelope, to_bytes
from messages.message import Unreadable, pack
from messages.outcome import AskFailed, Crashed, DeadlinePassed, NoSuchAddress
from messages.supervision import Delay, Down, ExitReason
from supervisors.spec import ChildSpec
from tests.actors.runtime.housed import Ended, Lodger, PassOn, ReportTo, Watch
from tests.actors.runtime.transports import Answering, join, lose
from tests.actors.runtime.trees import Tree, Worker, growing, quiet
from tests.actors.runtime.vocabulary import Add, Break, Hold, Release, Total, Totalled

pytestmark = pytest.mark.looptime


@dataclass
class Sides:
    """`/here` (a Lodger) and `/there` each in their own system. `frames` are the tags that crossed, with the side that sent them."""

    here: Tree
    there: Tree
    to: Border
    back: Border
    frames: list[str]


@asynccontextmanager
async def sides(make: Callable[[], SupervisedActor[Any]] = Worker) -> AsyncIterator[Sides]:
    async with growing(ChildSpec("here", Lodger)) as here, growing(ChildSpec("there", make)) as there:
        to, back = join(here, there)
        frames: list[str] = []
        overhear(to, "here", frames)
        overhear(back, "there", frames)
        yield Sides(here, there, to, back, frames)
        await quiet()
        lose(to, back)


def overhear(border: Border, side: str, frames: list[str]) -> None:
    send = border._send

    def noted(frame: bytes) -> None:
        frames.append(f"{side} {read_frame(frame)[0]}")
        send(frame)

    border._send = noted


def kept(border: Border) -> tuple[object, ...]:
    return border.asked, border._relays, border._far


async def test_an_ask_is_one_frame_each_way_and_nothing_of_it_is_kept() -> None:
    async with sides() as two:
        assert await two.here.total("/there") == Totalled(n=0, incarnation=1)
        assert two.frames == ["here deliver", "there answer"]
        assert kept(two.to) == kept(two.back) == ({}, {}, {})


async def test_a_tell_to_nobody_is_a_dead_letter_over_there_and_does_not_come_back() -> None:
    async with sides() as two:
        assert two.here.system.tell("/nobody", Add(n=1)) is None
        await quiet()
        assert [letter.address for letter in two.there.system.dead_letters] == ["/nobody"]
        assert two.frames == ["here deliver"]


async def test_a_relay_outlives_the_deadline_for_a_while_and_is_given_up_on_both_sides_with_the_next_ask_after_that() -> None:
    async with sides() as two:
        assert await two.here.failure("/there", Hold(), timeout=1.0) == DeadlinePassed(address="/there", seconds=1.0)
        await asyncio.sleep(LATE - 0.1)
        await two.here.total("/there")
        assert len(two.to.asked) == len(two.back._relays) == len(two.there.system.asks.slots) == 1
        await asyncio.sleep(0.2)
        await two.here.total("/there")
        assert kept(two.to) == kept(two.back) == ({}, {}, {})
        assert two.there.system.asks.slots == {}
        two.there.system.tell("/there", Release())
        await quiet()
        assert (two.here.system.late_replies, two.there.system.late_replies) == (0, 1)


async def test_a_deadline_is_told_by_the_askers_own_clock_though_the_other_side_sees_it_pass_a_little_earlier() -> None:
    async with sides() as two:
        two.here.system.tell("/there", Delay(seconds=0.0102))
        assert await two.here.failure("/there", Total(), timeout=0.0105) == DeadlinePassed(address="/there", seconds=0.0105)
        assert [letter.kind for letter in two.there.system.dead_letters] == ["test.total"]


async def test_a_message_that_can_not_be_packed_is_the_senders_error_and_leaves_nothing_behind() -> None:
    async with sides() as two:
        two.here.system.wire = "edge"
        with pytest.raises(OverflowError):
            two.here.system.tell("/there", Add(n=2**70))
        with pytest.raises(OverflowError):
            two.to.deliver("/there", Envelope(1, "test.add", Add(n=2**70), 256, 0.0, Address(""), slot=5))
        assert kept(two.to) == ({}, {}, {})


async def test_an_answer_that_can_not_be_packed_crashes_the_answerer_and_the_asker_is_told() -> None:
    class Boaster(SupervisedActor[Total]):
        def receive(self, message: Total) -> Totalled:
            return Totalled(n=2**70, incarnation=1)

    async with sides(Boaster) as two:
        for wire in ("always", "edge"):
            two.there.system.wire = wire
            outcome = await two.here.failure("/there", Total())
            assert isinstance(outcome, Crashed)
            assert outcome.error == "OverflowError"


async def test_what_is_forwarded_back_goes_on_as_if_it_had_never_left() -> None:
    async with sides(Lodger) as two:
        ask = two.here.system.ask("/there", PassOn(to="/other"))
        async with Answering(two.here) as other:
            assert await ask == Totalled(n=42, incarnation=7)
            assert other.senders == ["/there"]
        assert two.frames == ["here deliver", "there forward"]
        assert kept(two.to) == kept(two.back) == ({}, {}, {})
        assert two.there.system.asks.slots == {}


async def test_what_is_forwarded_to_nobody_is_told_to_the_asker() -> None:
    async with sides(Lodger) as two:
        assert await two.here.failure("/there", PassOn(to="/nobody")) == NoSuchAddress(address="/nobody")


async def test_a_watcher_that_ends_is_not_kept_over_there() -> None:
    async with sides() as two:
        two.here.system.tell("/here", Watch(whom="/there"))
        await quiet()
        assert [far.address for far in two.there.cell("/there").watchers] == ["/here"]
        two.here.cell("/here").kill()
        await quiet()
        assert two.there.cell("/there").watchers == {}
        assert kept(two.to) == kept(two.back) == ({}, {}, {})


async def test_a_down_is_for_the_instance_that_monitored_and_nothing_is_kept_when_it_is_told() -> None:
    async with sides() as two, Port(two.here.system) as port:
        port.tell("/here", Watch(whom="/there"))
        await quiet()
        two.there.system.tell("/there", Break())
        assert await port.receive(1.0) == Ended(address="/there", incarnation=1, how="crashed", error="ValueError")
        two.there.system.tell("/there", Break())
        await quiet()
        assert two.frames.count("there down") == 1
        assert kept(two.to) == kept(two.back) == ({}, {}, {})
        assert two.here.cell("/here").watching == set()


async def test_a_down_that_comes_for_an_instance_that_is_gone_is_told_to_nobody() -> None:
    async with sides() as two, Port(two.here.system) as port:
        port.tell("/here", Watch(whom="/there"))
        await quiet()
        reason = ExitReason(how="normal")
        two.to.take(pack_frame("down", "/nobody", 1, pack(Down(address="/there", incarnation=1, reason=reason))))
        two.to.take(pack_frame("down", "/here", 9, pack(Down(address="/there", incarnation=1, reason=reason))))
        await quiet()
        with pytest.raises(TimeoutError):
            await port.receive(0.1)


async def test_a_reported_end_reaches_whoever_lives_there() -> None:
    async with sides(Lodger) as two, Port(two.here.system) as port:
        two.there.system.tell("/there", ReportTo(whom=port.address))
        await quiet()
        two.there.cell("/there").kill()
        down = await port.receive(1.0)
        assert isinstance(down, Down)
        assert (down.address, down.reason.how) == ("/there", "killed")
        assert kept(two.back) == ({}, {}, {})


async def test_when_the_other_side_is_lost_everything_that_waits_for_it_is_told_at_once() -> None:
    async with sides() as two, Port(two.here.system) as port:
        port.tell("/here", Watch(whom="/there"))
        held = two.here.system.ask("/there", Hold())
        await quiet()
        now = two.here.system.now()
        two.to.close("the cable was cut")
        with pytest.raises(AskFailed) as failed:
            await held
        assert failed.value.outcome == Crashed(address="/there", incarnation=0, error="Unreachable", detail="the cable was cut")
        assert await port.receive(1.0) == Ended(address="/there", incarnation=0, how="killed", error="Unreachable")
        assert two.here.system.now() == now
        assert kept(two.to) == ({}, {}, {})


async def test_the_side_that_is_left_forgets_the_asks_and_the_watchers_of_the_other() -> None:
    async with sides() as two:
        two.here.system.tell("/here", Watch(whom="/there"))
        two.here.system.ask("/there", Hold()).add_done_callback(lambda ask: ask.exception())
        await quiet()
        two.back.close()
        assert kept(two.back) == ({}, {}, {})
        assert two.there.system.asks.slots == {}
        assert two.there.cell("/there").watchers == {}
        two.there.system.tell("/there", Release())
        await quiet()
        assert two.there.system.late_replies == 1


async def test_over_a_closed_border_nobody_can_be_reached_or_watched() -> None:
    async with sides() as two, Port(two.here.system) as port:
        two.to.close()
        assert two.here.system.tell("/there", Add(n=1)) == NoSuchAddress(address="/there")
        assert await two.here.failure("/there", Total()) == NoSuchAddress(address="/there")
        port.tell("/here", Watch(whom="/there"))
        assert await port.receive(1.0) == Ended(address="/there", incarnation=0, how="killed", error="NoSuchAddress")
        assert two.frames == []


def deliver(**changed: Any) -> bytes:
    parts = list(msgpack.unpackb(to_bytes(Envelope(1, "test.add", Add(n=1), 0, 0.0, Address("")), 0.0)))
    for index, part in changed.items():
        parts[int(index[1:])] = part
    return pack_frame("deliver", "/there", msgpack.packb(parts))


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (b"\xc1", "not a frame"),
        (deliver(p0=9), "envelope version 9 is not spoken here"),
        (deliver(p1="1"), "an envelope is"),
        (pack_frame("answer", 7, b""), "an answer to ask 7, which is not under way"),
        (pack_frame("forward", "/a", 7, to_bytes(Envelope(1, "test.add", b"", 0, 0.0, Address("")), 0.0)), "an answer to ask 7"),
        (pack_frame("down", "/here", 1, pack(Add(n=1))), "holds a kernel.down, not 'test.add'"),
        (pack_frame("down", "/here", 1, b"\xc1"), "not msgpack"),
        (pack_frame("begun"), "a frame 'begun' is not spoken over this border"),
    ],
)
async def test_what_can_not_be_true_is_unreadable_and_says_why(frame: bytes, why: str) -> None:
    async with sides() as two:
        with pytest.raises(Unreadable, match=why):
            two.back.take(frame)


async def test_an_answer_of_rubbish_is_unreadable() -> None:
    async with sides() as two:
        held = two.here.system.ask("/there", Hold())
        slot = next(iter(two.to.asked))
        with pytest.raises(Unreadable, match="unknown kind"):
            two.to.take(pack_frame("answer", slot, msgpack.packb(("test.nowhere", 1, {}))))
        held.cancel()
