"""Server-sent events as we write them, and what OpenAI's own client makes of them over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import openai
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.gateway.sse import COMMENT, DONE, error_event, event
from messages.faults import Fault, Trial

unhurried = settings(deadline=None)  # a machine that is busy with other things is no failure

# looptime's plugin asks for the current loop before every test that is not async: without this line Python 3.11 then makes one that nobody closes.
asyncio.set_event_loop(None)

FAULT = Fault(cls="overloaded", message="The engine is overloaded", status=503)
TRAIL = (Trial(provider="a", model="m", outcome="overloaded", ms=12),)


def chunk(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return event(orjson.dumps({"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}))


@asynccontextmanager
async def answering(stream: bytes) -> AsyncIterator[str]:
    """The base URL of a server that answers every request with this stream."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.partition(b":")[2]) for line in head.lower().splitlines() if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + stream)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def listen(stream: bytes, heard: list[str]) -> None:
    """Puts what the client hears into `heard`, as it comes."""
    async with answering(stream) as url, openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        async for part in await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True):
            heard.append(part.choices[0].delta.content or "")  # noqa: PERF401 what came before a failure counts


def test_an_event_is_one_data_field_and_an_empty_line() -> None:
    assert event(b'{"a":1}') == b'data: {"a":1}\n\n'
    assert event(b"[DONE]") == DONE
    assert COMMENT == b": keep-alive\n\n"


@unhurried
@given(st.text().map(str.encode))
def test_no_data_ends_its_event_early(data: bytes) -> None:
    written = event(data)
    assert written.endswith(b"\n\n")
    lines = written[:-2].split(b"\n")
    assert all(line.startswith(b"data: ") for line in lines)
    assert b"\r" not in written
    assert b"\n".join(line[6:] for line in lines) == data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def test_an_error_event_is_openais_error_object_without_done() -> None:
    written = error_event(FAULT, "t1", TRAIL)
    assert b"[DONE]" not in written
    error = orjson.loads(written.removeprefix(b"data: "))["error"]
    assert (error["message"], error["class"], error["trace"], len(error["attempts"])) == ("The engine is overloaded", "overloaded", "t1", 1)


async def test_openais_client_hears_a_stream_and_none_of_its_comments() -> None:
    heard: list[str] = []
    await listen(COMMENT + chunk("Hel") + COMMENT + chunk("lo", "stop") + DONE, heard)
    assert heard == ["Hel", "lo"]


async def test_openais_client_raises_when_a_stream_fails_midway() -> None:
    heard: list[str] = []
    with pytest.raises(openai.APIError, match="The engine is overloaded") as raised:
        await listen(chunk("Hel") + error_event(FAULT, "t1", TRAIL), heard)
    assert heard == ["Hel"]
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["class"] == "overloaded"


async def test_a_stream_that_just_ends_passes_for_a_good_one_which_is_why_the_error_event_is_never_left_out() -> None:
    heard: list[str] = []
    await listen(chunk("Hel"), heard)
    assert heard == ["Hel"]
