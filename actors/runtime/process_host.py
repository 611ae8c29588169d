"""A fresh interpreter with one actor in it, over a socket pair.

    open: python -m <process_guest> --start--> imports what it is told by path, and starts it
    its end, whatever it is: killed by a signal, exited, the socket closed, rubbish on it --> `lost`, with which it was
    close: the socket is closed, which ends the other side; after GRACE seconds SIGKILL.  kill: SIGKILL at once

Reaps its process always: a thread waits for it, because a child watcher of asyncio's needs the main thread or a policy of its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress

from actors.runtime.cell import Cell
from actors.runtime.frame_stream import FrameStream
from actors.runtime.frames import pack_frame
from actors.runtime.gate import Gate, gate_at, shared_page
from actors.runtime.process_guest import CUT_OFF, main
from messages.supervision import ExitReason, Isolation

GRACE = 1.0  # seconds for a process that said that it ended
LINGER = 0.05  # seconds between the end of a socket and the end of its process, or the other way round


class ProcessHost:
    """See the module. What to start is told by import path, with arguments in msgpack."""

    isolation: Isolation = "process"

    def __init__(self, module: str, name: str, arguments: bytes) -> None:
        page = shared_page()
        self._page: int | None = page
        self.gate: Gate = gate_at(page)
        self.pid: int | None = None
        self._make = module, name, arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._stream: FrameStream | None = None
        self._status: int | None = None
        self._closed: str | None = None  # why the socket ended; empty when it just did
        self._closing = False
        self._patience: asyncio.TimerHandle | None = None

    async def open(self, cell: Cell, beat: float, heard: Callable[[list[bytes]], None], lost: Callable[[ExitReason], None]) -> None:
        """Starts the process, and has it start the actor."""
        self._loop = loop = cell.system.loop
        self._lost = lost
        self._gone: asyncio.Future[None] = loop.create_future()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ExitStack() as failing:
            failing.callback(ours.close)
            with theirs:
                self._spawn(theirs.fileno())
            failing.pop_all()
        _, self._stream = await loop.create_connection(lambda: FrameStream(heard, self._cut), sock=ours)
        self._stream.send(pack_frame("start", cell.system.new_guest(), cell.address, cell.incarnation, cell.trace, *self._make, beat))

    def _spawn(self, fd: int) -> None:
        """In the loop's own thread: the kernel ends the child with the thread that made it."""
        page = self._let_page_go()
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        command = [sys.executable, "-P", "-m", main.__module__, str(fd), str(page), str(os.getpid())]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(fd, page), env=os.environ | {"PYTHONPATH": path})
        finally:
            os.close(page)
        self.pid = self._process.pid
        self._reaper = threading.Thread(target=self._reap, args=(self._process,), name=f"undying:reap {self.pid}", daemon=True)
        self._reaper.start()

    def _let_page_go(self) -> int:
        page, self._page = self._page, None
        assert page is not None, "a host starts once"
        return page

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        """In a thread of its own."""
        status = process.wait()
        with suppress(RuntimeError):  # the loop is closed: nobody wants to know
            self._loop.call_soon_threadsafe(self._reaped, status)

    def _reaped(self, status: int) -> None:
        self._reaper.join()  # its last act was to say so
        self._status = status
        if self._stream is not None and self._closed is None:
            self._loop.call_later(LINGER, self._conclude)  # its last words may still be in the socket
        else:
            self._conclude()

    def _cut(self, why: str) -> None:
        if self._closed is not None:
            return
        self._closed = why
        if self._closing:
            return  # by us: its end is waited for already
        if self._status is None and not why:
            self._loop.call_later(LINGER, self._conclude)  # most sockets end because their process does
        else:
            self._conclude()

    def _conclude(self) -> None:
        """Both ends are known, or the second was waited for long enough."""
        unheard, how = not self._closing, self._how()
        if self._status is None:
            self.kill()
        elif not self._gone.done():
            self._gone.set_result(None)
            if self._patience is not None:
                self._patience.cancel()
            if self._stream is not None:
                self._stream.close()
        if unheard:
            self._closing = True
            self._lost(how)

    def _how(self) -> ExitReason:
        who = f"process {self.pid}"
        if self._closed:
            return ExitReason(how="crashed", error="Unreadable", detail=f"{who} talks rubbish: {self._closed}")
        if self._status is None or self._status == CUT_OFF:
            return ExitReason(how="crashed", error="ConnectionLost", detail=f"{who} closed its socket")
        if self._status < 0:
            return ExitReason(how="killed", error=signal.Signals(-self._status).name, detail=f"{who} was killed by signal {-self._status}")
        return ExitReason(how="crashed", error="ProcessExited", detail=f"{who} exited with status {self._status}")

    def send(self, frame: bytes) -> None:
        """Sends a frame to the guest."""
        if self._stream is not None:
            self._stream.send(frame)

    def close(self) -> None:
        """Lets it end by itself, for a moment."""
        self._closing = True
        if self._stream is not None:
            self._stream.close()
        if self._process is not None and self._status is None and self._patience is None:
            self._patience = self._loop.call_later(GRACE, self.kill)

    def kill(self) -> None:
        """SIGKILL."""
        self._closing = True
        if self._page is not None:
            os.close(self._let_page_go())
        if self._stream is not None:
            self._stream.close()
        if self._process is not None and self._status is None:
            self._process.kill()

    async def gone(self) -> None:
        """Waits until it is reaped."""
        if self._process is None:
            return
        await asyncio.shield(self._gone)
