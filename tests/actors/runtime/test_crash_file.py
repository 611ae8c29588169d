"""Crash files on the disk: whole or not at all, their owner's alone, bounded, and read with care."""

from __future__ import annotations

import os
from pathlib import Path

import msgpack
import pytest

from actors.runtime.crash_file import CrashFile, Damaged, decoded, encoded, load, prune, write
from actors.runtime.crashes import Crashes
from supervisors.spec import ChildSpec
from tests.actors.runtime.trees import Worker
from tests.actors.runtime.victims import WALL, crash_of, scene
from tests.actors.runtime.vocabulary import Break


async def test_only_the_newest_files_are_kept_within_their_number_and_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash = await crash_of(tmp_path, Worker, Break())
    folder = tmp_path / "many"
    for number in range(10):
        write(folder, CrashFile(crash.head.model_copy(update={"id": f"00000000{number}-aaaa"}), crash.entries))
    (folder / "half.new").write_bytes(b"cut off")
    size = next(folder.glob("*.msgpack")).stat().st_size
    prune(folder, 6, 10**9)
    assert [path.stem[8] for path in sorted(folder.iterdir())] == ["4", "5", "6", "7", "8", "9"]
    prune(folder, 100, 3 * size)
    assert [path.stem[8] for path in sorted(folder.iterdir())] == ["7", "8", "9"]
    prune(folder, 100, size - 1)
    assert [path.stem[8] for path in sorted(folder.iterdir())] == ["9"]  # the latest, however large it is


@pytest.mark.parametrize("at", [-1.0, 1e18])
async def test_a_time_that_nobody_can_be_told_is_damage(tmp_path: Path, at: float) -> None:
    crash = await crash_of(tmp_path, Worker, Break())
    with pytest.raises(Damaged, match="its head is not as it should be"):
        decoded(encoded(CrashFile(crash.head.model_copy(update={"at": at}), crash.entries)))


async def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    await crash_of(tmp_path, Worker, Break())
    folder = tmp_path / "crashes"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]


async def test_a_write_that_fails_leaves_nothing_half_written(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Worker, Break())
    folder = tmp_path / "other"
    (folder / f"{crash.head.id}.msgpack").mkdir(parents=True)
    with pytest.raises(OSError, match=crash.head.id):
        write(folder, crash)
    assert [path.name for path in folder.iterdir()] == [f"{crash.head.id}.msgpack"]


async def test_an_unknown_id_names_those_that_are_there(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Worker, Break())
    with pytest.raises(Damaged, match=rf"no crash 'nix' in .*; there are {crash.head.id}$"):
        load("nix", tmp_path / "crashes")
    with pytest.raises(Damaged, match="nor any other"):
        load("nix", tmp_path / "nowhere")


async def test_the_journal_reads_ids_and_never_paths(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("a", Worker)) as set_up:
        set_up.tell("/a", Break())
        await set_up.crashed()
        [crash] = await set_up.written()
        assert set_up.crashes.load(crash.head.id) == crash
        for path in (str(set_up.folder / f"{crash.head.id}.msgpack"), f"../crashes/{crash.head.id}", f"./{crash.head.id}", ""):
            with pytest.raises(Damaged):
                set_up.crashes.load(path)


async def test_a_file_is_read_by_its_path_too(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Worker, Break())
    [path] = (tmp_path / "crashes").iterdir()
    assert load(path, tmp_path / "elsewhere") == load(str(path), tmp_path) == crash


async def test_a_damaged_file_is_told_as_that_and_hides_no_other(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Worker, Break())
    folder = tmp_path / "crashes"
    good = next(folder.iterdir()).read_bytes()
    head_only = msgpack.packb({"format": 1})
    for number, bad in enumerate((b"", b"\xc1", good[:50], msgpack.packb([1]), msgpack.packb({"format": 99}), head_only, good + good[:-1])):
        (folder / f"bad{number}.msgpack").write_bytes(bad)
    for number in range(6):
        with pytest.raises(Damaged, match=f"bad{number}.msgpack is no crash file"):
            load(f"bad{number}", folder)
    (folder / "bad7.msgpack").write_bytes(good[: -len(msgpack.packb(crash.entries))] + msgpack.packb([["message", 1]]))
    (folder / "bad8.msgpack").write_bytes(good[: -len(msgpack.packb(crash.entries))] + msgpack.packb([["word", 1, "", "", 1, "", None, ""]]))
    for number in (7, 8):
        with pytest.raises(Damaged, match="one of its messages is none"):
            load(f"bad{number}", folder)
    os.symlink(folder / "nowhere", folder / "gone.msgpack")
    assert crash.head in Crashes(folder, version="", wall=lambda: WALL).heads()


