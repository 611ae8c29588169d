"""Owns a listening socket and its connections: it can refuse and come back on the same port, and dies without waiting for anybody.

    listening --shut--> refusing --reopen--> listening        close: from anywhere, for good

While it refuses, the port is held by a socket that is bound but does not listen: nobody else can get it, and a connection to it is
refused by the system, as with a provider that is down.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from aiohttp import web

HOST = "127.0.0.1"
BACKLOG = 1024

_QUIET: dict[str, Any] = {"access_log": None}
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, 0 seconds


def bound(port: int) -> socket.socket:
    """A socket that has the port (0: any that is free) and does not listen."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


class Connection(web.RequestHandler):
    """One client's connection. `served` counts its requests, `stopped` says that we ended it, not the client."""

    def __init__(self, server: web.Server, listener: Listener) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **_QUIET)
        self.served = 0
        self.busy = False
        self.stopped = False
        self._listener = listener
        listener.connections.add(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._listener.closed:  # accepted by the system while the door was being shut
            self.stop()

    async def start(self) -> None:
        """Serves until the connection ends. Its task is aiohttp's; that it has ended is what `close` waits for."""
        try:
            await super().start()
        finally:
            self._listener.left(self)

    def hang_up(self) -> None:
        """FIN, after what was written."""
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """RST, and nothing else."""
        if self.transport is not None:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.transport.abort()

    def stop(self) -> None:
        """RST on the part of the fake itself: what runs here was stopped."""
        self.stopped = True
        self.reset()

    def finish(self) -> None:
        """No further request over this connection. One that is being answered is answered."""
        if self.busy:
            self.close()
        else:
            self.force_close()


class Listener:
    """The port."""

    def __init__(self, server: web.Server, port: int) -> None:
        self.connections: set[Connection] = set()
        self.closed = False
        self._server = server
        self._held: socket.socket | None = bound(port)
        self.port: int = self._held.getsockname()[1]
        self._listening: socket.socket | None = None
        self._serving: asyncio.Server | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self._one_left = asyncio.Event()

    async def open(self) -> None:
        """Returns when it listens."""
        self.reopen()
        await asyncio.gather(*self._opening)

    def reopen(self) -> None:
        """Listens from this moment on; the loop takes the connections from its next turn on."""
        if self._held is None or self.closed:
            return
        self._listening, self._held = self._held, None
        self._listening.listen(BACKLOG)
        task = asyncio.get_running_loop().create_task(self._accept(self._listening), name=f"fake provider, port {self.port}")
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _accept(self, sock: socket.socket) -> None:
        if self._listening is not sock:  # shut in the same breath
            return
        # Kept before it serves: a server that is shut while it starts must not be lost with its socket.
        self._serving = await asyncio.get_running_loop().create_server(lambda: Connection(self._server, self), sock=sock, backlog=BACKLOG, start_serving=False)
        await self._serving.start_serving()

    def shut(self) -> None:
        """Refuses from this moment on, and lets idle connections go: a pooled one would still get through."""
        if self._listening is not None:
            self._stop_listening()
            self._held = bound(self.port)
        for connection in list(self.connections):
            connection.finish()

    def _stop_listening(self) -> None:
        if self._serving is not None:
            self._serving.close()
            self._serving = None
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def kill(self) -> None:
        """Everything is gone at once, as when the process dies."""
        self.shut()
        for connection in list(self.connections):
            connection.stop()

    def left(self, connection: Connection) -> None:
        """A connection's task has come to its end."""
        self.connections.discard(connection)
        self._one_left.set()

    async def close(self) -> None:
        """Ends everything and returns when nothing is left: no socket, no task."""
        self.closed = True
        self._stop_listening()
        if self._held is not None:
            self._held.close()
            self._held = None
        for connection in list(self.connections):
            connection.stop()
        await asyncio.gather(*self._opening)
        while self.connections:
            self._one_left.clear()
            await self._one_left.wait()
