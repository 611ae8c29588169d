"""Every fault, seen through a real client: it does what its name promises, to a stream and to a document."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import aiohttp
import pytest

from tests.doubles.reading import Ended, Seen, post
from undying.testing.fake_provider import ANSWER, FakeProvider
from undying.testing.fake_provider.breaks import CutAt, ResetAt
from undying.testing.fake_provider.fault import Fault, parse
from undying.testing.fake_provider.faults import FAULTS, describe, wall
from undying.testing.fake_provider.payloads import tokenise
from undying.testing.fake_provider.refusals import Refusal, Status

WORDS = tokenise(ANSWER)

REFUSALS = sorted(name for name, cls in FAULTS.items() if issubclass(cls, Refusal))
ANSWERED = sorted(name for name, cls in FAULTS.items() if cls.shows != "by_waiting" and name not in ("refuse", "bad_chunking"))
"""Faults that a call comes back from. aiohttp's client can't be asked about bad_chunking: see its own test."""

STALLS = sorted(name for name, cls in FAULTS.items() if cls.shows == "by_waiting")


@dataclass(frozen=True)
class Promise:
    """What a client of a stream must see."""

    tokens: list[str]
    finish: str | None = None
    done: int = 0
    ended: Ended = "well"
    status: int = 200
    content_type: str = "text/event-stream"
    broken: int = 0
    errors: int = 0


def of(seen: Seen) -> Promise:
    """The same of what was seen."""
    return Promise(seen.tokens, seen.finish, seen.done, seen.ended, seen.status, seen.content_type, seen.broken, len(seen.errors))


NOTHING: list[str] = []
FULL = Promise(WORDS, "stop", 1)


def no_head(ended: Ended) -> Promise:
    """Not even a status came."""
    return Promise(NOTHING, ended=ended, status=0, content_type="")


STREAMS = {
    # healthy
    "healthy": FULL,
    "crlf": FULL,
    "drip_bytes": FULL,
    "bom": FULL,
    "no_done": Promise(WORDS, "stop"),
    "finish": Promise(WORDS, "length", 1),
    "drop_keepalive": FULL,
    "stale_connection": FULL,
    # the connection
    "refuse": no_head("refused"),
    "reset": no_head("reset"),
    "reset_at": Promise(WORDS[:3], ended="reset"),
    "close": no_head("closed"),
    "cut_at": Promise(WORDS[:3], ended="cut"),
    "truncated_length": Promise(WORDS[:3], ended="cut"),
    "garbage": no_head("no_http"),
    "bad_gzip": Promise(NOTHING, ended="undecodable"),
    "huge_header": no_head("no_http"),
    # what is said
    "clean_end_at": Promise(WORDS[:3]),
    "done_at": Promise(WORDS[:3], done=1),
    "half_event_at": Promise(WORDS[:3], broken=1),
    "done_only": Promise(NOTHING, done=1),
    "empty": Promise(NOTHING, "stop", 1),
    "empty_body": Promise(NOTHING),
    "no_choices": Promise(NOTHING, done=1),
    "error_event": Promise(NOTHING, done=1, errors=1),
    "error_event_at": Promise(WORDS[:3], done=1, errors=1),
    "error_in_200": Promise(NOTHING, content_type="application/json", errors=1),
    "broken_json": Promise(WORDS[1:], "stop", 1, broken=1),
    "broken_json_at": Promise(WORDS[:3] + WORDS[4:], "stop", 1, broken=1),
    "invalid_utf8": Promise(["caf\ufffd \ufffd\ufffd", *WORDS[1:]], "stop", 1),
    "huge_line": Promise(NOTHING, broken=1),
    "foreign_html": Promise(NOTHING, content_type="text/html"),
    "foreign_json": Promise(NOTHING, content_type="application/json"),
    "wrong_content_type": Promise(NOTHING, "stop", content_type="application/json"),
    "redirect": Promise(NOTHING, status=307, content_type="application/json"),
}

# In a document: how it ends, and whether it holds the text, an error, or neither.
DOCUMENTS: dict[str, tuple[int, Ended, str]] = {
    "healthy": (200, "well", "text"),
    "crlf": (200, "well", "text"),
    "drip_bytes": (200, "well", "text"),
    "bom": (200, "well", "text"),
    "no_done": (200, "well", "text"),
    "finish": (200, "well", "text"),
    "drop_keepalive": (200, "well", "text"),
    "stale_connection": (200, "well", "text"),
    "refuse": (0, "refused", ""),
    "reset": (0, "reset", ""),
    "reset_at": (200, "reset", "half"),
    "close": (0, "closed", ""),
    "cut_at": (200, "cut", "half"),
    "truncated_length": (200, "cut", "half"),
    "garbage": (0, "no_http", ""),
    "bad_gzip": (200, "undecodable", ""),
    "huge_header": (0, "no_http", ""),
    "clean_end_at": (200, "well", "half"),
    "done_at": (200, "well", "half"),
    "half_event_at": (200, "well", "half"),
    "done_only": (200, "well", "null"),
    "empty": (200, "well", "empty"),
    "empty_body": (200, "well", ""),
    "no_choices": (200, "well", "no choices"),
    "error_event": (200, "well", "error"),
    "error_event_at": (200, "well", "error"),
    "error_in_200": (200, "well", "error"),
    "broken_json": (200, "well", "half"),
    "broken_json_at": (200, "well", "half"),
    "invalid_utf8": (200, "well", "not UTF-8"),
    "huge_line": (200, "well", "half"),
    "foreign_html": (200, "well", "HTML"),
    "foreign_json": (200, "well", "foreign"),
    "wrong_content_type": (200, "well", "events"),
    "redirect": (307, "well", ""),
}


def held(seen: Seen) -> str:
    """What the body of a document is, in the words of the table."""
    document = seen.document
    if document is None:
        return _raw(seen.data)
    if "error" in document:
        return "error"
    if "choices" not in document:
        return "foreign"
    if not document["choices"]:
        return "no choices"
    return {ANSWER: "text", "": "empty"}[str(seen.text)]


def _raw(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    if not text or text == "null":
        return text
    return {"{": "half", "<": "HTML", "d": "events"}[text[0]]


# ------------------------------------------------------------------------------------------------------------- the whole wall


def test_the_tables_of_promises_leave_no_fault_out() -> None:
    elsewhere = {*REFUSALS, *STALLS, "status", "rate_limit", "bad_chunking"}
    assert set(STREAMS) | elsewhere == set(FAULTS)
    assert set(DOCUMENTS) | elsewhere == set(FAULTS)


def test_the_wall_has_every_real_fault_and_no_healthy_oddity() -> None:
    names = {fault.name for fault in wall()}
    assert len(wall()) == len(names) >= 29
    assert names == {name for name, cls in FAULTS.items() if cls.shows not in ("never", "later")}


def test_every_fault_says_what_it_does_in_one_line() -> None:
    for name, cls in FAULTS.items():
        assert cls.meaning().endswith("."), name
        assert cls.form() in describe()


@pytest.mark.parametrize("name", STREAMS)
async def test_a_fault_does_to_a_stream_what_it_promises(client: aiohttp.ClientSession, name: str) -> None:
    async with FakeProvider() as fake:
        assert of(await post(client, fake.url_for(name), stream=True)) == STREAMS[name]


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_fault_does_to_a_document_what_it_promises(client: aiohttp.ClientSession, name: str) -> None:
    async with FakeProvider() as fake:
        seen = await post(client, fake.url_for(name), stream=False)
    assert (seen.status, seen.ended, held(seen)) == DOCUMENTS[name]


@pytest.mark.parametrize("name", ANSWERED)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_call_says_whether_it_was_answered_in_full_or_struck(client: aiohttp.ClientSession, name: str, stream: bool) -> None:
    async with FakeProvider() as fake:
        await post(client, fake.url_for(name), stream=stream)
        [call] = fake.calls
        assert call.fault == name
        assert call.outcome == ("completed" if FAULTS[name].shows in ("never", "later") else "faulted")
        assert fake.in_flight == 0


@pytest.mark.parametrize("name", ANSWERED)
async def test_a_fault_strikes_the_list_of_models_and_embeddings_too(client: aiohttp.ClientSession, name: str) -> None:
    async with FakeProvider() as fake:
        healthy = await (await client.get(f"{fake.base_url}/models")).read()
        try:
            async with client.get(f"{fake.url_for(name)}/models", allow_redirects=False) as response:
                whole = response.status == 200 and await response.read() == healthy
        except aiohttp.ClientError:
            whole = False
        await fake.probed(2)
        assert whole == (FAULTS[name].shows in ("never", "later") or name in ("finish",))
        assert fake.probes[1].fault == name
        assert not fake.calls


# ------------------------------------------------------------------------------------------------------------------ specials


async def test_bad_chunking_sends_tokens_and_then_a_chunk_size_that_is_none() -> None:
    # aiohttp 3.14's client hangs on this one: its C parser drops the body's reader without telling it, so only a time limit ends it.
    async with FakeProvider() as fake:
        body = json.dumps({"model": "mock", "messages": [], "stream": True})
        reader, writer = await asyncio.open_connection("127.0.0.1", fake.port)
        head = f"POST /fault/bad_chunking/2/v1/chat/completions HTTP/1.1\r\nHost: fake\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        data = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert data.startswith(b"HTTP/1.1 200 OK\r\n")
        assert Seen(data=data).tokens == WORDS[:2]
        assert data.endswith(b"\r\nzz\r\nno size\r\n")
        assert fake.calls[0].outcome == "faulted"


@pytest.mark.parametrize("count", [0, 1, 5, 9, 99])
@pytest.mark.parametrize("kind", [CutAt, ResetAt])
async def test_a_blow_after_n_tokens_lets_exactly_n_tokens_arrive(client: aiohttp.ClientSession, kind: type[CutAt] | type[ResetAt], count: int) -> None:
    async with FakeProvider() as fake:
        fake.script(kind(count))
        seen = await post(client, fake.base_url, stream=True)
        assert seen.tokens == WORDS[:count]
        assert fake.calls[0].tokens == min(count, len(WORDS))
        assert seen.finish is None


async def test_a_stale_connection_answers_once_and_resets_the_second_call_over_it(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        fake.always("stale_connection")
        first, second, third = [await post(client, fake.base_url, stream=False) for _ in range(3)]
        assert [first.ended, second.ended, third.ended] == ["well", "reset", "well"]
        assert [call.outcome for call in fake.calls] == ["completed", "faulted", "completed"]


async def test_crlf_has_comments_and_no_lone_line_feed(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        seen = await post(client, fake.url_for("crlf"), stream=True)
        assert seen.comments == len(WORDS)
        assert seen.data.count(b"\n") == seen.data.count(b"\r\n")


async def test_drip_bytes_splits_every_character_across_reads(client: aiohttp.ClientSession) -> None:
    async with FakeProvider(answer="größer 模型") as fake:
        body = {"model": "mock", "messages": [], "stream": True}
        async with client.post(f"{fake.url_for('drip_bytes')}/chat/completions", json=body) as response:
            pieces = [piece async for piece in response.content.iter_any()]
        seen = Seen(data=b"".join(pieces))
        assert "".join(seen.tokens) == "größer 模型"
        assert max(map(len, pieces)) < 6
        assert "模".encode() not in pieces


async def test_a_document_can_finish_for_another_reason_too(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        assert (await post(client, fake.url_for("finish/content_filter"), stream=False)).finish == "content_filter"


async def test_huge_things_have_the_size_that_was_asked_for(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        seen = await post(client, fake.url_for("huge_line/200000"), stream=True)
        assert 200_000 <= max(map(len, seen.data.split(b"\n"))) < 201_000
        assert not seen.data.endswith(b"\n")
        seen = await post(client, fake.url_for("huge_header/1000"), stream=False)
        assert len(seen.headers["x-padding"]) == 1000
        assert seen.text == ANSWER


async def test_a_redirect_leads_to_a_place_where_nobody_serves(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        async with client.post(f"{fake.url_for('redirect')}/chat/completions", json={"model": "mock", "messages": []}) as response:
            assert response.status == 404
        assert [call.outcome for call in fake.calls] == ["faulted", "rejected"]


# ------------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_refusal_answers_with_its_status_and_words(client: aiohttp.ClientSession, name: str, stream: bool) -> None:
    cls = FAULTS[name]
    assert issubclass(cls, Refusal)
    async with FakeProvider() as fake:
        seen = await post(client, fake.url_for(name), stream=stream)
        assert (seen.status, seen.data, seen.ended) == (cls.reply.status, cls.reply.body, "well")
        assert cls.meaning().startswith(f"{seen.status}: ")
        assert seen.errors if seen.content_type == "application/json" else seen.data.startswith(b"<html>")


async def test_a_rate_limit_says_how_long_to_wait_in_headers_and_words(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        seen = await post(client, fake.url_for("rate_limit/2.5"), stream=True)
        assert seen.status == 429
        assert {"retry-after": "2.5", "retry-after-ms": "2500", "x-ratelimit-reset-requests": "2.5s"}.items() <= seen.headers.items()
        assert "try again in 2.5s" in seen.errors[0]["message"]


@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 408, 413, 418, 429, 500, 502, 503, 524, 529, 599])
async def test_any_status_has_a_body_that_fits_it(client: aiohttp.ClientSession, code: int) -> None:
    async with FakeProvider() as fake:
        seen = await post(client, fake.url_for(Status(code)), stream=False)
        assert seen.status == code
        assert seen.errors or b"<html>" in seen.data


@pytest.mark.parametrize(("body", "content_type"), [
    ('{"error":"no / slash is lost"}', "application/json"),
    ("<h1>50 % of 2</h1>", "text/html"),
    ("余额不足?&#\n", "text/plain"),
])  # fmt: skip
async def test_a_status_takes_any_body_even_through_a_url(client: aiohttp.ClientSession, body: str, content_type: str) -> None:
    async with FakeProvider() as fake:
        seen = await post(client, fake.url_for(Status(429, body)), stream=False)
        assert (seen.status, seen.data.decode(), seen.content_type) == (429, body, content_type)
        assert parse(fake.calls[0].fault) == Status(429, body)


# -------------------------------------------------------------------------------------------------------------------- stalls

PATIENT = {"slow_first": "slow_first/3600", "slow_drip": "slow_drip/3600"}
"""With their defaults these two would not wait for the test."""


async def held_by(fake: FakeProvider, name: str) -> None:
    """Waits until the fault has said all that it says before it stalls."""
    before = {"hang_at": 3, "hang_end": len(WORDS), "endless": 20}
    await fake.told(before.get(name, 0))


@pytest.mark.parametrize("name", STALLS)
async def test_a_stall_lasts_until_the_client_goes_away_which_is_noticed(client: aiohttp.ClientSession, name: str) -> None:
    async with FakeProvider() as fake:
        fake.always(PATIENT.get(name, name))
        waiting = asyncio.get_running_loop().create_task(post(client, fake.base_url, stream=True))
        await held_by(fake, name)
        assert fake.calls[0].outcome == "running"
        assert not waiting.done()
        waiting.cancel()
        call = await fake.client_gone()
        assert call.outcome == "client_gone"
        assert fake.in_flight == 0


@pytest.mark.parametrize("name", STALLS)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_stall_that_is_released_gives_the_rest_of_the_answer(client: aiohttp.ClientSession, name: str, stream: bool) -> None:
    async with FakeProvider() as fake:
        fake.script(PATIENT.get(name, name))
        waiting = asyncio.get_running_loop().create_task(post(client, fake.base_url, stream=stream))
        await (held_by(fake, name) if stream else fake.called())
        fake.release()
        seen = await waiting
        assert seen.ended == "well"
        assert fake.calls[0].outcome == "completed"
        if stream:
            assert (seen.tokens[-len(WORDS) :], seen.finish, seen.done) == (WORDS, "stop", 1)
        elif name != "endless":  # its document has digits in its midst
            assert seen.text == ANSWER


async def test_release_lets_go_who_waits_now_and_nobody_later(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        fake.always("hang_at/2")
        for turn in (1, 2):
            waiting = asyncio.get_running_loop().create_task(post(client, fake.base_url, stream=True))
            await fake.until(lambda turn=turn: len(fake.calls) == turn and fake.calls[-1].tokens == 2)  # type: ignore[misc]
            assert not waiting.done()
            fake.release()
            assert (await waiting).tokens == WORDS


async def test_hang_headers_sends_its_head_and_hang_sends_nothing(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        body = {"model": "mock", "messages": [], "stream": True}
        async with client.post(f"{fake.url_for('hang_headers')}/chat/completions", json=body) as response:
            assert response.content_type == "text/event-stream"
        await fake.client_gone()
        reader, writer = await asyncio.open_connection("127.0.0.1", fake.port)
        data = json.dumps(body)
        writer.write(f"POST /fault/hang/v1/chat/completions HTTP/1.1\r\nHost: fake\r\nContent-Length: {len(data)}\r\n\r\n{data}".encode())
        await fake.called(2)
        writer.close()
        await writer.wait_closed()
        await fake.client_gone(2)
        assert await reader.read() == b""


async def test_only_comments_keeps_the_line_busy_without_a_token(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        body = {"model": "mock", "messages": [], "stream": True}
        async with client.post(f"{fake.url_for('only_comments/0.001')}/chat/completions", json=body) as response:
            for _ in range(5):
                assert await response.content.readline() == b": keep-alive\n"
                assert await response.content.readline() == b"\n"
        assert (await fake.client_gone()).tokens == 0


@pytest.mark.looptime
async def test_slow_faults_take_the_time_they_are_told_to(client: aiohttp.ClientSession) -> None:
    loop = asyncio.get_running_loop()
    async with FakeProvider() as fake:
        for spec, seconds in (("slow_first/3600", 3600.0), ("slow_drip/60", 60.0 * len(WORDS)), ("healthy", 0.0)):
            for stream in (True, False):
                began = loop.time()
                seen = await post(client, fake.url_for(spec), stream=stream)
                assert loop.time() - began == pytest.approx(seconds, abs=1)
                assert "".join(seen.tokens) == ANSWER if stream else seen.text == ANSWER


# --------------------------------------------------------------------------------------------------------------------- specs


@pytest.mark.parametrize("fault", [*wall(), CutAt(0), CutAt(7), Status(429, "a/b c%20ü{}"), parse("rate_limit/0.25"), parse("foreign_json/null")], ids=str)
def test_a_fault_and_its_spec_say_the_same(fault: Fault) -> None:
    assert parse(fault.spec) == fault
    assert parse("/" + fault.spec) == fault


def test_arguments_at_their_default_are_left_out_of_the_spec() -> None:
    assert CutAt().spec == CutAt(3).spec == "cut_at"
    assert CutAt(4).spec == "cut_at/4"
    assert Status(404).spec == "status/404"


@pytest.mark.parametrize(("spec", "remedy"), [
    ("cut", "no fault is called 'cut'; there is cut_at"),
    ("nonsense_by_any_name", "healthy"),
    ("cut_at/three", "'cut_at/three': tokens is 'three', not int; it is written cut_at/TOKENS"),
    ("cut_at/1/2", "has 2 arguments; it is written cut_at/TOKENS"),
    ("cut_at/-1", "cut_at: tokens is -1; it must be 0 or more"),
    ("slow_first/nan", "slow_first: seconds is nan; it must be 0 or more"),
    ("status/200", "status: code is 200; it must be 400 to 599"),
    ("", "no fault is called ''"),
])  # fmt: skip
def test_a_spec_that_is_not_understood_is_told_what_would_be(spec: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=r"fault|cut_at|slow_first|status") as refused:
        parse(spec)
    assert remedy in str(refused.value)


def test_a_name_is_given_to_one_fault_only() -> None:
    with pytest.raises(TypeError, match="'cut_at' is taken by CutAt: choose another name for"):
        type("Other", (CutAt,), {}, name="cut_at")
