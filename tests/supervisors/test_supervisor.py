"""A supervisor and its children, one for one: start, stop, restart, and restart by hand."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from actors.runtime.cell import Cell
from actors.runtime.supervised import SupervisedActor
from actors.runtime.system import StartFailed
from messages.envelope import Envelope
from messages.outcome import AskFailed, Crashed, DeadlinePassed, NoSuchAddress, Refused
from messages.supervision import Crash, ExitReason, RestartChild, RestartType, TerminateChild
from supervisors.spec import BadSpec, ChildSpec
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Slow, Worker, bare, crashed, growing, quiet, workers
from tests.actors.runtime.vocabulary import Add, Break, BreakAsked, Echo, Heard, Hold, Quit, Total, Totalled

pytestmark = pytest.mark.looptime


async def test_children_start_one_after_the_other_and_stop_in_reverse() -> None:
    specs = [ChildSpec(id, partial(Slow, start=1.0, stop=1.0)) for id in "abc"]
    async with growing(*specs) as tree:
        assert [(event.event, event.address, event.at) for event in tree.events] == [
            ("started", "/a", 1.0), ("started", "/b", 2.0), ("started", "/c", 3.0), ("started", "/", 3.0),
        ]  # fmt: skip
        tree.events.clear()
        await tree.system.stop_root()
        assert [(event.event, event.address, event.at) for event in tree.events] == [
            ("exited", "/c", 4.0), ("exited", "/b", 5.0), ("exited", "/a", 6.0), ("exited", "/", 6.0),
        ]  # fmt: skip


async def test_a_child_that_does_not_start_stops_those_before_it_and_the_start_says_which_and_why() -> None:
    stopped: list[str] = []
    later: list[str] = []

    class Noted(Worker):
        def on_stop(self) -> None:
            stopped.append(self.address)

    class Unlucky(Worker):
        def on_start(self) -> None:
            raise OSError("no such device")

    class Later(Worker):
        def on_start(self) -> None:
            later.append(self.address)

    inner = partial(Supervisor, ChildSpec("c", Noted), ChildSpec("bad", Unlucky), ChildSpec("d", Later))
    with pytest.raises(StartFailed) as failed:
        async with growing(ChildSpec("a", Noted), ChildSpec("b", Noted), ChildSpec("s", inner), ChildSpec("e", Later)):
            raise AssertionError("it must not start")
    assert bare(failed.value.reason) == ExitReason(how="start_failed", error="OSError", detail="/s: /s/bad: no such device")
    assert stopped == ["/s/c", "/b", "/a"]
    assert later == []


@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_a_child_that_crashes_is_started_again_and_the_others_are_left_alone(restart: RestartType) -> None:
    async with growing(*workers("abc", restart)) as tree:
        for address in ("/a", "/b", "/c"):
            tree.system.tell(address, Add(n=1))
        tree.system.tell("/b", Break())
        await quiet()
        totals = [await tree.total(address) for address in ("/a", "/b", "/c")]
        assert totals == [Totalled(n=1, incarnation=1), Totalled(n=0, incarnation=2), Totalled(n=1, incarnation=1)]
        assert tree.trail()[4:] == ["exited /b", "started /b", "restarted /b"]


async def test_a_permanent_child_is_started_again_also_when_it_ended_by_its_own_wish() -> None:
    async with growing(*workers("a")) as tree:
        tree.system.tell("/a", Quit())
        assert (await tree.total("/a")).incarnation == 2


async def test_a_transient_child_that_ended_normally_stays_down_and_what_waits_for_it_is_told() -> None:
    async with growing(*workers("a", "transient")) as tree:
        tree.system.tell("/a", Quit())
        waiting = tree.system.ask("/a", Total())
        with pytest.raises(AskFailed) as failed:
            await waiting
        assert failed.value.outcome == NoSuchAddress(address="/a")
        assert await tree.failure("/a", Total()) == NoSuchAddress(address="/a")
        assert tree.system.now() == 0.0
        assert [child.state for child in (await tree.describe("/")).status.children] == ["stopped"]
        assert [letter.kind for letter in tree.system.dead_letters] == ["test.total", "test.total"]


async def test_what_waits_below_a_transient_supervisor_that_ended_is_told_as_well() -> None:
    async with growing(ChildSpec("s", lambda: Supervisor(*workers("a")), restart="transient")) as tree:
        tree.cell("/s/a").suspend()
        waiting = tree.system.ask("/s/a", Total())
        tree.cell("/s").leave(ExitReason(how="normal"), None)
        with pytest.raises(AskFailed) as failed:
            await waiting
        assert failed.value.outcome == NoSuchAddress(address="/s/a")
        assert await tree.failure("/s/a", Total()) == NoSuchAddress(address="/s/a")
        assert tree.system.now() == 0.0


@pytest.mark.parametrize("message", [Break(), Quit()])
async def test_a_temporary_child_is_forgotten_however_it_ended(message: Break | Quit) -> None:
    async with growing(ChildSpec("t", Worker, restart="temporary"), *workers("a")) as tree:
        tree.system.tell("/t", message)
        waiting = tree.system.ask("/t", Total())
        with pytest.raises(AskFailed) as failed:
            await waiting
        assert failed.value.outcome == NoSuchAddress(address="/t")
        assert "/t" not in tree.system.directory
        outcome = await tree.failure("/", RestartChild(id="t"))
        assert isinstance(outcome, Refused)
        assert (outcome.fault.message, outcome.fault.names) == ("/ has no child 't'; it has a", ("a",))


async def test_an_ask_of_a_child_that_is_being_restarted_waits_for_it_and_no_longer_than_its_deadline() -> None:
    async with growing(ChildSpec("a", partial(Slow, start=5.0))) as tree:
        tree.system.tell("/a", Break())
        patient = tree.system.ask("/a", Echo(text="hello"))
        assert await tree.failure("/a", Echo(text="?"), timeout=2.0) == DeadlinePassed(address="/a", seconds=2.0)
        assert await patient == Heard(text="hello 2")


@pytest.mark.parametrize("how", ["crash", "kill"])
async def test_a_supervisor_that_crashes_takes_its_subtree_along_and_what_waits_there_survives(how: str) -> None:
    inner = partial(Supervisor, *workers("ab"))
    async with growing(ChildSpec("s", inner), *workers("c")) as tree:
        held = tree.system.ask("/s/a", Hold())
        await quiet()
        tree.cell("/s/b").suspend()
        waiting = tree.system.ask("/s/b", Total())
        if how == "crash":
            tree.system.tell("/s", Crash())
        else:
            tree.cell("/s").kill()
        with pytest.raises(AskFailed) as failed:
            await held
        assert isinstance(failed.value.outcome, Crashed)
        assert await waiting == Totalled(n=0, incarnation=2)
        assert [tree.cell(address).incarnation for address in ("/s", "/s/a", "/s/b", "/c")] == [2, 2, 2, 1]
        assert tree.cell("/s/a").last_exit == ExitReason(how="killed", error="Killed", detail="its supervisor ended")
        killed = [event.address for event in tree.events if event.event == "exited" and event.detail.startswith("killed Killed its supervisor")]
        assert killed == ["/s/b", "/s/a"]


async def test_a_supervisor_hears_of_an_end_after_what_the_child_sent_it_before() -> None:
    diary: list[str] = []

    class Boss(Supervisor):
        understands = Supervisor.understands | {Heard.kind}

        def handle(self, envelope: Envelope) -> None:
            diary.append(envelope.kind) if envelope.kind == Heard.kind else super().handle(envelope)

        def child_ended(self, cell: Cell, incarnation: int, reason: ExitReason) -> None:
            diary.append(reason.how)
            super().child_ended(cell, incarnation, reason)

    class Speaker(SupervisedActor[Break]):
        def receive(self, message: Break) -> None:
            self.tell("/s", Heard(text="last words"))
            raise ValueError(message.detail)

    async with growing(ChildSpec("s", lambda: Boss(ChildSpec("a", Speaker)))) as tree:
        tree.system.tell("/s/a", Break())
        await quiet()
        assert diary == ["test.heard", "crashed"]


async def test_a_child_that_crashes_while_its_supervisor_is_still_starting_is_started_again_afterwards() -> None:
    class Frail(Worker):
        def on_start(self) -> None:
            if self.incarnation == 1:
                self.after(1.0, self.fall_over)

        def fall_over(self) -> None:
            raise ValueError("too early")

    async with growing(ChildSpec("a", Frail), ChildSpec("b", partial(Slow, start=5.0))) as tree:
        assert tree.system.now() == 5.0
        assert (await tree.total("/a")).incarnation == 2
        assert tree.root.incarnation == 1


async def test_a_supervisor_that_comes_back_with_other_children_gives_up_the_addresses_of_those_it_had() -> None:
    plans = iter(("ab", "bc"))
    async with growing(ChildSpec("s", lambda: Supervisor(*workers(next(plans))))) as tree:
        for id in "ab":
            tree.cell(f"/s/{id}").suspend()
        waiting = [tree.system.ask(f"/s/{id}", Total()) for id in "ab"]
        tree.cell("/s").kill()
        await asyncio.sleep(0)  # the new one is made and has not started its children
        assert tree.cell("/s").state == "starting"
        assert tree.system.tell("/s/a", Add(n=1)) == NoSuchAddress(address="/s/a")
        with pytest.raises(AskFailed, match="nobody lives at /s/a"):
            await waiting[0]
        assert (await waiting[1]).incarnation == 2
        assert (await tree.total("/s/c")).incarnation == 1
        assert "/s/a" not in tree.system.directory


async def test_a_root_that_crashes_is_started_again_with_all_that_waits() -> None:
    async with growing(*workers("ab")) as tree:
        tree.cell("/a").suspend()
        waiting = tree.system.ask("/a", Total())
        assert isinstance(await tree.failure("/", Crash()), Crashed)  # type: ignore[arg-type]
        assert await waiting == Totalled(n=0, incarnation=2)
        assert [(await tree.describe("/")).status.incarnation, tree.root.restarts] == [2, 1]


async def test_what_is_sent_in_the_moment_in_which_the_root_is_down_waits_for_it() -> None:
    async with growing(*workers("a")) as tree:
        tree.root.kill()
        assert (tree.root.state, tree.cell("/a").state) == ("stopped", "stopped")
        assert tree.system.tell("/a", Add(n=3)) is None
        assert await tree.total("/a") == Totalled(n=3, incarnation=2)


async def test_a_root_that_does_not_start_again_is_tried_again_until_it_does() -> None:
    class Moody(Worker):
        def on_start(self) -> None:
            if self.incarnation in (2, 3):
                raise OSError("not today")

    async with growing(ChildSpec("a", Moody)) as tree:
        tree.system.tell("/", Crash())
        assert (await tree.total("/a")).incarnation == 4
        assert tree.system.now() == pytest.approx(0.5)
        assert tree.root.restarts == 3


async def test_the_whole_tree_can_be_restarted_in_order() -> None:
    async with growing(*workers("ab")) as tree:
        tree.events.clear()
        tree.system.restart_root()
        await quiet()
        assert tree.trail() == ["exited /b", "exited /a", "exited /", "started /a", "started /b", "started /"]


async def test_a_supervisor_with_a_spec_that_can_not_be_right_does_not_start() -> None:
    with pytest.raises(BadSpec, match="there twice"):
        Supervisor(*workers("aa"))
    with pytest.raises(StartFailed, match="BadSpec"):
        async with growing(*workers("aa")):
            raise AssertionError("it must not start")


async def test_a_child_that_crashed_counts_the_crash_and_keeps_its_reason() -> None:
    async with growing(*workers("a")) as tree:
        await tree.failure("/a", BreakAsked())
        await quiet()
        assert (tree.cell("/a").restarts, tree.cell("/a").last_exit) == (1, crashed())


async def test_where_order_means_nothing_all_children_stop_at_once() -> None:
    async with growing(ChildSpec("s", partial(Supervisor, *(ChildSpec(id, partial(Slow, stop=2.0)) for id in "abc"), stop="together"))) as tree:
        began = tree.system.now()
        await tree.system.ask("/", TerminateChild(id="s"))
        assert tree.system.now() - began == pytest.approx(2.0, abs=0.01)


async def test_what_is_sent_to_a_child_while_its_supervisor_starts_anew_and_has_not_come_to_it_is_kept() -> None:
    async with growing(ChildSpec("s", partial(Supervisor, ChildSpec("slow", partial(Slow, start=2.0)), *workers("b")))) as tree:
        tree.system.tell("/s", Crash())
        await quiet()
        assert [tree.cell(address).state for address in ("/s", "/s/slow", "/s/b")] == ["starting", "starting", "stopped"]
        assert tree.system.tell("/s/b", Add(n=3)) is None
        assert await tree.total("/s/b") == Totalled(n=3, incarnation=2)
