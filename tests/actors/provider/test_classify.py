"""Failures as providers tell them, and which fault each is. The payloads are of our own making, after the providers' documentation."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.provider.classify import REQUEST_OVER_LIMIT, classify
from actors.provider.delays import DAY_MS, PER_DAY_GUESS_MS
from actors.provider.fault_rules import FAINT, STRONG, WEAK
from actors.provider.unwrap import unwrap
from messages.faults import FAULTS, FaultClass
from messages.message import Message, pack, unpack

unhurried = settings(deadline=None)  # a machine that is busy with other things is no failure


def openai_error(message: str, type: str = "invalid_request_error", code: str | None = None, param: str | None = None) -> str:
    return json.dumps({"error": {"message": message, "type": type, "param": param, "code": code}})


def zai(code: int, message: str) -> str:
    return json.dumps({"error": {"code": str(code), "message": message}}, ensure_ascii=False)


def openrouter(raw: str, code: int = 400) -> str:
    return json.dumps({"error": {"message": "Provider returned error", "code": code, "metadata": {"raw": raw, "provider_name": "Somebody"}}})


Case = tuple[int | None, str, FaultClass]

MONEY: list[Case] = [
    (429, openai_error("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota", "insufficient_quota"), "quota"),
    (400, openai_error("Your credit balance is too low to use this API. Please go to Plans & Billing."), "quota"),
    (429, zai(1113, "您的账户已欠费"), "quota"),
    (429, zai(1308, "Usage limit reached for 5 hour. Your limit will reset at 2031-10-12 18:33:02"), "quota"),
    (402, '{"error":{"message":"Insufficient Balance","type":"unknown_error","code":"invalid_request_error"}}', "quota"),
    (403, '{"code":"Some resource has been exhausted","error":"Your team has used all available credits or reached its monthly spending limit."}', "quota"),
    (402, openrouter("This request requires more credits, or fewer max_tokens. You requested 9000 tokens, but can only afford 20.", 402), "quota"),
    (200, '{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}', "quota"),
    (403, '{"error":{"message":"用户额度不足, 剩余额度: $0.00","type":"new_api_error","code":"insufficient_user_quota"}}', "quota"),
    (403, "{'error': {'message': \"You've reached your usage limit for this billing cycle.\", 'type': 'access_terminated_error'}}", "quota"),
]

LIMITS: list[Case] = [
    (429, openai_error("Rate limit reached for m in organization o on requests per min. Limit: 3 / min. Try again in 20s. Add a payment method.",
        "requests"), "rate_limit"),
    (429,
        '{"error":{"code":429,"message":"You exceeded your current quota, please check your plan.","status":"RESOURCE_EXHAUSTED"}}', "rate_limit"),
    (429, '{"type":"error","error":{"type":"rate_limit_error","message":"Number of concurrent connections has exceeded your rate limit."}}', "rate_limit"),
    (429, zai(1302, "您当前使用该API的并发数过高"), "rate_limit"),
    (200, openrouter("m:free is temporarily rate-limited upstream. Please retry shortly.", 429), "rate_limit"),
    (429, '{"message":"Too many tokens, please wait before trying again.","__type":"ThrottlingException"}', "rate_limit"),
    (429, "Too Many Requests", "rate_limit"),
    (429, "", "rate_limit"),
    (429, '{"object":"error","message":"Rate limit exceeded","type":"rate_limited","code":"1300"}', "rate_limit"),
    (503, '{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}', "overloaded"),
    (429, '{"error":{"message":"The engine is currently overloaded, please try again later","type":"engine_overloaded_error"}}', "overloaded"),
    (529, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "overloaded"),
    (503, '{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}', "overloaded"),
    (500, '{"error":{"message":"服务繁忙"}}', "overloaded"),
    (503, '{"error":"server busy, please try again.  maximum pending requests exceeded"}', "overloaded"),
    (498, '{"error":{"message":"Flex tier capacity exceeded","code":"capacity_exceeded"}}', "overloaded"),
    (503, "", "overloaded"),
]

ACCOUNT: list[Case] = [
    (401, openai_error("Incorrect API key provided: sk-abc1****wxyz.", code="invalid_api_key"), "auth"),
    (400, '[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]', "auth"),
    (403, openai_error("Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory"), "auth"),
    (400, '{"type":"error","error":{"type":"invalid_request_error","message":"This organization has been disabled."}}', "auth"),
    (401, zai(1000, "身份验证失败。"), "auth"),
    (401, '{"error":{"message":"无效的令牌","type":"new_api_error"}}', "auth"),
    (401, "Your access was terminated due to violation of our policies, please check your email.", "auth"),
    (401, "", "auth"),
    (404, openai_error("The model `nope` does not exist or you do not have access to it.", code="model_not_found"), "model_not_found"),
    (400, zai(1211, "模型不存在"), "model_not_found"),
    (404, '{"error":"model \'nope\' not found"}', "model_not_found"),
    (404, '{"error":{"message":"No endpoints found for somebody/nope:free.","code":404}}', "model_not_found"),
    (404, '{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}', "model_not_found"),
    (400, openai_error("The model `old` has been decommissioned and is no longer supported.", code="model_decommissioned"), "model_not_found"),
    (503, '{"error":{"message":"当前分组 default 下对于模型 nope 无可用渠道","type":"new_api_error"}}', "model_not_found"),
    (500, '{"error":"model requires more system memory (9.1 GiB) than is available (3.2 GiB)"}', "out_of_memory"),
    (500, '{"object":"error","message":"CUDA out of memory. Tried to allocate 2.00 GiB","type":"InternalServerError","code":500}', "out_of_memory"),
]

CALLER: list[Case] = [
    (400, openai_error("This model's maximum context length is 8192 tokens. However, your messages resulted in 9450 tokens."), "context_length"),
    (400, '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}', "context_length"),
    (500, '{"error":{"code":500,"message":"the request exceeds the available context size","type":"server_error"}}', "context_length"),
    (500, "{'detail': 'The decoder prompt (length 66501) is longer than the maximum model length of 65536.'}", "context_length"),
    (400, '{"object":"error","message":"max_tokens must be at least 1, got -20.","type":"BadRequestError","code":400}', "context_length"),
    (422, '{"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4500","error_type":"validation"}', "context_length"),
    (400, zai(1261, "Prompt 超长"), "context_length"),
    (400, openai_error("Your request exceeded model token limit: 1000 (requested: 1200)"), "context_length"),
    (403, openrouter('{"error":{"message":"Your input was flagged for violence","code":403}}', 403), "content_filter"),
    (400, openai_error("Content Exists Risk", code="invalid_request_error"), "content_filter"),
    (400, "Error code: 400 - {'error': {'message': 'filtered', 'code': 'content_filter', 'innererror': {'code': 'ResponsibleAIPolicyViolation'}}}",
        "content_filter"),
    (400, zai(1301, "系统检测到输入或生成内容可能包含不安全或敏感内容"), "content_filter"),
    (400, openai_error("Missing required parameter: 'messages[2].tool_call_id'."), "bad_request"),
    (400,
        '{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: 9 > 8, which is the maximum number of output tokens"}}', "bad_request"),
    (422, '{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required","input":{"model":"x"}}]}', "bad_request"),
    (500, '{"object":"error","message":"Conversation roles must alternate user/assistant/user/assistant/...","code":500}', "bad_request"),
    (400, zai(1214, "messages 参数非法。请检查文档。"), "bad_request"),
    (400, "Bad Request", "bad_request"),
]

ABLE: list[Case] = [
    (400, '{"error":{"message":"tiny:1b does not support tools","type":"api_error"}}', "unsupported_capability"),
    (404, '{"error":{"message":"No endpoints found that support image input","code":404}}', "unsupported_capability"),
    (500, '{"error":{"code":500,"message":"tools param requires --jinja flag","type":"server_error"}}', "unsupported_capability"),
    (400, '{"error":{"code":400,"message":"Function calling is not enabled for models/tiny","status":"INVALID_ARGUMENT"}}', "unsupported_capability"),
    (400, '{"error":{"message":"该模型不支持图片输入"}}', "unsupported_capability"),
    (400, openai_error("Failed to generate JSON. Please adjust your prompt.", code="json_validate_failed"), "invalid_output"),
    (500, '{"error":{"code":500,"message":"Failed to parse input at pos 0: <tool_call>","type":"server_error"}}', "invalid_output"),
    (200, "", "invalid_output"),
    (200, '{"status":"ok"}', "invalid_output"),
    (200, "<!doctype html><html><head><title>Welcome to nginx!</title></head></html>", "invalid_output"),
    (200, '{"choices":[{"message":{"role":"assistant","content":"rate limit, insufficient balance, inva', "invalid_output"),
    (None, "json.decoder.JSONDecodeError: Expecting ',' delimiter: line 1 column 120 (char 119)", "invalid_output"),
]

DOWN: list[Case] = [
    (500, openai_error("The server had an error processing your request. Sorry about that!", "server_error"), "server_error"),
    (200, '{"error":{"message":"Internal Server Error","code":500}}', "server_error"),
    (502, "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>", "server_error"),
    (500, '{"error":"llama runner process has terminated: exit status 2"}', "server_error"),
    (500, "", "server_error"),
    (504, "<html><head><title>504 Gateway Time-out</title></head></html>", "timeout"),
    (504, '{"error":{"code":504,"message":"Deadline expired before operation could complete.","status":"DEADLINE_EXCEEDED"}}', "timeout"),
    (None, "httpx.ReadTimeout: The read operation timed out", "timeout"),
    (None, "asyncio.exceptions.TimeoutError", "timeout"),
    (None, "httpx.ConnectError: [Errno 111] Connection refused", "connection"),
    (None, "Error: getaddrinfo ENOTFOUND api.nowhere.test", "connection"),
    (None, "aiohttp.client_exceptions.ServerDisconnectedError: Server disconnected", "connection"),
    (None, "TypeError: fetch failed", "connection"),
    (403, "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>", "connection"),
    (None, "AbortError: The user aborted a request.", "cancelled"),
    (None, "asyncio.exceptions.CancelledError", "cancelled"),
    (None, "", "unknown"),
    (None, "something odd happened", "unknown"),
    (200, '{"type":"error","error":{"type":"api_error","message":"unknown error, 794 (1000)"}}', "unknown"),
]

ALL = [*MONEY, *LIMITS, *ACCOUNT, *CALLER, *ABLE, *DOWN]
WRAPS: list[Callable[[str], str]] = [
    lambda text: json.dumps({"error": {"message": text}}),
    lambda text: json.dumps({"error": {"message": f"Error from provider: {text}", "type": "upstream_error"}}),
    lambda text: json.dumps(json.dumps({"error": text})),
    lambda text: repr({"error": {"message": text, "data": None}}),
    lambda text: f"litellm.APIError: SomeException - {text}",
    lambda text: f"data: {json.dumps({'error': {'message': text}})}\n\ndata: [DONE]\n\n",
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "cls"), ALL)
def test_a_failure_gets_its_class(status: int | None, body: str, cls: FaultClass) -> None:
    assert classify(status, {}, body).cls == cls
    assert classify(status, {}, body.encode()).cls == cls


def test_every_class_that_a_provider_can_cause_is_told_apart() -> None:
    caused = {cls for _, _, cls in ALL}
    assert caused == set(FAULTS) - {
        "internal", "restarting", "deadline", "no_provider", "unknown_model", "busy", "not_found", "method_not_allowed", "forbidden", "body_too_large",
        "not_understood", "unsupported_media", "conflict",
    }  # fmt: skip


def test_no_code_stands_for_two_classes() -> None:
    for tier in (STRONG, WEAK, FAINT):
        codes = [code for row in tier.values() for code in row.split()]
        assert len(codes) == len(set(codes))
        assert all(code == code.lower() and code.isalnum() for code in codes), "codes are written folded"


@unhurried
@given(
    case=st.sampled_from([*MONEY, *[case for case in ACCOUNT if case[1]], *[case for case in CALLER if case[1] != "Bad Request"]]),
    wraps=st.lists(st.sampled_from(WRAPS), max_size=3),
)
def test_wrapping_an_error_does_not_change_what_it_is(case: Case, wraps: list[Callable[[str], str]]) -> None:
    status, body, cls = case
    for wrap in wraps:
        body = wrap(body)
    assert classify(status, {}, body).cls == cls


@unhurried
@given(cut=st.integers(0, 40))
def test_an_error_that_is_cut_off_keeps_its_class(cut: int) -> None:
    body = openai_error("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota", "insufficient_quota")
    assert classify(429, {}, body[: len(body) - cut]).cls == "quota"


@unhurried
@given(st.one_of(st.none(), st.integers(-1, 1000)), st.one_of(st.binary(max_size=400), st.text(max_size=400)), st.text(max_size=40))
def test_any_bytes_give_a_fault(status: int | None, body: bytes | str, error: str) -> None:
    assert classify(status, {"Retry-After": error}, body, error=error).cls in FAULTS


JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["error", "message", "code", "type", "status", "param", "details", "retry_after", "base_resp", "raw", "x"]),
        inner, max_size=4),
    ),
    max_leaves=20,
)


@unhurried
@given(JSON, st.sampled_from([json.dumps, repr, lambda value: json.dumps(json.dumps(value))]))
def test_any_document_gives_a_fault_that_can_be_sent(document: Any, write: Callable[[Any], str]) -> None:
    class Told(Message, kind="test.classify.told"):
        text: str
        code: str

    fault = classify(500, {}, write(document))
    told = Told(text=fault.message, code=fault.code or "")
    assert unpack(pack(told)) == told  # no half of a surrogate pair in it


@pytest.mark.parametrize("bomb", ["{" * 70_000, '{"error":' * 20_000, '"message":"' + "\\" * 65_000, "<title" * 11_000, "1" * 65_000,
    "model " * 12_000, "try again " * 7_000])
def test_a_body_that_was_made_to_be_slow_is_read_all_the_same(bomb: str) -> None:
    assert classify(500, {}, bomb).cls in FAULTS


def test_what_the_model_or_the_caller_wrote_is_no_evidence() -> None:
    body = json.dumps({
        "error": {"message": "Failed to call a function.", "type": "invalid_request_error", "failed_generation": "invalid api key, insufficient balance"},
        "messages": [{"role": "user", "content": "rate limit"}], "choices": [{"message": {"content": "out of memory"}}],
    })  # fmt: skip
    assert unwrap(body).texts == ("Failed to call a function.",)


# ---- transport


@pytest.mark.parametrize(("hint", "cls"), [("timeout", "timeout"), ("connection", "connection"), ("cancelled", "cancelled"), ("dns", "connection"),
    ("", "unknown")])
def test_a_transport_hint_decides_when_there_is_no_answer(hint: str, cls: FaultClass) -> None:
    fault = classify(None, {}, b"", error=hint)
    assert fault.cls == cls
    assert fault.status is None


def test_an_exceptions_text_will_do_as_a_hint() -> None:
    assert classify(None, {}, b"", error="ClientConnectorError: Cannot connect to host localhost:1 ssl:default").cls == "connection"


def test_a_body_that_says_why_goes_before_the_hint() -> None:
    assert classify(200, {}, openai_error("Incorrect API key provided", code="invalid_api_key"), error="connection").cls == "auth"
    assert classify(200, {}, '{"choices":[{"delta":{"content":"the rate lim', error="connection").cls == "connection"


# ---- waiting


@pytest.mark.parametrize(
    ("headers", "text", "ms"),
    [
        ({"retry-after": "3"}, "", 3000),
        ({"Retry-After": "1.5"}, "", 1500),
        ({"retry-after-ms": "250", "retry-after": "1"}, "", 250),
        ({"retry-after": "999999"}, "", DAY_MS),
        ({"retry-after": "Fri, 31 Dec 2032 23:59:59 GMT"}, "", None),
        ({"retry-after": "-5"}, "", None),
        ({"retry-after": "soon"}, "please try again in 2s", 2000),
        ({}, "Please try again in 9.816s. Visit the docs", 9816),
        ({}, "Please try again in 174ms.", 174),
        ({}, "try again in 1m30s", 90_000),
        ({}, "Please retry after 86400 seconds.", DAY_MS),
        ({}, "please try again after 1 seconds", 1000),
        ({}, "Expected available in 4 seconds.", 4000),
        ({}, "Please wait 2 minutes and 5 seconds before retrying", 125_000),
        ({}, "请在 5 秒后重试", 5000),
        ({}, "no number here", None),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-tokens": "9s",
            "x-ratelimit-remaining-tokens": "50"}, "", 360_000),
        ({"x-ratelimit-reset-requests": "120ms", "x-ratelimit-reset-tokens": "7.66s"}, "", 7660),
        ({"X-RateLimit-Reset": "1941305600000"}, "", None),
    ],
)
def test_the_wait_is_read_from_headers_first_and_then_from_what_is_said(headers: dict[str, str], text: str, ms: int | None) -> None:
    assert classify(429, headers, openai_error(f"Rate limit reached. {text}")).retry_after_ms == ms


def test_the_wait_is_read_from_fields_of_the_body_too() -> None:
    assert classify(503, {}, '{"error":"Model tiny is currently loading","estimated_time":20.5}').retry_after_ms == 20_500
    assert classify(429, {}, '{"error":{"message":"Rate limited","code":429,"details":[{"retryDelay":"26s"}]}}').retry_after_ms == 26_000


def test_a_daily_limit_is_not_worth_waiting_for() -> None:
    assert classify(429, {}, openai_error("request reached organization TPD rate limit, current: 15, limit: 10")).retry_after_ms == PER_DAY_GUESS_MS
    gemini = '{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"quotaId":"RequestsPerDay-Free"},{"retryDelay":"26s"}]}}'
    assert classify(429, {}, gemini).retry_after_ms == PER_DAY_GUESS_MS
    assert classify(429, {}, openai_error("Rate limit reached on requests per day (RPD). Please try again in 8.64s")).retry_after_ms == 8640


def test_a_request_over_the_limit_itself_is_told_apart() -> None:
    fault = classify(413, {}, openai_error("Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 7,210", "tokens"))
    assert (fault.cls, fault.code, fault.retry_after_ms) == ("rate_limit", REQUEST_OVER_LIMIT, DAY_MS)
    fault = classify(429, {}, openai_error("on tokens per min (TPM): Limit 30000, Used 18928, Requested 11159. Please try again in 174ms", "tokens"))
    assert (fault.cls, fault.retry_after_ms) == ("rate_limit", 174)


def test_the_caller_is_not_told_to_wait_for_his_own_mistake() -> None:
    assert classify(400, {"retry-after": "5"}, openai_error("Missing required parameter: 'messages'.")).retry_after_ms is None


# ---- what the caller is told


def test_the_callers_fault_is_told_in_the_providers_words() -> None:
    fault = classify(400, {}, openai_error("Unsupported parameter: 'max_tokens'", param="max_tokens", code="unsupported_parameter"))
    assert (fault.message, fault.param, fault.code, fault.status) == ("Unsupported parameter: 'max_tokens'", "max_tokens", "unsupported_parameter", 400)


def test_the_innermost_words_are_told() -> None:
    assert classify(400, {}, openrouter('{"error":{"message":"Only one image, please."}}')).message == "Only one image, please."


@pytest.mark.parametrize("secret", ["sk-proj-AbC123dEf456", "gsk_x9y8z7w6v5u4", "AIzaSyA1234567890abc", "Bearer abcdef0123456789", "org-Ab12Cd34Ef56",
    "me@corp.test"])
def test_no_secret_is_told(secret: str) -> None:
    fault = classify(401, {}, openai_error(f"Incorrect API key provided: {secret}. See the docs."))
    assert secret not in fault.message
    assert "[redacted]" in fault.message


def test_ordinary_words_are_no_secrets() -> None:
    said = "the user-provided key-value pairs are wrong, write to support@moonshot.cn"
    assert classify(400, {}, openai_error(said)).message == said


def test_a_page_is_told_by_its_title() -> None:
    fault = classify(502, {}, "<html><head><title>502 Bad Gateway</title></head><body><script>var x = 1</script></body></html>")
    assert fault.message == "a page from a proxy in between instead of an answer (HTTP 502): 502 Bad Gateway"


def test_a_long_message_is_cut() -> None:
    assert len(classify(500, {}, openai_error("x " * 5000)).message) == 600
