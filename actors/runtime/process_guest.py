"""The entry of a process host's child: `python -m <this> SOCKET PAGE PARENT`, two descriptors and a process id.

Never outlives its parent: the kernel kills it with the thread that made it (Linux), and a thread of its own ends it when the socket
does, also when the loop is busy. An interrupt at the terminal is the parent's to act on.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import select
import signal
import socket
import sys
import threading
from functools import partial
from importlib import import_module
from operator import attrgetter
from typing import Any

import msgpack

from actors.runtime.frame_stream import FrameStream
from actors.runtime.frames import read_frame
from actors.runtime.gate import Gate, gate_at
from actors.runtime.guest import Guest
from actors.runtime.log import configure_library

PR_SET_PDEATHSIG = 1
CUT_OFF = 111  # the status of a child whose socket or parent is gone


def main() -> None:
    """Lives until the actor has ended and the parent lets go, or until the parent is gone."""
    fd, page, parent = map(int, sys.argv[1:])
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gate = gate_at(page)
    os.close(page)
    logging.basicConfig(stream=sys.stderr)
    configure_library()
    with socket.socket(fileno=fd) as connection:
        connection.set_inheritable(False)
        asyncio.run(Child(connection, gate).live())


def die_with(parent: int) -> None:
    """Has the kernel end this process with its parent, where it can; ends it now when that has happened already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(CUT_OFF)


class Child:
    """The guest and its socket."""

    def __init__(self, connection: socket.socket, gate: Gate) -> None:
        self._connection = connection
        self._gate = gate
        self._started = False  # by the first frame
        self._ended = False

    async def live(self) -> None:
        """Until the socket ends."""
        loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = loop.create_future()
        self._connection.setblocking(False)
        threading.Thread(target=self._watch, args=(os.dup(self._connection.fileno()),), name="undying:parent", daemon=True).start()
        _, self._stream = await loop.create_connection(lambda: FrameStream(self._heard, self._lost), sock=self._connection)
        self._guest = Guest(self._gate, self._stream.send, self._stream.flush, self._leave)
        await self._over

    def _watch(self, fd: int) -> None:
        """In a thread of its own: the loop may be too busy to see that the parent is gone."""
        poll = select.poll()
        poll.register(fd, getattr(select, "POLLRDHUP", 0))
        poll.poll()
        if not self._ended:
            os._exit(CUT_OFF)

    def _leave(self) -> None:
        """The last frame is on its way; the parent closes the socket when it has read it."""
        self._ended = True

    def _lost(self, why: str) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _heard(self, frames: list[bytes]) -> None:
        if not self._started:
            _, which, address, incarnation, trace, module, name, arguments, beat = read_frame(frames.pop(0))
            self._started = True
            self._guest.start(which, address, incarnation, trace, partial(make, module, name, arguments), beat)
        self._guest.hear(frames)


def make(module: str, name: str, arguments: bytes) -> Any:
    """Imports what lives at that path and calls it."""
    positional, keywords = msgpack.unpackb(arguments, use_list=False)
    return attrgetter(name)(import_module(module))(*positional, **keywords)


if __name__ == "__main__":
    main()
