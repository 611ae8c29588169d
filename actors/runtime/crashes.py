"""The journal of crashes: what an actor crashed on, and what it had been given before, as a file that can be replayed.

    cell ends with a crash --note--> id; references only, the supervisor restarts it first
                    ... the loop's next turn: `remains` of the exception, which is let go
                    ... a thread: filler for content, the file, the oldest files removed

Not an actor: it outlives all of them, and what is queued when the daemon stops is still written. The same failure of the same actor is
written once in ten seconds, the rest is counted. A disk that is full, or a folder that can't be written, is logged once and crashes
nobody.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from actors.runtime.crash_file import CrashFile, Entry, Head, find, heads, prune, read, write
from actors.runtime.exits import Exit
from actors.runtime.filler import Filled, Filler
from actors.runtime.hearsay import scrubber
from actors.runtime.origin import origin_of, path_of
from actors.runtime.recipe import NoRecipe, recipe_of
from actors.runtime.ring import Heard
from actors.runtime.wreckage import SAYS, Remains, place, remains, told, told_again
from messages.envelope import Envelope, to_bytes
from messages.message import pack
from messages.supervision import ExitReason

if TYPE_CHECKING:
    from actors.runtime.cell import Cell
    from actors.runtime.supervised import SupervisedActor

EVERY = 10.0  # seconds between two files about the same
QUEUED = 16  # crashes that may wait to be written
CLOSING = 10.0  # seconds for what is queued at the end
KEYS = 1000  # kinds of failure that are told apart
MOST_FILES = 100
MOST_BYTES = 64 * 1024 * 1024
TRACEBACK = 64 * 1024  # characters

logger = structlog.get_logger(actor="/")


class CrashJournal(Protocol):
    """Who is told of crashes."""

    def note(self, cell: Cell, instance: SupervisedActor[Any], reason: ExitReason, error: BaseException | None, poison: Envelope | None) -> str:
        """Takes a crash in; answers with the id of its file, empty when there will be none. `poison` is the message it was at."""
        ...


@dataclass(slots=True)
class _Crash:
    """One crash, as references."""

    id: str
    at: float
    now: float
    cell: Cell
    made_by: Callable[[], Any]
    made: type
    incarnation: int
    reason: ExitReason
    error: BaseException | None
    messages: tuple[Envelope, ...]
    heard: tuple[Heard, ...]
    begun: int
    poison: Envelope | None
    left_out: int
    left: Remains | None = None


class Crashes:
    """See the module. `wall` is the wall clock in seconds since 1970, `version` that of undying; `close` before the loop ends."""

    def __init__(self, folder: Path, *, version: str, wall: Callable[[], float], keep_content: bool = False) -> None:
        self.folder = folder
        self.version = version
        self.wall = wall
        self.keep_content = keep_content
        self.left_out = 0
        self.failed = 0
        self._last: dict[tuple[str, str], float] = {}
        self._skipped: Counter[tuple[str, str]] = Counter()
        self._stamp = 0
        self._waiting: deque[_Crash] = deque()
        self._writing: set[asyncio.Future[None]] = set()
        self._writer: ThreadPoolExecutor | None = None

    # ---- on the loop

    def note(self, cell: Cell, instance: SupervisedActor[Any], reason: ExitReason, error: BaseException | None, poison: Envelope | None) -> str:
        """See `CrashJournal`. Costs the crash a few microseconds: all the work is done later."""
        now = cell.system.now()
        # Temporary actors come and go under a number of their own: they are the same by whose children they are.
        key = (cell.address.rpartition("/")[0] if cell.restart_type == "temporary" else cell.address, reason.error)
        last = self._last.get(key)
        if (last is not None and now - last < EVERY) or len(self._waiting) + len(self._writing) >= QUEUED:
            if last is not None:  # else there is no file yet that the next one could count from
                self._skipped[key] += 1
            self.left_out += 1
            return ""
        if len(self._last) >= KEYS:
            self._last = {known: at for known, at in self._last.items() if now - at < EVERY}
            self._skipped = Counter({known: count for known, count in self._skipped.items() if known in self._last})
        self._last[key] = now
        at = self.wall()
        messages, heard = ((), ()) if cell.ring is None else cell.ring.of_incarnation(cell.handled)
        crash = _Crash(
            self._id(at), at, now, cell, instance.made_by(), _class_of(instance), cell.incarnation, reason, error, messages, heard, cell.handled, poison,
            self._skipped.pop(key, 0),
        )  # fmt: skip
        self._waiting.append(crash)
        cell.system.loop.call_soon(self._hand_over)
        return crash.id

    def _id(self, at: float) -> str:
        """The time in milliseconds, never the same twice, and some chance, in base 36: sorts as it was made."""
        self._stamp = max(self._stamp + 1, int(at * 1000))
        return f"{_base36(self._stamp):0>9}-{_base36(int.from_bytes(os.urandom(2))):0>4}"

    def _hand_over(self) -> None:
        if not self._waiting:
            return
        crash = self._waiting.popleft()
        if not isinstance(crash.error, Exit | None):  # an exit says what there is to say: it was raised for what happened elsewhere
            crash.left = remains(crash.error)
        crash.error = None
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, thread_name_prefix="undying-crashes")
        writing = crash.cell.system.loop.run_in_executor(self._writer, self._write, crash)
        self._writing.add(writing)
        writing.add_done_callback(partial(self._done, crash.id))

    def _done(self, id: str, writing: asyncio.Future[None]) -> None:
        self._writing.discard(writing)
        error = None if writing.cancelled() else writing.exception()
        if error is not None:
            self.failed += 1
            if self.failed == 1 or not isinstance(error, OSError):
                logger.error("crash file not written", crash=id, folder=str(self.folder), error=f"{type(error).__name__}: {error}")

    async def written(self) -> None:
        """Waits until what has crashed so far is on the disk, or has failed to get there."""
        while self._waiting:
            self._hand_over()
        if self._writing:
            await asyncio.wait(self._writing)

    async def close(self) -> None:
        """Writes what is queued, and lets the thread go. A disk that does not answer is waited for CLOSING seconds, not for ever."""
        try:
            async with asyncio.timeout(CLOSING):
                await self.written()
        except TimeoutError:
            logger.error("crash files not written", count=len(self._writing), folder=str(self.folder), error=f"the disk took longer than {CLOSING:g} s")
        if self._writer is not None:
            self._writer.shutdown(wait=not self._writing, cancel_futures=True)
            self._writer = None

    # ---- in the thread

    def _write(self, crash: _Crash) -> None:
        write(self.folder, made(crash, version=self.version, keep_content=self.keep_content))
        prune(self.folder, MOST_FILES, MOST_BYTES)

    # ---- reading, from any thread

    def heads(self) -> list[Head]:
        """What is known of the crashes that are kept, the latest last."""
        return heads(self.folder)

    def load(self, id: str) -> CrashFile:
        """One of them; a path is no id. Raises `Damaged`."""
        return read(find(id, self.folder))


def made(crash: _Crash, *, version: str, keep_content: bool) -> CrashFile:
    """The crash file of a crash."""
    given = _in_order(crash)
    payloads = [_packed(thing.payload if isinstance(thing, Envelope) else thing.message) for thing in given]
    filler = Filler([payload for payload in payloads if payload])
    filled = [Filled(payload) if keep_content or not payload else filler.fill(payload) for payload in payloads]
    entries = tuple(_entry(crash, thing, content) for thing, content in zip(given, filled, strict=True))
    recipe, no_recipe = None, ""
    try:
        recipe = recipe_of(crash.made_by)
    except NoRecipe as why:
        no_recipe = str(why)
    reason = crash.reason
    # What the exception said goes in without what it may quote: see `hearsay.py`.
    traceback = (told_again(reason.traceback) if crash.left is None else told(crash.left))[-TRACEBACK:]
    detail = reason.detail if keep_content else scrubber(traceback)(reason.detail[:SAYS])
    head = Head(
        id=crash.id, undying=version, at=crash.at, address=crash.cell.address, actor=path_of(crash.made), incarnation=crash.incarnation,
        reason=reason.model_copy(update={"detail": detail, "traceback": "", "fault": reason.fault if keep_content else None}), traceback=traceback,
        place=tuple(map(tuple, () if crash.left is None else place(crash.left))),  # type: ignore[arg-type]
        recipe=recipe, no_recipe=no_recipe, trigger="other" if crash.poison is None else "message",
        content="kept" if keep_content else "filled", kinds=tuple(entry.kind for entry in entries), left_out=crash.left_out,
    )  # fmt: skip
    return CrashFile(head, entries)


def _class_of(instance: SupervisedActor[Any]) -> Any:
    """The actor's class, or whatever makes it where it lives, when that is not here."""
    made = origin_of(instance.made_by()).made
    return made if isinstance(made, type) else type(instance)


def _in_order(crash: _Crash) -> list[Envelope | Heard]:
    """What the incarnation was given, in the order in which it was; the poison, whole, at the end."""
    # What is behind the poison was handed to another thread or process together with it, and waits for the next incarnation.
    # One that was put aside and came again is there twice.
    at = [place for place, envelope in enumerate(crash.messages) if crash.poison is not None and envelope.id == crash.poison.id]
    before = crash.messages[: at[-1]] if at else crash.messages
    first = crash.begun - len(crash.messages)
    order: list[tuple[float, Envelope | Heard]] = [(float(first + number), envelope) for number, envelope in enumerate(before, 1)]
    order += [(heard.after + 0.5, heard) for heard in crash.heard]
    order.sort(key=lambda placed: placed[0])
    given = [thing for _, thing in order]
    return given if crash.poison is None else [*given, crash.poison]


def _packed(content: Any) -> bytes:
    """As msgpack; nothing when it can't be packed, which with `wire: edge` nobody has tried before."""
    if isinstance(content, bytes):
        return content
    try:
        return pack(content)
    except (TypeError, ValueError, OverflowError):
        return b""


def _entry(crash: _Crash, thing: Envelope | Heard, content: Filled) -> Entry:
    ms = int((crash.now - thing.at) * 1000)
    lost = "" if content.payload else "it was too large to be kept, or could not be packed"
    note = content.note or lost
    if isinstance(thing, Heard):
        return Entry("answer" if thing.asked else "down", ms, thing.message.kind, thing.address, thing.size, thing.asked, content.payload or None, note)
    whole = Envelope(
        thing.id, thing.kind, content.payload, len(content.payload), thing.at, thing.sender, thing.trace, thing.reply_to, thing.slot, thing.deadline
    )
    return Entry("message", ms, thing.kind, thing.sender, thing.size, "", to_bytes(whole, thing.at) if content.payload else None, note)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits
