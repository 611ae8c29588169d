"""What a `SupervisedActor` is: what it understands, what it knows while it handles a message, and what of pykka's it does not have."""

from __future__ import annotations

import asyncio
from typing import Union

import pykka
import pytest

from actors.runtime.asyncio_actor import AsyncioActor
from actors.runtime.supervised import SupervisedActor
from messages.message import Message
from messages.outcome import Crashed
from messages.supervision import Delay, Describe, ExitReason, WhichChildren
from supervisors.restart import Backoff
from supervisors.spec import ChildSpec, Intensity
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Inbox, Worker, crashed, growing, quiet
from tests.actors.runtime.vocabulary import Add, Break, Echo, Go, Heard, Quit, Total

pytestmark = pytest.mark.looptime


def test_it_is_a_pykka_actor_on_a_loop() -> None:
    assert issubclass(SupervisedActor, AsyncioActor)
    assert issubclass(SupervisedActor, pykka.Actor)


def test_what_it_understands_is_said_by_its_type_argument() -> None:
    class One(SupervisedActor[Add]):
        pass

    class Two(SupervisedActor[Union[Add, Total]]):  # noqa: UP007
        pass

    class Inherited(Worker):
        pass

    assert One.understands == {"test.add"}
    assert Two.understands == {"test.add", "test.total"}
    assert Inherited.understands == Worker.understands == {kind.kind for kind in Inbox.__args__}


def test_it_is_started_by_a_supervisor_and_says_so_to_whoever_tries_otherwise() -> None:
    with pytest.raises(TypeError, match="Worker is started by a supervisor: give it a ChildSpec"):
        Worker.start()


async def test_it_has_an_address_instead_of_a_ref_and_stays_out_of_pykkas_registry() -> None:
    async with growing(ChildSpec("a", Worker)) as tree:
        instance = tree.cell("/a").instance
        assert instance is not None
        with pytest.raises(TypeError, match=r"Worker has an address \(/a\), which outlives it, instead of a ref"):
            _ = instance.actor_ref
        assert str(instance) == "Worker (/a)"
        assert pykka.ActorRegistry.get_all() == []


async def test_it_knows_its_address_its_number_its_sender_the_deadline_and_the_time() -> None:
    seen: list[object] = []

    class Knowing(SupervisedActor[Echo]):
        def receive(self, message: Echo) -> Heard:
            seen.append((self.address, self.incarnation, self.sender, self.deadline, self.now, self.title))
            return Heard(text="")

    class Asker(SupervisedActor[Go]):
        def receive(self, message: Go) -> None:
            self.ask_then("/a", Echo(text=""), seen.append, timeout=5.0)

    async with growing(ChildSpec("a", Knowing), ChildSpec("b", Asker)) as tree:
        await tree.system.ask("/a", Echo(text=""), timeout=4.0)
        tree.system.tell("/b", Go())
        await quiet()
        assert seen == [("/a", 1, "", 4.0, 0.0, "Knowing"), ("/a", 1, "/b", 5.0, 0.0, "Knowing"), Heard(text="")]


async def test_sender_and_deadline_are_known_only_while_a_message_is_handled() -> None:
    async with growing(ChildSpec("a", Worker)) as tree:
        instance = tree.cell("/a").instance
        assert instance is not None
        for use in (lambda: instance.sender, lambda: instance.deadline, instance.later, lambda: instance.forward("/a")):
            with pytest.raises(AssertionError):
                use()


async def test_an_actor_without_receive_crashes_when_it_is_told_something() -> None:
    class Empty(SupervisedActor[Echo]):
        pass

    async with growing(ChildSpec("a", Empty)) as tree:
        outcome = await tree.failure("/a", Echo(text="?"))
        assert isinstance(outcome, Crashed)
        assert outcome.detail == "Empty has no receive"


async def test_a_supervisors_questions_have_their_answers_on_an_actor_that_supervises_nobody() -> None:
    async with growing(ChildSpec("a", Worker)) as tree:
        cell = tree.cell("/a")
        assert cell.instance is not None
        assert not cell.instance.brings_back(cell)
        with pytest.raises(AssertionError, match="/a supervises nobody"):
            cell.instance.child_ended(cell, 1, ExitReason(how="normal"))


async def test_an_answer_to_a_tell_goes_nowhere() -> None:
    class Talkative(SupervisedActor[Add]):
        def receive(self, message: Add) -> Message:
            return Heard(text="nobody asked")

    async with growing(ChildSpec("a", Talkative)) as tree:
        assert tree.system.tell("/a", Add(n=1)) is None
        await quiet()
        assert (tree.cell("/a").incarnation, tree.system.late_replies) == (1, 0)


async def test_tell_says_at_once_why_it_could_not() -> None:
    seen: list[object] = []

    class Teller(SupervisedActor[Go]):
        def receive(self, message: Go) -> None:
            seen.append(self.tell("/a", Add(n=1)))
            outcome = self.tell("/nobody", Add(n=1))
            seen.append(outcome and outcome.kind)

    async with growing(ChildSpec("a", Worker), ChildSpec("b", Teller)) as tree:
        tree.system.tell("/b", Go())
        await quiet()
        assert seen == [None, "ask.no_such_address"]


async def test_the_status_of_an_actor_tells_what_it_is_and_how_it_has_been() -> None:
    async with growing(ChildSpec("a", Worker), ChildSpec("t", Worker, restart="transient")) as tree:
        for _ in range(3):
            tree.system.tell("/a", Add(n=1))
        tree.system.tell("/a", Break())
        tree.system.tell("/t", Quit())
        await asyncio.sleep(2.0)
        tree.system.tell("/a", Delay(seconds=9.0))
        tree.system.tell("/a", Add(n=1))
        await asyncio.sleep(1.5)
        told = (await tree.describe("/")).status
        a, t = told.children
        assert (told.actor, told.strategy, told.understands[0]) == ("Supervisor", "one_for_one", "supervision.count_children")
        assert (a.address, a.actor, a.state, a.incarnation, a.restarts, a.restart_type) == ("/a", "Worker", "suspended", 2, 1, "permanent")
        assert (a.depth, a.oldest_ms, a.high_water, a.handled, a.uptime_ms) == (1, 1500, 4, 5, 3500)
        assert (a.last_exit, a.last_exit_ms_ago) == (crashed(), 3500)
        assert a.understands == tuple(sorted(Worker.understands))
        assert (t.state, t.incarnation, t.uptime_ms, t.last_exit) == ("stopped", 1, 0, ExitReason(how="normal"))


async def test_status_is_told_as_deep_as_it_is_asked_for() -> None:
    async with growing(ChildSpec("s", lambda: Supervisor(ChildSpec("a", Worker)))) as tree:
        depths = [(await tree.system.ask("/", Describe(depth=depth))).status for depth in (0, 1, -1)]
        assert depths[0].children == ()
        assert [child.children for child in depths[1].children] == [()]
        assert [[grandchild.address for grandchild in child.children] for child in depths[2].children] == [["/s/a"]]


async def test_an_answer_about_many_actors_has_room_for_so_many_and_says_how_many_it_leaves_out() -> None:
    async with growing(*(ChildSpec(f"s{n}", lambda: Supervisor(*(ChildSpec(f"{m}", Worker) for m in range(3)))) for n in range(4))) as tree:
        status = (await tree.system.ask("/", Describe(limit=6))).status
        assert ([len(child.children) for child in status.children], status.untold) == ([2, 0, 0, 0], 0)
        assert [child.untold for child in status.children] == [1, 3, 3, 3]
        assert (await tree.system.ask("/", Describe(limit=3))).status.untold == 1
        listed = await tree.system.ask("/s0", WhichChildren(limit=2))
        assert (listed.addresses, len(listed.children), listed.untold) == (("/s0/0", "/s0/1"), 2, 1)


async def test_status_tells_when_an_actor_is_started_again() -> None:
    async with growing(ChildSpec("a", Worker), intensity=Intensity(0), on_exhausted="backoff", backoff=Backoff(first=8.0)) as tree:
        tree.system.tell("/a", Break())
        await asyncio.sleep(1.0)
        status = (await tree.describe("/a")).status
        assert (status.state, status.next_restart_ms, status.actor) == ("restarting", 3000, "")
