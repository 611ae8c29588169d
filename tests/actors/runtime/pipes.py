"""Two pipes in the file system, at which an actor in a thread or a process can be met in the midst of a message."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path


async def opened(path: Path) -> None:
    """Waits, in a thread, until the one at the other end of this pipe has written to it."""
    await asyncio.to_thread(path.read_bytes)


class Pipes:
    """At the one an actor says that it has begun, at the other it waits. See `housed.Block`."""

    def __init__(self, directory: Path) -> None:
        self.begun, self.pipe = directory / "begun", directory / "pipe"
        os.mkfifo(self.begun)
        os.mkfifo(self.pipe)

    @property
    def names(self) -> dict[str, str]:
        return {"begun": str(self.begun), "pipe": str(self.pipe)}

    async def entered(self) -> None:
        await opened(self.begun)

    async def open(self) -> None:
        await asyncio.to_thread(self.pipe.write_bytes, b"go on")
