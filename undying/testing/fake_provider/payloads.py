"""What a healthy provider says, in OpenAI's words: completions, their chunks, models, embeddings; pure.

A stream is, in this order::

    opening     a delta with the role
    tokens      one delta per token: reasoning first, then content, then pieces of tool calls
    closing     an empty delta with the finish reason
    usage       no choices, only usage; if it was asked for
    DONE        data: [DONE]

A document is the same answer in one piece. Equal requests get equal bytes: ids count, the time stands still.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

Body = dict[str, Any]
"""A request's or an answer's JSON object."""

CREATED = 1_760_000_000
DONE = b"data: [DONE]\n\n"
JSON_TYPE = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"
DIMENSIONS = 8

_ARGUMENT_PIECE = 6  # characters: small enough that the least of arguments comes in several pieces


def tokenise(text: str) -> list[str]:
    """Words, each with the space before it, as models have them. Joined they are the text again."""
    return re.findall(r"\s*\S+|\s+$", text)


def encode(document: object) -> bytes:
    """JSON as providers write it: no spaces, and UTF-8 as it is rather than escaped."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def event(document: object) -> bytes:
    """One server-sent event."""
    return b"data: " + encode(document) + b"\n\n"


@dataclass(frozen=True)
class ToolCall:
    """A call the model wants made. `arguments` is JSON text, and may be broken: models do that."""

    name: str
    arguments: str
    id: str = "call_00000001"

    def pieces(self) -> list[str]:
        """The arguments as they are streamed."""
        return [self.arguments[at : at + _ARGUMENT_PIECE] for at in range(0, len(self.arguments), _ARGUMENT_PIECE)]


@dataclass(frozen=True)
class Answer:
    """What the model says: reasoning, then text, then tool calls; each may be missing."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()

    @property
    def finish_reason(self) -> str:
        return "tool_calls" if self.tool_calls else "stop"

    def deltas(self) -> list[Body]:
        """One delta per token. The first piece of a tool call carries its id and name."""
        found: list[Body] = [{"reasoning_content": token} for token in tokenise(self.reasoning)]
        found += [{"content": token} for token in tokenise(self.text)]
        for index, tool in enumerate(self.tool_calls):
            found.append({"tool_calls": [{"index": index, "id": tool.id, "type": "function", "function": {"name": tool.name, "arguments": ""}}]})
            found += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in tool.pieces()]
        return found

    def message(self) -> Body:
        """The whole as one message. Content is null when there are only tool calls, as OpenAI has it."""
        message: Body = {"role": "assistant", "content": None if self.tool_calls and not self.text else self.text}
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        if self.tool_calls:
            message["tool_calls"] = [{"id": t.id, "type": "function", "function": {"name": t.name, "arguments": t.arguments}} for t in self.tool_calls]
        return message


Says = str | ToolCall | Answer
"""The short ways to write an answer."""

Answering = Says | Callable[[Body], Says]
"""An answer, or what makes one from the request's body."""


def as_answer(answering: Answering, body: Body) -> Answer:
    """The answer to this request."""
    said = answering(body) if callable(answering) else answering
    match said:
        case str():
            return Answer(said)
        case ToolCall():
            return Answer(tool_calls=(said,))
        case Answer():
            return said


class Payload(Protocol):
    """What a call is to be told. Everything that is no stream has only a document."""

    @property
    def streaming(self) -> bool: ...
    def document(self, reason: str = "") -> bytes: ...
    def emptied(self) -> Payload: ...
    def opening(self) -> bytes: ...
    def tokens(self) -> list[bytes]: ...
    def closing(self, reason: str = "") -> bytes: ...
    def usage(self) -> bytes: ...


@dataclass(frozen=True)
class Completion:
    """A chat completion, for a request that asks for a document or for a stream."""

    id: str
    model: str
    answer: Answer
    prompt_tokens: int
    streaming: bool = False
    include_usage: bool = False

    @classmethod
    def to(cls, body: Body, answer: Answer, number: int) -> Completion:
        """The completion of this request."""
        options = body.get("stream_options") or {}
        return cls(
            id=f"chatcmpl-{number:08d}", model=str(body.get("model", "")), answer=answer, prompt_tokens=len(tokenise(json.dumps(body.get("messages", [])))),
            streaming=body.get("stream") is True, include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        )  # fmt: skip

    def _usage(self) -> Body:
        completion = len(self.answer.deltas())
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": completion, "total_tokens": self.prompt_tokens + completion}

    def document(self, reason: str = "") -> bytes:
        choice = {"index": 0, "message": self.answer.message(), "logprobs": None, "finish_reason": reason or self.answer.finish_reason}
        return encode({"id": self.id, "object": "chat.completion", "created": CREATED, "model": self.model, "choices": [choice], "usage": self._usage()})

    def emptied(self) -> Completion:
        """The same, but the model said nothing."""
        return replace(self, answer=Answer())

    def chunk(self, delta: Body, reason: str | None = None) -> bytes:
        """One event. With `include_usage` every chunk has a usage, null but for the last, as OpenAI does it."""
        return self._event([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}], None)

    def _event(self, choices: list[Body], usage: Body | None) -> bytes:
        chunk: Body = {"id": self.id, "object": "chat.completion.chunk", "created": CREATED, "model": self.model, "choices": choices}
        if self.include_usage:
            chunk["usage"] = usage
        return event(chunk)

    def opening(self) -> bytes:
        return self.chunk({"role": "assistant", "content": None if self.answer.tool_calls and not self.answer.text else ""})

    def tokens(self) -> list[bytes]:
        return [self.chunk(delta) for delta in self.answer.deltas()]

    def closing(self, reason: str = "") -> bytes:
        return self.chunk({}, reason or self.answer.finish_reason)

    def usage(self) -> bytes:
        return self._event([], self._usage()) if self.include_usage else b""


@dataclass(frozen=True)
class Listing:
    """A list of things: models, or embeddings. It is never streamed."""

    data: tuple[Body, ...]
    model: str = ""
    prompt_tokens: int = 0
    streaming: bool = False

    def document(self, reason: str = "") -> bytes:
        listing: Body = {"object": "list", "data": list(self.data)}
        if self.model:
            listing |= {"model": self.model, "usage": {"prompt_tokens": self.prompt_tokens, "total_tokens": self.prompt_tokens}}
        return encode(listing)

    def emptied(self) -> Listing:
        return replace(self, data=())

    def opening(self) -> bytes:
        return b""

    def tokens(self) -> list[bytes]:
        return []

    def closing(self, reason: str = "") -> bytes:
        return b""

    def usage(self) -> bytes:
        return b""


def models(names: tuple[str, ...]) -> Listing:
    """What GET /v1/models lists."""
    return Listing(tuple({"id": name, "object": "model", "created": CREATED, "owned_by": "fake"} for name in names))


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """A vector of length 1 that depends on the text alone: equal texts are near, all others are anywhere."""
    raw = hashlib.shake_256(text.encode()).digest(2 * dimensions)
    values = [(high * 256 + low - 32767.5) / 32768 for high, low in zip(raw[::2], raw[1::2], strict=True)]
    norm = math.sqrt(sum(value * value for value in values))
    return [value / norm for value in values]


def embeddings(body: Body) -> Listing:
    """The embeddings of a request's input, as numbers or, as OpenAI's own client asks for them, as base64 of float32."""
    given = body.get("input", "")
    texts = [text if isinstance(text, str) else json.dumps(text) for text in (given if isinstance(given, list) else [given])]
    dimensions = body.get("dimensions") or DIMENSIONS
    data: list[Body] = []
    for index, text in enumerate(texts):
        values: list[float] | str = vector(text, dimensions)
        if body.get("encoding_format") == "base64":
            values = base64.b64encode(struct.pack(f"<{dimensions}f", *values)).decode()
        data.append({"object": "embedding", "index": index, "embedding": values})
    return Listing(tuple(data), model=str(body.get("model", "")), prompt_tokens=sum(len(tokenise(text)) for text in texts))
