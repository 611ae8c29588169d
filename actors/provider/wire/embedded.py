"""The provider that is always there: it answers from what it was given, and says that it is no language model; pure.

    body --answer--> text --tokens--> completion (one document) | chunks (a stream), with equal text, finish reason and usage

It shows that everything around a model works (routing, streaming, memory, sessions) with no key, no network and no other server. Equal
requests get equal answers. A token is a run of non-blanks with the blanks after it, so that usage means the same plain and streamed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from messages.faults import Fault

MODELS = ("echo",)

QUOTED = 300  # characters of the last message that are quoted in full

_TOKEN = re.compile(r"\s*\S+\s*|\s+")
_REAL_MODEL = (
    "To get a real one, set OPENAI_API_KEY (or another provider's key) and restart, or run a local Ollama, "
    "or add a provider to config.yaml."
)  # fmt: skip
_DONE = b"data: [DONE]\n\n"


def answer(body: bytes) -> str:
    """What `echo` says to this request: what it was told, how much of it there was, and how to get a real model. Total."""
    return _answer(_document(body))


def _answer(document: dict[str, Any]) -> str:
    messages = _messages(document)
    last = next((text for role, text in reversed(messages) if role == "user"), "")
    system = next((text for role, text in messages if role in ("system", "developer")), "")
    parts = ["I am echo, the embedded provider of Undying: no language model, I only tell what I was given.", _told(last)]
    parts.append(f"The request holds {len(messages)} message{'' if len(messages) == 1 else 's'}.")
    if system:
        parts.append(f'Its system prompt begins with "{_begin(system, 60)}".')
    return " ".join([*parts, _REAL_MODEL])


def completion(body: bytes, created: int, id: str) -> bytes | Fault:
    """The answer as a chat completion; `created` in seconds since 1970. A Fault when more than one answer is wanted."""
    document = _document(body)
    refused = _refused(document)
    if refused is not None:
        return refused
    said, reason = _said(document)
    message = {"role": "assistant", "content": "".join(said)}
    return orjson.dumps({
        "id": id, "object": "chat.completion", "created": created, "model": MODELS[0],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}], "usage": _usage(document, said),
    })  # fmt: skip


def chunks(body: bytes, created: int, id: str, include_usage: bool) -> Iterator[bytes] | Fault:
    """The answer as server-sent events: the role, a chunk per token, the finish reason, the usage if asked for, DONE. Or a Fault, see `completion`."""
    document = _document(body)
    return _refused(document) or _events(document, {"id": id, "object": "chat.completion.chunk", "created": created, "model": MODELS[0]}, include_usage)


def _events(document: dict[str, Any], head: dict[str, Any], include_usage: bool) -> Iterator[bytes]:
    said, reason = _said(document)
    yield _event({**head, "choices": [_choice({"role": "assistant", "content": ""}, None)]})
    for token in said:
        yield _event({**head, "choices": [_choice({"content": token}, None)]})
    yield _event({**head, "choices": [_choice({}, reason)]})
    if include_usage:
        yield _event({**head, "choices": [], "usage": _usage(document, said)})
    yield _DONE


def _choice(delta: dict[str, str], reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def _refused(document: dict[str, Any]) -> Fault | None:
    n = document.get("n")
    if n is None or n == 1:
        return None
    return Fault(cls="unsupported_capability", param="n", message=f"n is {n!r}: the embedded provider gives one answer, leave n out or set it to 1")


def _said(document: dict[str, Any]) -> tuple[list[str], str]:
    """The answer's tokens, as many as are allowed, and why it ends."""
    said = tokens(_answer(document))
    limits = [limit for limit in (document.get("max_tokens"), document.get("max_completion_tokens")) if type(limit) is int and limit > 0]
    if limits and len(said) > min(limits):
        return said[: min(limits)], "length"
    return said, "stop"


def tokens(text: str) -> list[str]:
    """The text in pieces that make it up again."""
    return _TOKEN.findall(text)


def _usage(document: dict[str, Any], said: list[str]) -> dict[str, int]:
    prompt = sum(len(tokens(text)) for _, text in _messages(document))
    return {"prompt_tokens": prompt, "completion_tokens": len(said), "total_tokens": prompt + len(said)}


def _told(last: str) -> str:
    if not last.strip():
        return "There is no text in it from a user."
    if len(last) <= QUOTED:
        return f'You said: "{last.strip()}"'
    return f'You said something of {len(tokens(last))} words that begins with "{_begin(last, 80)}" and ends with "{last.strip()[-60:]}".'


def _begin(text: str, size: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= size else line[:size].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _messages(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Role and text of each message; of a list of parts the texts."""
    messages = document.get("messages")
    if not isinstance(messages, list):
        return []
    return [(str(message.get("role")), _text(message.get("content"))) for message in messages if isinstance(message, dict)]


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
