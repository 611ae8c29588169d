"""Actors that live in a thread or a process: the same address, the same messages, the same supervision. On a real loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from actors.runtime.port import Port
from actors.runtime.supervised import SupervisedActor
from actors.runtime.system import StartFailed
from messages.outcome import AskFailed, Crashed, NoSuchAddress
from messages.supervision import Crash, Describe, Isolation
from supervisors.dynamic import DynamicSupervisor
from supervisors.spec import ChildSpec, Intensity
from supervisors.supervisor import Supervisor
from tests.actors.runtime.housed import Block, Ended, Lodger, NeverReady, Note, Recite, Send, TellPlace, Unlucky, UnluckyLater, Watch, a_lodger, no_actor
from tests.actors.runtime.pipes import Pipes
from tests.actors.runtime.transports import HOSTED, meeting, nothing_left, until
from tests.actors.runtime.trees import Worker, growing
from tests.actors.runtime.vocabulary import Add, Break, BreakAsked, Hold, Quit, Totalled

hosts = pytest.mark.parametrize("isolation", HOSTED)

OFTEN = Intensity(10_000, 1.0)


# ---- where it lives


async def test_a_thread_is_another_thread_and_a_process_another_process() -> None:
    async with meeting("thread", Lodger) as peers:
        place = await peers.here.system.ask("/there", TellPlace())
        assert (place.pid, place.thread) == (os.getpid(), "undying:/there")
    async with meeting("process", Lodger) as peers:
        place = await peers.here.system.ask("/there", TellPlace())
        assert place.pid != os.getpid()
        assert place.stdin == "/dev/null"


@hosts
async def test_status_says_where_it_lives_and_the_memory_of_a_process(isolation: Isolation) -> None:
    async with meeting(isolation, Lodger) as peers:
        place = await peers.here.system.ask("/there", TellPlace())
        status = (await peers.here.system.ask("/there", Describe())).status
        assert (status.isolation, status.actor, status.state, status.incarnation) == (isolation, "Lodger", "running", 1)
        if isolation == "process":
            assert status.pid == place.pid
            assert status.memory_kb is not None
            assert 10_000 < status.memory_kb < 1_000_000
        else:
            assert (status.pid, status.memory_kb) == (None, None)
        local = (await peers.here.describe("/here")).status
        assert (local.isolation, local.pid, local.memory_kb) == ("task", None, None)


@hosts
async def test_what_a_function_makes_is_known_once_it_runs(isolation: Isolation) -> None:
    async with meeting(isolation, a_lodger) as peers:
        status = (await peers.here.describe("/there")).status
        assert (status.actor, set(status.understands)) == ("Lodger", set(Lodger.understands))


@hosts
async def test_arguments_come_along(isolation: Isolation, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    async with meeting(isolation, partial(Lodger, diary=str(diary))) as peers:
        peers.here.system.tell("/there", Note(n=7))
        assert (await peers.here.system.ask("/there", Recite())).numbers == (7,)
        assert diary.read_text() == "7\n"


@hosts
async def test_children_of_a_dynamic_supervisor_can_live_elsewhere_and_serve_one_request(isolation: Isolation) -> None:
    with nothing_left():
        async with growing(ChildSpec("many", partial(DynamicSupervisor, Lodger, TellPlace, isolation=isolation))) as tree:
            places = await asyncio.gather(*(tree.system.ask("/many", TellPlace(), trace=f"t{n}") for n in range(3)))
            assert [place.trace for place in places] == ["t0", "t1", "t2"]
            if isolation == "process":
                assert len({place.pid for place in places} | {os.getpid()}) == 4


# ---- starting


@hosts
@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (Unlucky, "OSError", 'raise OSError("no such device")'),
        (UnluckyLater, "OSError", 'raise OSError("no such device, later")'),
        (partial(a_lodger, nonsense=1),  # type: ignore[call-arg]
        "TypeError", "nonsense"),
        (no_actor, "TypeError", "start made a int, must make a SupervisedActor"),
        (NeverReady, "StartTimeout", ""),
    ],
)
async def test_a_start_that_fails_says_why_and_where_it_failed(isolation: Isolation, make: Callable[[], Any], error: str, told: str) -> None:
    with nothing_left():
        with pytest.raises(StartFailed) as failed:
            async with growing(ChildSpec("there", make, isolation=isolation)):
                raise AssertionError("it must not start")
        reason = failed.value.reason
        assert (reason.how, reason.error) == ("start_failed", error)
        assert reason.detail.startswith("/there: ")
        assert told in reason.traceback


def supervising() -> SupervisedActor[Any]:
    return Supervisor()


@hosts
async def test_a_supervisor_that_nobody_could_recognise_is_refused_at_its_start(isolation: Isolation) -> None:
    with pytest.raises(StartFailed, match="Supervisor is a supervisor, and supervision is always local"):
        async with growing(ChildSpec("there", supervising, isolation=isolation)):
            raise AssertionError("it must not start")


@hosts
async def test_a_start_that_is_given_up_leaves_nothing_behind(isolation: Isolation) -> None:
    with nothing_left():
        async with growing(ChildSpec("d", partial(DynamicSupervisor, Lodger, Hold, isolation=isolation, shutdown=0.0))) as tree:
            ask = asyncio.ensure_future(tree.failure("/d", Hold()))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            tree.root.kill()
            assert isinstance(await ask, NoSuchAddress)  # it was never begun
            await until(tree, "started", "/", 2)


# ---- crashing


@hosts
async def test_a_crash_over_there_is_the_instances_own_with_its_traceback_and_the_poison_a_dead_letter(isolation: Isolation) -> None:
    async with meeting(isolation) as peers:
        peers.here.system.tell("/there", Break(detail="poison"))
        assert await peers.here.total("/there") == Totalled(n=0, incarnation=2)
        reason = peers.here.cell("/there").last_exit
        assert reason is not None
        assert (reason.how, reason.error, reason.detail) == ("crashed", "ValueError", "poison")
        assert "raise ValueError(message.detail)" in reason.traceback
        assert [(letter.kind, letter.reason) for letter in peers.here.system.dead_letters] == [("test.break", reason)]


@hosts
async def test_what_was_not_begun_before_a_crash_is_handled_by_the_next_instance_in_order(isolation: Isolation) -> None:
    async with meeting(isolation, Worker) as peers:
        for n in range(200):
            peers.here.system.tell("/there", Break() if n == 50 else Add(n=1))
        assert await peers.here.total("/there") == Totalled(n=149, incarnation=2)
        assert peers.here.system.dead_letter_count == 1


@hosts
async def test_what_the_actor_told_itself_before_it_was_killed_is_kept_too(isolation: Isolation, pipes: Pipes) -> None:
    async with meeting(isolation, Lodger) as peers:
        for n in range(10):
            peers.here.system.tell("/there", Send(to="/there", n=n))
        peers.here.system.tell("/there", Block(**pipes.names))
        await pipes.entered()
        peers.here.cell("/there").kill()
        assert await peers.here.total("/there") == Totalled(n=45, incarnation=2)
        if isolation == "thread":
            await pipes.open()  # it was left behind; let it go


@hosts
async def test_an_actor_that_leaves_over_there_has_left_here(isolation: Isolation) -> None:
    async with meeting(isolation, restart="transient") as peers, Port(peers.here.system) as port:
        port.tell("/here", Watch(whom="/there"))
        await peers.here.total("/here")
        held = peers.here.system.ask("/there", Hold())
        peers.here.system.tell("/there", Quit())
        assert await port.receive(10) == Ended(address="/there", incarnation=1, how="normal", error="")
        with pytest.raises(AskFailed, match="normal"):
            await held
        assert peers.here.cell("/there").state == "stopped"
        assert peers.here.system.dead_letter_count == 1  # the ask


@hosts
async def test_an_injected_crash_counts_like_any_other(isolation: Isolation) -> None:
    async with meeting(isolation) as peers:
        peers.here.system.tell("/there", Crash())
        assert await peers.here.total("/there") == Totalled(n=0, incarnation=2)


@hosts
async def test_a_crash_elsewhere_in_the_group_takes_it_down_and_up_again(isolation: Isolation) -> None:
    with nothing_left():
        specs = ChildSpec("a", Worker), ChildSpec("there", Worker, isolation=isolation)
        async with growing(*specs, strategy="one_for_all") as tree:
            tree.system.tell("/there", Add(n=5))
            assert (await tree.total("/there")).n == 5
            assert isinstance(await tree.failure("/a", BreakAsked()), Crashed)
            await until(tree, "restarted", "/there")
            assert await tree.total("/there") == Totalled(n=0, incarnation=2)
