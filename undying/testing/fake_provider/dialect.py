"""What a request asks of the fake provider, and which requests it rejects as the caller's own mistake.

    /v1/chat/completions   /v1/embeddings   /v1/models        and each of them below /fault/SPEC
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from undying.testing.fake_provider.breaks import Refuse
from undying.testing.fake_provider.fault import Fault, parse
from undying.testing.fake_provider.payloads import Body
from undying.testing.fake_provider.refusals import Reply, error

What = Literal["chat", "embeddings", "models"]

_ROUTES: dict[str, tuple[str, What]] = {
    "/v1/chat/completions": ("POST", "chat"),
    "/v1/embeddings": ("POST", "embeddings"),
    "/v1/models": ("GET", "models"),
}


class Rejected(Exception):
    """The caller made a mistake; `reply` tells him which."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.body.decode())
        self.reply = reply


@dataclass(frozen=True)
class Asked:
    """A request that is in order."""

    what: What
    fault: Fault | None


def split(raw_path: str) -> tuple[str, str]:
    """The spec in a URL's path, empty if there is none, and the path without it."""
    parts = raw_path.split("/")
    if len(parts) < 4 or parts[1] != "fault" or "v1" not in parts[3:]:
        return "", raw_path
    at = parts.index("v1", 3)
    return "/".join(parts[2:at]), "/" + "/".join(parts[at:])


def parsed(raw: bytes) -> Body:
    """The JSON object of a body; empty when it is none."""
    try:
        document = json.loads(raw)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def understand(method: str, spec: str, path: str, headers: Mapping[str, str], body: Body, models: tuple[str, ...], key: str) -> Asked:
    """What is asked for, or Rejected in OpenAI's words."""
    if path not in _ROUTES:
        raise Rejected(error(404, f"Unknown request URL: {method} {path}. There is {', '.join(_ROUTES)}.", "invalid_request_error", "unknown_url"))
    right_method, what = _ROUTES[path]
    if method != right_method:
        raise Rejected(error(405, f"Not allowed to {method} on {path}: {right_method} is right.", "invalid_request_error", "method_not_supported"))
    if key and headers.get("Authorization") != f"Bearer {key}":
        raise Rejected(error(401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key"))
    if what != "models":
        _check_body(what, body, models)
    return Asked(what, _fault_of(spec))


def _check_body(what: What, body: Body, models: tuple[str, ...]) -> None:
    needed = "messages" if what == "chat" else "input"
    for field in ("model", needed):
        if field not in body:
            message = f"Missing required parameter: '{field}', or the body is no JSON object."
            raise Rejected(error(400, message, "invalid_request_error", "missing_required_parameter", field))
    if models and body["model"] not in models:
        message = f"The model `{body['model']}` does not exist or you do not have access to it."
        raise Rejected(error(404, message, "invalid_request_error", "model_not_found", "model"))


def _fault_of(spec: str) -> Fault | None:
    if not spec:
        return None
    try:
        fault = parse(spec)
    except ValueError as wrong:
        raise Rejected(error(400, str(wrong), "invalid_request_error", "unknown_fault")) from None
    if isinstance(fault, Refuse):
        message = "a URL can't refuse: its port listens. Ask url_for('refuse') for one that does not."
        raise Rejected(error(400, message, "invalid_request_error", "unknown_fault"))
    return fault
