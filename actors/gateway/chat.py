"""The chat handlers: read and check the head, hand the request to an exchange, relay what comes back.

    client --POST--> here --ServeChat--> /gateway/exchanges ... ChatAnswered | ChatOpened, ChatChunk..., ChatClosed | ChatFailed --> client

An exchange that crashes before anything was sent is replaced once, unseen; later the client is told, with the trace.
"""

from __future__ import annotations

import asyncio
from typing import assert_never, cast

from aiohttp import web

from actors.gateway import openai, sse
from actors.gateway.answers import GATE, TRACE_KEY, refuse
from actors.runtime.port import Port
from messages.chat import ChatAnswered, ChatChunk, ChatClosed, ChatCredit, ChatFailed, ChatHead, ChatOpened, ServeChat
from messages.faults import Fault
from messages.outcome import Refusal, as_fault
from messages.supervision import Down

EXCHANGES = "/gateway/exchanges"
BODY_LIMIT = 60.0  # seconds a client may take to send its body
WRITE_LIMIT = 60.0  # seconds a client may take no byte of a stream
KEEP_ALIVE = 15.0  # seconds of silence before a comment is sent
GRACE = 5.0  # seconds beyond the deadline after which even the exchange is not waited for
CREDIT_EVERY = 4  # chunks

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
    seconds = time_limit(request, gate.settings.routing.request_timeout)
    fallback = request.headers.get("X-Undying-Fallback", "").lower() not in ("off", "false", "0")
    with gate.request():
        async with Port(gate.system, trace=trace, prefix="/gateway/clients") as port:
            told = await _serve(port, ServeChat(head=head, body=body, fallback=fallback), seconds)
            match told:
                case ChatAnswered():
                    headers = openai.served_headers(told.served, trace)
                    return web.Response(body=told.body, headers={**headers, "Content-Type": told.content_type})
                case ChatFailed():
                    return refuse(told.fault, trace, told.trail)
                case ChatOpened():
                    return await _relay(request, port, head, told, seconds)
                case _:
                    raise AssertionError(told)


async def _serve(port: Port, serve: ServeChat, seconds: float) -> Told:
    """The first thing an exchange says; a crashed one is replaced once."""
    for last in (False, True):
        outcome = port.tell(EXCHANGES, serve, timeout=seconds)
        if outcome is not None:
            if last:
                return ChatFailed(fault=as_fault(outcome))
            await asyncio.sleep(0)
            continue
        try:
            told = cast(Told, await port.receive(seconds + GRACE))
        except TimeoutError:
            return ChatFailed(fault=_OVERDUE)
        if not isinstance(told, Down):
            return told
    return ChatFailed(fault=_LOST)


async def _relay(request: web.Request, port: Port, head: ChatHead, opened: ChatOpened, seconds: float) -> web.StreamResponse:
    """Writes the stream as it comes, and gives credit for what the client has taken."""
    trace = request[TRACE_KEY]
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers={**headers, **openai.served_headers(opened.served, trace)})
    await response.prepare(request)
    taken = size = 0
    whole = False
    while True:
        told = await _next(port)
        match told:
            case None:
                await _write(request, response, sse.COMMENT)
            case ChatChunk():
                await _write(request, response, told.data)
                whole = told.data.endswith(sse.DONE)
                taken, size = taken + 1, size + len(told.data)
                if taken == CREDIT_EVERY:
                    port.tell(opened.exchange, ChatCredit(chunks=taken, size=size))
                    taken = size = 0
            case ChatClosed():
                break
            case ChatFailed() | Down() if whole:
                break  # what ends after the last word ends nothing
            case ChatFailed():
                await _write(request, response, sse.error_event(told.fault, trace, told.trail))
                break
            case Down():
                await _write(request, response, sse.error_event(_LOST_MIDWAY, trace, ()))
                break
            case ChatAnswered() | ChatOpened():
                raise AssertionError(told)
            case _:
                assert_never(told)
    await response.write_eof()
    return response


async def _next(port: Port) -> Told | None:
    try:
        return cast(Told, await port.receive(KEEP_ALIVE))
    except TimeoutError:
        return None


async def _write(request: web.Request, response: web.StreamResponse, data: bytes) -> None:
    """Writes within a limit: a client that takes nothing is cut off instead of waited for."""
    try:
        async with asyncio.timeout(WRITE_LIMIT):
            await response.write(data)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise


async def read_body(request: web.Request) -> bytes:
    """The body, whole, within its limits of size and time."""
    limit = request.app[GATE].settings.server.max_body
    if request.content_length is not None and request.content_length > limit:
        raise web.HTTPRequestEntityTooLarge(limit, request.content_length)
    if request.content.is_eof():  # it came with the head, as most do
        return await request.read()
    try:
        async with asyncio.timeout(BODY_LIMIT):
            return await request.read()
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
