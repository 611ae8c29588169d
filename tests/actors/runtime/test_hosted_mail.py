"""What becomes of the messages of an actor that lives elsewhere: each is handled at most once and in order, and only what was begun is lost."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from actors.runtime.port import Port
from actors.runtime.supervised import SupervisedActor
from messages.message import Message
from messages.outcome import AskFailed, Crashed
from messages.supervision import Crash, Down, ExitReason, Isolation, Resume, Suspend
from supervisors.spec import ChildSpec, Intensity
from supervisors.supervisor import Supervisor
from tests.actors.runtime.housed import BadEnd, BlockAsked, Ended, Inquire, Lodger, Note, PassOn, Place, Recite, Send, Stubborn, TellPlace, Tidy, Watch
from tests.actors.runtime.pipes import Pipes
from tests.actors.runtime.transports import HOSTED, Answering, meeting, nothing_left, until
from tests.actors.runtime.trees import Worker, growing
from tests.actors.runtime.vocabulary import Add, Break, BreakAsked, Heard, Hold, Release, Total, Totalled

hosts = pytest.mark.parametrize("isolation", HOSTED)

OFTEN = Intensity(10_000, 1.0)


# ---- being in the midst of something


@hosts
async def test_a_full_mailbox_refuses_while_the_actor_is_at_one_message_and_counts_what_was_handed_over(isolation: Isolation, pipes: Pipes) -> None:
    async with meeting(isolation, Lodger, mailbox=(3, 1 << 20)) as peers:
        blocked = peers.here.system.ask("/there", BlockAsked(**pipes.names))
        await pipes.entered()
        outcomes = [peers.here.system.tell("/there", Add(n=1)) for _ in range(5)]
        assert outcomes[:3] == [None] * 3
        assert all(outcome is not None and outcome.kind == "ask.full" for outcome in outcomes[3:])
        await asyncio.sleep(0)
        assert (await peers.here.describe("/there")).status.depth == 3
        assert peers.here.system.tell("/there", Add(n=1)) is not None
        await pipes.open()
        assert await blocked == Totalled(n=0, incarnation=1)
        while (answer := await settled(peers.here.system.ask("/there", Total()))).kind == "ask.full":
            """There was room for a moment, and more of it soon."""
        assert answer == Totalled(n=3, incarnation=1)


@hosts
async def test_a_brutal_kill_fails_what_was_begun_and_keeps_the_rest(isolation: Isolation, pipes: Pipes) -> None:
    async with meeting(isolation, Lodger) as peers:
        blocked = peers.here.system.ask("/there", BlockAsked(**pipes.names))
        for n in range(10):
            peers.here.system.tell("/there", Note(n=n))
        recited = peers.here.system.ask("/there", Recite())
        await pipes.entered()
        peers.here.cell("/there").kill()
        with pytest.raises(AskFailed) as failed:
            await blocked
        outcome = failed.value.outcome
        assert isinstance(outcome, Crashed)
        assert (outcome.error, outcome.incarnation) == ("Killed", 1)
        assert (await recited).numbers == tuple(range(10))
        if isolation == "thread":
            await pipes.open()  # it was left behind; let it go


@hosts
async def test_an_on_stop_over_there_is_asked_and_may_say_goodbye(isolation: Isolation) -> None:
    async with meeting(isolation, Tidy) as peers:
        stopped = asyncio.Event()
        peers.here.cell("/there").stop(stopped.set, 5.0)
        await stopped.wait()
        assert peers.here.cell("/there").last_exit == ExitReason(how="shutdown")
        assert (await peers.here.total("/here")).n == 1000


@hosts
async def test_an_on_stop_over_there_that_raises_is_a_crash(isolation: Isolation) -> None:
    async with meeting(isolation, BadEnd) as peers:
        stopped = asyncio.Event()
        peers.here.cell("/there").stop(stopped.set, 5.0)
        await stopped.wait()
        reason = peers.here.cell("/there").last_exit
        assert reason is not None
        assert (reason.how, reason.error, reason.detail) == ("crashed", "ValueError", "will not stop")


@hosts
async def test_an_on_stop_that_takes_too_long_is_cut_short_by_the_shutdown_limit(isolation: Isolation) -> None:
    async with meeting(isolation, Stubborn, shutdown=0.05) as peers:
        await peers.here.system.stop_root()
        [ended] = [event for event in peers.here.events if (event.event, event.address) == ("exited", "/there")]
        assert "ShutdownTimeout" in ended.detail


@hosts
async def test_a_thread_or_process_is_gone_when_the_tree_has_stopped(isolation: Isolation) -> None:
    async with growing(ChildSpec("there", Lodger, isolation=isolation)) as tree:
        place = await tree.system.ask("/there", TellPlace())
        await tree.system.stop_root()
        assert not alive(place, isolation)


def alive(place: Place, isolation: Isolation) -> bool:
    if isolation == "thread":
        return any(thread.native_id == place.ident for thread in threading.enumerate())
    return Path("/proc", str(place.pid)).exists()


# ---- many times


@hosts
async def test_many_restarts_leave_no_thread_no_process_and_no_descriptor(isolation: Isolation) -> None:
    async with meeting(isolation) as peers:
        supervisor = peers.here.root.instance
        assert isinstance(supervisor, Supervisor)
        supervisor.intensity = OFTEN
        for incarnation in range(1, 50 if isolation == "thread" else 12):
            assert await peers.here.total("/there") == Totalled(n=0, incarnation=incarnation)
            assert isinstance(await peers.here.failure("/there", BreakAsked()), Crashed)


@hosts
async def test_under_load_and_random_ends_each_message_is_handled_at_most_once_in_order_and_only_begun_ones_are_lost(
    isolation: Isolation, tmp_path: Path
) -> None:
    diary, ends, count = tmp_path / "diary", 6, 3000
    async with meeting(isolation, partial(Lodger, str(diary))) as peers:
        supervisor = peers.here.root.instance
        assert isinstance(supervisor, Supervisor)
        supervisor.intensity = OFTEN
        asks = []
        for n in range(count):
            assert peers.here.system.tell("/there", Note(n=n)) is None
            if n % 10 == 0:
                asks.append(asyncio.ensure_future(settled(peers.here.system.ask("/there", Total(), timeout=60.0))))
            if n % (count // ends) == count // ends - 1:
                end(peers.here.cell("/there"), isolation, n)
            if n % 50 == 0:
                await asyncio.sleep(0)
        await peers.here.system.ask("/there", Total(), timeout=60.0)
        results = await asyncio.gather(*asks)
        handled = [int(line) for line in diary.read_text().split()]
        lost = sorted(set(range(count)) - set(handled))
        dead = [letter for letter in peers.here.system.dead_letters if letter.kind == "test.note"]
        assert sorted(handled) == sorted(set(handled))
        crashed = sum(isinstance(result, Crashed) for result in results)
        if isolation == "process":  # a thread that was left behind finishes what it had begun beside the next one, and its last answers are not heard
            assert handled == sorted(handled)
            assert crashed <= ends
        assert crashed < len(results) / 2
        assert len(lost) <= len(dead) <= ends
        assert all(isinstance(result, Totalled | Crashed) for result in results)


def end(cell: Any, isolation: Isolation, n: int) -> None:
    """Ends the instance that runs just now, in whatever it is doing: by a signal, or as its supervisor would."""
    pid = None if cell.instance is None else cell.instance.pid
    if cell.state != "running":
        return
    if pid is not None and n % 2:
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(pid, 9)
    else:
        cell.notice(raise_now, overtake=True)


def raise_now() -> None:
    raise ValueError("at some moment")


async def settled(ask: asyncio.Future[Totalled]) -> Message:
    try:
        return await ask
    except AskFailed as failed:
        return failed.outcome


@hosts
async def test_a_suspended_actor_begins_nothing_of_what_it_was_handed_already_and_goes_on_in_order(isolation: Isolation, pipes: Pipes) -> None:
    async with meeting(isolation, Lodger) as peers:
        blocked = peers.here.system.ask("/there", BlockAsked(**pipes.names))
        await pipes.entered()
        for n in range(5):
            peers.here.system.tell("/there", Note(n=n))
        recited = peers.here.system.ask("/there", Recite())
        await asyncio.sleep(0)  # handed over
        assert (await peers.here.system.ask("/there", Suspend())).state == "suspended"
        await pipes.open()
        await blocked
        status = (await peers.here.describe("/there")).status
        assert (status.state, status.depth) == ("suspended", 6)
        assert not recited.done()
        await peers.here.system.ask("/there", Resume())
        assert (await recited).numbers == tuple(range(5))


# ---- put aside


class Patient(SupervisedActor[Add | Total | Release | Break]):
    """Puts everything aside until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released_at = 0
        self.total = 0

    def receive(self, message: Add | Total | Release | Break) -> Any:
        match message:
            case Break():
                raise ValueError(message.detail)
            case Release():
                self.released_at = 1
                self.unstash()
            case Add() if self.released_at:
                self.total = self.total * 10 + message.n
            case Total() if self.released_at:
                return Totalled(n=self.total, incarnation=self.incarnation)
            case _:
                return self.stash()
        return None


@hosts
async def test_what_is_put_aside_counts_as_waiting_and_comes_again_in_order(isolation: Isolation) -> None:
    async with meeting(isolation, Patient, mailbox=(4, 1 << 20)) as peers:
        for n in (1, 2, 3):
            peers.here.system.tell("/there", Add(n=n))
        asked = peers.here.system.ask("/there", Total())
        while (await peers.here.describe("/there")).status.stashed < 4:
            """It is on its way."""
        assert (await peers.here.describe("/there")).status.depth == 4
        full = peers.here.system.tell("/there", Add(n=9))
        assert full is not None
        assert full.kind == "ask.full"
        peers.here.cell("/there").mailbox.max_messages = 5
        peers.here.system.tell("/there", Release())
        assert await asked == Totalled(n=123, incarnation=1)
        assert (await peers.here.describe("/there")).status.depth == 0


@hosts
async def test_what_is_put_aside_goes_to_the_next_instance(isolation: Isolation) -> None:
    async with meeting(isolation, Patient) as peers:
        for n in (1, 2, 3):
            peers.here.system.tell("/there", Add(n=n))
        asked = peers.here.system.ask("/there", Total())
        peers.here.system.tell("/there", Break())
        await until(peers.here, "restarted")
        peers.here.system.tell("/there", Release())
        assert await asked == Totalled(n=123, incarnation=2)
        assert [letter.kind for letter in peers.here.system.dead_letters] == ["test.break"]


# ---- what goes to and fro


@hosts
async def test_a_forwarded_ask_outlives_the_one_who_forwarded_it(isolation: Isolation) -> None:
    with nothing_left():
        async with growing(ChildSpec("last", Worker), ChildSpec("there", Forwarder, isolation=isolation)) as tree:
            ask = tree.system.ask("/there", Hold())
            await tree.total("/there")
            assert isinstance(await tree.failure("/there", BreakAsked()), Crashed)
            tree.system.tell("/last", Add(n=3))
            tree.system.tell("/last", Release())
            assert (await ask).n == 3


class Forwarder(SupervisedActor[Hold | Total | BreakAsked]):
    def receive(self, message: Hold | Total | BreakAsked) -> Any:
        if isinstance(message, BreakAsked):
            raise ValueError(message.detail)
        return self.forward("/last")


@hosts
async def test_the_down_of_what_it_watched_is_told_to_the_instance_that_watched_and_to_no_later_one(isolation: Isolation) -> None:
    async with meeting(isolation, Lodger) as peers, Port(peers.here.system) as port:
        port.tell("/there", Watch(whom="/here"))
        await peers.here.total("/there")
        peers.here.system.tell("/there", Crash())
        await peers.here.total("/there")
        assert peers.here.cell("/here").watchers == {}
        port.tell("/there", Watch(whom="/nobody"))
        assert await port.receive(10) == Ended(address="/nobody", incarnation=0, how="killed", error="NoSuchAddress")


@hosts
async def test_no_two_systems_give_the_same_number_to_an_envelope(isolation: Isolation) -> None:
    async with meeting(isolation, Lodger) as peers, Answering(peers.here) as other:
        for _ in range(3):
            assert await peers.here.system.ask("/there", Inquire(of="/other", by="callback")) == Heard(text="42")
            await peers.here.system.ask("/other", Total())
            peers.here.system.tell("/there", Crash())
        assert len(set(other.numbers)) == 6
        assert {number >> 40 for number in other.numbers} == {0, 1, 2, 3}


@hosts
async def test_two_hosted_actors_talk_to_each_other(isolation: Isolation) -> None:
    with nothing_left():
        specs = [ChildSpec(id, Lodger, isolation=isolation) for id in ("a", "b")]
        async with growing(*specs) as tree:
            tree.system.tell("/a", Send(to="/b", n=2))
            tree.system.tell("/b", Send(to="/a", n=3))
            await tree.total("/b")
            while (await tree.total("/a")).n + (await tree.total("/b")).n < 5:
                pass
            assert (await tree.total("/a"), await tree.total("/b")) == (Totalled(n=3, incarnation=1), Totalled(n=2, incarnation=1))
            forwarded = tree.system.ask("/a", PassOn(to="/nobody"))
            with pytest.raises(AskFailed, match="nobody lives at /nobody"):
                await forwarded


@hosts
async def test_whoever_is_told_of_a_hosted_end_is_told_once(isolation: Isolation) -> None:
    async with meeting(isolation) as peers, Port(peers.here.system) as port:
        peers.here.cell("/there").watched_by(port, 1)
        peers.here.system.tell("/there", Break())
        down = await port.receive(10)
        assert isinstance(down, Down)
        assert (down.incarnation, down.reason.error) == (1, "ValueError")
        await peers.here.total("/there")
        with pytest.raises(TimeoutError):
            await port.receive(0.01)
