"""A dynamic supervisor: any number of temporary children, one for each message of a starting kind."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from actors.runtime.port import Port
from actors.runtime.supervised import Later, SupervisedActor
from actors.runtime.system import Hop
from messages.outcome import AskFailed, Crashed, Full, NoSuchAddress, Refused
from messages.supervision import ChildStarted, ChildTerminated, Crash, DeleteChild, Down, ExitReason, RestartChild, StartChild, TerminateChild, WhichChildren
from supervisors.dynamic import DynamicSupervisor
from supervisors.spec import BadSpec, ChildSpec
from tests.actors.runtime.trees import Tree, Worker, bare, crashed, growing, quiet
from tests.actors.runtime.vocabulary import Add, Break, BreakAsked, Hold, Quit, Total, Totalled

pytestmark = pytest.mark.looptime

COUNTERS = ChildSpec("d", partial(DynamicSupervisor, Worker, Total, Hold, BreakAsked, Break))


def children(tree: Tree) -> list[str]:
    return [cell.address for cell in tree.cell("/d").children.values()]


async def test_each_message_of_a_starting_kind_starts_a_child_which_handles_it() -> None:
    async with growing(COUNTERS) as tree:
        answers = [await tree.total("/d") for _ in range(3)]
        assert answers == [Totalled(n=0, incarnation=1)] * 3
        assert len(set(children(tree))) == 3
        assert all(address.startswith("/d/") for address in children(tree))
        for address in children(tree):
            tree.system.tell(address, Add(n=7))
            assert (await tree.total(address)).n == 7


async def test_a_kind_that_starts_nobody_is_refused_and_so_is_a_restart_by_hand() -> None:
    async with growing(COUNTERS) as tree:
        assert isinstance(tree.system.tell("/d", Add(n=1)), Refused)
        outcome = await tree.failure("/d", RestartChild(id="1"))
        assert isinstance(outcome, Refused)
        assert (outcome.fault.code, outcome.fault.message) == ("not_found", "/d has no child '1'; it has none")


@pytest.mark.parametrize("end", [Quit(), Break()])
async def test_a_child_that_ends_is_forgotten_and_what_it_had_not_begun_is_told_how_it_ended(end: Quit | Break) -> None:
    async with growing(COUNTERS) as tree:
        await tree.total("/d")
        [address] = children(tree)
        tree.system.tell(address, end)
        waiting = tree.system.ask(address, Total())
        with pytest.raises(AskFailed) as failed:
            await waiting
        if isinstance(end, Break):
            assert failed.value.outcome == Crashed(address=address, incarnation=1, error="ValueError", detail="broken")
        else:
            assert isinstance(failed.value.outcome, Crashed | NoSuchAddress)
        assert children(tree) == []
        assert address not in tree.system.directory
        assert await tree.failure(address, Total()) == NoSuchAddress(address=address)


async def test_a_child_that_crashes_on_its_first_message_fails_it_and_nobody_else() -> None:
    async with growing(COUNTERS) as tree:
        held = tree.system.ask("/d", Hold())
        outcome = await tree.failure("/d", BreakAsked())
        assert isinstance(outcome, Crashed)
        await quiet()
        assert len(children(tree)) == 1
        assert not held.done()
        assert tree.cell("/d").incarnation == 1


@pytest.mark.parametrize("later", [False, True])
async def test_a_child_that_does_not_start_fails_the_ask_and_sends_down_with_the_reason(later: bool) -> None:
    class Unlucky(Worker):
        def on_start(self) -> None:
            raise OSError("no such device")

    class UnluckyLater(Worker):
        async def on_start(self) -> None:
            await asyncio.sleep(1.0)
            raise OSError("no such device")

    async with growing(ChildSpec("d", lambda: DynamicSupervisor(UnluckyLater if later else Unlucky, Total, Add))) as tree:
        outcome = await tree.failure("/d", Total())
        assert isinstance(outcome, Crashed)
        assert (outcome.error, outcome.detail) == ("OSError", "no such device")
        async with Port(tree.system) as port:
            port.tell("/d", Add(n=1))
            down = await port.receive(2.0)
            assert isinstance(down, Down)
            assert bare(down.reason) == ExitReason(how="start_failed", error="OSError", detail="no such device")
        await quiet()
        assert children(tree) == []


async def test_children_inherit_the_trace_of_the_message_that_started_them() -> None:
    class Speaker(SupervisedActor[Add]):
        def on_start(self) -> None:
            self.tell("/w", Add(n=1))

        def receive(self, message: Add) -> None:
            self.after(1.0, self.say_more)
            self.monitor("/nobody")

        def say_more(self) -> None:
            self.tell("/w", Add(n=2))

        def down(self, down: Down) -> None:
            self.tell("/w", Add(n=3))

    async with growing(ChildSpec("w", Worker), ChildSpec("d", partial(DynamicSupervisor, Speaker, Add))) as tree:
        tree.system.tell("/d", Add(n=0), trace="t5")
        await asyncio.sleep(2.0)
        assert [(hop.trace, hop.address) for hop in map(Hop._make, tree.system.hops)] == [("t5", "/d"), *[("t5", "/w")] * 3]


async def test_children_stop_all_at_once_and_within_their_limit() -> None:
    class Lingering(SupervisedActor[Hold]):
        def receive(self, message: Hold) -> Later:
            return self.later()

        async def on_stop(self) -> None:
            await asyncio.sleep(3.0)

    async with growing(ChildSpec("d", partial(DynamicSupervisor, Lingering, Hold, shutdown=2.0), shutdown=None)) as tree:
        asks = [tree.system.ask("/d", Hold()) for _ in range(10)]
        await quiet()
        await tree.system.stop_root()
        assert tree.system.now() == pytest.approx(2.0, abs=0.01)
        outcomes = await asyncio.gather(*asks, return_exceptions=True)
        assert all("ShutdownTimeout" in str(outcome) for outcome in outcomes)


async def test_a_dynamic_supervisor_that_crashes_takes_its_children_along_and_they_do_not_come_back() -> None:
    async with growing(COUNTERS) as tree:
        held = tree.system.ask("/d", Hold())
        await quiet()
        [address] = children(tree)
        tree.cell(address).suspend()
        waiting = tree.system.ask(address, Total())
        tree.system.tell("/d", Crash())
        outcomes = await asyncio.gather(held, waiting, return_exceptions=True)
        assert [type(outcome.outcome) for outcome in outcomes if isinstance(outcome, AskFailed)] == [Crashed, NoSuchAddress]
        assert (await tree.describe("/d")).status.incarnation == 2
        assert children(tree) == []
        assert address not in tree.system.directory


async def test_messages_that_wait_for_a_dynamic_supervisor_start_their_children_when_it_is_back() -> None:
    async with growing(COUNTERS) as tree:
        tree.system.tell("/d", Crash())
        assert (await tree.total("/d")).incarnation == 1
        assert tree.cell("/d").incarnation == 2


async def test_whoever_forwards_a_starting_message_is_the_one_to_hear_of_the_childs_end() -> None:
    heard: list[Down] = []

    class Account(SupervisedActor[BreakAsked]):
        def receive(self, message: BreakAsked) -> Later:
            return self.forward("/d")

        def down(self, down: Down) -> None:
            heard.append(down)

    async with growing(COUNTERS, ChildSpec("account", Account)) as tree:
        assert isinstance(await tree.failure("/account", BreakAsked()), Crashed)
        await quiet()
        assert [down.reason for down in heard] == [crashed()]


async def test_a_thousand_children_come_and_go() -> None:
    async with growing(COUNTERS) as tree:
        await asyncio.gather(*(tree.system.ask("/d", Total()) for _ in range(1000)))
        assert len(children(tree)) == 1000
        for address in children(tree):
            tree.system.tell(address, Quit())
        await quiet()
        assert children(tree) == []
        assert set(tree.system.directory) == {"/", "/d"}


async def test_which_children_is_answered_behind_what_was_sent_before_and_a_child_is_named_by_its_envelope() -> None:
    async with growing(COUNTERS) as tree:
        first = tree.system.ask("/d", Total())
        told = await tree.system.ask("/d", WhichChildren())
        assert (await first).n == 0
        assert told.addresses == tuple(children(tree))
        assert (await tree.system.ask("/", WhichChildren())).addresses == ("/d",)


async def test_one_child_more_than_the_limit_is_refused_as_full_and_its_sender_gets_down() -> None:
    async with growing(ChildSpec("d", lambda: DynamicSupervisor(Worker, Hold, limit=2))) as tree, Port(tree.system) as port:
        held = [tree.system.ask("/d", Hold()) for _ in range(2)]
        await quiet()
        assert await tree.failure("/d", Hold()) == Full(address="/d", depth=2, size=0)
        port.tell("/d", Hold())
        down = await port.receive(1.0)
        assert isinstance(down, Down)
        assert down.reason.error == "NeverStarted"
        for child in (await tree.system.ask("/d", WhichChildren())).addresses:
            tree.system.tell(child, Quit())
        await asyncio.gather(*held, return_exceptions=True)
        another = tree.system.ask("/d", Hold())
        await quiet()
        assert len((await tree.system.ask("/d", WhichChildren())).addresses) == 1
        another.cancel()


async def test_a_child_that_a_message_started_can_be_terminated_by_its_id() -> None:
    async with growing(ChildSpec("d", lambda: DynamicSupervisor(Worker, Hold))) as tree:
        held = tree.system.ask("/d", Hold())
        await quiet()
        (address,) = (await tree.system.ask("/d", WhichChildren())).addresses
        assert await tree.system.ask("/d", TerminateChild(id=address.rpartition("/")[2])) == ChildTerminated(address=address)
        with pytest.raises(AskFailed):
            await held
        assert sorted(tree.system.directory) == ["/", "/d"]


WORKERS = (ChildSpec("worker", Worker),)


@pytest.mark.parametrize("taken", [True, False])
async def test_the_number_of_a_message_is_no_id_for_a_child_that_is_asked_for_so_that_the_two_never_meet(taken: bool) -> None:
    async with growing(ChildSpec("d", lambda: DynamicSupervisor(Worker, Total, makes=WORKERS))) as tree:
        await tree.total("/d")
        (id,) = tree.cell("/d").children
        outcome = await tree.failure("/d", StartChild(id=id if taken else "1000", make="worker"))
        assert isinstance(outcome, Refused)
        assert outcome.fault.code == "bad_spec"
        assert outcome.fault.message.startswith(f"id: '{id if taken else '1000'}', must not be a number")
        assert await tree.system.ask("/d", StartChild(id=f"user-{id}", make="worker")) == ChildStarted(address=f"/d/user-{id}", incarnation=1)
        assert (tree.cell("/d").incarnation, sorted(children(tree))) == (1, [f"/d/{id}", f"/d/user-{id}"])


async def test_where_no_message_starts_a_child_a_number_is_an_id_like_any_other() -> None:
    async with growing(ChildSpec("d", lambda: DynamicSupervisor(makes=WORKERS))) as tree:
        assert await tree.system.ask("/d", StartChild(id="7", make="worker")) == ChildStarted(address="/d/7", incarnation=1)


async def test_a_child_that_is_asked_for_counts_towards_the_limit_as_one_that_a_message_starts_does() -> None:
    async with growing(ChildSpec("d", lambda: DynamicSupervisor(Worker, Total, limit=2, makes=WORKERS))) as tree:
        await tree.system.ask("/d", StartChild(id="a", make="worker"))
        await tree.total("/d")
        outcome = await tree.failure("/d", StartChild(id="b", make="worker"))
        assert isinstance(outcome, Refused)
        assert (outcome.fault.cls, outcome.fault.code, outcome.fault.message) == ("busy", "max_children", "/d has 2 children, and its limit is 2")
        again = await tree.failure("/d", StartChild(id="a", make="worker"))
        assert isinstance(again, Refused)
        assert again.fault.code == "already_started"
        await tree.system.ask("/d", TerminateChild(id="a"))
        await tree.system.ask("/d", DeleteChild(id="a"))
        assert await tree.system.ask("/d", StartChild(id="b", make="worker")) == ChildStarted(address="/d/b", incarnation=1)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"limit": 0}, "limit: 0, must be a whole number >= 1"),
        ({"limit": -1}, "limit: -1, must be"),
        ({"limit": 1.5}, "limit: 1.5, must be"),
        ({"limit": True}, "limit: True, must be"),
        ({"shutdown": -1}, "shutdown of 'any': -1, must be seconds >= 0"),
        ({"isolation": "cloud"}, "isolation of 'any': 'cloud', must be one of"),
    ],
)
def test_what_a_dynamic_supervisor_can_not_be_told_is_refused_with_the_value(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(BadSpec) as refused:
        DynamicSupervisor(Worker, Total, **fields)
    assert str(refused.value).startswith(why)
