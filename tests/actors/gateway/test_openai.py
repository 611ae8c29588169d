"""OpenAI's shapes at the front door: heads read, refusals that name the field, answers and errors written."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.gateway.openai import CODES, error_body, error_headers, header_safe, model_body, models_body, read_head, served_headers
from actors.gateway.openai_head import ROLES
from messages.chat import ChatHead, Served
from messages.faults import FAULTS, Fault, FaultClass, Trial
from messages.outcome import Refusal
from messages.routing import ListedModel, ModelsListed

unhurried = settings(deadline=None)  # a machine that is busy with other things is no failure

HI = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
IMAGE = {"role": "user", "content": [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": "data:x"}}]}
TRAIL = (Trial(provider="a", model="m", outcome="timeout", ms=30_000), Trial(provider="b", model="n", outcome="overloaded", ms=12))


def read(document: Any = None, headers: dict[str, str] | None = None, **fields: Any) -> ChatHead:
    return read_head(orjson.dumps({"model": "m", "messages": [HI], **fields} if document is None else document), headers or {})


def refused(document: Any = None, headers: dict[str, str] | None = None, **fields: Any) -> Fault:
    with pytest.raises(Refusal) as refusal:
        read(document, headers, **fields)
    return refusal.value.fault


def head_or_refusal(body: bytes) -> ChatHead | Fault:
    try:
        return read_head(body, {})
    except Refusal as refusal:
        return refusal.fault


# ---- heads


def test_a_plain_chat_needs_nothing() -> None:
    assert read() == ChatHead(model="m")


def test_the_model_may_be_left_to_the_default() -> None:
    for model in ({}, {"model": None}, {"model": ""}):
        assert read({"messages": [HI], **model}).model == ""


def test_streaming_and_usage_are_read() -> None:
    assert read(stream=True, stream_options={"include_usage": True}) == ChatHead(model="m", stream=True, include_usage=True)
    assert read(stream=False, stream_options={}) == read(stream=None, stream_options=None) == ChatHead(model="m")


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({"tools": [TOOL]}, ("tools",)),
        ({"functions": [{"name": "f"}]}, ("tools",)),
        ({"tools": [{"type": "custom", "custom": {}}]}, ("tools",)),
        ({"tools": []}, ()),
        ({"tools": None, "functions": None}, ()),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}}, ("json_schema",)),
        ({"response_format": {"type": "json_object"}}, ()),
        ({"response_format": {"type": "text"}}, ()),
        ({"messages": [IMAGE]}, ("vision",)),
        ({"messages": [{"role": "user", "content": [{"type": "input_image"}]}, HI]}, ("vision",)),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "image_url"}]}]}, ()),
        ({"tools": [TOOL], "messages": [IMAGE], "response_format": {"type": "json_schema", "schema": {}}}, ("tools", "json_schema", "vision")),
    ],
)
def test_what_a_request_needs_is_derived_from_what_it_holds(fields: dict[str, Any], needs: tuple[str, ...]) -> None:
    assert read(**fields).needs == needs


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0}, {"temperature": 2}, {"temperature": 0.7}, {"temperature": None}, {"top_p": 0}, {"top_p": 1.0}, {"max_tokens": 1},
        {"max_tokens": 2**40},
        {"max_completion_tokens": 5}, {"n": 1}, {"n": 128}, {"seed": 2**60}, {"user": None}, {"reasoning_effort": "high"}, {"my_own_field": {"x": [1]}},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{}]}]}, {"messages": [{"role": "assistant", "tool_calls": [{}]}]},
        {"messages": [{"role": "assistant", "content": []}]}, {"messages": [{"role": "function", "name": "f", "content": None}]},
        {"messages": [{"role": role, "content": "x"} for role in sorted(ROLES)]}, {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "user", "content": [{"type": "of the future", "x": 1}]}]},
    ],
)  # fmt: skip
def test_what_openai_takes_is_taken(fields: dict[str, Any]) -> None:
    assert read(**fields).model == "m"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": {"role": "user"}}, "messages"),
        ({"messages": [HI, "hi"]}, "messages[1]"),
        ({"messages": [HI, None]}, "messages[1]"),
        ({"messages": [HI, {"content": "x"}]}, "messages[1].role"),
        ({"messages": [HI, {"role": "robot", "content": "x"}]}, "messages[1].role"),
        ({"messages": [HI, {"role": 7, "content": "x"}]}, "messages[1].role"),
        ({"messages": [HI, {"role": ["user"], "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": {"type": "text"}}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, "messages[0].content[0].text"),
        ({"model": 7}, "model"),
        ({"model": ["m"]}, "model"),
        ({"stream": "true"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"temperature": "1"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"top_p": -1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_tokens": False}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": 1.0}, "n"),
        ({"tools": {}}, "tools"),
        ({"tools": [7]}, "tools[0]"),
        ({"tools": [TOOL, {"function": {"name": "f"}}]}, "tools[1].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}, "tools[0].function.parameters"),
        ({"functions": [{"name": 7}]}, "functions[0].name"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {}}, "response_format.type"),
        ({"response_format": {"type": "yaml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": "x"}}, "response_format.json_schema"),
    ],
)
def test_a_broken_field_is_refused_by_its_name(fields: dict[str, Any], param: str) -> None:
    fault = refused(**fields)
    assert (fault.cls, fault.param) == ("bad_request", param)
    assert param in fault.message
    assert fault.code


def test_a_refusal_says_what_was_found_and_what_is_right() -> None:
    assert refused(messages=[HI, {"role": 7}]).message.endswith("but got an integer instead.")
    assert "'developer'" in refused(messages=[{"role": "robot", "content": ""}]).message
    assert refused(max_tokens=0).message == "Invalid 'max_tokens': 0 is below the minimum. Expected a value >= 1."


@pytest.mark.parametrize(
    "body",
    [
        b"", b"hi", b"{", b'{"messages":[', b"[" * 5000, b'{"a":' * 5000, b'{"messages":[{"role":"user","content":"\x00"}]}', b'{"temperature":NaN}',
        b'{"temperature":1e999}',
        b'{"temperature":Infinity}', b"\xff\xfe{}", b'{"model":"\xff"}', b'{"model":"\\ud800"}', b'\xef\xbb\xbf{"messages":[]}', b"{}{}", b"{'messages':[]}",
    ],
)  # fmt: skip
def test_a_body_that_is_not_json_is_refused_with_the_place(body: bytes) -> None:
    with pytest.raises(Refusal) as refusal:
        read_head(body, {})
    assert refusal.value.fault.cls == "bad_request"
    assert refusal.value.fault.code == "invalid_json"
    assert "line 1 column" in refusal.value.fault.message


@pytest.mark.parametrize("body", [b"null", b"7", b'"x"', b"[]", b"true"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal, match="must be a JSON object"):
        read_head(body, {})


def test_odd_but_valid_json_works() -> None:
    assert read_head(b'{"messages":[{"role":"user","content":"a\\u0000b"}],"model":"x","model":"y","seed":18446744073709551616}', {}).model == "y"
    assert read_head(b' {"messages":[{"role":"user","content":"' + b"x" * 1_000_000 + b'"}]} ', {}).model == ""
    deep = b"[" * 900 + b"]" * 900
    assert read_head(b'{"messages":[{"role":"user","content":"x"}],"x":' + deep + b"}", {}).model == ""


def test_what_curl_calls_a_form_is_read_all_the_same() -> None:
    for media in ("application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/plain"):
        assert read(headers={"Content-Type": media}).model == "m"


def test_a_web_page_cannot_get_around_the_browsers_check() -> None:
    for headers in ({"Content-Type": "text/plain", "Origin": "https://evil.test"}, {"Content-Type": "multipart/form-data; boundary=x"}):
        assert refused(headers=headers).cls == "unsupported_media"
    assert read(headers={"Content-Type": "application/json", "Origin": "https://app.test"}).model == "m"


JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["role", "content", "type", "text", "function", "name",
    "x"]), inner, max_size=3)),
    max_leaves=10,
)
FIELDS = ["model", "messages", "stream", "stream_options", "temperature", "top_p", "max_tokens", "max_completion_tokens", "n", "tools", "functions",
"response_format", "x"]


@unhurried
@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_document_gives_a_head_or_a_refusal_that_names_a_field(document: dict[str, Any]) -> None:
    told = head_or_refusal(orjson.dumps({"messages": [HI], **document}))
    if isinstance(told, ChatHead):
        assert told.model == (document.get("model") or "")
    else:
        assert told.cls == "bad_request"
        assert told.param is not None
        assert told.param.partition("[")[0].partition(".")[0] in document


@unhurried
@given(st.binary(max_size=100))
def test_any_bytes_give_a_head_or_a_refusal(body: bytes) -> None:
    assert isinstance(head_or_refusal(body), ChatHead | Fault)


# ---- errors


def test_an_error_has_openais_shape_and_says_what_was_tried() -> None:
    fault = Fault(cls="overloaded", message="The engine is overloaded", status=429, names=("m1", "m2"))
    assert orjson.loads(error_body(fault, "t1", TRAIL)) == {
        "error": {
            "message": "The engine is overloaded", "type": "overloaded_error", "param": None, "code": None, "class": "overloaded", "trace": "t1",
            "attempts": [{"provider": "a", "model": "m", "class": "timeout", "ms": 30000}, {"provider": "b", "model": "n", "class": "overloaded", "ms": 12}],
            "status": 429, "names": ["m1", "m2"],
        }
    }  # fmt: skip


def test_what_is_not_known_is_left_out() -> None:
    error = orjson.loads(error_body(Fault(cls="bad_request", message="no", param="n", code="below_min_value"), "t", ()))["error"]
    assert "status" not in error
    assert "names" not in error
    assert (error["param"], error["code"], error["attempts"]) == ("n", "below_min_value", [])


@pytest.mark.parametrize(("cls", "code"), [*CODES.items(), ("timeout", None)])
def test_clients_find_the_codes_they_look_for(cls: FaultClass, code: str | None) -> None:
    assert orjson.loads(error_body(Fault(cls=cls, message=""), "t", ()))["error"]["code"] == code
    assert orjson.loads(error_body(Fault(cls=cls, message="", code="own"), "t", ()))["error"]["code"] == "own"


@pytest.mark.parametrize(("ms", "seconds"), [(0, "0"), (1, "1"), (1000, "1"), (1001, "2"), (86_400_000, "86400")])
def test_the_time_to_come_again_is_rounded_up(ms: int, seconds: str) -> None:
    headers = error_headers(Fault(cls="rate_limit", message="", retry_after_ms=ms), ())
    assert (headers["Retry-After"], headers["Retry-After-Ms"]) == (seconds, str(ms))


def test_no_time_is_promised_where_none_helps() -> None:
    assert "Retry-After" not in error_headers(Fault(cls="rate_limit", message=""), ())
    assert "Retry-After" not in error_headers(Fault(cls="rate_limit", message="", code="request_over_limit", retry_after_ms=86_400_000), TRAIL)


@pytest.mark.parametrize("cls", sorted(FAULTS))
def test_clients_do_not_multiply_our_attempts(cls: FaultClass) -> None:
    fault = Fault(cls=cls, message="")
    assert ("X-Should-Retry" in error_headers(fault, ())) == (cls not in ("busy", "restarting"))
    assert error_headers(fault, TRAIL)["X-Should-Retry"] == "false"


# ---- models


def test_models_are_listed_as_openai_does_it() -> None:
    model = ListedModel(name="m", served_by=("a", "b"), capabilities=("chat", "tools"), context=8192)
    one = {
        "id": "m", "object": "model", "created": 0, "owned_by": "a",
        "undying": {"served_by": ["a", "b"], "capabilities": ["chat", "tools"], "context": 8192},
    }  # fmt: skip
    assert orjson.loads(model_body(model)) == one
    assert orjson.loads(models_body(ModelsListed(models=(model,), default="m"))) == {"object": "list", "data": [one]}
    assert orjson.loads(models_body(ModelsListed(models=(), default=""))) == {"object": "list", "data": []}


# ---- who answered


def test_an_answer_says_who_served_it() -> None:
    assert served_headers(Served(provider="a", model="m", attempts=2), "t1") == {
        "X-Undying-Provider": "a", "X-Undying-Model": "m", "X-Undying-Attempts": "2", "X-Undying-Trace": "t1",
    }  # fmt: skip
    assert served_headers(Served(provider="a", model="m", attempts=1, note="b was asked for"), "t")["X-Undying-Note"] == "b was asked for"


@unhurried
@given(st.text(max_size=700))
def test_no_name_breaks_out_of_its_header(text: str) -> None:
    for value in served_headers(Served(provider=text, model="m", attempts=1, note="x" + text), "t").values():
        assert value.isascii()
        assert value.isprintable()


def test_a_name_in_another_script_stays_readable_for_a_machine() -> None:
    assert header_safe("模型") == "\\u6a21\\u578b"
    assert header_safe("a\r\nSet-Cookie: b") == "a Set-Cookie: b"
