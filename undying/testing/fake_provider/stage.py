"""What a fault can do with a call: send parts of the healthy answer, and end it in ways that no server should.

Everything that is valid HTTP goes through aiohttp's response; what is not goes to the transport. A fault that breaks the connection
never returns: the loss of the connection cancels its handler, as with any client that goes away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from aiohttp import web

from undying.testing.fake_provider.calls import Call, Ledger
from undying.testing.fake_provider.listener import Connection
from undying.testing.fake_provider.payloads import DONE, EVENT_STREAM, JSON_TYPE, Payload


@dataclass(frozen=True)
class Pace:
    """How fast the provider is, in seconds. `settle` passes between the last token and a blow.

    A client that reads into a buffer loses what is in it when the connection breaks (aiohttp's StreamReader raises first), and a test
    that says "after three tokens" means three tokens that arrived. On one loop any time at all is enough.
    """

    token_delay: float = 0.0
    settle: float = 0.02


class Stage:
    """One call that is being answered. Faults set `token_delay`, `newline`, `comment`, `drip` before they begin."""

    def __init__(
        self, request: web.BaseRequest, connection: Connection, call: Call, payload: Payload, ledger: Ledger, pace: Pace, released: asyncio.Event,
    ) -> None:  # fmt: skip
        self.call = call
        self.connection = connection
        self.payload = payload
        self.token_delay = pace.token_delay
        self.newline = b"\n"
        self.comment = b""
        self.drip = False
        self.response: web.StreamResponse = web.StreamResponse()
        self.whole = False
        self._request = request
        self._ledger = ledger
        self._settle = pace.settle
        self._released = released
        self._loop = asyncio.get_running_loop()
        self._sent = 0  # tokens of a stream, bytes of a document

    @property
    def streaming(self) -> bool:
        return self.payload.streaming

    @property
    def content_type(self) -> str:
        """What the client expects."""
        return EVENT_STREAM if self.streaming else JSON_TYPE

    # ------------------------------------------------------------------------------------------------------------ valid HTTP

    async def reply(self, status: int, body: bytes, content_type: str = JSON_TYPE, headers: Mapping[str, str] | None = None) -> None:
        """One whole HTTP answer."""
        self.response = web.Response(status=status, body=body, headers={**(headers or {}), "Content-Type": content_type})
        await self.response.prepare(self._request)
        await self.response.write_eof()

    async def begin(self, content_type: str = "", length: int | None = None, headers: Mapping[str, str] | None = None) -> None:
        """Sends the head of a 200; the body follows in chunks, or has the length that is announced."""
        self.response = web.StreamResponse(headers={**(headers or {}), "Content-Type": content_type or self.content_type})
        if length is None:
            self.response.enable_chunked_encoding()
        else:
            self.response.content_length = length
        await self.response.prepare(self._request)

    async def write(self, data: bytes) -> None:
        """Sends bytes of the body; one by one if they are to drip."""
        if self.newline != b"\n" and self.streaming:
            data = data.replace(b"\n", self.newline)  # JSON has its own line ends escaped: these are all of SSE's making
        if not self.drip:
            await self.response.write(data)
            return
        for at in range(len(data)):
            await self.response.write(data[at : at + 1])
            await asyncio.sleep(0)  # a turn for a reader on the same loop: otherwise the system hands it all bytes at once

    async def part(self, tokens: int) -> None:
        """Sends the beginning of the answer: the first tokens of a stream; of a document, which has none, its first half."""
        if not self.response.prepared:
            await self.begin()
        if self.streaming:
            await self.write(self.payload.opening())
            if tokens:
                await self._tokens(tokens)
        else:
            document = self.payload.document()
            self._sent = len(document) // 2
            await self.write(document[: self._sent])

    def skip(self) -> None:
        """The next token is never sent."""
        self._sent += 1

    async def rest(self, *, finish: bool = True, reason: str = "", done: bool = True) -> None:
        """Sends what `part` left, and what ends a stream."""
        if not self.streaming:
            await self.write(self.payload.document()[self._sent :])
        else:
            await self._tokens(None)
            ending = [self.payload.closing(reason) if finish else b"", self.payload.usage() if finish else b"", DONE if done else b""]
            for data in filter(None, ending):
                await self.write(data)
        self.whole = finish

    async def end(self) -> None:
        """Ends the body as HTTP wants it."""
        await self.response.write_eof()

    def everything(self) -> bytes:
        """The body of the healthy answer."""
        if not self.streaming:
            return self.payload.document()
        return b"".join([self.payload.opening(), *self.payload.tokens(), self.payload.closing(), self.payload.usage(), DONE])

    async def answer(self) -> None:
        """The healthy answer."""
        if self.streaming or self.drip:
            await self.part(0)
            await self.rest()
            await self.end()
        else:
            if self.token_delay:
                await self.pause(self.token_delay * len(self.payload.tokens()))
            await self.reply(200, self.payload.document())
            self.whole = True

    async def _tokens(self, upto: int | None) -> None:
        for token in self.payload.tokens()[self._sent : upto]:
            await self.pause(self.token_delay)
            await self.token(token)
            self._sent += 1

    async def token(self, data: bytes) -> None:
        """Sends a token's event, and counts it."""
        await self.write(self.comment + data)
        self.call.tokens += 1
        self._ledger.changed()

    # ---------------------------------------------------------------------------------------------------------------- waiting

    async def pause(self, seconds: float) -> None:
        """Lets time pass, until the test says `release()`. No time is still a turn of the loop: a long answer stops nobody."""
        if not seconds or self.released:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._released.wait()
        except TimeoutError:
            return

    async def hang(self) -> None:
        """Waits for the test to say `release()`, for the client to leave, or for the end."""
        await self._released.wait()

    @property
    def released(self) -> bool:
        return self._released.is_set()

    # ----------------------------------------------------------------------------------------------------------- breaking it

    async def raw(self, data: bytes) -> None:
        """Bytes to the socket, past all of HTTP. The fault is done with that: clients hang up on reading them."""
        await self._before_the_blow()
        if self.connection.transport is not None:
            self.connection.transport.write(data)

    async def fin(self) -> NoReturn:
        """Closes the connection in the middle of whatever it was doing."""
        await self._before_the_blow()
        self.connection.hang_up()
        await self._lost()

    async def rst(self) -> NoReturn:
        """Resets the connection: the client's system says ECONNRESET."""
        await self._before_the_blow()
        self.connection.reset()
        await self._lost()

    async def _before_the_blow(self) -> None:
        if self._sent and self.call.outcome == "running":
            await asyncio.sleep(self._settle)
        self._ledger.end(self.call, "faulted", self._loop.time())

    async def _lost(self) -> NoReturn:
        await self._loop.create_future()  # nobody sets it: the loss of the connection cancels this handler
        raise AssertionError("unreachable")
