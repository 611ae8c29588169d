"""Names the actor that keeps the loop from running. Owns one daemon thread, and what the loop's lag was in the last minute.

    thread --ping--> loop: how late was it? -> lags
    thread: the ping is not answered within the limit -> looks at what the loop's thread is doing, and logs it at once
    loop, when it runs again --Decision "blocked"--> whoever listens
    a cell whose turn was longer than the limit --long_turn--> the same

The thread only reads what the loop writes, and may read it a moment too late: its log line says what was seen, not what is proven.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

import structlog

from actors.runtime.system import ActorSystem
from messages.supervision import Decision

if TYPE_CHECKING:
    from actors.runtime.cell import Cell

LIMIT = 0.25  # seconds of real time that nobody may keep the loop for
WINDOW = 60.0  # seconds for which lags are kept
STOP_LIMIT = 1.0  # seconds for the thread to end; longer only when the log takes no more
AGAIN = 10  # a block is logged at the limit, at 10 times the limit, at 100 times ...

OWN = Path(__file__).parents[2]  # the checkout, or the installed package
KERNEL = str(Path(__file__).parent)
STANDARD = str(Path(asyncio.__file__).parents[1])

logger = structlog.get_logger(actor="watchdog")


class Seen(NamedTuple):
    """What the loop's thread was doing: whose turn or task it was, at which message, and where in the source."""

    address: str
    what: str
    where: str


class Lags:
    """How late the loop was, within the last `window` seconds."""

    def __init__(self, window: float = WINDOW) -> None:
        self._window = window
        self._kept: deque[tuple[float, float]] = deque()

    def add(self, now: float, lag: float) -> None:
        """One measurement, in seconds."""
        self._kept.append((now, lag))
        self._forget(now)

    def figures(self, now: float) -> dict[str, float]:
        """The highest and the 99th percentile, in ms; zeros when nothing was measured."""
        self._forget(now)
        lags = sorted(lag for _, lag in self._kept)
        if not lags:
            return {"max": 0.0, "p99": 0.0}
        return {"max": round(lags[-1] * 1000, 2), "p99": round(lags[max(0, -(-len(lags) * 99 // 100) - 1)] * 1000, 2)}

    def _forget(self, now: float) -> None:
        while self._kept and self._kept[0][0] < now - self._window:
            self._kept.popleft()


class Watchdog:
    """See the module. Made and stopped on the system's loop; `limit` is in seconds of real time."""

    def __init__(self, system: ActorSystem, limit: float = LIMIT) -> None:
        self.lags = Lags()
        self._system = system
        self._limit = limit
        self._loop_thread = threading.get_ident()
        self._sent = 0.0
        self._answered = True
        self._seen: Seen | None = None  # in the block under way
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="undying-watchdog", daemon=True)
        system.turn_limit = limit
        system.long_turn = self.long_turn
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._system.turn_limit = float("inf")
        self._ended.set()
        self._thread.join(STOP_LIMIT)

    def figures(self) -> dict[str, float]:
        """The loop's lag over the last minute."""
        return self.lags.figures(time.perf_counter())

    # ---- on the loop

    def long_turn(self, cell: Cell, seconds: float, last: str) -> None:
        """A turn took longer than the limit; `last` is the kind of the message it ended with."""
        seen, self._seen = self._seen, None
        if seen is None or seen.address != cell.address:
            seen = Seen(cell.address, last, "")
        self._publish(seen, seconds)

    def _pong(self, sent: float) -> None:
        now = time.perf_counter()
        self.lags.add(now, now - sent)
        seen, self._seen = self._seen, None
        self._answered = True
        if seen is not None:
            self._publish(seen, now - sent)

    def _publish(self, seen: Seen, seconds: float) -> None:
        ms = int(seconds * 1000)
        resident = self._system.directory.get(seen.address)
        detail = " ".join(part for part in (f"the loop stood still for {ms} ms", seen.what and f"in {seen.what}", seen.where and f"at {seen.where}") if part)
        self._system.publish(
            Decision(
                at=self._system.now(), address=seen.address, event="blocked", incarnation=0 if resident is None else resident.incarnation,
                detail=detail, delay_ms=ms,
            )
        )  # fmt: skip

    # ---- in the thread

    def _watch(self) -> None:
        period = self._limit / 2
        looked, look_at = time.perf_counter(), self._limit
        while not self._ended.wait(period):
            now = time.perf_counter()
            slept, looked = now - looked, now
            if self._answered:
                self._answered, self._sent, look_at = False, now, self._limit
                try:
                    self._system.loop.call_soon_threadsafe(self._pong, now)
                except RuntimeError:  # the loop was closed, and nobody stopped us
                    return
            elif slept < period + self._limit and now - self._sent >= look_at:  # else it is the whole process that stood still
                look_at *= AGAIN
                self._look(now - self._sent)

    def _look(self, seconds: float) -> None:
        seen = look(self._system, self._loop_thread)
        self._seen = seen
        logger.warning("the loop is blocked", by=seen.address, what=seen.what, where=seen.where, ms=int(seconds * 1000))


def look(system: ActorSystem, thread: int) -> Seen:
    """What that thread, the system's loop's, is doing now. For another thread to call."""
    where = place(frames(sys._current_frames().get(thread)))
    cell = system.turning
    if cell is not None:
        envelope = cell.current
        return Seen(cell.address, "its own code" if envelope is None else envelope.kind, where)
    task = asyncio.current_task(system.loop)
    if task is None:
        return Seen("/", "a callback", where)
    address, _, name = task.get_name().rpartition(":")
    return Seen(address, f"its task {name!r}", where) if address in system.directory else Seen("/", f"the task {task.get_name()!r}", where)


def frames(innermost: FrameType | None) -> Iterator[tuple[str, int, str]]:
    """File, line and function, from the inside out."""
    while innermost is not None:
        yield innermost.f_code.co_filename, innermost.f_lineno, innermost.f_code.co_name
        innermost = innermost.f_back


def place(stack: Iterable[tuple[str, int, str]]) -> str:
    """The innermost frame that is somebody's own: not a library's, and not the kernel's; else the innermost of all. Empty without any."""
    frames = list(stack)
    for file, line, function in next(([frame] for frame in frames if _is_own(frame[0])), frames[:1]):
        path = Path(file)
        return f"{path.relative_to(OWN) if path.is_relative_to(OWN) else path}:{line} in {function}"
    return ""


def _is_own(file: str) -> bool:
    below = file.removeprefix(str(OWN))  # where we are installed is no library's place
    return not file.startswith(("<", KERNEL, STANDARD)) and "site-packages" not in below and "dist-packages" not in below
