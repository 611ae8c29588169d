"""Owns one upstream call, from the connection to the verdict.

    plain       exchange --BeginAttempt--> attempt --AttemptAnswered--> exchange, then it leaves
    streaming   exchange --BeginAttempt--> attempt --AttemptOpened--> exchange, AttemptChunk... <--GrantCredit-- ..., AttemptEnded, then it leaves

An attempt that fails is an attempt that ends: the fault is its exit reason. The ask fails with it, and once the stream is open the
exchange gets it with Down, as the account always does. Nothing of a stream is sent before its first token is there, so that another
provider can still take over unseen. What reads the answer is pure (`wire/`); this file only moves bytes and keeps the time.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from io import BytesIO
from typing import assert_never

import aiohttp

from actors.provider.classify import classify
from actors.provider.pool import Pool, read_whole
from actors.provider.wire import embedded, openai
from actors.runtime.exits import Exit
from actors.runtime.supervised import Later, SupervisedActor
from actors.runtime.timer import Timer
from messages.chat import CREDIT_BYTES, CREDIT_CHUNKS
from messages.faults import Fault, FaultClass
from messages.message import Message
from messages.provider import AttemptAnswered, AttemptChunk, AttemptEnded, AttemptOpened, BeginAttempt, GrantCredit
from messages.supervision import Down, ExitReason

Inbox = BeginAttempt | GrantCredit

BROKEN = (aiohttp.ClientError, ssl.SSLError, OSError, TimeoutError)
"""What a call may raise that says something about the provider, or the way to it."""

MAX_ANSWER = 64 * 1024 * 1024
LINGER = 0.1  # seconds that the end of a body is waited for once everything is said
LARGE = 1024 * 1024  # aiohttp writes bytes in one go, and warns of it above this; a stream it writes piece by piece


class Attempt(SupervisedActor[Inbox]):
    """See the module."""

    begin: BeginAttempt
    asked: Later
    call: asyncio.Task[None]

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool
        self.limits = pool.settings.timeouts
        self.chunks = CREDIT_CHUNKS
        self.size = CREDIT_BYTES
        self.sent = 0  # chunks
        self.reader: openai.StreamReader | None = None
        self.due = self.total_at = self.alarm_at = 0.0  # on the loop's clock
        self.alarm: Timer | None = None
        self._credited: asyncio.Future[None] | None = None

    def receive(self, message: Inbox) -> Message | Later | None:
        """See the module."""
        match message:
            case BeginAttempt():
                return self._begin(message)
            case GrantCredit():
                self.chunks += message.chunks
                self.size += message.size
                if self._credited is not None and not self._credited.done():
                    self._credited.set_result(None)
                return None
            case _:
                assert_never(message)

    def _begin(self, message: BeginAttempt) -> Later:
        if (message.provider, message.base_url) != (self.pool.name, self.pool.settings.base_url):
            told = f"{self.pool.name} is at {self.pool.settings.base_url or 'no URL'}; what was routed to {message.provider} at {message.base_url} is not sent"
            self.fail(Fault(cls="internal", message=told))
        self.begin = message
        self.asked = self.later()
        self.monitor(message.owner)
        if self.pool.settings.kind == "embedded":
            self.spawn(self._answer_embedded(), "embedded")
        else:
            self.total_at = self.now + self.limits.total
            self.call = self.spawn(self._stream() if message.stream else self._plain(), "upstream")
        return self.asked

    def down(self, down: Down) -> None:
        """The exchange is gone: so is whoever wanted this."""
        self.fail(self._fault("cancelled", "the request is gone"))

    # ---- a real provider

    async def _plain(self) -> None:
        self._allow(self.limits.total)
        try:
            async with self._call() as response:
                body = await self._read(response)
        except BROKEN as error:
            raise self._broken(error) from error
        fault = openai.read_answer(response.status, response.headers, body)
        if fault is not None:
            raise Exit(self._failed(fault))
        self.asked.answer(AttemptAnswered(content_type=response.content_type, body=body))
        self.leave()

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = await read_whole(response, MAX_ANSWER)
        if body is None:
            raise Exit(self._failed(self._fault("invalid_output", f"the answer is longer than {MAX_ANSWER} bytes")))
        return body

    async def _stream(self) -> None:
        self._allow(self.limits.first_token)
        reader = self.reader = openai.StreamReader()
        try:
            async with self._call() as response:
                if response.status != 200:
                    raise Exit(self._failed(classify(response.status, response.headers, await self._read(response))))
                if response.content_type == "application/json":  # asked for a stream, it answered in one piece: the client gets its stream
                    events = openai.as_stream(await self._read(response), self.begin.include_usage)
                    if isinstance(events, Fault):
                        raise Exit(self._failed(events))
                    await self._finish(events)
                    return
                await self._relay(reader, response)
        except (Exit, *BROKEN) as error:
            if reader.verdict() is not None:
                raise self._broken(error) from error  # else the answer had its finish reason: what broke after it is nobody's loss
        await self._finish(reader.tail())

    async def _relay(self, reader: openai.StreamReader, response: aiohttp.ClientResponse) -> None:
        """Passes events on as they come, from the first token on; the reader holds back what came before it."""
        async for data in response.content.iter_any():
            events = reader.feed(data)
            if reader.fault is not None:
                raise Exit(self._failed(reader.fault))
            if reader.first_token and events:  # until then the limit for the first token, counted from the request, goes on
                self._allow(self.limits.total)  # a client that is slow to take it is not the provider's silence
                await self._pass_on(events)
            if reader.done:  # all is said; the end of the body is waited for only to keep the connection
                self._allow(LINGER)
            elif reader.first_token:
                self._allow(self.limits.silence)
        fault = reader.verdict()
        if fault is not None:
            raise Exit(self._failed(fault))

    async def _finish(self, events: list[bytes]) -> None:
        await self._pass_on(events)
        self.tell(self.begin.owner, AttemptEnded(n=self.sent))
        self.leave()

    # ---- its limits

    def _allow(self, seconds: float) -> None:
        """From now on the provider may take so long, and never more than `total` since the start. Moving the limit on costs next to nothing."""
        self.due = min(self.now + seconds, self.total_at)
        if self.alarm is None or self.due < self.alarm_at:
            self._set_alarm()

    def _set_alarm(self) -> None:
        if self.alarm is not None:
            self.alarm.cancel()
        self.alarm_at = self.due
        self.alarm = self.after(self.due - self.now, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        if self.now < self.due:
            self._set_alarm()
        elif self._credited is None and self.reader is not None and self.reader.verdict() is None:
            # everything was said and passed on, only the end did not come
            self.call.cancel()
            self.spawn(self._finish(self.reader.tail()), "finish")
        else:
            raise self._broken(TimeoutError())

    def _call(self) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        request = openai.chat_request(self.begin.base_url, self.pool.key, self.pool.settings.kind, self.begin, self._cell.trace)
        return self.pool.session.request(
            request.method, request.url, headers=request.headers, data=_payload(request.body), allow_redirects=False  # the key stays here
        )

    def _broken(self, error: BaseException) -> Exit:
        """What went wrong on the way, as this attempt's end."""
        match error:
            case Exit():
                return error
            case aiohttp.ConnectionTimeoutError():
                return Exit(self._failed(self._fault("connection", f"no connection within {self.limits.connect:g} s")))
            case TimeoutError():
                return Exit(self._failed(self._fault("timeout", "the provider was silent for longer than its limits allow")))
            case _:
                return Exit(self._failed(self._fault("connection", told_of(error, self.pool.name))))

    # ---- the embedded one

    async def _answer_embedded(self) -> None:
        begin = self.begin
        created, id = int(self.pool.wall()), f"chatcmpl-{self._cell.trace}"
        told: bytes | Iterator[bytes] | Fault
        told = embedded.chunks(begin.body, created, id, begin.include_usage) if begin.stream else embedded.completion(begin.body, created, id)
        if isinstance(told, Fault):
            raise Exit(self._failed(told))
        if isinstance(told, bytes):
            self.asked.answer(AttemptAnswered(content_type="application/json", body=told))
        else:
            for event in told:
                await asyncio.sleep(0)
                await self._pass_on([event])
            self.tell(begin.owner, AttemptEnded(n=self.sent))
        self.leave()

    # ---- towards the exchange

    async def _pass_on(self, events: list[bytes]) -> None:
        """Sends events, when the client has taken enough of those before."""
        if not events:
            return
        while self.chunks <= 0 or self.size <= 0:
            self._credited = self.system.loop.create_future()
            await self._credited
        self._credited = None
        data = b"".join(events)
        self.chunks -= 1
        self.size -= len(data)
        self.sent += 1
        if self.sent > 1:
            self.tell(self.begin.owner, AttemptChunk(n=self.sent, data=data, count=len(events)))
        else:
            self.report_end_to(self.begin.owner)
            self.asked.answer(AttemptOpened(attempt=self.address, data=data, count=len(events)))

    def _fault(self, cls: FaultClass, message: str) -> Fault:
        return Fault(cls=cls, message=message, provider=self.pool.name, model=self.begin.model)

    def _failed(self, fault: Fault) -> ExitReason:
        fault = fault.model_copy(update={"provider": self.pool.name, "model": self.begin.model})
        return ExitReason(how="failed", error=fault.cls, detail=fault.message[:300], fault=fault)


def _payload(body: bytes | None) -> bytes | BytesIO | None:
    return body if body is None or len(body) <= LARGE else BytesIO(body)


def told_of(error: BaseException, provider: str) -> str:
    """What broke between us and a provider, for whoever has to mend it."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"{provider}'s certificate is not trusted ({error.certificate_error})"
        case aiohttp.ClientConnectorDNSError():
            return f"the host name of {provider} is not known ({error.host})"
        case aiohttp.ClientConnectorError():
            return f"no connection to {provider} at {error.host}:{error.port} ({error.os_error.strerror or error.os_error})"
        case aiohttp.ServerDisconnectedError():
            return f"{provider} closed the connection instead of answering"
        case aiohttp.ClientPayloadError():
            return f"{provider} broke off in the midst of its answer"
        case aiohttp.ClientResponseError():
            return f"{provider} answered with something that is no HTTP ({error.message[:100]})"
        case _:
            return f"the connection to {provider} broke ({type(error).__name__}: {str(error)[:200]})"
