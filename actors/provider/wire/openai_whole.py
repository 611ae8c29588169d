"""A whole answer told as a stream, for a provider that was asked for a stream and answered in one piece; pure."""

from __future__ import annotations

from typing import Any

import orjson

from actors.provider.wire.openai_answer import read_document
from actors.provider.wire.openai_stream import DONE
from messages.faults import Fault


def as_stream(body: bytes, include_usage: bool) -> list[bytes] | Fault:
    """The events that say the same as a complete chat completion, DONE the last of them; or what is wrong with the completion."""
    document = read_document(200, {}, body)
    if isinstance(document, Fault):
        return document
    choices, usage = document["choices"], document.get("usage")
    head = {key: value for key, value in document.items() if key not in ("choices", "usage")} | {"object": "chat.completion.chunk"}
    said = [_event(head, _part(at, choice, _delta(choice["message"]), None)) for at, choice in enumerate(choices)]
    ends = [_event(head, _part(at, choice, {}, choice["finish_reason"])) for at, choice in enumerate(choices)]
    told = [b"data: " + orjson.dumps({**head, "choices": [], "usage": usage}) + b"\n\n"] if include_usage and usage else []
    return [*said, *ends, *told, DONE]


def _event(head: dict[str, Any], choice: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps({**head, "choices": [choice]}) + b"\n\n"


def _part(at: int, choice: dict[str, Any], delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
    part = {"index": choice.get("index", at), "delta": delta, "finish_reason": reason}
    if delta and choice.get("logprobs") is not None:
        part["logprobs"] = choice["logprobs"]
    return part


def _delta(message: dict[str, Any]) -> dict[str, Any]:
    """A message as one delta. In a stream each tool call has an index."""
    delta = {"role": "assistant", **message}
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        delta["tool_calls"] = [{"index": at, **call} if isinstance(call, dict) else call for at, call in enumerate(calls)]
    return delta
