"""What may be asked of a supervisor, and how it answers in each state: OTP's calls, with OTP's words for a refusal."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from messages.message import Ask
from messages.outcome import AskFailed, NoSuchAddress, Refused
from messages.supervision import (
    ChildDeleted,
    ChildEntry,
    ChildrenCounted,
    ChildRestarted,
    ChildSpecTold,
    ChildStarted,
    ChildTerminated,
    CountChildren,
    Decision,
    DeleteChild,
    GetChildSpec,
    RestartChild,
    StartChild,
    TerminateChild,
    WhichChildren,
)  # fmt: skip
from supervisors.dynamic import DynamicSupervisor
from supervisors.local import start_child
from supervisors.restart import Backoff
from supervisors.spec import BadSpec, ChildSpec, Intensity
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Slow, Tree, Worker, growing, quiet, workers
from tests.actors.runtime.vocabulary import Add, Break, Hold, Quit, Total

pytestmark = pytest.mark.looptime

MAKES = (ChildSpec("worker", Worker), ChildSpec("guest", Worker, restart="temporary"), ChildSpec("broken", lambda: Broken()))


class Broken(Worker):
    """Never starts."""

    def on_start(self) -> None:
        raise OSError("no such device")


async def refusal(tree: Tree, message: Ask[Any], address: str = "/") -> str:
    """OTP's word for why this is refused."""
    outcome = await tree.failure(address, message)
    assert isinstance(outcome, Refused), outcome
    assert outcome.fault.code
    return outcome.fault.code


# ---- start_child


async def test_a_child_of_a_named_make_starts_behind_the_others_and_stops_before_them() -> None:
    async with growing(*workers("ab"), makes=MAKES) as tree:
        assert await tree.system.ask("/", StartChild(id="c", make="worker")) == ChildStarted(address="/c", incarnation=1)
        assert (await tree.system.ask("/", WhichChildren())).addresses == ("/a", "/b", "/c")
        tree.events.clear()
    assert tree.trail("exited")[:3] == ["exited /c", "exited /b", "exited /a"]


async def test_a_started_child_is_restarted_as_its_make_says_unless_told_otherwise() -> None:
    async with growing(makes=MAKES) as tree:
        await tree.system.ask("/", StartChild(id="p", make="worker"))
        await tree.system.ask("/", StartChild(id="t", make="worker", restart="temporary"))
        for id in "pt":
            tree.system.tell(f"/{id}", Break())
        await quiet()
        assert tree.cell("/p").incarnation == 2
        assert "/t" not in tree.system.directory


async def test_a_spec_is_handed_over_inside_the_process_and_nothing_of_it_stays_behind() -> None:
    async with growing(wire="always") as tree:
        assert await start_child(tree.system, "/", ChildSpec("w", partial(Slow, start=1.0))) == ChildStarted(address="/w", incarnation=1)
        assert tree.system.handed == {}
        with pytest.raises(AskFailed, match="/w runs already"):
            await start_child(tree.system, "/", ChildSpec("w", Worker))
        assert tree.system.handed == {}


async def test_a_spec_that_was_handed_over_for_another_id_is_not_taken() -> None:
    async with growing(*workers("a")) as tree:
        tree.system.handed[7] = ChildSpec("a", Worker)
        assert await refusal(tree, StartChild(id="b", handed=7)) == "unknown_make"
        assert (tree.root.incarnation, (await tree.total("/a")).incarnation) == (1, 1)


async def test_an_id_that_is_there_is_refused_as_running_or_as_present() -> None:
    async with growing(*workers("a"), makes=MAKES) as tree:
        assert await refusal(tree, StartChild(id="a", make="worker")) == "already_started"
        await tree.system.ask("/", TerminateChild(id="a"))
        assert await refusal(tree, StartChild(id="a", make="worker")) == "already_present"


async def test_calls_for_one_child_are_done_in_the_order_in_which_they_came_also_when_nobody_waits_for_each() -> None:
    slow = ChildSpec("a", partial(Slow, start=1.0, stop=2.0))
    async with growing(slow, *workers("b"), makes=MAKES) as tree:
        calls: list[Ask[Any]] = [TerminateChild(id="a"), DeleteChild(id="a"), StartChild(id="a", make="worker"), TerminateChild(id="a")]
        assert await asyncio.gather(*(tree.system.ask("/", call) for call in calls)) == [
            ChildTerminated(address="/a"), ChildDeleted(address="/a"), ChildStarted(address="/a", incarnation=1), ChildTerminated(address="/a"),
        ]  # fmt: skip


async def test_a_call_that_comes_just_when_a_child_is_free_again_stays_behind_those_that_waited_for_it() -> None:
    async with growing(ChildSpec("a", partial(Slow, stop=2.0)), makes=MAKES) as tree:
        late: list[asyncio.Future[ChildStarted]] = []

        def start() -> None:
            late.append(tree.system.ask("/", StartChild(id="a", make="worker")))

        def listen(decision: Decision) -> None:
            if (decision.address, decision.event) == ("/a", "exited") and not late:
                tree.system.loop.call_soon(start)  # behind the turn that hears of the end, before the call that waited for it goes on

        tree.system.listeners.append(listen)
        await asyncio.gather(tree.system.ask("/", TerminateChild(id="a")), tree.system.ask("/", DeleteChild(id="a")))
        assert await late[0] == ChildStarted(address="/a", incarnation=1)


async def test_a_start_that_waited_for_a_stop_or_for_another_start_is_refused_by_what_it_finds_then() -> None:
    async with growing(ChildSpec("a", partial(Slow, stop=2.0)), makes=(*MAKES, ChildSpec("slow", partial(Slow, start=2.0)))) as tree:
        stopping = tree.system.ask("/", TerminateChild(id="a"))
        again = asyncio.ensure_future(refusal(tree, StartChild(id="a", make="worker")))
        starting = tree.system.ask("/", StartChild(id="x", make="slow"))
        twice = asyncio.ensure_future(refusal(tree, StartChild(id="x", make="slow")))
        assert (await again, await twice) == ("already_present", "already_started")
        await asyncio.gather(stopping, starting)


async def test_a_make_that_nobody_named_is_refused_with_those_that_there_are() -> None:
    async with growing(makes=MAKES) as tree:
        outcome = await tree.failure("/", StartChild(id="x", make="wroker"))
        assert isinstance(outcome, Refused)
        assert outcome.fault.message == "/ knows no make 'wroker'; it knows worker, guest, broken"


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (StartChild(id="a/b", make="worker"), "id: 'a/b', must be a non-empty string without '/'"),
        (StartChild(id="", make="worker"), "id: '', must be a non-empty string without '/'"),
        (StartChild(id="x", make="worker", significant=True), "significant of 'x': True, must be False for a permanent child"),
        (StartChild(id="x", make="guest", significant=True), "significant of 'x': True, but its supervisor's auto_shutdown is 'never'"),
    ],
)
async def test_a_spec_that_can_not_be_right_is_refused_with_the_value_and_the_supervisor_lives_on(message: StartChild, why: str) -> None:
    async with growing(*workers("a"), makes=MAKES) as tree:
        outcome = await tree.failure("/", message)
        assert isinstance(outcome, Refused)
        assert outcome.fault.message.startswith(why)
        assert (tree.root.incarnation, (await tree.total("/a")).incarnation, sorted(tree.system.directory)) == (1, 1, ["/", "/a"])


async def test_a_child_that_does_not_start_leaves_nothing_behind_and_costs_no_restart() -> None:
    async with growing(*workers("a"), makes=MAKES, intensity=Intensity(0)) as tree:
        outcome = await tree.failure("/", StartChild(id="x", make="broken"))
        assert isinstance(outcome, Refused)
        assert (outcome.fault.code, outcome.fault.message) == ("start_failed", "/x did not start: OSError: no such device")
        assert sorted(tree.system.directory) == ["/", "/a"]
        assert await refusal(tree, TerminateChild(id="x")) == "not_found"
        assert tree.root.incarnation == 1


async def test_children_that_were_added_by_hand_are_gone_when_their_supervisor_is_started_anew() -> None:
    async with growing(ChildSpec("s", partial(Supervisor, *workers("a"), makes=MAKES))) as tree:
        await tree.system.ask("/s", StartChild(id="x", make="worker"))
        waiting = tree.system.ask("/s/x", Hold())
        await tree.system.ask("/", RestartChild(id="s", running="restart"))
        with pytest.raises(AskFailed):
            await waiting
        assert (await tree.system.ask("/s", WhichChildren())).addresses == ("/s/a",)
        assert await tree.failure("/s/x", Total()) == NoSuchAddress(address="/s/x")


# ---- terminate, restart, delete


async def test_a_terminated_child_stays_down_until_somebody_starts_it_and_who_waited_is_told() -> None:
    async with growing(*workers("a")) as tree:
        held = tree.system.ask("/a", Hold())
        await quiet()
        assert await tree.system.ask("/", TerminateChild(id="a")) == ChildTerminated(address="/a")
        with pytest.raises(AskFailed):
            await held
        await asyncio.sleep(1000.0)
        assert await tree.failure("/a", Total()) == NoSuchAddress(address="/a")
        assert (await tree.describe("/")).status.children[0].state == "stopped"
        assert await tree.system.ask("/", RestartChild(id="a")) == ChildRestarted(address="/a", incarnation=2)
        assert (await tree.total("/a")).incarnation == 2


async def test_a_child_that_is_down_can_be_terminated_again() -> None:
    async with growing(*workers("a")) as tree:
        for _ in range(2):
            assert await tree.system.ask("/", TerminateChild(id="a")) == ChildTerminated(address="/a")


async def test_a_temporary_child_that_is_terminated_takes_its_spec_with_it() -> None:
    async with growing(*workers("t", "temporary")) as tree:
        await tree.system.ask("/", TerminateChild(id="t"))
        assert await refusal(tree, RestartChild(id="t")) == "not_found"
        assert sorted(tree.system.directory) == ["/"]


async def test_a_child_that_waits_for_its_restart_is_restarting_and_terminating_it_calls_the_restart_off() -> None:
    patient: dict[str, Any] = {"intensity": Intensity(0), "on_exhausted": "backoff", "backoff": Backoff(first=100.0, cap=100.0)}
    async with growing(*workers("a"), **patient) as tree:
        tree.system.tell("/a", Break())
        await quiet()
        assert await refusal(tree, RestartChild(id="a")) == "restarting"
        assert await refusal(tree, DeleteChild(id="a")) == "restarting"
        await tree.system.ask("/", TerminateChild(id="a"))
        await asyncio.sleep(1000.0)
        assert (tree.cell("/a").state, tree.cell("/a").incarnation) == ("stopped", 1)


async def test_what_runs_is_neither_restarted_nor_deleted_unless_asked_to_be_stopped_first() -> None:
    async with growing(*workers("a")) as tree:
        assert await refusal(tree, RestartChild(id="a")) == "running"
        assert await refusal(tree, DeleteChild(id="a")) == "running"
        assert (await tree.system.ask("/", RestartChild(id="a", running="restart"))).incarnation == 2


async def test_a_deleted_child_is_unknown_and_its_id_is_free() -> None:
    async with growing(*workers("ab"), makes=MAKES) as tree:
        await tree.system.ask("/", TerminateChild(id="a"))
        assert await tree.system.ask("/", DeleteChild(id="a")) == ChildDeleted(address="/a")
        assert await refusal(tree, GetChildSpec(id="a")) == "not_found"
        assert await tree.system.ask("/", StartChild(id="a", make="worker")) == ChildStarted(address="/a", incarnation=1)
        assert (await tree.system.ask("/", WhichChildren())).addresses == ("/b", "/a")


@pytest.mark.parametrize("message", [TerminateChild(id="z"), RestartChild(id="z"), DeleteChild(id="z"), GetChildSpec(id="z")])
async def test_an_unknown_id_is_refused_with_the_ids_that_there_are(message: Ask[Any]) -> None:
    async with growing(*workers("ab")) as tree:
        outcome = await tree.failure("/", message)
        assert isinstance(outcome, Refused)
        assert (outcome.fault.code, outcome.fault.message, outcome.fault.names) == ("not_found", "/ has no child 'z'; it has a, b", ("a", "b"))


async def test_a_restart_by_hand_that_fails_is_free_and_leaves_the_child_down() -> None:
    class Moody(Worker):
        def on_start(self) -> None:
            if self.incarnation in (2, 3):
                raise OSError("not yet")

    async with growing(ChildSpec("m", Moody), intensity=Intensity(0)) as tree:
        await tree.system.ask("/", TerminateChild(id="m"))
        for _ in range(2):
            assert await refusal(tree, RestartChild(id="m")) == "start_failed"
            assert tree.cell("/m").state == "stopped"
        assert (await tree.system.ask("/", RestartChild(id="m"))).incarnation == 4
        assert tree.root.incarnation == 1


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_group_restart_revives_what_was_terminated_by_hand(strategy: Any) -> None:
    async with growing(*workers("ab"), strategy=strategy) as tree:
        await tree.system.ask("/", TerminateChild(id="b"))
        assert tree.cell("/a").incarnation == 1  # by hand, only that one is touched
        tree.system.tell("/a", Break())
        await quiet()
        assert [tree.cell(f"/{id}").incarnation for id in "ab"] == [2, 2]


async def test_calls_about_one_child_are_answered_in_the_order_in_which_they_were_made() -> None:
    async with growing(ChildSpec("a", partial(Slow, start=1.0, stop=1.0))) as tree:
        calls: list[Ask[Any]] = [TerminateChild(id="a"), RestartChild(id="a"), TerminateChild(id="a"), DeleteChild(id="a")]
        answers = await asyncio.gather(*(tree.system.ask("/", call) for call in calls))
        assert [type(answer) for answer in answers] == [ChildTerminated, ChildRestarted, ChildTerminated, ChildDeleted]
        outcomes = await asyncio.gather(*(tree.failure("/", call) for call in calls))
        assert {outcome.fault.code for outcome in outcomes if isinstance(outcome, Refused)} == {"not_found"}


async def test_a_supervisor_answers_while_a_child_takes_its_time_to_stop() -> None:
    async with growing(ChildSpec("slow", partial(Slow, stop=4.0)), *workers("a")) as tree:
        stopping = tree.system.ask("/", TerminateChild(id="slow"))
        await quiet()
        tree.system.tell("/a", Break())
        await quiet()
        assert (await tree.total("/a")).incarnation == 2
        assert not stopping.done()
        await stopping


# ---- asking about children


async def test_the_list_of_children_tells_their_states_and_what_they_are() -> None:
    inner = ChildSpec("s", partial(Supervisor, *workers("x")), restart="transient")
    async with growing(*workers("a"), *workers("t", "transient"), inner, on_exhausted="backoff") as tree:
        tree.system.tell("/t", Quit())
        await quiet()
        listed = await tree.system.ask("/", WhichChildren())
        assert listed.children == (
            ChildEntry(id="a", address="/a", state="running", incarnation=1, type="worker"),
            ChildEntry(id="t", address="/t", state="stopped", incarnation=1, type="worker"),
            ChildEntry(id="s", address="/s", state="running", incarnation=1, type="supervisor"),
        )
        assert await tree.system.ask("/", CountChildren()) == ChildrenCounted(specs=3, active=2, supervisors=1, workers=2)


async def test_a_spec_is_told_but_for_the_code() -> None:
    spec = ChildSpec("w", partial(Slow, start=0.0), restart="transient", shutdown=None, mailbox=(10, 1000))
    async with growing(spec, *workers("a")) as tree:
        told = await tree.system.ask("/", GetChildSpec(id="w"))
        assert told == ChildSpecTold(
            id="w", make=f"{Slow.__module__}:Slow", restart="transient", shutdown_ms=None, significant=False, isolation="task",
            max_messages=10, max_bytes=1000,
        )  # fmt: skip
        assert (await tree.system.ask("/", GetChildSpec(id="a"))).shutdown_ms == 5000


# ---- under a dynamic supervisor


async def test_a_dynamic_supervisor_starts_restarts_and_stops_children_of_its_makes() -> None:
    async with growing(ChildSpec("d", partial(DynamicSupervisor, makes=MAKES, intensity=Intensity(1)))) as tree:
        for id in ("one", "two"):
            assert await tree.system.ask("/d", StartChild(id=id, make="worker")) == ChildStarted(address=f"/d/{id}", incarnation=1)
        await tree.system.ask("/d", StartChild(id="guest", make="guest"))
        tree.system.tell("/d/one", Add(n=1))
        tree.system.tell("/d/one", Break())
        tree.system.tell("/d/guest", Break())
        await quiet()
        assert (await tree.total("/d/one")).incarnation == 2
        assert await tree.system.ask("/d", CountChildren()) == ChildrenCounted(specs=2, active=2, supervisors=0, workers=2)
        await tree.system.ask("/d", TerminateChild(id="two"))
        await tree.system.ask("/d", DeleteChild(id="two"))
        tree.system.tell("/d/one", Break())  # one crash more than allowed
        await quiet()
        assert tree.cell("/d").incarnation == 2
        assert (await tree.system.ask("/d", WhichChildren())).addresses == ()


async def test_a_dynamic_supervisor_without_makes_says_so() -> None:
    async with growing(ChildSpec("d", DynamicSupervisor)) as tree:
        assert await refusal(tree, StartChild(id="x", make="worker"), "/d") == "unknown_make"


def test_starting_kinds_without_something_to_start_are_refused_when_it_is_made() -> None:
    with pytest.raises(BadSpec, match=r"start: None, must make the actors that test\.add start"):
        DynamicSupervisor(None, Add)
