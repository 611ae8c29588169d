"""OpenAI's shapes at our front door: requests read, answers and errors written; pure.

    body ------read_head-----> ChatHead, or Refusal          (openai_head.py)
    Fault -----error_body----> {"error": {...}}              error_headers: when to come again, and whether
    ModelsListed -models_body-> {"object": "list", ...}      served_headers: who answered
"""

from __future__ import annotations

from typing import Any

import orjson

from actors.gateway.openai_head import read_head
from messages.chat import Served
from messages.faults import Fault, FaultClass, Trial
from messages.routing import ListedModel, ModelsListed

__all__ = ["error_body", "error_headers", "model_body", "models_body", "read_head", "served_headers"]

CODES: dict[FaultClass, str] = {
    "context_length": "context_length_exceeded", "content_filter": "content_filter", "quota": "insufficient_quota", "rate_limit": "rate_limit_exceeded",
    "model_not_found": "model_not_found", "unknown_model": "model_not_found",
}  # fmt: skip
"""OpenAI's codes that clients look for, where the fault brings none of its own."""

REQUEST_OVER_LIMIT = "request_over_limit"  # as actors/provider/classify.py says it: no wait makes such a request fit

_HEADER_LIMIT = 500
_CONTROLS = {**dict.fromkeys(range(0x20), " "), 0x7F: " "}


def error_body(fault: Fault, trace: str, trail: tuple[Trial, ...]) -> bytes:
    """OpenAI's error object with our `class`, `trace` and `attempts`; `status` is upstream's, `names` what would have been right."""
    error: dict[str, Any] = {
        "message": fault.message, "type": fault.row.type, "param": fault.param, "code": fault.code or CODES.get(fault.cls), "class": fault.cls,
        "trace": trace, "attempts": [{"provider": trial.provider, "model": trial.model, "class": trial.outcome, "ms": trial.ms} for trial in trail],
    }  # fmt: skip
    if fault.status is not None:
        error["status"] = fault.status
    if fault.names:
        error["names"] = fault.names
    return orjson.dumps({"error": error})


def error_headers(fault: Fault, trail: tuple[Trial, ...]) -> dict[str, str]:
    """When to come again, where that is known, and not to try at once: our attempts are spent, and client SDKs would multiply them.

    Only a gateway that is busy or restarting, and has called nobody yet, leaves that to the client.
    """
    headers: dict[str, str] = {}
    if fault.retry_after_ms is not None and fault.code != REQUEST_OVER_LIMIT:
        headers["Retry-After"] = str(-(-fault.retry_after_ms // 1000))
        headers["Retry-After-Ms"] = str(fault.retry_after_ms)
    if trail or fault.cls not in ("busy", "restarting"):
        headers["X-Should-Retry"] = "false"
    return headers


def models_body(listed: ModelsListed) -> bytes:
    """All models that can be named, as `GET /v1/models` tells them."""
    return orjson.dumps({"object": "list", "data": [_model(model) for model in listed.models]})


def model_body(model: ListedModel) -> bytes:
    """One model, as `GET /v1/models/{id}` tells it."""
    return orjson.dumps(_model(model))


def _model(model: ListedModel) -> dict[str, Any]:
    return {
        "id": model.name, "object": "model", "created": 0, "owned_by": model.served_by[0] if model.served_by else "",
        "undying": {"served_by": model.served_by, "capabilities": model.capabilities, "context": model.context},
    }  # fmt: skip


def served_headers(served: Served, trace: str) -> dict[str, str]:
    """Who answered."""
    headers = {
        "X-Undying-Provider": header_safe(served.provider), "X-Undying-Model": header_safe(served.model),
        "X-Undying-Attempts": str(served.attempts), "X-Undying-Trace": header_safe(trace),
    }  # fmt: skip
    if served.note:
        headers["X-Undying-Note"] = header_safe(served.note)
    return headers


def header_safe(text: str) -> str:
    r"""The text as a header's value: one line of ASCII. Other characters are written as \u6a21: clients disagree on the encoding of a header."""
    if text.isascii() and text.isprintable() and len(text) <= _HEADER_LIMIT:
        return text
    plain = text[:_HEADER_LIMIT].translate(_CONTROLS).encode("ascii", "backslashreplace").decode("ascii")
    return " ".join(plain.split())
