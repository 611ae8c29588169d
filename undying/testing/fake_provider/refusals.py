"""Faults that are an HTTP answer with a status of 400 or more, in the words of real providers.

The words matter: classification reads the body before the status, and providers tell quota as 429, overload as 429, context overflow
as 500, a content filter as 403.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, NamedTuple

from undying.testing.fake_provider.fault import Fault
from undying.testing.fake_provider.payloads import JSON_TYPE, Body, encode
from undying.testing.fake_provider.stage import Stage

HTML_TYPE = "text/html"
NONE: Mapping[str, str] = MappingProxyType({})


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = NONE


def error(status: int, message: str, kind: str, code: str | int | None = None, param: str | None = None, **headers: str) -> Reply:
    """OpenAI's error object. Headers are given with _ for -."""
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return Reply(status, encode(body), headers={name.replace("_", "-"): value for name, value in headers.items()})


def said(status: int, body: Body) -> Reply:
    """JSON in a provider's own shape."""
    return Reply(status, encode(body))


def page(status: int, title: str, server: str) -> Reply:
    """The page of a proxy in between."""
    head, body = f"<head><title>{status} {title}</title></head>", f"<center><h1>{status} {title}</h1></center>\r\n<hr><center>{server}</center>"
    return Reply(status, f"<html>\r\n{head}\r\n<body>\r\n{body}\r\n</body>\r\n</html>\r\n".encode(), HTML_TYPE)


class Refusal(Fault):
    """A fault whose answer is always the same."""

    reply: ClassVar[Reply]

    async def play(self, stage: Stage) -> None:
        await send(stage, self.reply)


async def send(stage: Stage, reply: Reply) -> None:
    """Plays the answer."""
    await stage.reply(reply.status, reply.body, reply.content_type, reply.headers)


# ------------------------------------------------------------------------------------------------------- the caller's mistakes


class BadRequest(Refusal, name="bad_request"):
    """400: a parameter is wrong."""

    reply = error(400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                  "invalid_request_error", "unsupported_parameter", "max_tokens")  # fmt: skip


class ContextLength(Refusal, name="context_length"):
    """400: the prompt is longer than the model's window."""

    reply = error(400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9216 tokens. Please reduce the length "
                  "of the messages.", "invalid_request_error", "context_length_exceeded", "messages")  # fmt: skip


class TooLarge(Refusal, name="too_large"):
    """413: the same mistake as context_length, told by the status of a body that is too large."""

    reply = error(413, "Request too large: this model's maximum context length is 8192 tokens, your request has 9216 tokens.",
                  "invalid_request_error", "context_length_exceeded", "messages")  # fmt: skip


class ContentFilter(Refusal, name="content_filter"):
    """400: Azure's content filter."""

    reply = error(400, "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.",
                  "invalid_request_error", "content_filter", "prompt")  # fmt: skip


class NoTools(Refusal, name="no_tools"):
    """400: Ollama, of a model that can't call tools."""

    reply = error(400, "registry.ollama.ai/library/qwen:4b does not support tools", "api_error")


class ToolUseFailed(Refusal, name="tool_use_failed"):
    """400: Groq, when the model itself wrote a call that can't be parsed. Another sample may help."""

    reply = said(400, {"error": {"message": "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.",
                                 "type": "invalid_request_error", "code": "tool_use_failed",
                                 "failed_generation": '<function=get_weather>{"city": "Par'}})  # fmt: skip


# --------------------------------------------------------------------------------------------------------- account and model


class Auth(Refusal, name="auth"):
    """401: the key is wrong."""

    reply = error(401, "Incorrect API key provided: sk-fake*****0000. You can find your API key at https://platform.openai.com/account/api-keys.",
                  "invalid_request_error", "invalid_api_key")  # fmt: skip


class PaymentRequired(Refusal, name="payment_required"):
    """402: OpenRouter's account has no credit."""

    reply = error(402, "Insufficient credits. Add more using https://openrouter.ai/settings/credits", "upstream_error", 402)


class Forbidden(Refusal, name="forbidden"):
    """403: Moonshot has closed the account."""

    reply = error(403, "Access terminated. Review our Community Guidelines or contact support@moonshot.cn for assistance.", "access_terminated_error")


class Quota(Refusal, name="quota"):
    """429: the account's money is spent, in the guise of a rate limit."""

    reply = error(429, "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: "
                  "https://platform.openai.com/docs/guides/error-codes/api-errors.", "insufficient_quota", "insufficient_quota")  # fmt: skip


class ModelNotFound(Refusal, name="model_not_found"):
    """404: there is no such model, or not for us."""

    reply = error(404, "The model `gpt-9` does not exist or you do not have access to it.", "invalid_request_error", "model_not_found")


class OutOfMemory(Refusal, name="out_of_memory"):
    """500: Ollama can't hold the model; the error is a bare string."""

    reply = said(500, {"error": "model requires more system memory (127.8 GiB) than is available (13.2 GiB)"})


# ------------------------------------------------------------------------------------------------------------ limits and load


def rate_limited(seconds: float) -> Reply:
    """OpenAI's words and headers for a limit that is over in so many seconds."""
    wait = f"{seconds:g}"
    return error(429, "Rate limit reached for mock in organization org-fake on requests per min (RPM): Limit 500, Used 500, Requested 1. "
                 f"Please try again in {wait}s.", "requests", "rate_limit_exceeded", Retry_After=wait, retry_after_ms=f"{seconds * 1000:.0f}",
                 x_ratelimit_limit_requests="500", x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests=f"{wait}s")  # fmt: skip


@dataclass(frozen=True)
class RateLimit(Fault, name="rate_limit"):
    """429: requests per minute, with Retry-After."""

    seconds: float = 1.0

    async def play(self, stage: Stage) -> None:
        await send(stage, rate_limited(self.seconds))


class RateLimitDay(Refusal, name="rate_limit_day"):
    """429: a limit per day, which nobody should wait for."""

    reply = error(429, "Your account org-fake request reached organization TPD rate limit, current: 1526210, limit: 1500000", "rate_limit_reached_error")


class Overloaded(Refusal, name="overloaded"):
    """503: no capacity now."""

    reply = error(503, "That model is currently overloaded with other requests. You can retry your request, or contact us through our help center at "
                  "help.openai.com if the error persists.", "server_error")  # fmt: skip


class Overloaded429(Refusal, name="overloaded_429"):
    """429: Z.ai's overload, in the guise of a rate limit."""

    reply = said(429, {"error": {"code": "1305", "message": "The service may be temporarily overloaded, please try again later"}})


class Overloaded529(Refusal, name="overloaded_529"):
    """529: Anthropic's overload."""

    reply = said(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_fake"})


class Loading(Refusal, name="loading"):
    """503: llama.cpp is loading the model: warm-up, not illness."""

    reply = error(503, "Loading model", "unavailable_error", 503)


# ---------------------------------------------------------------------------------------------------------- the server's side


class RequestTimeout(Refusal, name="request_timeout"):
    """408: the server gave up waiting."""

    reply = error(408, "Request timed out.", "timeout", "request_timeout")


class ServerError(Refusal, name="server_error"):
    """500: the provider failed on its side."""

    reply = error(500, "The server had an error while processing your request. Sorry about that!", "server_error")


class ContextLength500(Refusal, name="context_length_500"):
    """500: llama.cpp's prompt too long, in the guise of a server's failure."""

    reply = said(500, {"error": {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}})


class BadGateway(Refusal, name="bad_gateway"):
    """502: the HTML of a proxy in between."""

    reply = page(502, "Bad Gateway", "nginx/1.24.0")


class GatewayTimeout(Refusal, name="gateway_timeout"):
    """524: the HTML of a content network that did not wait."""

    reply = page(524, "A timeout occurred", "cloudflare")


class NestedError(Refusal, name="nested_error"):
    """500: a gateway has wrapped a provider's overload, as a language's repr, in an error of its own."""

    reply = error(500, "Request processing failed: Error code: 503 - {'error': {'code': 503, 'message': 'Loading model', 'type': 'unavailable_error'}}",
                  "api_error", "upstream_error")  # fmt: skip


_BY_CODE = {cls.reply.status: cls.reply for cls in (
    BadRequest, Auth, PaymentRequired, Forbidden, ModelNotFound, RequestTimeout, TooLarge, ServerError, BadGateway, Overloaded, Overloaded529, GatewayTimeout,
)} | {429: rate_limited(1.0)}  # fmt: skip


@dataclass(frozen=True)
class Status(Fault, name="status"):
    """Any status from 400 on, with that body, or with what a provider usually says to it."""

    code: int = 500
    body: str = ""

    def __post_init__(self) -> None:
        if not 400 <= self.code <= 599:
            raise ValueError(f"status: code is {self.code}; it must be 400 to 599")

    async def play(self, stage: Stage) -> None:
        usual = _BY_CODE.get(self.code) or error(self.code, f"The request failed with status {self.code}.", "api_error", self.code)
        await send(stage, Reply(self.code, self.body.encode(), _kind(self.body)) if self.body else usual)


def _kind(body: str) -> str:
    if body.lstrip().startswith("<"):
        return HTML_TYPE
    try:
        json.loads(body)
    except ValueError:
        return "text/plain"
    return JSON_TYPE
