"""Injected crash, delay and drop: understood by every actor, and like the real thing."""

from __future__ import annotations

import asyncio

import pytest

from actors.runtime.cell import KERNEL_KINDS
from actors.runtime.system import OUTSIDE, Wire
from messages.envelope import Envelope
from messages.message import Message
from messages.outcome import Refused
from messages.supervision import Crash, Delay, Drop, ExitReason
from supervisors.dynamic import DynamicSupervisor
from supervisors.spec import ChildSpec
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Worker, growing, quiet
from tests.actors.runtime.vocabulary import Add, Hold, Total

pytestmark = pytest.mark.looptime


async def test_an_injected_crash_is_a_crash_and_counts_like_one(wire: Wire) -> None:
    async with growing(ChildSpec("a", Worker), wire=wire) as tree:
        tree.system.tell("/a", Crash(detail="by hand"))
        assert (await tree.total("/a")).incarnation == 2
        assert tree.cell("/a").last_exit == ExitReason(how="crashed", error="InjectedCrash", detail="by hand")
        assert tree.root.instance._history == (0.0,)  # type: ignore[union-attr]


async def test_every_actor_can_be_made_to_crash_supervisors_too() -> None:
    async with growing(ChildSpec("s", lambda: Supervisor(ChildSpec("a", Worker))), ChildSpec("d", lambda: DynamicSupervisor(Worker, Hold))) as tree:
        for address in ("/s", "/d", "/s/a"):
            assert tree.system.tell(address, Crash()) is None
            await quiet()
        assert [tree.cell(address).incarnation for address in ("/s", "/d", "/s/a")] == [2, 2, 3]


async def test_an_injected_delay_holds_up_everything_but_status_and_the_end(wire: Wire) -> None:
    rung: list[float] = []

    class Alarmed(Worker):
        def on_start(self) -> None:
            self.after(1.0, lambda: rung.append(self.now))

    async with growing(ChildSpec("a", Alarmed), wire=wire) as tree:
        tree.system.tell("/a", Delay(seconds=3.0))
        ask = tree.system.ask("/a", Total())
        tree.system.tell("/a", Add(n=1))
        await asyncio.sleep(2.0)
        status = (await tree.describe("/a")).status
        assert (status.state, status.depth, status.oldest_ms) == ("suspended", 2, 2000)
        assert rung == []
        assert not ask.done()
        await ask
        assert tree.system.now() == pytest.approx(3.0)
        assert rung == [pytest.approx(3.0)]
        tree.system.tell("/a", Delay(seconds=1000.0))
        await quiet()
        await tree.system.stop_root()
        assert tree.system.now() < 4.0


async def test_two_delays_follow_one_another() -> None:
    async with growing(ChildSpec("a", Worker)) as tree:
        tree.system.tell("/a", Delay(seconds=2.0))
        tree.system.tell("/a", Delay(seconds=3.0))
        await tree.total("/a")
        assert tree.system.now() == pytest.approx(5.0)


async def test_a_delayed_actor_that_crashes_meanwhile_starts_undelayed() -> None:
    class Fragile(Worker):
        def on_start(self) -> None:
            if self.incarnation == 1:
                self.spawn(self.break_down())

        async def break_down(self) -> None:
            await asyncio.sleep(1.0)
            raise OSError("gone")

    async with growing(ChildSpec("a", Fragile)) as tree:
        tree.system.tell("/a", Delay(seconds=100.0))
        assert (await tree.total("/a")).incarnation == 2
        assert tree.system.now() == pytest.approx(1.0)
        assert tree.system.dead_letter_count == 0


@pytest.mark.parametrize("kind", KERNEL_KINDS)
async def test_an_injection_that_can_not_be_read_is_refused_and_does_nothing(kind: str) -> None:
    async with growing(ChildSpec("a", Worker)) as tree:
        ended: asyncio.Future[Message] = tree.system.loop.create_future()
        slot = tree.system.open_slot(OUTSIDE, "/a", Hold(), 30.0, ended.set_result)
        tree.system.deliver("/a", Envelope(1, kind, b"\xc1", 1, at=0.0, sender=OUTSIDE, slot=slot))
        outcome = await ended
        assert isinstance(outcome, Refused)
        assert "not msgpack" in outcome.fault.message
        assert (tree.cell("/a").state, tree.cell("/a").incarnation) == ("running", 1)


async def test_injected_drops_go_to_the_dead_letters_and_their_askers_are_told(wire: Wire) -> None:
    async with growing(ChildSpec("a", Worker), wire=wire) as tree:
        tree.system.tell("/a", Drop(count=2))
        tree.system.tell("/a", Add(n=1))
        outcome = await tree.failure("/a", Total())
        assert isinstance(outcome, Refused)
        assert "dropped by an injected kernel.drop" in outcome.fault.message
        assert (await tree.total("/a")).n == 0
        assert [letter.kind for letter in tree.system.dead_letters] == ["test.add", "test.total"]
