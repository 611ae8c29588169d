"""A crash comes back from its file, in a sandbox that reaches nobody."""

from __future__ import annotations

import asyncio
import faulthandler
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from actors.runtime.crash_file import CrashFile, Entry
from actors.runtime.replay import Replayed, given, replay
from actors.runtime.supervised import SupervisedActor
from messages.envelope import Address, Envelope, to_bytes
from messages.message import Message, pack
from messages.supervision import Crash, ExitReason
from supervisors.dynamic import DynamicSupervisor
from supervisors.spec import ChildSpec
from tests.actors.runtime.trees import Worker
from tests.actors.runtime.victims import (
    CANARY,
    Asker,
    Busy,
    Hoarder,
    Mourner,
    Patient,
    Reader,
    Remote,
    Starter,
    Suicidal,
    Sum,
    Thrower,
    Waiting,
    crash_of,
    scene,
)
from tests.actors.runtime.vocabulary import Add, Break, BreakAsked, Echo, Go, Hold, Quit, Release, Total, Totalled


async def again(crash: CrashFile, factory: Callable[[], SupervisedActor[Any]], limit: float = 10.0) -> Replayed:
    return await asyncio.to_thread(replay, crash, given(factory), limit)


async def comes_back(folder: Path, actor: Callable[[], SupervisedActor[Any]], *messages: Message) -> Replayed:
    """Crashes it, replays it, and sees the same crash."""
    replayed = await again(await crash_of(folder, actor, *messages), actor)
    assert (replayed.verdict, replayed.doubts) == ("same", ())
    return replayed


# ---- the same crash


async def test_a_crash_comes_back_with_the_actors_own_exception(tmp_path: Path) -> None:
    replayed = await comes_back(tmp_path, Worker, Break())
    assert isinstance(replayed.error, ValueError) and replayed.error.__traceback__ is not None
    assert replayed.reason is not None and replayed.reason.how == "crashed"


async def test_predecessors_count_in_their_order(tmp_path: Path) -> None:
    await comes_back(tmp_path, Sum, Add(n=1), Add(n=2), Add(n=3))


async def test_arguments_of_the_factory_are_as_they_were(tmp_path: Path) -> None:
    actor = partial(Sum, 1, name="Ann")
    crash = await crash_of(tmp_path, actor, Add(n=1), Add(n=2))
    assert (await again(crash, actor)).verdict == "same" and (await again(crash, Sum)).verdict == "none"


async def test_an_ask_that_crashed_an_actor_crashes_it_again(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("a", Worker)) as set_up:
        with pytest.raises(Exception, match="broken"):
            await set_up.system.ask("/a", BreakAsked())
        [crash] = await set_up.written()
    assert (await again(crash, Worker)).verdict == "same"


async def test_an_injected_crash_comes_back(tmp_path: Path) -> None:
    await comes_back(tmp_path, Worker, Add(n=1), Crash())


async def test_its_asks_are_answered_as_they_were(tmp_path: Path) -> None:
    replayed = await comes_back(tmp_path, Asker, Go())
    assert [tuple(sent) for sent in replayed.sent] == [("/b", Total.kind), ("/b", Add.kind), ("/b", Total.kind)]


async def test_two_answers_from_the_same_address_come_in_their_order(tmp_path: Path) -> None:
    replayed = await comes_back(tmp_path, Thrower, Go())
    assert str(replayed.error) == "0 0"


async def test_a_down_comes_again(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("b", Worker), ChildSpec("a", Mourner)) as set_up:
        set_up.tell("/a", Go())
        await set_up.system.ask("/b", Total())
        set_up.tell("/b", Break())
        await set_up.crashed("/a")
        crash = next(crash for crash in await set_up.written() if crash.head.address == "/a")
    assert (await again(crash, Mourner)).verdict == "same"


async def test_a_crash_that_took_half_a_minute_takes_no_time(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Patient, Go(), Crash())  # by hand: no test waits half a minute
    head = crash.head.model_copy(update={"trigger": "other", "reason": crash.head.reason.model_copy(update={"error": "TimeoutError"})})
    replayed = await again(CrashFile(head, crash.entries[:1]), Patient)
    assert isinstance(replayed.error, TimeoutError) and "half a minute" in str(replayed.error)


async def test_an_ask_that_was_not_answered_then_is_not_answered_before_the_crash(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Waiting, Go(), Crash())
    head = crash.head.model_copy(update={"trigger": "other"})
    entries = (crash.entries[0]._replace(ms=2000), crash.entries[1]._replace(kind=Hold.kind, data=None))
    replayed = await again(CrashFile(head, entries), Waiting)
    assert str(replayed.error) == "waited long enough"


async def test_the_instance_is_the_same_incarnation_at_the_same_address(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("a", Worker)) as set_up:
        set_up.tell("/a", Break(), Crash())
        await set_up.crashed(times=2)
        _, crash = await set_up.written()
    seen: list[tuple[str, int]] = []

    class Looking(Worker):
        def on_start(self) -> None:
            seen.append((self.address, self.incarnation))

    await again(crash, Looking)
    assert seen == [("/a", 2)]


async def test_a_dynamic_supervisors_child_is_replayed_alone(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("many", lambda: DynamicSupervisor(partial(Sum, 0), Add))) as set_up:
        set_up.tell("/many", Add(n=1))
        await set_up.until(lambda: set_up.cell("/many").handled == 1 and not set_up.cell("/many").children)
        [crash] = await set_up.written()
    assert crash.head.address.startswith("/many/") and (await again(crash, partial(Sum, 0))).verdict == "same"


# ---- no crash, or another


async def test_a_mended_actor_survives(tmp_path: Path) -> None:
    replayed = await again(await crash_of(tmp_path, Sum, Add(n=1), Add(n=2), Add(n=3)), partial(Sum, 3))
    assert (replayed.verdict, replayed.error, replayed.reason) == ("none", None, None)


async def test_another_type_of_exception_is_another_crash(tmp_path: Path) -> None:
    class Changed(Sum):
        def receive(self, message: Add | Total) -> Message | None:
            raise KeyError("changed")

    replayed = await again(await crash_of(tmp_path, Sum, Add(n=1), Add(n=2), Add(n=3)), Changed)
    assert replayed.verdict == "another" and isinstance(replayed.error, KeyError)


async def test_the_same_type_from_another_place_is_another_crash(tmp_path: Path) -> None:
    class Moved(Sum):
        def receive(self, message: Add | Total) -> Message | None:
            raise OverflowError("at once")

    assert (await again(await crash_of(tmp_path, Sum, Add(n=1), Add(n=2), Add(n=3)), Moved)).verdict == "another"


async def test_filler_is_named_as_the_reason_when_content_decided(tmp_path: Path) -> None:
    filled = await again(await crash_of(tmp_path / "filled", Reader, Echo(text=CANARY)), Reader)
    assert filled.verdict == "none" and any("keep_content" in doubt for doubt in filled.doubts)
    kept = await crash_of(tmp_path / "kept", Reader, Echo(text=CANARY), keep_content=True)
    assert (await again(kept, Reader)).verdict == "same"
    mended = await again(kept, Worker)
    assert not any("keep_content" in doubt for doubt in mended.doubts)


async def test_an_answer_that_was_not_recorded_is_refused_and_named(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Starter, Go())
    assert (await again(crash, Starter)).verdict == "same"
    without = await again(replace(crash, entries=crash.entries[1:]), Starter)
    assert without.verdict == "impossible"
    assert any("did not start" in doubt for doubt in without.doubts) and any("/b test.total: no answer" in doubt for doubt in without.doubts)


async def test_an_answer_that_will_not_come_does_not_hold_up_the_start(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Starter, Go())
    late = crash.entries[1]._replace(ms=0)
    without = await again(replace(crash, entries=(late._replace(ms=50_000), late)), Starter)
    assert any("did not start (AskFailed" in doubt for doubt in without.doubts), without.doubts


async def test_an_answer_that_comes_before_its_question_waits_for_it(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Asker, Go())
    first, message, answer = crash.entries
    assert (await again(replace(crash, entries=(first, answer, message)), Asker)).verdict == "same"


async def test_what_is_answered_to_the_recorded_world_is_no_answer_to_an_ask_of_its_own(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Worker, Break())
    asks = [Envelope(slot, Total.kind, pack(Total()), 0, 0.0, Address("/x"), "", Address("/x"), slot) for slot in range(1, 30)]
    entries = tuple(Entry("message", 0, Total.kind, "/x", 0, "", to_bytes(ask, 0.0), "") for ask in asks)
    assert (await again(replace(crash, entries=entries), Busy)).verdict == "none"


async def test_a_poison_that_is_not_understood_any_more_is_impossible_and_no_success(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Worker, Break())
    assert (await again(crash, Asker)).verdict == "impossible"
    unreadable = crash.entries[0]._replace(data=b"junk")
    replayed = await again(replace(crash, entries=(unreadable,)), Worker)
    assert replayed.verdict == "impossible" and any("can't be read" in doubt for doubt in replayed.doubts)
    lost = await again(replace(crash, entries=(crash.entries[0]._replace(data=None),)), Worker)
    assert lost.verdict == "impossible" and any("was not kept" in doubt for doubt in lost.doubts)


async def test_an_actor_that_leaves_before_the_poison_has_not_survived_it(tmp_path: Path) -> None:
    class Leaving(Worker):
        def receive(self, message: Any) -> Any:
            self.leave() if isinstance(message, Add) else super().receive(message)

    replayed = await again(await crash_of(tmp_path, Worker, Add(n=1), Break()), Leaving)
    assert replayed.verdict == "none" and replayed.reason is not None and replayed.reason.how == "normal"


async def test_a_message_to_a_full_ring_says_that_more_is_not_known(tmp_path: Path) -> None:
    replayed = await again(await crash_of(tmp_path, partial(Sum, 40), *(Add(n=1) for _ in range(41))), partial(Sum, 40))
    assert replayed.verdict == "none" and any("only its last 16 messages" in doubt for doubt in replayed.doubts)


async def test_asks_of_the_poisoned_past_answer_nobody(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("a", Worker)) as set_up:
        held = set_up.system.ask("/a", Hold())
        set_up.tell("/a", Release())
        assert isinstance(await held, Totalled)
        set_up.tell("/a", Break())
        await set_up.crashed()
        [crash] = await set_up.written()
    assert (await again(crash, Worker)).verdict == "same"


async def test_a_message_that_was_put_aside_and_begun_again_is_given_once(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Hoarder, Add(n=1), Go(), Go())
    assert crash.head.kinds == (Add.kind, Go.kind, Add.kind, Go.kind)
    assert (await again(crash, Hoarder)).verdict == "same"


async def test_an_end_that_was_wished_is_told(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Worker, Add(n=1), Break())
    quit_instead = crash.entries[0]._replace(kind=Quit.kind)
    assert pack(Quit())
    assert (await again(replace(crash, entries=(quit_instead,)), Worker)).verdict == "none"


# ---- what takes a process down


async def test_what_crashed_in_another_process_with_a_traceback_comes_back_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = ExitReason(how="crashed", error="ValueError", detail="only this", traceback="Traceback (most recent call last): ...")
    monkeypatch.setattr(Remote, "exit", reason)
    monkeypatch.setattr(Suicidal, "how", "raise")
    async with scene(tmp_path, ChildSpec("a", Remote)) as set_up:
        set_up.tell("/a", Go())
        await set_up.crashed()
        [crash] = await set_up.written()
    replayed = await again(crash, Suicidal)
    assert replayed.verdict == "same" and isinstance(replayed.error, ValueError)


async def killed_by(folder: Path, error: str) -> CrashFile:
    """The crash file of an actor whose process ended so."""
    async with scene(folder, ChildSpec("a", Remote)) as set_up:
        set_up.tell("/a", Go())
        await set_up.until(lambda: set_up.cell("/a").incarnation == 2)
        [crash] = await set_up.written()
    return replace(crash, head=crash.head.model_copy(update={"reason": crash.head.reason.model_copy(update={"error": error})}))


@pytest.mark.parametrize(("how", "error"), [("SIGSEGV", "SIGSEGV"), ("SIGKILL", "SIGKILL"), ("exit", "ProcessExited"), ("hang", "Hung")])
async def test_what_took_a_process_down_does_so_again_in_a_process_of_its_own(
    tmp_path: Path, how: str, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    crash = await killed_by(tmp_path, error)
    monkeypatch.setattr(Suicidal, "how", how)
    faulthandler.disable()
    replayed = await again(crash, Suicidal, limit=0.1 if how == "hang" else 10.0)
    assert (replayed.verdict, replayed.error, replayed.reason is not None) == ("same", None, True)


@pytest.mark.parametrize(("how", "verdict"), [("nothing", "none"), ("raise", "another"), ("SIGABRT", "another"), ("exit", "another")])
async def test_what_ends_otherwise_apart_is_told_as_that(tmp_path: Path, how: str, verdict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    crash = await killed_by(tmp_path, "SIGSEGV")
    monkeypatch.setattr(Suicidal, "how", how)
    faulthandler.disable()
    assert (await again(crash, Suicidal)).verdict == verdict
