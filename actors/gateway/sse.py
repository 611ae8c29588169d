"""Server-sent events as we write them; pure.

A stream that fails midway ends with an error event and without DONE, so that nobody takes it for a whole answer. OpenAI's own client
raises an `APIError` for an event with an `error` key, and takes a stream that just ends for a good one: so the event is never left out.
"""

from __future__ import annotations

from actors.gateway.openai import error_body
from messages.faults import Fault, Trial

COMMENT = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


def event(data: bytes) -> bytes:
    """One event; `data` is UTF-8 and may hold line ends, each line gets its own field."""
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"".join(b"data: " + line + b"\n" for line in lines) + b"\n"


def named_event(name: str, data: bytes, id: int | None = None) -> bytes:
    """One event with its name, and its number when it has one."""
    numbered = b"" if id is None else b"id: %d\n" % id
    return b"event: %b\n%b%b" % (name.encode(), numbered, event(data))


def error_event(fault: Fault, trace: str, trail: tuple[Trial, ...]) -> bytes:
    """The last event of a stream that failed: OpenAI's error object, see `openai.error_body`."""
    return event(error_body(fault, trace, trail))
