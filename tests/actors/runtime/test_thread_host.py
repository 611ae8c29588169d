"""What is special about threads: they can't be killed, only left behind."""

from __future__ import annotations

import asyncio
import threading

import pytest

from actors.runtime.thread_host import GRACE
from messages.outcome import AskFailed, Crashed
from messages.supervision import Describe
from supervisors.spec import ChildSpec
from tests.actors.runtime.housed import BlockAsked, Die, Lodger, Note, Recite, TellPlace
from tests.actors.runtime.pipes import Pipes
from tests.actors.runtime.transports import left, meeting, until
from tests.actors.runtime.trees import growing
from tests.actors.runtime.vocabulary import Total, Totalled


async def test_a_thread_that_does_not_end_is_abandoned_counted_and_reported_and_nothing_it_says_is_heard(pipes: Pipes) -> None:
    async with meeting("thread", Lodger) as peers:
        ident = (await peers.here.system.ask("/there", TellPlace())).ident
        blocked = peers.here.system.ask("/there", BlockAsked(**pipes.names))
        peers.here.system.tell("/there", Note(n=1))
        await pipes.entered()
        peers.here.cell("/there").kill()
        with pytest.raises(AskFailed) as failed:
            await blocked
        assert isinstance(failed.value.outcome, Crashed)
        assert (await peers.here.system.ask("/there", Recite())).numbers == (1,)  # by the next one, not behind that
        decision = await until(peers.here, "abandoned")
        assert (decision.incarnation, decision.detail) == (1, f"its thread did not end within {GRACE:g} s and was left behind")
        assert peers.here.system.abandoned == 1
        await asyncio.wait(set(peers.here.system.ending))
        [thread] = [thread for thread in threading.enumerate() if thread.native_id == ident]
        await pipes.open()
        await asyncio.to_thread(thread.join)
        assert (await peers.here.system.ask("/there", Recite())).numbers == (1,)
        assert peers.here.system.late_replies == 0


async def test_a_thread_that_hangs_is_noticed(pipes: Pipes) -> None:
    async with meeting("thread", Lodger, hung_after=0.5) as peers:
        with pytest.raises(AskFailed, match="Hung: its thread gave no sign of life"):
            await peers.here.system.ask("/there", BlockAsked(**pipes.names))
        assert await peers.here.total("/there") == Totalled(n=0, incarnation=2)
        await pipes.entered()
        await pipes.open()


async def test_a_thread_that_hangs_does_not_hold_up_the_end_of_the_tree(pipes: Pipes) -> None:
    before = left()
    async with growing(ChildSpec("there", Lodger, isolation="thread", shutdown=0.05)) as tree:
        ask = tree.system.ask("/there", BlockAsked(**pipes.names))
        await pipes.entered()
        [thread] = left()[0] - before[0]
        await tree.system.stop_root()
        with pytest.raises(AskFailed, match="ShutdownTimeout"):
            await ask
        await pipes.open()
        await asyncio.to_thread(thread.join)
    assert left()[0] <= before[0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_an_actor_that_ends_its_thread_has_crashed() -> None:
    async with meeting("thread", Lodger) as peers:
        peers.here.system.tell("/there", Die(how="exit"))
        assert await peers.here.total("/there") == Totalled(n=0, incarnation=2)
        reason = peers.here.cell("/there").last_exit
        assert reason is not None
        assert (reason.how, reason.error, reason.detail) == ("crashed", "ThreadEnded", "its thread ended")


async def test_a_thread_may_call_a_lambda_that_closes_over_what_is_here() -> None:
    box: list[int] = []

    class Local(Lodger):
        def receive(self, message: object) -> object:  # type: ignore[override]
            box.append(threading.get_ident())
            return Totalled(n=len(box), incarnation=1)

    async with meeting("thread", lambda: Local()) as peers:
        assert (await peers.here.system.ask("/there", Total())).n == 1
        assert box[0] != threading.get_ident()
        assert (await peers.here.system.ask("/there", Describe())).status.actor == "Local"
