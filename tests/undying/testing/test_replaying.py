"""A crash in production as a failing test, in one line."""

from __future__ import annotations

import asyncio
import shutil
import traceback
from functools import partial
from pathlib import Path

import pytest

from actors.runtime.crash_file import CrashFile, Damaged, write
from tests.actors.runtime.trees import Worker
from tests.actors.runtime.victims import Reader, Starter, Stubborn, Sum, crash_of
from tests.actors.runtime.vocabulary import Add, Break, Echo, Go
from undying.testing import replay


async def crashed(folder: Path) -> CrashFile:
    return await crash_of(folder, Sum, Add(n=1), Add(n=2), Add(n=3))


async def test_a_crash_fails_the_test_with_the_actors_own_exception_and_its_traceback(tmp_path: Path) -> None:
    crash = await crashed(tmp_path)
    with pytest.raises(OverflowError, match="has seen enough") as failed:
        await replay(crash.head.id, state_dir=tmp_path)
    text = "".join(traceback.format_exception(failed.value))
    assert "in receive\n    raise OverflowError" in text and f"crash {crash.head.id}: OverflowError of /a" in text


async def test_the_test_passes_once_the_bug_is_mended(tmp_path: Path) -> None:
    crash = await crashed(tmp_path)
    assert (await replay(crash.head.id, partial(Sum, 3), state_dir=tmp_path)).verdict == "none"


async def test_another_crash_fails_the_test_as_well_and_shows_the_recorded_one(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Worker, Break())

    class Worse(Worker):
        def receive(self, message: object) -> None:
            raise KeyError("worse")

    with pytest.raises(KeyError, match="worse") as failed:
        await replay(crash.head.id, Worse, state_dir=tmp_path)
    assert "another end than that of" in failed.value.__notes__[0] and "raise ValueError(message.detail)" in failed.value.__notes__[0]


async def test_a_file_beside_the_test_serves_as_well_as_an_id(tmp_path: Path) -> None:
    crash = await crashed(tmp_path)
    beside = tmp_path / "beside.msgpack"
    shutil.copy(tmp_path / "crashes" / f"{crash.head.id}.msgpack", beside)
    for path in (beside, str(beside)):
        with pytest.raises(OverflowError):
            await replay(path)


async def test_an_actor_of_our_own_tree_needs_no_factory(tmp_path: Path) -> None:
    crash = await crashed(tmp_path)
    head = crash.head.model_copy(update={"address": "/routing/router", "recipe": None, "no_recipe": "x", "id": "0-1"})
    write(tmp_path / "crashes", CrashFile(head, ()))
    assert (await replay("0-1", state_dir=tmp_path)).verdict == "none"


async def test_what_can_not_be_replayed_never_passes(tmp_path: Path) -> None:
    starting = await crash_of(tmp_path / "a", Starter, Go())
    write(tmp_path / "a" / "crashes", CrashFile(starting.head, starting.entries[1:]))  # without the answer that its start needs
    with pytest.raises(AssertionError, match=r"can't be replayed.*did not start"):
        await replay(starting.head.id, state_dir=tmp_path / "a")
    lost = await crash_of(tmp_path / "b", lambda: Sum(0), Add(n=1))
    with pytest.raises(AssertionError, match=r"below / lives providers.*no class that can be imported.*give it a factory"):
        await replay(lost.head.id, state_dir=tmp_path / "b")


async def test_an_endless_loop_fails_the_test_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash = await crash_of(tmp_path, Stubborn, Go())
    monkeypatch.setattr(Stubborn, "forever", True)
    with pytest.raises(AssertionError, match="never gave up its thread"):
        await replay(crash.head.id, state_dir=tmp_path, limit=0.1)
    monkeypatch.setattr(Stubborn, "forever", False)


async def test_an_unknown_id_names_those_that_are_there(tmp_path: Path) -> None:
    crash = await crashed(tmp_path)
    with pytest.raises(Damaged, match=crash.head.id):
        await replay("nope", state_dir=tmp_path)


async def test_a_crash_that_only_its_content_explains_passes_with_its_doubts_and_comes_back_with_its_content(tmp_path: Path) -> None:
    filled = await crash_of(tmp_path / "filled", Reader, Echo(text="a fox"))
    assert any("keep_content" in doubt for doubt in (await replay(filled.head.id, state_dir=tmp_path / "filled")).doubts)
    kept = await crash_of(tmp_path / "kept", Reader, Echo(text="a fox"), keep_content=True)
    with pytest.raises(ValueError, match="a fox in"):
        await replay(kept.head.id, state_dir=tmp_path / "kept")


async def test_replays_run_beside_each_other(tmp_path: Path) -> None:
    crash = await crashed(tmp_path)
    ends = await asyncio.gather(*(replay(crash.head.id, state_dir=tmp_path) for _ in range(5)), return_exceptions=True)
    assert [type(end) for end in ends] == [OverflowError] * 5
