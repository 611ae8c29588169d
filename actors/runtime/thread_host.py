"""A thread with a loop of its own, and one actor on it.

    host's loop --frames, bytes only--> inbox --one wake-up per burst--> guest's loop
    guest's loop --frames--> outbox --one wake-up per burst--> host's loop

A thread can't be killed. One that does not end within `GRACE` seconds is abandoned: counted, reported, never waited for. Its gate is
sealed, so it begins nothing more, and nothing that it still says is heard.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from actors.runtime.cell import Cell
from actors.runtime.gate import SIZE, Gate
from actors.runtime.guest import Guest
from messages.supervision import Decision, ExitReason, Isolation

GRACE = 1.0  # seconds


class _Lane:
    """Frames from one thread to the loop of another. However many come in a burst, they wake it once."""

    def __init__(self, take: Callable[[list[bytes]], None]) -> None:
        self._take = take
        self._frames: deque[bytes] = deque()
        self._due = False
        self.loop: asyncio.AbstractEventLoop | None = None

    def send(self, frame: bytes) -> None:
        """In the sender's thread."""
        self._frames.append(frame)
        if not self._due and self.loop is not None:
            self._due = True
            with suppress(RuntimeError):  # that loop is closed: nobody hears it
                self.loop.call_soon_threadsafe(self._arrive)

    def _arrive(self) -> None:
        self._due = False  # before the frames are taken: what is appended behind them wakes again
        frames = []
        while self._frames:
            frames.append(self._frames.popleft())
        self._take(frames)


class ThreadHost:
    """See the module. `make` is called in the thread."""

    isolation: Isolation = "thread"
    pid: int | None = None

    def __init__(self, make: Callable[[], Any]) -> None:
        self.gate = Gate(bytearray(SIZE))
        self._make = make
        self._inbox = _Lane(self._arrived)
        self._closing = False
        self._guest: Guest | None = None
        self._main: asyncio.Task[Any] | None = None
        self._cell: Cell | None = None
        self._thread: threading.Thread | None = None
        self._patience: asyncio.TimerHandle | None = None

    # ---- on the host's loop

    async def open(self, cell: Cell, beat: float, heard: Callable[[list[bytes]], None], lost: Callable[[ExitReason], None]) -> None:
        """Starts the thread."""
        self._cell, self._incarnation = cell, cell.incarnation
        self._lost = lost
        self._gone: asyncio.Future[None] = cell.system.loop.create_future()
        self._outbox = _Lane(heard)
        self._outbox.loop = cell.system.loop
        start = cell.system.new_guest(), str(cell.address), cell.incarnation, cell.trace, self._make, beat
        self._thread = threading.Thread(target=self._run, args=(start,), name=f"undying:{cell.address}", daemon=True)
        self._thread.start()

    def send(self, frame: bytes) -> None:
        """Sends a frame to the guest."""
        self._inbox.send(frame)

    def close(self) -> None:
        """Has the thread end, soon."""
        self._closing = True
        if self._inbox.loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._inbox.loop.call_soon_threadsafe(self._leave)
        if self._cell is not None and not self._gone.done() and self._patience is None:
            self._patience = self._cell.system.loop.call_later(GRACE, self._abandon)

    kill = close

    async def gone(self) -> None:
        """Waits until the thread has ended, or was given up."""
        if self._thread is None:
            return
        await asyncio.shield(self._gone)

    def _abandon(self) -> None:
        assert self._cell is not None
        system = self._cell.system
        system.abandoned += 1
        detail = f"its thread did not end within {GRACE:g} s and was left behind"
        system.publish(Decision(at=system.now(), address=self._cell.address, event="abandoned", incarnation=self._incarnation, detail=detail))
        self._gone.set_result(None)

    def _ended(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        assert self._thread is not None
        if not self._gone.done():
            self._thread.join()  # its last act was to say so
            self._gone.set_result(None)
        if not self._closing:
            self._lost(ExitReason(how="crashed", error="ThreadEnded", detail="its thread ended"))

    # ---- in the thread

    def _run(self, start: tuple[int, str, int, str, Callable[[], Any], float]) -> None:
        try:
            asyncio.run(self._live(*start))
        finally:
            with suppress(RuntimeError):  # the host's loop is closed: it was abandoned long ago
                assert self._outbox.loop is not None
                self._outbox.loop.call_soon_threadsafe(self._ended)

    async def _live(self, which: int, address: str, incarnation: int, trace: str, make: Callable[[], Any], beat: float) -> None:
        loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = loop.create_future()
        self._guest = Guest(self.gate, self._outbox.send, _nothing, _nothing)
        self._inbox.loop = loop
        if not self._closing:  # looked at after the loop was shown, as `close` looks at the loop after it was set
            self._guest.start(which, address, incarnation, trace, make, beat)
            await self._over

    def _leave(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _arrived(self, frames: list[bytes]) -> None:
        assert self._guest is not None, "the loop is shown when there is a guest"
        self._guest.hear(frames)


def _nothing() -> None:
    """What is in the outbox is there already."""
