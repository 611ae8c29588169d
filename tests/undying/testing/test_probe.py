"""A probe: what actors say to it is expected in order, and a failure tells what came instead."""

from __future__ import annotations

import asyncio
from typing import assert_type

import pytest

from messages.envelope import Envelope
from tests.undying.testing.host import COUNTER, Add, Consult, Counter, Leave, Report, Total, Totalled
from undying import Address, AskFailed, Down, Message
from undying.testing import Probe, actor, tree

pytestmark = pytest.mark.looptime


async def test_what_an_actor_says_to_a_probe_is_expected_by_its_type() -> None:
    async with tree(COUNTER) as running:
        probe = running.probe()
        running.tell("/counter", Report(to=probe.address))
        message = await probe.expect(Totalled)
        assert_type(message, Totalled)
        assert message == Totalled(n=0)
        assert probe.received == [message]


async def test_messages_come_out_in_the_order_in_which_they_came_in() -> None:
    async with tree(COUNTER) as running:
        probe = running.probe()
        for _ in range(3):
            running.tell("/counter", Report(to=probe.address))
            running.tell("/counter", Add(n=1))
        assert [(await probe.expect(Totalled)).n for _ in range(3)] == [0, 1, 2]


async def test_one_of_several_kinds_may_come_and_the_type_is_their_union() -> None:
    async with tree(COUNTER) as running:
        probe = running.probe()
        running.tell(probe.address, Add(n=1))
        running.tell(probe.address, Totalled(n=2))
        running.tell(probe.address, Leave())
        either = await probe.expect(Totalled, Add)
        assert_type(either, Totalled | Add)
        assert either == Add(n=1)
        assert_type(await probe.expect(Leave, Add, Totalled), Leave | Add | Totalled)
        anything = await probe.expect()
        assert_type(anything, Message)
        assert anything == Leave()


async def test_a_message_has_to_meet_the_condition() -> None:
    async with tree(COUNTER) as running:
        probe = running.probe()
        running.tell(probe.address, Add(n=1))
        with pytest.raises(AssertionError, match=r"expected Add for which `where` holds, but kit\.add Add\(n=1\) came"):
            await probe.expect(Add, where=lambda add: add.n > 1)
        assert (await probe.expect(Add, where=lambda add: add.n == 1)).n == 1


async def test_another_kind_than_expected_is_told_in_full_and_stays_to_be_read() -> None:
    async with tree(COUNTER) as running:
        probe = running.probe("/audit")
        for message in (Add(n=1), Totalled(n=7), Add(n=3)):
            running.tell("/audit", message)
        await probe.expect(Add)
        with pytest.raises(AssertionError) as failed:
            await probe.expect(Add)
        assert str(failed.value) == (
            "/audit expected Add, but kit.totalled Totalled(n=7) came.\n"
            "Read before:\n  kit.add Add(n=1)\n"
            "Waiting behind:\n  kit.add Add(n=3)"
        )  # fmt: skip
        assert (await probe.expect(Totalled)).n == 7
        assert (await probe.expect(Add)).n == 3


async def test_when_nothing_comes_the_time_and_what_came_before_are_told() -> None:
    now = asyncio.get_running_loop().time
    async with tree(COUNTER) as running:
        probe = running.probe()
        running.tell(probe.address, Add(n=1))
        await probe.expect(Add)
        began = now()
        story = r"expected Totalled or Add within 2\.5 s, but nothing came\.\nRead before:\n  kit\.add Add\(n=1\)\nWaiting behind: nothing"
        with pytest.raises(AssertionError, match=story):
            await probe.expect(Totalled, Add, within=2.5)
        assert now() - began == pytest.approx(2.5)


async def test_a_message_is_waited_for_as_long_as_it_may_take() -> None:
    async with tree(COUNTER) as running:
        probe = running.probe()
        running.delay("/counter", 9.5)
        running.tell("/counter", Report(to=probe.address))
        await probe.expect(Totalled, within=10)


async def test_nothing_is_expected_for_a_time_and_whatever_comes_is_told() -> None:
    async with tree(COUNTER) as running:
        probe = running.probe()
        running.delay("/counter", 5)
        running.tell("/counter", Report(to=probe.address))
        await probe.expect_nothing(within=4)
        with pytest.raises(AssertionError, match=r"expected nothing within 2 s, but kit\.totalled Totalled\(n=0\) came"):
            await probe.expect_nothing(within=2)
        assert (await probe.expect(Totalled)).n == 0


# --------------------------------------------------------------------------------------------------------------- watching


async def test_an_actor_that_is_watched_tells_its_end_once() -> None:
    async with tree(COUNTER) as running:
        probe = running.probe()
        probe.watch("/counter")
        running.crash("/counter")
        running.crash("/counter")
        down = await probe.expect_down("/counter")
        assert_type(down, Down)
        assert (down.incarnation, down.reason.error) == (1, "InjectedCrash")
        await probe.expect_nothing()


async def test_the_end_of_somebody_else_is_not_the_one_expected() -> None:
    async with tree(COUNTER) as running:
        probe = running.probe()
        probe.watch("/counter")
        running.kill("/counter")
        with pytest.raises(AssertionError, match=r"expected the Down of /other, but kernel\.down Down\(address='/counter'"):
            await probe.expect_down("/other")


async def test_whoever_is_not_there_is_down_at_once() -> None:
    async with tree(COUNTER) as running:
        probe = running.probe()
        probe.watch("/nobody")
        assert (await probe.expect_down("/nobody", within=0)).reason.error == "NoSuchAddress"


async def test_a_probe_may_be_watched_and_its_end_is_told() -> None:
    async with tree(COUNTER) as running:
        watcher = running.probe()
        async with Probe(running.system) as watched:
            watcher.watch(watched.address)
        assert (await watcher.expect_down(watched.address)).reason.how == "normal"


# -------------------------------------------------------------------------------------------------- standing in for somebody


async def test_a_probe_stands_in_for_an_actor_and_answers_in_order() -> None:
    async with actor(Counter) as running:
        ledger = running.probe("/ledger")
        first, second = (running.ask("/actor", Consult(whom="/ledger")) for _ in range(2))
        assert_type(await ledger.expect(Total), Total)
        await ledger.expect(Total)
        ledger.answer(Totalled(n=1))
        ledger.answer(Totalled(n=2))
        assert [(await first).n, (await second).n] == [1, 2]
        with pytest.raises(AssertionError, match="/ledger expected an ask to answer, but there is none"):
            ledger.answer(Totalled(n=3))


async def test_an_ask_that_a_probe_never_answers_ends_when_the_probe_does() -> None:
    async with tree(COUNTER) as running:
        async with Probe(running.system, "/ledger") as ledger:
            asked = running.ask("/ledger", Total())
            await ledger.expect(Total)
        with pytest.raises(AskFailed, match="nobody lives at /ledger"):
            await asked


async def test_a_probe_takes_no_address_that_is_taken() -> None:
    async with tree(COUNTER) as running:
        with pytest.raises(ValueError, match="at: '/counter' is taken"):
            running.probe("/counter")


async def test_what_a_probe_cannot_read_is_refused() -> None:
    async with tree(COUNTER) as running:
        probe = running.probe()
        for slot in (0, 1):
            outcome = probe.deliver(Envelope(1, Add.kind, b"rubbish", 7, 0.0, Address(""), slot=slot))
            assert outcome is not None and outcome.kind == "ask.refused"
        assert probe.received == []
