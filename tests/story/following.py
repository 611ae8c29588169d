"""A client of `/status/events` that reads one event after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

LIMIT = 20.0


@dataclass
class Following:
    """An open stream. `comments` are the comments so far."""

    answer: aiohttp.ClientResponse
    comments: list[str] = field(default_factory=list)

    async def next(self) -> tuple[str, int | None, dict[str, Any]]:
        """Name, number and data of the next event. Raises EOFError when the stream has ended."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(LIMIT):
            async for raw in self.answer.content:
                line = raw.decode().rstrip("\n")
                if line.startswith(":"):
                    self.comments.append(line)
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    return fields["event"], int(fields["id"]) if "id" in fields else None, orjson.loads(fields["data"])
        raise EOFError

    async def until(self, name: str, address: str | None = None) -> tuple[int | None, dict[str, Any]]:
        """Number and data of the next event of this name, at this address."""
        while True:
            event, number, data = await self.next()
            if event == name and address in (None, data.get("address")):
                return number, data


@asynccontextmanager
async def following(client: aiohttp.ClientSession, url: str, query: str = "", **headers: str) -> AsyncIterator[Following]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.get(f"{url}/status/events{query}", headers=sent) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        yield Following(answer)
