"""`GET /status/events`: every decision of the tree as it is taken, as server-sent events.

    client --GET, Last-Event-ID--> here: what was missed, then what comes --event, event, ...--> client
                                         nothing for 15 s: a comment      the client is too slow: `lost`, and how many
                                         the gateway stops: `end`
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from actors.gateway import sse
from actors.gateway.answers import GATE, TRACE_KEY
from actors.gateway.chat import KEEP_ALIVE, write
from actors.runtime.events import Event, Lost, Reader
from messages.faults import Fault
from messages.outcome import Refusal

GREETING = b": every decision of the tree, as it is taken\n\n"
RETRY_MS = 1000  # after which a browser connects again

HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


async def stream(request: web.Request) -> web.StreamResponse:
    """Streams until the client leaves or the gateway stops. `?since=N`, `?under=/providers`, `?everything=1` for temporary actors' days too."""
    gate = request.app[GATE]
    since, under = _since(request), "/" + request.query.get("under", "").strip("/")
    everything = request.query.get("everything", "") not in ("", "0", "false")
    with gate.events.read(Reader(under, everything=everything), since) as reader:
        response = web.StreamResponse(headers={**HEADERS, "X-Undying-Trace": request[TRACE_KEY]})
        await response.prepare(request)
        await write(request, response, b"retry: %d\n%b" % (RETRY_MS, GREETING))
        while not reader.ended:
            told = await reader.next(KEEP_ALIVE)
            if told:
                await write(request, response, b"".join(map(frame, told)))
            elif not reader.ended:
                await write(request, response, sse.COMMENT)
        rest = await reader.next(0)
        await write(request, response, b"".join(map(frame, rest)) + sse.named_event("end", b'{"why": "the gateway stops"}'))
        await response.write_eof()
    return response


def frame(told: Event | Lost) -> bytes:
    """One server-sent event."""
    if isinstance(told, Lost):
        return sse.named_event("lost", orjson.dumps({"count": told.number, "why": told.why}))
    return sse.named_event(told.decision.event, orjson.dumps(as_data(told)), told.n or None)


def as_data(event: Event) -> dict[str, Any]:
    """The decision as people and programs read it, with the time of the wall clock."""
    at = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds")
    return {"time": at, **event.decision.model_dump(exclude={"at"})}


def _since(request: web.Request) -> int | None:
    """The number after which to begin; None for now. The header is what a browser sends when it connects again, so it is the newer one."""
    for where, told in (("Last-Event-ID", request.headers.get("Last-Event-ID")), ("since", request.query.get("since"))):
        if told is not None:
            if not (told.isascii() and told.isdigit() and len(told) <= 18):
                message = f"{where}: {told[:50]!r}, must be the number of an event, 0 for all that is remembered"
                raise Refusal(Fault(cls="bad_request", param=where, message=message))
            return int(told)
    return None
