"""Owns the door: opens the listener at its start, drains it when the whole tree stops.

It handles no request itself. Handlers run on the connections they came in on and talk to the tree through ports, so a crash of this
actor costs nobody an answer.
"""

from __future__ import annotations

from typing import NoReturn

from actors.gateway.listener import Listener
from actors.runtime.supervised import SupervisedActor


class Http(SupervisedActor[NoReturn]):
    """`listener` outlives it."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self.listener = listener

    async def on_start(self) -> None:
        """Listens."""
        await self.listener.open()
        self.log.info("listening", url=self.listener.gate.url)

    async def on_stop(self) -> None:
        """Drains, when everything stops; a restart by hand leaves the connections open."""
        if self.system.stopping:
            await self.listener.close()
