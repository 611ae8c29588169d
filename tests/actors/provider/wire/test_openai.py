"""OpenAI's dialect: what is asked of a provider, and what counts as an answer, in one piece and as a stream."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.provider.wire.openai import DONE, StreamReader, as_stream, chat_request, models_request, read_answer, read_models
from actors.provider.wire.openai_stream import LIMIT
from messages.faults import Fault
from messages.provider import BeginAttempt

unhurried = settings(deadline=None)  # a machine that is busy with other things is no failure

BODY = orjson.dumps({"model": "ours", "messages": [{"role": "user", "content": "hi"}], "seed": 7, "x": {"y": [1, 2.5]}})


def begin(*, rename: bool = False, stream: bool = False) -> BeginAttempt:
    return BeginAttempt(
        owner="/x", provider="p", base_url="https://p.test/v1", model="theirs", rename=rename, stream=stream, include_usage=False, body=BODY,
    )  # fmt: skip


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    return b"data: " + orjson.dumps({"id": "c1", "object": "chat.completion.chunk", "choices": [choice], **more}) + b"\n\n"


def event(document: Any) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"


ROLE = chunk({"role": "assistant", "content": ""})
TOKEN = chunk({"content": "Hello"})
FINISH = chunk(finish="stop")
USAGE = event({"id": "c1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}})
ERROR = event({"error": {"message": "The server had an error while processing your request", "type": "server_error"}})


def read(*reads: bytes) -> tuple[bytes, Fault | None, StreamReader]:
    """What is relayed of a stream, and the verdict."""
    reader = StreamReader()
    relayed = b"".join(b"".join(reader.feed(data)) for data in reads)
    verdict = reader.verdict()
    return relayed + b"".join(reader.tail()), verdict, reader


def completion(message: dict[str, Any] | None = None, finish: Any = "stop", **more: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"} if message is None else message, "finish_reason": finish}
    return orjson.dumps({"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], **more})


# ---- requests


def test_the_body_goes_out_as_the_very_bytes_that_came_in() -> None:
    request = chat_request("https://p.test/v1/", "k", "openai", begin(stream=True), "trace1")
    assert request.body is BODY
    assert (request.method, request.url) == ("POST", "https://p.test/v1/chat/completions")
    assert request.headers == {"authorization": "Bearer k", "content-type": "application/json", "accept": "text/event-stream", "x-request-id": "trace1"}


def test_only_the_model_is_rewritten_when_the_provider_knows_it_by_another_name() -> None:
    request = chat_request("https://p.test/v1", None, "ollama", begin(rename=True), "t")
    assert orjson.loads(request.body or b"") == {**orjson.loads(BODY), "model": "theirs"}
    assert "authorization" not in request.headers
    assert request.headers["accept"] == "application/json"


def test_anthropic_gets_its_key_both_ways_and_its_version() -> None:
    for request in (chat_request("https://a.test/v1", "k", "anthropic", begin(), "t"), models_request("https://a.test/v1", "k", "anthropic")):
        assert request.headers["authorization"] == "Bearer k"
        assert request.headers["x-api-key"] == "k"
        assert request.headers["anthropic-version"] == "2023-06-01"


def test_listing_models_is_a_get_without_a_body() -> None:
    request = models_request("https://p.test/v1/", None, "openai")
    assert (request.method, request.url, request.body) == ("GET", "https://p.test/v1/models", None)


# ---- lists of models


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"object":"list","data":[{"id":"b"},{"id":"a"},{"id":"b"}]}', ("b", "a")),
        (b'{"data":null}', ()),
        (b'{"data":[]}', ()),
        (b'[{"id":"a"},{"no":"id"},7]', ("a",)),
        (b'{"models":[{"name":"models/g"}]}', ("models/g",)),
        (b'{"data":["a"]}', ("a",)),
    ],
)
def test_a_list_of_models_is_read_in_the_providers_order(body: bytes, names: tuple[str, ...]) -> None:
    assert read_models(body) == names


@pytest.mark.parametrize(
    ("body", "cls"),
    [
        (b"", "invalid_output"),
        (b"<html><title>Sign in</title></html>", "invalid_output"),
        (b'{"hello":1}', "invalid_output"),
        (b'{"data":7}', "invalid_output"),
        (b"7", "invalid_output"),
        (b'{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}', "auth"),
    ],
)
def test_what_is_no_list_of_models_is_a_fault(body: bytes, cls: str) -> None:
    told = read_models(body)
    assert isinstance(told, Fault)
    assert told.cls == cls


# ---- whole answers


@pytest.mark.parametrize(
    "body",
    [
        completion(),
        completion({"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f",
        "arguments": "{}"}}]}, "tool_calls"),
        completion({"role": "assistant", "content": None, "refusal": "No."}),
        completion({"role": "assistant", "content": "", "reasoning_content": "hm"}),
        completion({"role": "assistant", "content": ""}, "length"),
        completion({"role": "assistant", "content": ""}, "content_filter"),
        completion(error=None),
        b"\n" + completion() + b"\n",
    ],
)
def test_a_complete_answer_is_no_fault(body: bytes) -> None:
    assert read_answer(200, {}, body) is None


@pytest.mark.parametrize(
    ("body", "cls", "says"),
    [
        (b"", "invalid_output", "no body"),
        (b"null", "invalid_output", "NoneType"),
        (b'{"status":"ok"}', "invalid_output", "another kind"),
        (b"<!DOCTYPE html><title>Sign in</title>", "invalid_output", "proxy"),
        (completion()[:60], "invalid_output", "no JSON"),
        (completion({"role": "assistant", "content": ""}), "invalid_output", "empty"),
        (completion({"role": "assistant", "content": "Hel"}, None), "invalid_output", "finish_reason"),
        (completion(finish=7), "invalid_output", "finish_reason"),
        (orjson.dumps({"choices": []}), "invalid_output", "no choices"),
        (orjson.dumps({"choices": [{"delta": {}}]}), "invalid_output", "no message"),
        (orjson.dumps({"choices": [7]}), "invalid_output", "no message"),
        (b"\xff\xfe", "invalid_output", "no JSON"),
        (b'{"error":{"message":"The engine is currently overloaded","code":503}}', "overloaded", "overloaded"),
        (orjson.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "error": {"message": "Insufficient balance"}}), "quota",
            "balance"),
        (completion(finish="network_error"), "server_error", "network_error"),
        (completion(finish="insufficient_system_resource"), "overloaded", "insufficient_system_resource"),
    ],
)
def test_a_200_that_is_no_complete_answer_is_a_fault(body: bytes, cls: str, says: str) -> None:
    fault = read_answer(200, {}, body)
    assert fault is not None
    assert fault.cls == cls
    assert says in fault.message


def test_an_answer_with_an_error_status_is_classified_by_its_body() -> None:
    fault = read_answer(500, {}, b'{"error":"model requires more system memory (9 GiB) than is available"}')
    assert fault is not None
    assert (fault.cls, fault.status) == ("out_of_memory", 500)


@unhurried
@given(st.integers(0, 600), st.binary(max_size=200))
def test_any_body_is_an_answer_or_a_fault(status: int, body: bytes) -> None:
    assert isinstance(read_answer(status, {}, body), Fault | None)
    assert isinstance(read_models(body), Fault | tuple)
    assert isinstance(as_stream(body, True), Fault | list)


# ---- streams


def test_a_healthy_stream_is_relayed_as_it_is() -> None:
    relayed, verdict, reader = read(ROLE + TOKEN, FINISH + USAGE, DONE)
    assert relayed == ROLE + TOKEN + FINISH + USAGE + DONE
    assert verdict is None
    assert (reader.finish, reader.done) == ("stop", True)


def test_nothing_is_given_out_before_the_first_token() -> None:
    reader = StreamReader()
    assert reader.feed(ROLE) == []
    assert reader.feed(TOKEN) == [ROLE, TOKEN]
    assert reader.first_token
    assert reader.feed(TOKEN) == [TOKEN]


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "x"}, {"content": " "}, {"tool_calls": [{"index": 0, "function": {"name": "f"}}]}, {"reasoning_content": "hm"}, {"reasoning": "hm"},
        {"refusal": "No"}, {"function_call": {"name": "f"}},
    ],
)  # fmt: skip
def test_text_tool_calls_reasoning_and_refusals_are_tokens(delta: dict[str, Any]) -> None:
    _, verdict, reader = read(ROLE, chunk(delta), FINISH, DONE)
    assert reader.first_token
    assert verdict is None


def test_a_stream_without_done_gets_one_and_only_one() -> None:
    relayed, verdict, reader = read(ROLE, TOKEN, FINISH)
    assert verdict is None
    assert relayed == ROLE + TOKEN + FINISH + DONE
    assert reader.tail() == []


@pytest.mark.parametrize(
    ("reads", "says"),
    [
        ([], "no body"),
        ([DONE], "[DONE] without a finish reason"),
        ([ROLE, TOKEN], "midst of the answer"),
        ([ROLE, TOKEN, DONE], "[DONE] without a finish reason"),
        ([ROLE, FINISH, DONE], "empty"),
        ([ROLE], "without a finish reason"),
        ([ROLE, TOKEN, b'data: {"id":"c1","choices":[{"ind'], "broken JSON"),
        ([ROLE, TOKEN, chunk({"content": "b"}, index=1), FINISH, DONE], "choice 1"),
        ([b": keep-alive\n\n"], "without a finish reason"),
        ([event({"choices": [], "usage": None}), DONE], "[DONE] without"),
        ([b"<html><title>Sign in</title></html>"], "proxy"),
        ([b"<html>\n<title>Sign in</title>\n</html>\n"], "proxy"),
        ([completion()], "another kind"),
        ([orjson.dumps({"a": 1}, option=orjson.OPT_INDENT_2)], "another kind"),
        ([b"data: null\n\n"], "another kind"),
        ([b"data: [1,2]\n\n"], "another kind"),
        ([b'data: {"choices":[7]}\n\n'], "no object"),
        ([ROLE, b'data: {"choices":[{"delta":{"cont\n\n', TOKEN, FINISH, DONE], "broken JSON"),
        ([ROLE, b'data: {"choices":[{"delta":{"content":"caf\xe9"}}]}\n\n', FINISH, DONE], "broken JSON"),
    ],
)
def test_a_stream_that_is_no_whole_answer_says_which_way(reads: list[bytes], says: str) -> None:
    relayed, verdict, _ = read(*reads)
    assert verdict is not None
    assert verdict.cls == "invalid_output"
    assert says in verdict.message
    assert DONE not in relayed


@pytest.mark.parametrize("reason", ["length", "content_filter", "sensitive"])
def test_an_answer_may_be_silent_when_it_says_why(reason: str) -> None:
    relayed, verdict, _ = read(ROLE, chunk(finish=reason), DONE)
    assert verdict is None
    assert relayed == ROLE + chunk(finish=reason) + DONE


@pytest.mark.parametrize(
    ("frame", "cls"),
    [
        (ERROR, "server_error"),
        (event({"object": "error", "message": "The model is overloaded", "code": 503}), "overloaded"),
        (event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}), "overloaded"),
        (b"event: error\n" + event({"message": "Rate limit reached"}), "rate_limit"),
        (b'error: {"code":500,"message":"slot unavailable"}\n\n', "overloaded"),
        (event({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}], "error": {"message": "Upstream idle timeout",
            "code": 502}}), "timeout"),
        (chunk(finish="error"), "server_error"),
        (event({"detail": "Insufficient credits"}), "quota"),
        (b"data: upstream request timeout\n\n", "timeout"),
        (b'{"error":{"message":"Incorrect API key provided"}}\n', "auth"),
    ],
)
def test_an_error_in_the_stream_is_a_fault_and_never_content(frame: bytes, cls: str) -> None:
    relayed, verdict, _ = read(ROLE, frame, TOKEN, FINISH, DONE)
    assert verdict is not None
    assert verdict.cls == cls
    assert relayed == b""
    relayed, verdict, reader = read(ROLE, TOKEN, frame, TOKEN, FINISH, DONE)
    assert verdict is not None
    assert verdict.cls == cls
    assert relayed == ROLE + TOKEN
    assert reader.feed(TOKEN) == []
    assert reader.tail() == []


def test_an_error_spread_over_lines_is_found_at_the_end() -> None:
    body = orjson.dumps({"error": {"message": "Insufficient balance"}}, option=orjson.OPT_INDENT_2)
    _, verdict, _ = read(body)
    assert verdict is not None
    assert verdict.cls == "quota"


def test_what_providers_add_besides_chunks_is_left_out() -> None:
    relayed, verdict, _ = read(b"id: 7\nretry: 10\n: comment\n", ROLE, event({"type": "ping"}), b"data:\n\n", b"event: ping\n\n", TOKEN, FINISH)
    assert verdict is None
    assert relayed == ROLE + TOKEN + FINISH + DONE


def test_an_error_that_is_null_is_none() -> None:
    relayed, verdict, _ = read(chunk({"content": "a"}, error=None), FINISH)
    assert verdict is None
    assert b'"a"' in relayed


def test_a_usage_that_was_cut_off_does_not_spoil_a_whole_answer() -> None:
    relayed, verdict, _ = read(ROLE, TOKEN, FINISH, USAGE[:30])
    assert verdict is None
    assert relayed == ROLE + TOKEN + FINISH + DONE


def test_the_last_event_may_lack_its_empty_line() -> None:
    relayed, verdict, _ = read(ROLE + TOKEN + FINISH.rstrip())
    assert verdict is None
    assert relayed == ROLE + TOKEN + FINISH + DONE


def test_after_done_nothing_is_read() -> None:
    reader = StreamReader()
    reader.feed(ROLE + TOKEN + FINISH + DONE + ERROR)
    assert reader.done
    assert reader.feed(ERROR) == []
    assert reader.verdict() is None


def test_data_over_several_lines_is_one_event() -> None:
    relayed, verdict, _ = read(b'data: {"choices":\ndata: [{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n')
    assert verdict is None
    assert relayed == b'data: {"choices":\ndata: [{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n' + DONE


def test_spacing_does_not_matter() -> None:
    relayed, verdict, _ = read(b'data:{"choices" : [ {"delta": {"content" :"x"}, "finish_reason" :  null } ] }\n\n', FINISH)
    assert verdict is None
    assert relayed.startswith(b"data: {")


@pytest.mark.parametrize("size", [1024, 1024 * 1024])
def test_a_line_without_an_end_is_given_up_at_the_limit(size: int) -> None:
    reader = StreamReader()
    reader.feed(ROLE + b'data: {"x":"')
    for _ in range(LIMIT // size + 1):
        assert reader.feed(b"x" * size) == []
    assert reader.fault is not None
    assert "more than" in reader.fault.message


def test_endless_silence_before_the_first_token_is_given_up_at_the_limit() -> None:
    reader = StreamReader()
    empty = chunk({"content": ""}, padding="x" * 100_000)
    for _ in range(LIMIT // len(empty) + 1):
        reader.feed(empty)
    assert reader.fault is not None


PIECES = [
    ROLE, TOKEN, TOKEN, TOKEN, FINISH, USAGE, DONE, ERROR, chunk({"content": "zwölf 模型 \U0001f30d"}), chunk({"content": "b"}, index=1),
    chunk(finish="stop", index=1),
    chunk(finish="length"), TOKEN.replace(b"\n", b"\r\n"), FINISH.replace(b"\n", b"\r\n"), TOKEN.replace(b"\n", b"\r"), b": ping\n\n",
    b": ping\r\n\r\n", b"\n", b"\r", b"\r\n",
    b"data: {broken\n\n", b"<html>\n", b"Internal Server Error\n", b'{"error":"overloaded"}\n', b"data:\n", b"event: error\n", b"data: [DO",
    b"\xef\xbb\xbf", b"id: 1\n",
    b'data: {"choices":\ndata: []}\n\n', TOKEN[:20], FINISH.rstrip(),
]  # fmt: skip
streams = st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)


@unhurried
@given(streams, st.data())
def test_however_the_bytes_are_cut_the_same_is_relayed_and_judged(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    reads = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole, bytewise = read(stream), read(*(stream[at : at + 1] for at in range(len(stream))))
    assert read(*reads)[:2] == whole[:2] == bytewise[:2]


@unhurried
@given(streams)
def test_only_a_stream_that_was_an_answer_ends_with_done(stream: bytes) -> None:
    relayed, verdict, reader = read(stream)
    assert relayed.endswith(DONE) == (verdict is None)
    assert relayed.count(DONE) <= 1
    assert b'"error":{' not in relayed
    if verdict is None:
        assert reader.finish is not None


@unhurried
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_any_bytes_have_a_verdict(reads: list[bytes]) -> None:
    _, verdict, _ = read(*reads)
    assert isinstance(verdict, Fault)


# ---- a whole answer as a stream


def test_a_whole_answer_becomes_a_stream_that_says_the_same() -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    body = completion({"role": "assistant", "content": "Hello", "tool_calls": calls}, "tool_calls", usage={"total_tokens": 4}, system_fingerprint="fp")
    events = as_stream(body, True)
    assert isinstance(events, list)
    relayed, verdict, reader = read(*events)
    assert verdict is None
    assert relayed == b"".join(events)
    assert reader.finish == "tool_calls"
    chunks = [orjson.loads(event[6:]) for event in events[:-1]]
    assert {(one["id"], one["object"], one["system_fingerprint"]) for one in chunks} == {("c1", "chat.completion.chunk", "fp")}
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "Hello", "tool_calls": [{"index": 0, **calls[0]}]}
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {"total_tokens": 4}


def test_usage_is_told_only_when_it_was_asked_for() -> None:
    events = as_stream(completion(usage={"total_tokens": 4}), False)
    assert isinstance(events, list)
    assert b"usage" not in b"".join(events)


def test_a_broken_answer_does_not_become_a_stream() -> None:
    told = as_stream(completion({"role": "assistant", "content": ""}), True)
    assert isinstance(told, Fault)
    assert told.cls == "invalid_output"


@unhurried
@given(st.text(min_size=1), st.sampled_from(["stop", "length"]), st.booleans())
def test_every_text_survives_becoming_a_stream(text: str, finish: str, include_usage: bool) -> None:
    events = as_stream(completion({"role": "assistant", "content": text}, finish, usage={"total_tokens": 1}), include_usage)
    assert isinstance(events, list)
    _, verdict, reader = read(*events)
    assert verdict is None
    assert reader.finish == finish
    assert orjson.loads(events[0][6:])["choices"][0]["delta"]["content"] == text
