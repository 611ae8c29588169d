"""Is this a whole answer? What OpenAI's dialect counts as one; pure.

An answer says something (text, a tool call, a refusal, reasoning, sound) and says why it ended. Only an answer that was cut by its
length or by a filter may say nothing. Some finish reasons are failures in disguise: DeepSeek and Z.ai report theirs that way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from actors.provider.classify import classify
from messages.faults import Fault, FaultClass

SAYING = ("content", "tool_calls", "reasoning_content", "reasoning", "refusal", "function_call", "reasoning_details", "audio")
"""The fields of a message, or of a delta, in which a model says something."""

SILENT_FINISHES = frozenset(("length", "content_filter", "sensitive", "model_context_window_exceeded"))
"""Reasons that explain an answer without a word."""

FAILED_FINISHES: dict[str, FaultClass] = {
    "error": "server_error", "network_error": "server_error", "abort": "server_error", "insufficient_system_resource": "overloaded",
    "malformed_function_call": "invalid_output",
}  # fmt: skip
"""Reasons that mean the model did not get to the end."""


def says(part: Mapping[str, Any]) -> bool:
    """Whether a message or a delta says anything."""
    return any(part.get(field) for field in SAYING)


def failed_finish(reason: str) -> Fault | None:
    """The fault that a finish reason tells, if it tells one."""
    cls = FAILED_FINISHES.get(reason)
    return None if cls is None else Fault(cls=cls, message=f"the provider broke its answer off with finish_reason {reason!r}", code=reason, status=200)


def invalid(message: str) -> Fault:
    """An answer with status 200 that is none, and why."""
    return Fault(cls="invalid_output", message=message, status=200)


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Fault | None:
    """None when this is a complete chat completion; else what is wrong. One parse: 2 us for 2 KB, 11 us for 50 KB."""
    if not 200 <= status < 300:
        return classify(status, headers, body)
    document = read_document(status, headers, body)
    return document if isinstance(document, Fault) else None


def read_document(status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any] | Fault:
    """A complete chat completion, parsed, or what is wrong with this body of a 2xx answer."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        found = classify(status, headers, body)
        if found.cls in ("invalid_output", "unknown"):
            return invalid(_broken(body, error))
        return found
    if not isinstance(document, dict):
        return invalid(f"the answer is a JSON {type(document).__name__}, not a chat completion")
    choices = document.get("choices")
    if document.get("error") or document.get("object") == "error" or not isinstance(choices, list):
        found = classify(status, headers, body)
        return invalid("the answer is a JSON object of another kind, not a chat completion") if found.cls == "invalid_output" else found
    return _check_choices(choices) or document


def _broken(body: bytes, error: orjson.JSONDecodeError) -> str:
    if not body.strip():
        return "the answer is empty: no body"
    if body.lstrip()[:1] == b"<":
        return "the answer is a page of a proxy in between, not a chat completion"
    return f"the answer is no JSON: {error.msg[:100]}"


def _check_choices(choices: list[Any]) -> Fault | None:
    if not choices:
        return invalid("the answer has no choices")
    silent = True
    for at, choice in enumerate(choices):
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            return invalid(f"choices[{at}] has no message")
        reason = choice.get("finish_reason")
        if not isinstance(reason, str) or not reason:
            return invalid(f"choices[{at}] has no finish_reason: the answer is not complete")
        failed = failed_finish(reason)
        if failed is not None:
            return failed
        silent = silent and reason not in SILENT_FINISHES and not says(message)
    return invalid("the answer is empty: no content, tool call, refusal or reasoning") if silent else None
