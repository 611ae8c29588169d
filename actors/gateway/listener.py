"""The listening socket and the open connections. Not an actor: both outlive the `http` actor, which opens and closes them.

A client whose request is under way when `http` is restarted notices nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import web

from actors.runtime.events import Events
from actors.runtime.exits import Exit
from actors.runtime.system import ActorSystem
from actors.runtime.watchdog import Watchdog
from messages.chat import ChatFailed
from messages.config import Settings
from messages.envelope import Address
from messages.faults import Fault
from messages.supervision import ExitReason

DRAIN_LIMIT = 9.0  # seconds that requests under way may take to finish when everything stops
CLOSE_LIMIT = 1.0  # seconds for those that were told to end
KEEPALIVE = 75.0
WRITE_LIMIT = 60.0  # seconds a client may take for one piece of the answer


@dataclass(slots=True)
class Gate:
    """What every handler needs to know. `port` is the one that was bound."""

    system: ActorSystem
    settings: Settings
    version: str
    events: Events
    watchdog: Watchdog | None = None
    port: int = 0
    open: set[Address] = field(default_factory=set)  # the ports of the requests under way
    drain: float = DRAIN_LIMIT
    patience: float = WRITE_LIMIT
    draining: bool = False
    quiet: asyncio.Event = field(default_factory=asyncio.Event)  # set when, while draining, none is under way any more

    @contextmanager
    def request(self, port: Address) -> Iterator[None]:
        """Counts a request while it is under way."""
        self.open.add(port)
        try:
            yield
        finally:
            self.open.discard(port)
            if self.draining and not self.open:
                self.quiet.set()

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
        self._site: web.SockSite | None = None

    async def open(self) -> None:
        """Binds and listens, unless it does so already. Raises `Exit` when the address is not to be had."""
        if self._runner is not None:
            return
        listening = bind(self.gate.settings.server.host, self.gate.settings.server.port)
        self.gate.port = listening.getsockname()[1]
        self._runner = web.AppRunner(
            self.app, handler_cancellation=True, access_log=None, keepalive_timeout=KEEPALIVE, shutdown_timeout=CLOSE_LIMIT, handle_signals=False
        )
        await self._runner.setup()
        self._site = web.SockSite(self._runner, listening, backlog=1024)
        await self._site.start()

    async def close(self) -> None:
        """Takes nothing new, lets what is under way finish for up to 9 s, then ends it and says so to the clients."""
        if self._runner is None or self._site is None:
            return
        runner, self._runner = self._runner, None
        gate = self.gate
        gate.draining = True
        gate.events.close()
        await self._site.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(gate.drain if gate.open else 0):
                await gate.quiet.wait()
        for port in gate.open:
            gate.system.tell(port, ChatFailed(fault=Fault(cls="restarting", message="the gateway was shut down before the answer was whole")))
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
