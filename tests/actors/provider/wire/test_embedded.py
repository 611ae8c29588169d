"""The embedded provider: it always answers, always the same, and never pretends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.provider.wire.embedded import MODELS, answer, chunks, completion, tokens
from actors.provider.wire.openai import StreamReader, read_answer
from messages.faults import Fault

unhurried = settings(deadline=None)  # a machine that is busy with other things is no failure


def body(*messages: dict[str, Any], **more: Any) -> bytes:
    return orjson.dumps({"messages": list(messages), **more})


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def plain(request: bytes) -> dict[str, Any]:
    told = completion(request, 1, "c1")
    assert isinstance(told, bytes)
    document: dict[str, Any] = orjson.loads(told)
    return document


def streamed(request: bytes, include_usage: bool = True) -> list[dict[str, Any]]:
    told = chunks(request, 1, "c1", include_usage)
    assert isinstance(told, Iterator)
    events = list(told)
    assert events[-1] == b"data: [DONE]\n\n"
    return [orjson.loads(event[6:]) for event in events[:-1]]


def test_it_says_that_it_is_no_language_model_and_how_to_get_one() -> None:
    said = answer(body(user("hi")))
    for word in ("no language model", "OPENAI_API_KEY", "Ollama", "config.yaml"):
        assert word in said


def test_it_tells_what_it_was_given() -> None:
    said = answer(body({"role": "system", "content": "You are a pirate."}, user("first"), {"role": "assistant", "content": "x"}, user("what is tea?")))
    assert '"what is tea?"' in said
    assert "first" not in said
    assert "4 messages" in said
    assert "You are a pirate." in said


def test_a_long_message_is_summed_up() -> None:
    said = answer(body(user("begin " + "word " * 500 + "finish")))
    assert "502 words" in said
    assert "begin word" in said
    assert 'finish"' in said
    assert len(said) < 800


def test_the_texts_of_a_list_of_parts_are_read() -> None:
    said = answer(body(user([{"type": "text", "text": "look:"}, {"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "a cat"}])))
    assert "look:\na cat" in said


def test_equal_requests_get_equal_answers() -> None:
    request = body(user("hi"))
    assert completion(request, 1, "c1") == completion(request, 1, "c1")
    assert streamed(request) == streamed(request)


def test_a_token_limit_is_kept_and_told() -> None:
    for field in ("max_tokens", "max_completion_tokens"):
        document = plain(body(user("hi"), **{field: 3}))
        assert document["choices"][0]["finish_reason"] == "length"
        assert document["choices"][0]["message"]["content"] == "I am echo, "
        assert document["usage"]["completion_tokens"] == 3


def test_more_than_one_answer_is_refused_before_the_stream_begins() -> None:
    request = body(user("hi"), n=2)
    for told in (completion(request, 1, "c1"), chunks(request, 1, "c1", False)):
        assert isinstance(told, Fault)
        assert (told.cls, told.param) == ("unsupported_capability", "n")
    assert isinstance(completion(body(user("hi"), n=1), 1, "c1"), bytes)


def test_a_stream_is_the_role_then_a_chunk_per_token_then_the_reason_then_the_usage() -> None:
    events = streamed(body(user("hi"), max_tokens=4))
    deltas = [event["choices"][0]["delta"] for event in events[:-1]]
    assert deltas == [{"role": "assistant", "content": ""}, {"content": "I "}, {"content": "am "}, {"content": "echo, "}, {"content": "the "}, {}]
    assert [event["choices"][0]["finish_reason"] for event in events[:-1]] == [None] * 5 + ["length"]
    assert events[-1]["choices"] == []
    assert {event["model"] for event in events} == set(MODELS)


def test_usage_is_streamed_only_when_asked_for() -> None:
    assert not any("usage" in event for event in streamed(body(user("hi")), include_usage=False))


CONTENT = st.one_of(st.none(), st.text(max_size=60), st.lists(st.one_of(st.just({"type": "text", "text": "t"}), st.just({"type": "image_url"}),
st.none()), max_size=3))
MESSAGES = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": CONTENT}), max_size=5)


@unhurried
@given(MESSAGES, st.one_of(st.none(), st.integers(1, 30)))
def test_the_stream_says_what_the_document_says(messages: list[dict[str, Any]], limit: int | None) -> None:
    request = body(*messages, **({} if limit is None else {"max_tokens": limit}))
    document, events = plain(request), streamed(request)
    choice = document["choices"][0]
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in events[:-1]) == choice["message"]["content"]
    assert events[-2]["choices"][0]["finish_reason"] == choice["finish_reason"]
    assert events[-1]["usage"] == document["usage"]
    assert document["usage"]["completion_tokens"] <= (limit or 10_000)


@unhurried
@given(st.one_of(st.binary(max_size=80), MESSAGES.map(lambda messages: body(*messages))))
def test_whatever_it_is_asked_its_answer_passes_for_one(request: bytes) -> None:
    told, events = completion(request, 1, "c1"), chunks(request, 1, "c1", True)
    assert isinstance(told, bytes)
    assert isinstance(events, Iterator)
    assert read_answer(200, {}, told) is None
    reader = StreamReader()
    for event in events:
        reader.feed(event)
    assert reader.verdict() is None


@unhurried
@given(st.text())
def test_tokens_make_up_the_text_again(text: str) -> None:
    assert "".join(tokens(text)) == text


@pytest.mark.parametrize("request_body", [b"", b"{}", b"[]", b'{"messages":7}', b'{"messages":[7,{"role":1}]}'])
def test_it_answers_even_what_the_front_door_would_refuse(request_body: bytes) -> None:
    assert "no language model" in answer(request_body)
