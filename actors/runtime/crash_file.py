"""The crash file: who crashed, on what, after which messages. Written by `crashes.py`, read by replay and by people.

    ID.msgpack = head (a map: all but the messages) + entries (an array), one msgpack object behind the other

So a list of crashes reads heads only. An entry's data is an envelope (`envelope.to_bytes`) or, of what came past the mailbox, a packed
message. Reading refuses with `Damaged` what it can't vouch for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import msgpack
from pydantic import Field, ValidationError

from messages.message import Part
from messages.supervision import ExitReason

FORMAT = 1
SUFFIX = ".msgpack"
HEAD = 1024 * 1024  # bytes: no head is longer

_ID = re.compile(r"[0-9a-z]{1,20}(-[0-9a-z]{1,8})?")

What = Literal["message", "answer", "down"]
Content = Literal["filled", "kept"]


class Damaged(Exception):
    """This is no crash file that can be read here. The text says why."""


class Entry(NamedTuple):
    """One thing that the actor was given. `ms` is how long before the crash, `address` who sent it (who was asked, who ended).

    `asked` is the kind of the ask that an answer answers. `data` is None when it was too large to be kept, `note` says what filling it
    may have changed.
    """

    what: What
    ms: int
    kind: str
    address: str
    size: int
    asked: str
    data: bytes | None
    note: str


class Head(Part):
    """What is known of a crash besides the messages.

    `at` is in seconds since 1970. `trigger` is message when the last entry is the one it crashed on, else something without one: a
    task, a timer, an answer. `place` is where it was raised, as in `wreckage.Spot`, `recipe` how to make the actor again, as in `recipe.Recipe`,
    or else `no_recipe` says why there is none. `left_out` counts the like of it that were not written since the last.
    """

    id: str
    undying: str
    at: float = Field(ge=0, lt=1e11)  # people are told the year
    address: str
    actor: str
    incarnation: int
    reason: ExitReason
    traceback: str
    place: tuple[tuple[str, str, str], ...]
    recipe: tuple[str, str] | None
    no_recipe: str
    trigger: Literal["message", "other"]
    content: Content
    kinds: tuple[str, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class CrashFile:
    """A whole crash."""

    head: Head
    entries: tuple[Entry, ...]


def encoded(crash: CrashFile) -> bytes:
    """The file's bytes."""
    packed: bytes = msgpack.packb({"format": FORMAT, **crash.head.model_dump()}) + msgpack.packb(crash.entries)
    return packed


def decoded(data: bytes) -> CrashFile:
    """The crash in a file's bytes. Raises `Damaged`."""
    objects = _objects(data)
    head = _head(next(objects, None))
    entries = next(objects, None)
    if not isinstance(entries, tuple):
        raise Damaged("its messages are missing")
    return CrashFile(head, tuple(map(_entry, entries)))


def _objects(data: bytes) -> Iterator[Any]:
    unpacker = msgpack.Unpacker(use_list=False, max_buffer_size=len(data) + 1)
    unpacker.feed(data)
    try:
        yield from unpacker
    except ValueError as error:  # every exception of msgpack's is one
        raise Damaged(f"not msgpack ({type(error).__name__}: {error})") from error


def _head(found: Any) -> Head:
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        version = found.get("format") if isinstance(found, dict) else None
        raise Damaged(f"a crash file begins with a map of format {FORMAT}, this one is of format {version!r}")
    try:
        return Head.model_validate({name: value for name, value in found.items() if name != "format"})
    except ValidationError as error:
        raise Damaged(f"its head is not as it should be: {error}") from error


def _entry(found: Any) -> Entry:
    types: tuple[Any, ...] = (str, int, str, str, int, str, (bytes, type(None)), str)
    if not isinstance(found, tuple) or len(found) != len(types):
        raise Damaged("one of its messages is none")
    if not all(isinstance(part, of) for part, of in zip(found, types, strict=True)) or found[0] not in get_args(What):
        raise Damaged("one of its messages is none")
    return Entry(*found)


# ---- the folder


def write(folder: Path, crash: CrashFile) -> None:
    """Writes the file for its owner only, whole or not at all. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / f"{crash.head.id}.new"
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(encoded(crash))
        fresh.replace(folder / f"{crash.head.id}{SUFFIX}")
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def prune(folder: Path, most_files: int, most_bytes: int) -> None:
    """Removes the oldest until no more than that, or only the latest, is left, and what a write that was cut off left behind. Raises OSError."""
    for cut_off in folder.glob("*.new"):
        cut_off.unlink(missing_ok=True)
    room = most_bytes
    for number, path in enumerate(reversed(_paths(folder)), 1):
        room -= path.stat().st_size
        if number > most_files or (room < 0 and number > 1):  # the latest stays, however large
            path.unlink(missing_ok=True)


def heads(folder: Path) -> list[Head]:
    """The crashes in a folder, the latest last. What can't be read is left out."""
    found = []
    for path in _paths(folder):
        with suppress(OSError, Damaged), path.open("rb") as file:
            found.append(_head(next(_objects(file.read(HEAD)), None)))
    return found


def load(id_or_path: str | Path, folder: Path) -> CrashFile:
    """A crash by its id, or by the path of its file. Raises `Damaged`; for an unknown id its text names those that are there."""
    path = Path(id_or_path)
    return read(path if path.suffix == SUFFIX else find(str(id_or_path), folder))


def read(path: Path) -> CrashFile:
    """The crash in a file. Raises `Damaged`."""
    try:
        return decoded(path.read_bytes())
    except OSError as error:
        raise Damaged(f"{path} can't be read ({error.strerror})") from error
    except Damaged as error:
        raise Damaged(f"{path} is no crash file: {error}") from error


def find(id: str, folder: Path) -> Path:
    """The file of that id. Raises `Damaged` with the ids that are there."""
    path = folder / f"{id}{SUFFIX}"
    if _ID.fullmatch(id) and path.is_file():
        return path
    there = [path.stem for path in _paths(folder)]
    raise Damaged(f"no crash {id!r} in {folder}; there are {', '.join(there[-20:])}" if there else f"no crash {id!r} in {folder}, nor any other")


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))
