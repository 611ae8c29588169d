"""The listening socket and the open connections. Not an actor: both outlive the `http` actor, which opens and closes them.

A client whose request is under way when `http` is restarted notices nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

from actors.runtime.cell import Exit
from actors.runtime.system import ActorSystem
from messages.config import Settings
from messages.supervision import ExitReason

DRAIN_LIMIT = 10.0
KEEPALIVE = 75.0


@dataclass(slots=True)
class Gate:
    """What every handler needs to know. `port` is the one that was bound."""

    system: ActorSystem
    settings: Settings
    version: str
    port: int = 0
    open_requests: int = 0
    draining: bool = False

    @contextmanager
    def request(self) -> Iterator[None]:
        """Counts a request while it is open."""
        self.open_requests += 1
        try:
            yield
        finally:
            self.open_requests -= 1

    @property
    def url(self) -> str:
        """Where we are reached."""
        host = self.settings.server.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


class Listener:
    """One socket and aiohttp's server behind it. Opened once, however often the `http` actor starts."""

    def __init__(self, gate: Gate, app: web.Application) -> None:
        self.gate = gate
        self.app = app
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Binds and listens, unless it does so already. Raises `Exit` when the address is not to be had."""
        if self._runner is not None:
            return
        listening = bind(self.gate.settings.server.host, self.gate.settings.server.port)
        self.gate.port = listening.getsockname()[1]
        self._runner = web.AppRunner(
            self.app, handler_cancellation=True, access_log=None, keepalive_timeout=KEEPALIVE, shutdown_timeout=DRAIN_LIMIT, handle_signals=False
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listening, backlog=1024).start()

    async def close(self) -> None:
        """Takes nothing new, lets what is under way finish for up to 10 s, then ends it."""
        if self._runner is not None:
            self.gate.draining = True
            runner, self._runner = self._runner, None
            await runner.cleanup()


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to that address, port 0 for any. Raises `Exit` with what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setblocking(False)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        detail = f"can't listen on {host}:{port}: {error.strerror}; choose another with --port N or server.port, or --port 0 for any free one"
        raise Exit(ExitReason(how="start_failed", error="AddressNotFree", detail=detail)) from error
    return listening
