"""Reads a stream of chat completion chunks: relays whole events, and knows at its end whether it was an answer; pure.

    bytes --feed--> lines --> events --+-- chunk --------> relayed as it came, once a first token has been seen
                                       +-- [DONE] -------> kept back: only a stream that ended well ends with one
                                       +-- error, page,
                                           broken JSON --> fault; nothing after it is relayed

Invariants:
 1. However the bytes are cut into reads, the relayed bytes and the verdict are the same.
 2. `feed` returns nothing before the first token; the events held until then come together with it.
 3. An error is never relayed. After a fault nothing is.
 4. The verdict is None only for a stream with a finish reason for every choice that says something (or says why it does not).
 5. DONE is given out once, by `tail`, and only when the verdict is None.

Lines end in LF, CR LF or CR, and leave with LF; comments, ids and a byte order mark are dropped.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from actors.provider.classify import classify
from actors.provider.wire.openai_answer import SILENT_FINISHES, failed_finish, invalid, says
from messages.faults import Fault

DONE = b"data: [DONE]\n\n"
LIMIT = 8 * 1024 * 1024  # bytes of one line, of one event, and of all that comes before the first token

_BOM = b"\xef\xbb\xbf"
_FIELD = re.compile(rb"\A[A-Za-z][\w-]{0,30}:")
_FOREIGN_LIMIT = 64 * 1024


class StreamReader:
    """Reads one stream; see the module. Once `fault` is set or `done` is True, nothing more need be read.

    Costs 2.0 us per chunk of 230 bytes, 1.6 when several come in one read; orjson takes 0.6 of it. A search for the bytes
    `"finish_reason":null` instead would save 1 us, and be wrong for every other spacing, for n > 1 and for errors in the midst of a stream.
    """

    __slots__ = (
        "_closed", "_cr", "_data", "_ended", "_event", "_finished", "_foreign", "_held", "_out", "_partial", "_partial_size", "_seen", "_started",
        "done", "fault", "finish", "first_token",
    )  # fmt: skip

    def __init__(self) -> None:
        self.first_token = False  # something has been said: text, a tool call, a refusal, reasoning
        self.finish: str | None = None  # the last finish reason
        self.done = False  # [DONE] has come
        self.fault: Fault | None = None
        self._out: list[bytes] = []  # events to be relayed
        self._held = 0  # bytes in it before the first token
        self._partial: list[bytes] = []  # a line that has not ended yet, in pieces
        self._partial_size = 0
        self._data: list[bytes] = []  # what the event that has not ended yet says, line by line
        self._event = b""  # its name
        self._foreign: list[bytes] = []  # lines that are no events
        self._seen: set[int] = set()  # choices
        self._finished: set[int] = set()
        self._cr = False  # the last read ended in CR
        self._started = False
        self._ended = False
        self._closed = False

    def feed(self, data: bytes) -> list[bytes]:
        """More of the stream; returns whole events to relay, each ready to be written."""
        if self._stopped():
            return []
        if self._cr or b"\r" in data:
            data = self._with_lf(data)
        end = data.rfind(b"\n")
        if end < 0:
            self._keep(data)
            return []
        if self._partial:
            self._partial.append(data[:end])
            lines = b"".join(self._partial).split(b"\n")
            self._partial.clear()
            self._partial_size = 0
        else:
            lines = data[:end].split(b"\n")
        for line in lines:
            self._line(line)
            if self._stopped():
                break
        else:
            self._keep(data[end + 1 :])
        if not self.first_token:
            return []
        out, self._out = self._out, []
        return out

    def verdict(self) -> Fault | None:
        """At the end of the body: None if the stream was a whole answer, else which way it was not."""
        self._end()
        if self.fault is None:
            self.fault = self._judged()
        return self.fault

    def tail(self) -> list[bytes]:
        """What is still to be relayed when the verdict is None: events that were held back, and DONE. Once, then nothing."""
        if self._closed or self.verdict() is not None:
            return []
        self._closed = True
        return [*self._out, DONE]

    def _stopped(self) -> bool:
        return self.done or self.fault is not None

    # ---- lines and events

    def _with_lf(self, data: bytes) -> bytes:
        if self._cr:
            data = b"\r" + data
        self._cr = data.endswith(b"\r")
        return data[: len(data) - self._cr].replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._partial.append(piece)
            self._partial_size += len(piece)
            if self._partial_size > LIMIT:
                self._too_long("line")

    def _line(self, line: bytes) -> None:
        if not self._started:
            self._started = True
            line = line.removeprefix(_BOM)
        if line[:5] == b"data:":
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            if len(line) > LIMIT or (len(self._data) > 1 and sum(map(len, self._data)) > LIMIT):
                self._too_long("event")
        elif not line:
            self._dispatch()
        elif line[:6] == b"event:":
            self._event = line[6:].strip()
        elif line[:6].lower() == b"error:":  # older llama.cpp
            self.fault = self._as_error(line[6:])
        elif line[:1] != b":" and not _FIELD.match(line):
            self._foreign_line(line)

    def _dispatch(self) -> None:
        if not self._data:
            self._event = b""
            return
        said, self._data = self._data, []
        name, self._event = self._event, b""
        payload = said[0] if len(said) == 1 else b"\n".join(said)
        if name == b"error":
            self.fault = self._as_error(payload)
        elif payload[:6] == b"[DONE]":
            self.done = True
        elif payload and not payload.isspace():
            self._chunk(payload, said)

    def _chunk(self, payload: bytes, said: list[bytes]) -> None:
        try:
            chunk = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            self._unreadable(payload, error)
            return
        choices = chunk.get("choices") if type(chunk) is dict else None
        if type(choices) is not list or chunk.get("error"):
            self._no_chunk(chunk, payload)
            return
        spoken = self.first_token
        for choice in choices:
            if type(choice) is not dict:
                self.fault = invalid("an event of the stream has a choice that is no object")
                return
            index = choice.get("index")
            index = index if type(index) is int else 0
            self._seen.add(index)
            spoken = spoken or _speaks(choice)
            reason = choice.get("finish_reason")
            if reason and type(reason) is str:
                self.fault = failed_finish(reason)
                if self.fault is not None:
                    return
                self.finish = reason
                self._finished.add(index)
        self._emit(said, spoken)

    def _emit(self, said: list[bytes], spoken: bool) -> None:
        event = b"data: " + b"\ndata: ".join(said) + b"\n\n"
        self._out.append(event)
        self.first_token = spoken
        if not spoken:
            self._held += len(event)
            if self._held > LIMIT:
                self._too_long("silence before the first token")

    # ---- what is no chunk

    def _too_long(self, what: str) -> None:
        self.fault = invalid(f"the stream has a {what} of more than {LIMIT} bytes")

    def _unreadable(self, payload: bytes, error: orjson.JSONDecodeError) -> None:
        if self._ended and self.finish is not None:
            return  # the answer is whole; what was cut off after it was only its usage
        if payload.lstrip()[:1] not in (b"{", b"[", b'"') or b'"error"' in payload[:200]:
            told = classify(200, {}, payload)
            if told.cls not in ("invalid_output", "unknown"):
                self.fault = told
                return
        self.fault = invalid(f"an event of the stream is broken JSON: {error.msg[:100]}")

    def _no_chunk(self, document: Any, payload: bytes) -> None:
        """JSON that is no chunk: an error, or something that providers add and nobody needs."""
        if type(document) is not dict:
            self.fault = self._as_error(payload)
        elif document.get("error") or "error" in (document.get("object"), document.get("type")):
            self.fault = self._as_error(payload)
        elif any(type(document.get(field)) is str for field in ("message", "detail", "msg", "error_msg")):
            self.fault = self._as_error(payload)

    def _as_error(self, payload: bytes) -> Fault:
        told = classify(200, {}, payload)
        return invalid("an event of the stream is of another kind, not a chunk of a completion") if told.cls == "invalid_output" and not told.code else told

    def _foreign_line(self, line: bytes) -> None:
        """A line that SSE does not know: a page, a document, plain text. A document may be spread over lines."""
        if self.finish is not None:
            return
        if line.lstrip()[:1] == b"<":
            self.fault = invalid("the stream is a page of a proxy in between, not events")
            return
        if sum(map(len, self._foreign)) < _FOREIGN_LIMIT:
            self._foreign.append(line[:_FOREIGN_LIMIT])
        try:
            orjson.loads(line)
        except orjson.JSONDecodeError:
            return
        self.fault = self._judged()

    # ---- the end

    def _end(self) -> None:
        """Reads what the body ended with: its last line may lack its end, its last event the empty line."""
        if self._ended:
            return
        self._ended = True
        if self.fault is None and not self.done:
            if self._partial:
                self._line(b"".join(self._partial))
            if self.fault is None:
                self._dispatch()

    def _judged(self) -> Fault | None:
        if self._foreign and self.finish is None:
            told = classify(200, {}, b"\n".join(self._foreign))
            return invalid("the stream is a document or text of another kind, not events") if told.cls in ("invalid_output", "unknown") else told
        if self.finish is None:
            if self.done:
                return invalid("the stream said [DONE] without a finish reason")
            if not self._started:
                return invalid("the stream is empty: no body")
            return invalid("the stream ended without a finish reason" + (", in the midst of the answer" if self.first_token else ""))
        if self._seen - self._finished:
            return invalid(f"choice {min(self._seen - self._finished)} of the stream has no finish reason")
        if not self.first_token and self.finish not in SILENT_FINISHES:
            return invalid(f"the stream is empty: finish reason {self.finish!r}, but no content, tool call, refusal or reasoning")
        return None


def _speaks(choice: dict[str, Any]) -> bool:
    delta = choice.get("delta") or choice.get("message")
    return (type(delta) is dict and says(delta)) or bool(choice.get("text"))
