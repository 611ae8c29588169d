"""What two actors can rely on, however far they are from each other. A new transport has to keep every promise here."""

from __future__ import annotations

import asyncio
import zlib

import pytest

from actors.runtime.port import Port
from actors.runtime.system import Hop
from messages.faults import Fault
from messages.outcome import AskFailed, Crashed, DeadlinePassed, Full, NoSuchAddress, Refused
from messages.supervision import Delay, Down
from tests.actors.runtime.housed import Ended, Inquire, Lodger, Note, NotSo, PassOn, Place, Recite, ReportTo, Send, TellPlace, Watch, Weigh
from tests.actors.runtime.transports import TRANSPORTS, meeting, until
from tests.actors.runtime.vocabulary import Add, Break, BreakAsked, Fail, Heard, Hold, Quit, Release, SayNo, Total, Totalled, Unknown

transports = pytest.mark.parametrize("transport", TRANSPORTS)
far = pytest.mark.parametrize("transport", [name for name in TRANSPORTS if name != "local"])


@transports
async def test_what_is_told_arrives_and_what_is_asked_is_answered_with_its_typed_answer(transport: str) -> None:
    async with meeting(transport) as peers:
        assert peers.here.system.tell("/there", Add(n=3)) is None
        assert await peers.here.total("/there") == Totalled(n=3, incarnation=1)


@transports
async def test_messages_of_one_sender_arrive_once_each_and_in_their_order(transport: str) -> None:
    async with meeting(transport, Lodger) as peers:
        for n in range(1000):
            assert peers.here.system.tell("/there", Note(n=n)) is None
        assert (await peers.here.system.ask("/there", Recite())).numbers == tuple(range(1000))


@transports
async def test_a_refusal_is_told_with_its_fault_and_the_actor_lives_on(transport: str) -> None:
    fault = Fault(cls="busy", message="no room", retry_after_ms=5, names=("a", "b"))
    async with meeting(transport) as peers:
        assert await peers.here.failure("/there", SayNo(fault=fault)) == Refused(fault=fault)
        assert await peers.here.total("/there") == Totalled(n=0, incarnation=1)


@transports
async def test_a_crash_is_told_to_its_asker_and_to_those_who_were_waiting(transport: str) -> None:
    async with meeting(transport) as peers:
        held = peers.here.system.ask("/there", Hold())
        crashed = Crashed(address="/there", incarnation=1, error="ValueError", detail="broken")
        assert await peers.here.failure("/there", BreakAsked()) == crashed
        with pytest.raises(AskFailed) as failed:
            await held
        assert failed.value.outcome == crashed
        assert await peers.here.total("/there") == Totalled(n=0, incarnation=2)


@transports
async def test_a_failure_that_was_to_be_expected_is_told_as_its_fault(transport: str) -> None:
    fault = Fault(cls="rate_limit", message="slow down", provider="p", retry_after_ms=700)
    async with meeting(transport) as peers:
        assert await peers.here.failure("/there", Fail(fault=fault)) == Refused(fault=fault)
        await until(peers.there, "exited")
        reason = peers.there.cell("/there").last_exit
        assert reason is not None
        assert (reason.how, reason.error, reason.detail, reason.fault) == ("failed", "rate_limit", "slow down", fault)


@transports
async def test_an_ask_that_is_not_answered_fails_at_its_deadline_and_a_reply_after_that_is_counted(transport: str) -> None:
    async with meeting(transport) as peers:
        ask = asyncio.ensure_future(peers.here.failure("/there", Hold(), timeout=0.7))
        await asyncio.sleep(0)
        await peers.here.total("/there")  # it has begun
        assert await ask == DeadlinePassed(address="/there", seconds=0.7)
        assert peers.here.system.late_replies == 0
        peers.here.system.tell("/there", Release())
        await peers.here.total("/there")
        assert peers.here.system.late_replies == 1


@transports
async def test_a_full_mailbox_refuses_with_its_depth(transport: str) -> None:
    async with meeting(transport, mailbox=(3, 1 << 20)) as peers:
        peers.here.system.tell("/there", Delay(seconds=0.2))
        asks = [asyncio.ensure_future(peers.here.failure("/there", Hold(), timeout=0.1)) for _ in range(5)]
        outcomes = [await ask for ask in asks]
        assert [type(outcome) for outcome in outcomes] in ([DeadlinePassed] * 3 + [Full] * 2, [DeadlinePassed] * 2 + [Full] * 3)
        assert all((full.address, full.depth) == ("/there", 3) for full in outcomes if isinstance(full, Full))


@transports
async def test_an_ask_to_an_address_where_nobody_lives_fails_at_once_from_either_side(transport: str) -> None:
    async with meeting(transport, Lodger) as peers:
        assert await peers.here.failure("/nobody", Total()) == NoSuchAddress(address="/nobody")
        assert await peers.here.system.ask("/there", Inquire(of="/nobody", by="callback")) == Heard(text="ask.no_such_address")


@transports
async def test_a_kind_that_is_not_understood_is_refused_and_says_what_is(transport: str) -> None:
    async with meeting(transport) as peers:
        outcome = await peers.here.failure("/there", Unknown())
        assert isinstance(outcome, Refused)
        assert outcome.fault.cls == "not_understood"
        assert "/there does not understand 'test.unknown'" in outcome.fault.message
        assert "test.total" in outcome.fault.names
        peers.here.system.tell("/there", NotSo())
        assert await peers.here.total("/there") == Totalled(n=0, incarnation=1)


@transports
async def test_trace_sender_and_deadline_travel_with_the_message(transport: str) -> None:
    async with meeting(transport, Lodger) as peers:
        place = await peers.here.system.ask("/there", TellPlace(), timeout=7.0, trace="t1")
        assert isinstance(place, Place)
        assert (place.trace, place.sender) == ("t1", "")
        assert 5000 < place.remaining_ms <= 7000


@transports
async def test_the_trail_of_a_trace_holds_both_ways(transport: str) -> None:
    async with meeting(transport, Lodger) as peers:
        await peers.here.system.ask("/there", Inquire(of="/here", by="callback"), trace="t1")
        trail = [(hop.trace, hop.kind, hop.sender, hop.address) for hop in map(Hop._make, peers.here.system.hops)]
        assert ("t1", "test.inquire", "", "/there") in trail
        assert ("t1", "test.total", "/there", "/here") in trail
        assert ("t1", "test.heard", "/there", "") in trail


@transports
@pytest.mark.parametrize("size", [0, 1, 65_536, 8 * 1024 * 1024])
async def test_large_things_arrive_whole(transport: str, size: int) -> None:
    data = bytes(range(256)) * (size // 256) or b"x" * size
    async with meeting(transport, Lodger) as peers:
        weighed = await peers.here.system.ask("/there", Weigh(data=data))
        assert (weighed.size, weighed.crc, weighed.back == data) == (size, zlib.crc32(data), True)


@transports
@pytest.mark.parametrize("by", ["future", "callback"])
async def test_the_one_over_there_can_tell_and_ask_back(transport: str, by: str) -> None:
    async with meeting(transport, Lodger) as peers:
        peers.here.system.tell("/there", Send(to="/here", n=4))
        assert await peers.here.system.ask("/there", Inquire.model_validate({"of": "/here", "by": by})) == Heard(text="4")
        assert await peers.here.system.ask("/there", Inquire.model_validate({"of": "/there", "by": by})) == Heard(text="0")


@transports
async def test_what_is_forwarded_is_answered_by_the_last_one_to_the_first(transport: str) -> None:
    async with meeting(transport, Lodger) as peers:
        assert isinstance(await peers.here.failure("/here", PassOn(to="/there"), timeout=0.2), DeadlinePassed)  # it goes round and round
        assert isinstance(await peers.here.failure("/there", PassOn(to="/nobody")), NoSuchAddress)


@transports
async def test_down_comes_once_when_the_other_one_ends_and_tells_how(transport: str) -> None:
    async with meeting(transport) as peers, Port(peers.here.system) as port:
        port.tell("/here", Watch(whom="/there"))
        await peers.here.total("/here")
        await peers.here.total("/there")
        peers.here.system.tell("/there", Break())
        assert await port.receive(10) == Ended(address="/there", incarnation=1, how="crashed", error="ValueError")
        peers.here.system.tell("/there", Quit())
        port.tell("/here", Watch(whom="/nobody"))
        assert await port.receive(10) == Ended(address="/nobody", incarnation=0, how="killed", error="NoSuchAddress")


@transports
async def test_the_one_over_there_can_watch_too(transport: str) -> None:
    async with meeting(transport, Lodger) as peers, Port(peers.here.system) as port:
        port.tell("/there", Watch(whom="/here"))
        port.tell("/there", Watch(whom="/nobody"))
        assert await port.receive(10) == Ended(address="/nobody", incarnation=0, how="killed", error="NoSuchAddress")
        peers.here.system.tell("/here", Quit())
        assert await port.receive(10) == Ended(address="/here", incarnation=1, how="normal", error="")


@transports
async def test_an_end_can_be_reported_to_somebody_on_the_other_side(transport: str) -> None:
    async with meeting(transport, Lodger) as peers, Port(peers.here.system) as port:
        peers.here.system.tell("/there", ReportTo(whom=port.address))
        peers.here.system.tell("/there", Quit())
        down = await port.receive(10)
        assert isinstance(down, Down)
        assert (down.address, down.incarnation, down.reason.how) == ("/there", 1, "normal")


@far
async def test_when_the_transport_is_lost_open_asks_end_at_once_with_a_typed_outcome(transport: str) -> None:
    async with meeting(transport) as peers, Port(peers.here.system) as port:
        port.tell("/here", Watch(whom="/there"))
        await peers.here.total("/here")
        asks = [peers.here.system.ask("/there", Hold()) for _ in range(3)]
        await peers.here.total("/there")
        peers.lose()
        for ask in asks:
            with pytest.raises(AskFailed) as failed:
                await ask
            assert isinstance(failed.value.outcome, Crashed)
            assert failed.value.outcome.address == "/there"
        ended = await port.receive(10)
        assert isinstance(ended, Ended)
        assert (ended.address, ended.how) == ("/there", "killed")
