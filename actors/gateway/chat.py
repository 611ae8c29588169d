"""The chat handlers: read and check the head, hand the request to an exchange, relay what comes back.

    client --POST--> here --ServeChat--> /gateway/exchanges ... ChatAnswered | ChatOpened, ChatChunk..., ChatClosed | ChatFailed --> client

An exchange that crashes before anything was sent is replaced once, unseen; later the client is told, with the trace.
"""

from __future__ import annotations

import asyncio
from typing import assert_never, cast

from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError

from actors.gateway import openai, sse
from actors.gateway.answers import GATE, TRACE_KEY, refuse
from actors.gateway.exchange import HOLE
from actors.runtime.port import Port
from messages.chat import CREDIT_BYTES, ChatAnswered, ChatChunk, ChatClosed, ChatCredit, ChatFailed, ChatOpened, ServeChat
from messages.faults import Fault
from messages.outcome import Outcome, Refusal, as_fault
from messages.supervision import Down

EXCHANGES = "/gateway/exchanges"
BODY_LIMIT = 60.0  # seconds a client may take to send its body
PIECE = 64 * 1024  # bytes; an answer no longer than this fits into the socket's buffer, and nobody has to wait
KEEP_ALIVE = 15.0  # seconds of silence before a comment is sent
GRACE = 2.0  # seconds beyond the deadline after which even the exchange is not waited for
CREDIT_EVERY = 4  # chunks, or
CREDIT_SIZE = CREDIT_BYTES // 4  # bytes: whichever comes first, or a few long chunks would use up all credit and none would be given back

Told = ChatAnswered | ChatOpened | ChatChunk | ChatClosed | ChatFailed | Down

_LOST = Fault(cls="internal", message="the part of the gateway that held this request crashed, twice; it was restarted")
_LOST_MIDWAY = Fault(cls="internal", message="the part of the gateway that relayed this stream crashed; what was sent is incomplete")
_OVERDUE = Fault(cls="deadline", message="the request's time limit ran out")


async def completions(request: web.Request) -> web.StreamResponse:
    """`POST /v1/chat/completions`, plain and streaming."""
    gate, trace = request.app[GATE], request[TRACE_KEY]
    if gate.draining:
        raise Refusal(Fault(cls="restarting", message="the gateway is shutting down", retry_after_ms=5000))
    body = await read_body(request)
    head = openai.read_head(body, request.headers)
    until = gate.system.now() + time_limit(request, gate.settings.routing.request_timeout)
    fallback = request.headers.get("X-Undying-Fallback", "").lower() not in ("off", "false", "0")
    async with Port(gate.system, trace=trace, prefix="/gateway/clients") as port:
        with gate.request(port.address):
            told = await _serve(port, ServeChat(head=head, body=body, fallback=fallback), until)
            match told:
                case ChatAnswered():
                    return await _answer(request, told)
                case ChatFailed():
                    return refuse(told.fault, trace, told.trail)
                case ChatOpened():
                    return await _relay(request, port, told, until + GRACE)
                case _:
                    raise AssertionError(told)


async def _serve(port: Port, serve: ServeChat, until: float) -> Told:
    """The first thing an exchange says; one that crashed, or could not start, is replaced once."""
    outcome: Outcome | None = None
    for _ in range(2):
        left = until - port.system.now()
        outcome = port.tell(EXCHANGES, serve, timeout=left)
        if outcome is not None:
            await asyncio.sleep(0)
            continue
        try:
            told = cast(Told, await port.receive(left + GRACE))
        except TimeoutError:
            return ChatFailed(fault=_OVERDUE)
        if not isinstance(told, Down):
            return told
        if port.system.now() >= until:
            return ChatFailed(fault=_OVERDUE)
    return ChatFailed(fault=_LOST if outcome is None else as_fault(outcome))


async def _answer(request: web.Request, told: ChatAnswered) -> web.StreamResponse:
    """A plain answer; a long one piece by piece, because a client may stop reading."""
    headers = {**openai.served_headers(told.served, request[TRACE_KEY]), "Content-Type": told.content_type}
    if len(told.body) <= PIECE:
        return web.Response(body=told.body, headers=headers)
    response = web.StreamResponse(headers={**headers, "Content-Length": str(len(told.body))})
    await response.prepare(request)
    for start in range(0, len(told.body), PIECE):
        await write(request, response, told.body[start : start + PIECE])
    await response.write_eof()
    return response


async def _relay(request: web.Request, port: Port, opened: ChatOpened, until: float) -> web.StreamResponse:
    """Writes the stream as it comes, and gives credit for what the client has taken."""
    trace = request[TRACE_KEY]
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers={**headers, **openai.served_headers(opened.served, trace)})
    await response.prepare(request)
    count = taken = size = 0
    whole = False
    while True:
        told = await _next(port, until)
        match told:
            case None:
                await write(request, response, sse.COMMENT)
                continue
            case ChatChunk() if told.n == count + 1:
                await write(request, response, told.data)
                whole = told.data.endswith(sse.DONE)
                count, taken, size = count + 1, taken + 1, size + len(told.data)
                if taken == CREDIT_EVERY or size >= CREDIT_SIZE:
                    port.tell(opened.exchange, ChatCredit(chunks=taken, size=size))
                    taken = size = 0
                continue
            case ChatClosed() if told.n == count:
                break
            case ChatFailed() | Down() if whole:
                break  # what ends after the last word ends nothing
            case ChatFailed():
                fault, trail = told.fault, told.trail
            case Down():
                fault, trail = _LOST_MIDWAY, ()
            case ChatChunk() | ChatClosed():
                fault, trail = HOLE, ()
            case ChatAnswered() | ChatOpened():
                raise AssertionError(told)
            case _:
                assert_never(told)
        await write(request, response, sse.error_event(fault, trace, trail))
        break
    await response.write_eof()
    return response


async def _next(port: Port, until: float) -> Told | None:
    """What the exchange says next; None when it has been silent for so long that the client should hear something."""
    left = until - port.system.now()
    try:
        return cast(Told, await port.receive(max(0.0, min(KEEP_ALIVE, left))))
    except TimeoutError:
        return None if left > KEEP_ALIVE else ChatFailed(fault=_OVERDUE)


async def write(request: web.Request, response: web.StreamResponse, data: bytes) -> None:
    """Writes within a limit: a client that takes nothing is cut off instead of waited for."""
    gate, transport = request.app[GATE], request.transport
    if transport is None:
        raise ConnectionResetError("the client is gone")
    alarm = gate.system.alarms.at(gate.system.now() + gate.patience, transport.abort)
    try:
        await response.write(data)
    finally:
        alarm.lift()


async def read_body(request: web.Request) -> bytes:
    """The body, whole, within its limits of size and time."""
    limit = request.app[GATE].settings.server.max_body
    if request.content_length is not None and request.content_length > limit:
        raise web.HTTPRequestEntityTooLarge(limit, request.content_length)
    if request.content.is_eof() and request.content.exception() is None:  # it came with the head, as most do
        return await request.read()
    try:
        async with asyncio.timeout(BODY_LIMIT):
            return await request.read()
    except ContentEncodingError as error:
        raise Refusal(Fault(cls="bad_request", param="Content-Encoding", message=f"the body is not what Content-Encoding says: {error.message}")) from None
    except TimeoutError:
        raise Refusal(Fault(cls="bad_request", message=f"the body did not arrive within {BODY_LIMIT:g} s")) from None


def time_limit(request: web.Request, most: float) -> float:
    """Seconds this request may take: the client's `X-Request-Timeout` when that is less than our own limit."""
    told = request.headers.get("X-Request-Timeout")
    if told is None:
        return most
    try:
        seconds = float(told)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise Refusal(Fault(cls="bad_request", param="X-Request-Timeout", message=f"X-Request-Timeout: {told!r}, must be seconds > 0"))
    return min(seconds, most)
