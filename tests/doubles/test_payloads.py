"""What a healthy provider says, piece by piece and whole, is the same."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from undying.testing.fake_provider.payloads import Answer, Completion, ToolCall, as_answer, tokenise, vector

TEXTS = st.text(max_size=200)


@given(TEXTS)
def test_tokens_joined_are_the_text_again(text: str) -> None:
    assert "".join(tokenise(text)) == text


@given(TEXTS, TEXTS, TEXTS)
def test_a_stream_says_what_its_document_says(text: str, reasoning: str, arguments: str) -> None:
    answer = Answer(text, reasoning, (ToolCall("f", arguments), ToolCall("g", "{}", "call_00000002")))
    completion = Completion.to({"model": "mock", "messages": []}, answer, 1)
    deltas = [json.loads(event.removeprefix(b"data: "))["choices"][0]["delta"] for event in completion.tokens()]
    message = json.loads(completion.document())["choices"][0]["message"]
    assert "".join(delta.get("content", "") for delta in deltas) == (message["content"] or "") == text
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == message.get("reasoning_content", "") == reasoning
    pieces = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    for index, call in enumerate(message["tool_calls"]):
        told = "".join(piece["function"]["arguments"] for piece in pieces if piece["index"] == index)
        assert told == call["function"]["arguments"] == answer.tool_calls[index].arguments


@given(TEXTS)
def test_no_event_holds_a_line_end_within(text: str) -> None:
    # crlf rewrites line ends, which is right only as long as all of them are SSE's own
    completion = Completion.to({"model": "mock", "messages": []}, Answer(text), 1)
    for event in [completion.opening(), *completion.tokens(), completion.closing()]:
        assert event.endswith(b"\n\n")
        assert b"\n" not in event[:-2]
        assert b"\r" not in event


@given(TEXTS, st.integers(1, 64))
def test_a_vector_has_the_length_one_and_the_dimensions_asked_for(text: str, dimensions: int) -> None:
    values = vector(text, dimensions)
    assert len(values) == dimensions
    assert abs(sum(value * value for value in values) - 1) < 1e-9


def test_an_answer_can_be_written_in_short() -> None:
    tool = ToolCall("f", "{}")
    assert as_answer("tea", {}) == Answer("tea")
    assert as_answer(tool, {}) == Answer(tool_calls=(tool,))
    assert as_answer(lambda body: body["model"], {"model": "mock"}) == Answer("mock")
