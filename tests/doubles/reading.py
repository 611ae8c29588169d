"""A client that tells exactly what it saw of an answer: every byte, every event, and how it ended."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp

from undying.testing.fake_provider.payloads import Body

Ended = Literal["well", "refused", "reset", "closed", "cut", "no_http", "undecodable"]
"""How it ended for HTTP: as it should; connection refused; reset; closed before the head; closed within the body; not understood."""


@dataclass
class Seen:
    """What a client saw. `status` is 0 when no head came."""

    status: int = 0
    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""
    ended: Ended = "well"

    @property
    def lines(self) -> list[str]:
        return self.data.decode(errors="replace").removeprefix("\ufeff").replace("\r\n", "\n").split("\n")

    @property
    def comments(self) -> int:
        return sum(line.startswith(":") for line in self.lines)

    @property
    def events(self) -> list[str]:
        return [line.removeprefix("data: ") for line in self.lines if line.startswith("data: ")]

    @property
    def chunks(self) -> list[Body]:
        """The events that are JSON objects."""
        return [chunk for chunk in map(as_object, self.events) if chunk is not None]

    @property
    def broken(self) -> int:
        """Events that are neither JSON nor [DONE]."""
        return len(self.events) - len(self.chunks) - self.done

    @property
    def done(self) -> int:
        return self.events.count("[DONE]")

    @property
    def errors(self) -> list[Any]:
        return [chunk["error"] for chunk in [*self.chunks, *filter(None, [self.document])] if "error" in chunk]

    def deltas(self, name: str) -> list[Any]:
        """That field of every delta that has it, the empty ones left out."""
        return [choice["delta"][name] for chunk in self.chunks for choice in chunk.get("choices", []) if choice["delta"].get(name)]

    @property
    def tokens(self) -> list[str]:
        return self.deltas("content")

    @property
    def finish(self) -> str | None:
        """The finish reason of a stream or a document."""
        bodies = [*self.chunks, *filter(None, [self.document])]
        return next((choice["finish_reason"] for body in bodies for choice in body.get("choices", []) if choice.get("finish_reason")), None)

    @property
    def document(self) -> Body | None:
        """The body, if it is a JSON object in UTF-8."""
        try:
            return as_object(self.data.decode())
        except UnicodeDecodeError:
            return None

    @property
    def text(self) -> str | None:
        """The content of a document's message."""
        choices = (self.document or {}).get("choices") or [{}]
        text: str | None = choices[0].get("message", {}).get("content")
        return text


def as_object(text: str) -> Body | None:
    """The JSON object, if it is one."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


async def post(client: aiohttp.ClientSession, base_url: str, *, stream: bool, model: str = "mock", **fields: object) -> Seen:
    """One chat call, read to whatever end it takes."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": stream, **fields}
    return await request(client, "POST", f"{base_url}/chat/completions", json=body)


async def request(client: aiohttp.ClientSession, method: str, url: str, **options: Any) -> Seen:
    """One call, read to whatever end it takes. Redirects are not followed."""
    seen = Seen()
    try:
        async with client.request(method, url, allow_redirects=False, **options) as response:
            seen.status = response.status
            seen.content_type = response.content_type
            seen.headers = {name.lower(): value for name, value in response.headers.items()}
            async for data in response.content.iter_any():
                seen.data += data
    except aiohttp.ClientConnectorError:
        seen.ended = "refused"
    except aiohttp.ServerDisconnectedError:
        seen.ended = "closed"
    except aiohttp.ClientOSError as error:
        if error.errno != errno.ECONNRESET:
            raise
        seen.ended = "reset"
    except aiohttp.ClientPayloadError as error:
        seen.ended = "undecodable" if "decode" in str(error) else "reset" if "ConnectionResetError" in str(error) else "cut"
    except aiohttp.ClientResponseError:
        seen.ended = "no_http"
    return seen
