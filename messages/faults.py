"""The one table of faults: what can go wrong, what a caller sees of it, and what it says about a provider's health.

Everything that fails for a caller has one of these classes. The table is total: HTTP status, OpenAI error type, whether another
attempt can help, weight on the provider's health, log level. The documentation prints it; nothing else decides these things.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from messages.message import Part

FaultClass = Literal[
    # a provider failed
    "timeout", "server_error", "connection", "overloaded", "rate_limit", "quota", "auth", "model_not_found", "out_of_memory",
    "context_length", "content_filter", "bad_request", "unsupported_capability", "invalid_output", "cancelled", "unknown",
    # the gateway itself says no
    "internal", "restarting", "deadline", "no_provider", "unknown_model", "busy", "not_found", "method_not_allowed", "forbidden",
    "body_too_large", "not_understood", "unsupported_media", "conflict",
]  # fmt: skip

Retry = Literal["no", "other", "same"]
"""Can another attempt help: no; only at another provider or model; also at the same one."""

HealthWeight = Literal["none", "counts", "rate", "account", "model"]
"""What a fault says about its provider: nothing; one consecutive failure; one in a failure rate; the account is out; that model is out."""

LogLevel = Literal["debug", "info", "warning", "error"]

LEVELS: dict[LogLevel, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
"""The standard library's numbers for them."""


class FaultRow(NamedTuple):
    """One row of the table: what a fault class means to the caller, to the retry decision, to health, and to the log."""

    status: int
    type: str
    retry: Retry
    health: HealthWeight
    level: LogLevel
    meaning: str


FAULTS: dict[FaultClass, FaultRow] = {
    "timeout": FaultRow(504, "timeout_error", "same", "counts", "warning", "the provider did not answer within its limit"),
    "server_error": FaultRow(502, "server_error", "same", "counts", "warning", "the provider failed on its side"),
    "connection": FaultRow(502, "connection_error", "same", "counts", "warning", "no connection to the provider, or it broke"),
    "overloaded": FaultRow(503, "overloaded_error", "same", "rate", "warning", "the provider, or the gateway itself, has no capacity now"),
    "rate_limit": FaultRow(429, "rate_limit_error", "same", "none", "info", "the provider's rate limit was reached"),
    "quota": FaultRow(429, "insufficient_quota", "other", "account", "error", "the account has no credit or quota left"),
    "auth": FaultRow(502, "upstream_authentication_error", "other", "account", "error", "the provider refuses our key"),
    "model_not_found": FaultRow(404, "not_found_error", "other", "model", "warning", "the provider does not serve this model"),
    "out_of_memory": FaultRow(503, "server_error", "other", "model", "warning", "the provider has no memory for this model"),
    "context_length": FaultRow(400, "invalid_request_error", "no", "none", "info", "the prompt is longer than the model's window"),
    "content_filter": FaultRow(400, "content_filter_error", "no", "none", "info", "the provider's content filter refused"),
    "bad_request": FaultRow(400, "invalid_request_error", "no", "none", "info", "the request is not valid"),
    "unsupported_capability": FaultRow(400, "invalid_request_error", "other", "none", "info", "the model lacks a capability the request needs"),
    "invalid_output": FaultRow(502, "invalid_output_error", "same", "rate", "warning", "the answer was empty, cut off, or not an answer"),
    "cancelled": FaultRow(499, "cancelled", "no", "none", "info", "the client went away"),
    "unknown": FaultRow(502, "server_error", "other", "rate", "error", "the provider failed in a way we do not know yet"),
    "internal": FaultRow(500, "server_error", "same", "none", "error", "a part of the gateway crashed and is being restarted"),
    "restarting": FaultRow(503, "server_error", "same", "none", "warning", "a part of the gateway is about to be restarted"),
    "deadline": FaultRow(504, "timeout_error", "no", "none", "info", "the request's own time limit ran out"),
    "no_provider": FaultRow(503, "server_error", "no", "none", "error", "no provider is able to serve this request now"),
    "unknown_model": FaultRow(404, "not_found_error", "no", "none", "info", "no provider here serves a model of this name"),
    "busy": FaultRow(429, "rate_limit_error", "other", "none", "warning", "a queue inside the gateway is full"),
    "not_found": FaultRow(404, "not_found_error", "no", "none", "info", "there is nothing at this address"),
    "method_not_allowed": FaultRow(405, "invalid_request_error", "no", "none", "info", "this address does not take this method"),
    "forbidden": FaultRow(403, "permission_error", "no", "none", "warning", "this is not allowed from here"),
    "body_too_large": FaultRow(413, "invalid_request_error", "no", "none", "info", "the body is over server.max_body"),
    "not_understood": FaultRow(422, "invalid_request_error", "no", "none", "info", "the actor does not understand this message"),
    "unsupported_media": FaultRow(415, "invalid_request_error", "no", "none", "info", "the body is of a type that is not taken here"),
    "conflict": FaultRow(409, "invalid_request_error", "no", "none", "info", "what was asked for does not fit the state of things"),
}

assert set(FAULTS) == set(get_args(FaultClass)), "the table of faults is total"


class Fault(Part):
    """One failure, fit to be told to a caller: no secrets, no internals, and what to do about it in `message`.

    `status` is the upstream's HTTP status where there was one. `param` names the request field at fault, `retry_after_ms` how
    long to wait, `names` what would have been right (the nearest models, the kinds an actor understands).
    """

    cls: FaultClass
    message: str
    provider: str = ""
    model: str = ""
    status: int | None = None
    param: str | None = None
    code: str | None = None
    retry_after_ms: int | None = None
    names: tuple[str, ...] = ()

    @property
    def row(self) -> FaultRow:
        """The fault's row in the table."""
        return FAULTS[self.cls]


class Trial(Part):
    """One upstream call of a request, as told to the client: who was asked, how it ended (`ok` or a fault class), after how many ms."""

    provider: str
    model: str
    outcome: str
    ms: int
