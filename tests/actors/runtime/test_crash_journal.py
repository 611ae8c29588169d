"""What is written when an actor crashes, when, and how much of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from actors.runtime import crashes as journal
from actors.runtime.crash_file import CrashFile
from actors.runtime.crashes import Crashes
from actors.runtime.ring import BYTES, MESSAGES
from messages.envelope import from_bytes
from messages.faults import Fault
from messages.message import Message, unpack
from messages.supervision import Crash, ExitReason, TellHistory
from supervisors.dynamic import DynamicSupervisor
from supervisors.spec import ChildSpec
from tests.actors.runtime.trees import Worker
from tests.actors.runtime.victims import CANARY, WALL, Asker, Mourner, Reader, Remote, Sum, Thrower, crash_of, scene
from tests.actors.runtime.vocabulary import Add, Blob, Break, BreakAsked, Echo, Fail, Go, Heard, Total, Totalled


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert {thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("undying")} == set()


def content(crash: CrashFile, number: int) -> Message:
    """What the entry of that number holds."""
    entry = crash.entries[number]
    assert entry.data is not None
    if entry.what != "message":
        return unpack(entry.data)
    payload = from_bytes(entry.data, 0.0).payload
    assert isinstance(payload, bytes)
    return unpack(payload)


# ---- what is in a file


async def test_a_crash_leaves_the_message_it_was_at_behind_those_before_it(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Worker, Add(n=1), Add(n=2), Break(detail="broken"))
    head = crash.head
    assert [entry.kind for entry in crash.entries] == list(head.kinds) == [Add.kind, Add.kind, Break.kind]
    assert (head.address, head.incarnation, head.at, head.undying, head.trigger) == ("/a", 1, WALL, "9.9.9", "message")
    assert head.actor == f"{Worker.__module__}:Worker" and head.recipe == (head.actor, "((), {})")
    assert (head.reason.how, head.reason.error) == ("crashed", "ValueError")
    assert head.place == (("runtime/trees.py", "receive", "raise ValueError(message.detail)"),)  # none of the kernel's frames
    assert "in receive\n    raise ValueError(message.detail)\nValueError" in head.traceback


async def test_an_ask_is_poison_like_a_tell(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("a", Worker)) as set_up:
        with pytest.raises(Exception, match="broken"):
            await set_up.system.ask("/a", BreakAsked())
        [crash] = await set_up.written()
    entry = crash.entries[-1]
    assert entry.kind == BreakAsked.kind and entry.data is not None and from_bytes(entry.data, 0.0).slot


async def test_content_is_filler_unless_it_is_to_be_kept(tmp_path: Path) -> None:
    for keep, folder in ((False, tmp_path / "filled"), (True, tmp_path / "kept")):
        crash = await crash_of(folder, Reader, Echo(text=f"before {CANARY}"), keep_content=keep)
        [path] = (folder / "crashes").glob("*")
        assert crash.head.content == ("kept" if keep else "filled")
        assert (CANARY.encode() in path.read_bytes()) is keep
        assert (CANARY in str(content(crash, -1))) is keep
        assert CANARY not in crash.head.traceback and "a fox in" in crash.head.traceback


async def test_no_part_of_any_content_is_in_the_file_not_even_in_what_the_exception_said(tmp_path: Path) -> None:
    words = "xylophone Quetzalcoatl jazzband 8675309"
    async with scene(tmp_path, ChildSpec("a", Reader)) as set_up:
        set_up.tell("/a", Blob(data=words.encode()))
        await set_up.crashed()
        await set_up.written()
        [path] = set_up.folder.iterdir()
    found = path.read_bytes().decode("latin-1").lower()
    assert [words[at : at + 4] for at in range(len(words) - 3) if words[at : at + 4].lower() in found] == []


async def test_a_crash_has_only_what_its_own_incarnation_was_given(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("a", Worker)) as set_up:
        set_up.tell("/a", Add(n=1), Break(), Total(), Crash())
        await set_up.crashed(times=2)
        first, second = await set_up.written()
    assert (first.head.incarnation, first.head.kinds) == (1, (Add.kind, Break.kind))
    assert (second.head.incarnation, second.head.kinds) == (2, (Total.kind, Crash.kind))


async def test_the_answers_an_actor_got_are_written_where_they_came(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("b", Worker), ChildSpec("a", Asker)) as set_up:
        set_up.tell("/a", Go())
        await set_up.crashed()
        [crash] = await set_up.written()
    assert [(entry.what, entry.kind, entry.address) for entry in crash.entries] == [
        ("answer", Totalled.kind, "/b"), ("message", Go.kind, ""), ("answer", Totalled.kind, "/b"),
    ]  # fmt: skip
    assert [content(crash, at) for at in (0, 2)] == [Totalled(n=0, incarnation=1), Totalled(n=1, incarnation=1)]
    assert crash.head.trigger == "other" and crash.entries[0].asked == Total.kind


async def test_a_task_that_crashes_leaves_a_file_without_poison(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Thrower, Go())
    assert (crash.head.trigger, crash.head.reason.error, crash.head.kinds) == ("other", "LookupError", (Go.kind, Totalled.kind, Totalled.kind))
    assert crash.head.place[-1][1] == "_work"


async def test_a_down_that_an_actor_crashed_on_is_written(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("b", Worker), ChildSpec("a", Mourner)) as set_up:
        set_up.tell("/a", Go())
        await set_up.system.ask("/a", TellHistory())
        set_up.tell("/b", Break())
        await set_up.crashed("/b")
        await set_up.crashed("/a")
        crash = next(crash for crash in await set_up.written() if crash.head.address == "/a")
    assert [(entry.what, entry.address) for entry in crash.entries] == [("message", ""), ("down", "/b")]


async def test_messages_are_written_whatever_the_wire(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("a", Sum), wire="edge") as set_up:
        set_up.tell("/a", Add(n=1), Add(n=2), Add(n=3))
        await set_up.crashed()
        [crash] = await set_up.written()
    assert [content(crash, at) for at in range(3)] == [Add(n=1), Add(n=2), Add(n=3)]


async def test_a_poison_larger_than_any_ring_is_written_whole(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Reader, Blob(data=b"x" * 3 * BYTES))
    assert crash.entries[-1].size > 3 * BYTES and len(crash.entries[-1].data or b"") > 3 * BYTES


async def test_a_message_that_was_too_large_to_be_kept_is_named_as_that(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("a", lambda: Anything())) as set_up:
        set_up.tell("/a", Blob(data=b"x" * BYTES), Break())
        await set_up.crashed()
        [crash] = await set_up.written()
    assert [(entry.kind, entry.data is None, "too large" in entry.note) for entry in crash.entries] == [(Blob.kind, True, True), (Break.kind, False, False)]
    assert crash.head.recipe is None and "no class that can be imported" in crash.head.no_recipe


class Anything(Worker):
    understands = Worker.understands | {Blob.kind}

    def receive(self, message: Any) -> Any:
        return None if isinstance(message, Blob) else super().receive(message)


async def test_only_so_many_predecessors_are_written(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Worker, *(Add(n=number) for number in range(100)), Break())
    assert len(crash.entries) == MESSAGES and content(crash, -2) == Add(n=99)


# ---- what is a crash


async def test_an_expected_failure_a_kill_and_a_wished_end_leave_no_file(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("a", Worker)) as set_up:
        with pytest.raises(Exception, match="no"):
            await set_up.system.ask("/a", Fail(fault=Fault(cls="internal", message="no")))
        set_up.cell("/a").kill()
        await set_up.system.ask("/a", Total())
        assert await set_up.written() == []


async def test_the_end_of_a_process_in_the_midst_of_a_message_is_that_messages_crash(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("a", Remote)) as set_up:
        set_up.tell("/a", Add(n=1), Go(), Add(n=2))
        await set_up.until(lambda: set_up.cell("/a").incarnation == 2)
        [crash] = await set_up.written()
    assert crash.head.kinds == (Add.kind, Go.kind)  # what was handed over with it and not begun is no part of it
    assert (crash.head.trigger, crash.head.reason.how, crash.head.reason.error, crash.head.traceback) == ("message", "killed", "SIGSEGV", "")
    assert crash.head.recipe is not None and crash.head.recipe[0].endswith(":Suicidal")


async def test_a_traceback_from_another_process_is_told_without_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = ExitReason(how="crashed", error="ValueError", detail=f"bad {CANARY}", traceback=f"Traceback ...\nValueError: bad {CANARY}")
    monkeypatch.setattr(Remote, "exit", reason)
    async with scene(tmp_path, ChildSpec("a", Remote)) as set_up:
        set_up.tell("/a", Go())
        await set_up.crashed()
        [crash] = await set_up.written()
    assert crash.head.traceback == "Traceback ...\nValueError: *** *** ***** ***** *** *****\n".rstrip("\n")
    assert crash.head.reason.traceback == ""


async def test_nothing_that_an_exit_carries_along_gets_into_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = Fault(cls="internal", message=CANARY, names=(CANARY,))
    monkeypatch.setattr(Remote, "exit", ExitReason(how="crashed", error="ValueError", detail=CANARY, traceback=CANARY, fault=fault))
    async with scene(tmp_path, ChildSpec("a", Remote)) as set_up:
        set_up.tell("/a", Go())
        await set_up.crashed()
        await set_up.written()
        [path] = set_up.folder.iterdir()
    assert b"quick" not in path.read_bytes() and b"brown" not in path.read_bytes()


class Forgetful(Worker):
    """Learns something, and says it after its messages have left the ring."""

    understands = Worker.understands | {Echo.kind}

    def receive(self, message: Any) -> Any:
        if isinstance(message, Echo):
            self.learnt = message.text
            return Heard(text="")
        if isinstance(message, Break):
            raise KeyError(self.learnt)
        return super().receive(message)


async def test_what_an_exception_quotes_is_not_in_the_file_though_no_message_in_it_holds_that(tmp_path: Path) -> None:
    words = "Xylophone \u738b\u5c0f\u660e 4111-1111"
    async with scene(tmp_path, ChildSpec("a", Forgetful)) as set_up:
        set_up.tell("/a", Echo(text=words), *(Add(n=n) for n in range(MESSAGES)), Break())
        await set_up.crashed()
        await set_up.written()
        [path] = set_up.folder.iterdir()
    assert [word for word in words.split() if word.encode() in path.read_bytes()] == []


async def test_an_actor_that_ended_because_of_another_one_leaves_no_file(tmp_path: Path) -> None:
    class Linked(Worker):
        def on_start(self) -> None:
            self.link("/b")

    async with scene(tmp_path, ChildSpec("b", Worker), ChildSpec("a", Linked)) as set_up:
        set_up.tell("/b", Break())
        await set_up.crashed("/a")
        assert [crash.head.address for crash in await set_up.written()] == ["/b"]


async def test_the_history_names_the_crash_file(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("a", Worker)) as set_up:
        set_up.tell("/a", Break())
        await set_up.crashed()
        [end] = (await set_up.system.ask("/a", TellHistory())).exits
        [crash] = await set_up.written()
    assert end.crash == crash.head.id


async def test_without_a_journal_nothing_is_written_and_crashes_are_counted_all_the_same(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("a", Worker)) as set_up:
        set_up.system.crashes = None
        set_up.tell("/a", Break())
        await set_up.crashed()
        assert (await set_up.written(), set_up.folder.exists()) == ([], False)


# ---- how much is written


async def test_the_same_failure_of_the_same_actor_is_written_once_and_the_rest_is_counted(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("a", Worker), ChildSpec("b", Worker)) as set_up:
        set_up.tell("/a", Break(), Break(), Break(), Crash())
        set_up.tell("/b", Break())
        await set_up.crashed("/a", times=4)
        await set_up.crashed("/b")
        found = await set_up.written()
        assert sorted((crash.head.address, crash.head.reason.error) for crash in found) == [
            ("/a", "InjectedCrash"), ("/a", "ValueError"), ("/b", "ValueError"),
        ]  # fmt: skip
        assert set_up.crashes.left_out == 2


async def test_after_a_while_it_is_written_again_and_says_how_often_it_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(tmp_path, ChildSpec("a", Worker)) as set_up:
        set_up.tell("/a", Break(), Break(), Break())
        await set_up.crashed(times=3)
        monkeypatch.setattr(journal, "EVERY", 0.0)
        set_up.tell("/a", Break())
        await set_up.crashed(times=4)
        assert [crash.head.left_out for crash in await set_up.written()] == [0, 2]


async def test_temporary_actors_are_limited_together(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("many", lambda: DynamicSupervisor(Sum, Add))) as set_up:
        for _ in range(5):
            set_up.tell("/many", Add(n=1))
        await set_up.system.ask("/", TellHistory())
        children = list(set_up.cell("/many").children.values())
        assert len(children) == 5
        for child in children:
            set_up.tell(child.address, Crash())
        await set_up.until(lambda: not set_up.cell("/many").children)
        assert len(await set_up.written()) == 1 and set_up.crashes.left_out == 4


async def test_a_flood_of_different_crashes_does_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "EVERY", 0.0)
    async with scene(tmp_path, ChildSpec("a", Worker)) as set_up:
        set_up.tell("/a", *(Break() for _ in range(200)))
        await set_up.crashed(times=200)
        found = await set_up.written()
    assert len(found) >= journal.QUEUED and len(found) + set_up.crashes.left_out == 200


async def test_the_oldest_files_go_when_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "EVERY", 0.0)
    monkeypatch.setattr(journal, "MOST_FILES", 2)
    async with scene(tmp_path, ChildSpec("a", Worker)) as set_up:
        set_up.tell("/a", *(Break() for _ in range(5)))
        await set_up.crashed(times=5)
        assert [crash.head.incarnation for crash in await set_up.written()] == [4, 5]


async def test_ids_sort_as_they_were_made_and_are_safe_in_a_url(tmp_path: Path) -> None:
    crashes = Crashes(tmp_path, version="", wall=lambda: WALL)
    ids = [crashes._id(WALL) for _ in range(1000)]
    ids += [crashes._id(WALL + seconds) for seconds in (100, 10**6, 10**9)]
    assert ids == sorted(set(ids)) and all(len(id) == 14 and id.replace("-", "").isalnum() and id == id.lower() for id in ids)


async def test_what_is_told_apart_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "KEYS", 3)
    monkeypatch.setattr(journal, "EVERY", 0.0)
    async with scene(tmp_path, *(ChildSpec(id, Worker) for id in "abcdefgh")) as set_up:
        for id in "abcdefgh":
            set_up.tell(f"/{id}", Break())
            await set_up.crashed(f"/{id}")
        assert len(set_up.crashes._last) <= 4


async def test_actors_without_a_file_yet_are_not_counted_one_by_one(tmp_path: Path) -> None:
    ids = [f"w{number}" for number in range(10 * journal.QUEUED)]
    async with scene(tmp_path, *(ChildSpec(id, Worker) for id in ids)) as set_up:
        for id in ids:
            set_up.tell(f"/{id}", Break())
        await set_up.until(lambda: all(set_up.cell(f"/{id}").incarnation == 2 for id in ids))
        assert set_up.crashes.left_out > 0 and not set_up.crashes._skipped


async def test_a_disk_that_does_not_answer_does_not_keep_the_journal_from_closing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()

    class StuckDisk(type(tmp_path)):  # type: ignore[misc]
        def mkdir(self, *_: Any, **__: Any) -> None:
            answers.wait()

    monkeypatch.setattr(journal, "CLOSING", 0.05)
    async with scene(tmp_path, ChildSpec("a", Worker)) as set_up:
        set_up.crashes.folder = StuckDisk(tmp_path)
        set_up.tell("/a", Break())
        await set_up.crashed()
        with capture_logs() as logs:
            await set_up.crashes.close()
        assert [log["event"] for log in logs] == ["crash files not written"]
        answers.set()
        await set_up.crashes.written()
    for thread in threading.enumerate():
        if thread.name.startswith("undying-crashes"):
            thread.join(5)


# ---- when, and where it can't


async def test_the_next_instance_handles_messages_before_anything_is_written(tmp_path: Path) -> None:
    seen: list[tuple[int, int, int]] = []

    class Looking(Worker):
        def totalled(self) -> Totalled:
            seen.append((self.incarnation, len(set_up.crashes._waiting), len(set_up.crashes._writing)))
            return super().totalled()

    async with scene(tmp_path, ChildSpec("a", Looking)) as set_up:
        set_up.tell("/a", Break())
        await set_up.system.ask("/a", Total())
        assert seen == [(2, 1, 0)]
        assert len(await set_up.written()) == 1


async def test_what_is_queued_is_written_when_the_journal_closes(tmp_path: Path) -> None:
    async with scene(tmp_path, *(ChildSpec(id, Worker) for id in "abc")) as set_up:
        for id in "abc":
            set_up.tell(f"/{id}", Break())
        for id in "abc":
            await set_up.crashed(f"/{id}")
    assert len(list(set_up.folder.iterdir())) == 3


async def test_a_folder_that_can_not_be_written_is_logged_once_and_crashes_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crashes").write_text("a file, where the folder should be")
    monkeypatch.setattr(journal, "logger", structlog.get_logger())
    with capture_logs() as lines:
        async with scene(tmp_path, ChildSpec("a", Worker), ChildSpec("b", Worker)) as set_up:
            set_up.tell("/a", Break(), Total(), Crash())
            set_up.tell("/b", Break())
            await set_up.crashed("/a", times=2)
            await set_up.crashed("/b")
            await set_up.crashes.close()
            assert set_up.crashes.failed == 3
            assert (await set_up.system.ask("/a", Total())).incarnation == 3
    assert [line["event"] for line in lines] == ["crash file not written"] and lines[0]["folder"] == str(set_up.folder)
