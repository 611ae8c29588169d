"""Two providers on real sockets serve one model; whatever the first does, the second answers, and the client sees one whole answer."""

from __future__ import annotations

import asyncio

import aiohttp
import orjson
import pytest

from tests.story.conftest import CHAT, STREAM, Started, provider
from undying.testing.fake_provider import FakeProvider
from undying.testing.fake_provider.fault import parse
from undying.testing.fake_provider.faults import FAULTS

WHOLE = "The second one answers."

# What the caller did wrong is told to the caller, in the provider's words, and tried nowhere else.
CALLERS_FAULT = {"bad_request", "content_filter", "context_length", "context_length_500", "too_large"}
FAULTY = sorted(name for name, fault in FAULTS.items() if fault.shows in ("at_once", "by_waiting") and name not in CALLERS_FAULT)
# A stream suffers these only after its first token was relayed.
MIDWAY = {
    "bad_chunking", "broken_json_at", "clean_end_at", "cut_at", "done_at", "endless", "error_event_at", "half_event_at", "hang_at", "hang_end", "invalid_utf8",
    "reset_at", "slow_drip", "truncated_length",
}  # fmt: skip


def said(text: str) -> str:
    """The content of a stream's events."""
    events = [line[6:] for line in text.split("\n") if line.startswith("data: ") and line != "data: [DONE]"]
    deltas = [choice["delta"].get("content") or "" for event in events for choice in orjson.loads(event).get("choices", ())]
    return "".join(deltas)


@pytest.mark.parametrize("fault", FAULTY)
async def test_a_plain_request_is_answered_by_the_second(gateway: Started, client: aiohttp.ClientSession, fault: str) -> None:
    async with FakeProvider() as first, FakeProvider(answer=WHOLE) as second:
        daemon = await gateway(providers={"first": provider(first.base_url), "second": provider(second.base_url)})
        first.always(parse(fault))
        async with client.post(f"{daemon.url}/v1/chat/completions", json=CHAT) as answer:
            told = await answer.json()
        assert told["choices"][0]["message"]["content"] == WHOLE
        assert (answer.headers["X-Undying-Provider"], answer.headers["X-Undying-Attempts"]) == ("second", "2")


@pytest.mark.parametrize("fault", [name for name in FAULTY if name not in MIDWAY | {"wrong_content_type"}])
async def test_a_stream_is_answered_by_the_second_before_any_byte_of_the_first(gateway: Started, client: aiohttp.ClientSession, fault: str) -> None:
    async with FakeProvider() as first, FakeProvider(answer=WHOLE) as second:
        daemon = await gateway(providers={"first": provider(first.base_url), "second": provider(second.base_url)})
        first.always(parse(fault))
        async with client.post(f"{daemon.url}/v1/chat/completions", json=STREAM) as answer:
            text = await answer.text()
        assert said(text) == WHOLE and text.endswith("data: [DONE]\n\n")
        assert (answer.headers["X-Undying-Provider"], answer.headers["X-Undying-Attempts"]) == ("second", "2")


async def test_a_provider_that_answers_a_stream_request_in_one_piece_gives_a_stream_all_the_same(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider(answer=WHOLE) as first:
        daemon = await gateway(providers={"first": provider(first.base_url)})
        first.always("wrong_content_type")
        async with client.post(f"{daemon.url}/v1/chat/completions", json=STREAM) as answer:
            text = await answer.text()
        assert said(text) == WHOLE and text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("fault", sorted(MIDWAY))
async def test_a_stream_that_breaks_after_its_first_token_never_ends_in_silence(gateway: Started, client: aiohttp.ClientSession, fault: str) -> None:
    async with FakeProvider() as first, FakeProvider(answer=WHOLE) as second:
        daemon = await gateway(providers={"first": provider(first.base_url), "second": provider(second.base_url)})
        first.always(parse(fault))
        async with client.post(f"{daemon.url}/v1/chat/completions", json=STREAM) as answer:
            text = await answer.text()
        whole = text.endswith("data: [DONE]\n\n") and '"error"' not in text
        explicit = '"error": {' in text or '"error":{' in text
        assert whole != explicit, text
        if explicit:
            assert "data: [DONE]" not in text and answer.headers["X-Undying-Trace"] in text


@pytest.mark.parametrize("fault", sorted(CALLERS_FAULT))
async def test_what_the_caller_did_wrong_is_told_to_him_and_tried_nowhere_else(gateway: Started, client: aiohttp.ClientSession, fault: str) -> None:
    async with FakeProvider() as first, FakeProvider() as second:
        daemon = await gateway(providers={"first": provider(first.base_url), "second": provider(second.base_url)})
        first.always(parse(fault))
        async with client.post(f"{daemon.url}/v1/chat/completions", json=CHAT) as answer:
            told = (await answer.json())["error"]
        assert answer.status == 400
        assert [trial["provider"] for trial in told["attempts"]] == ["first"] and second.calls == []


async def test_a_provider_that_dies_while_running_is_replaced_by_the_next_request(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as first, FakeProvider(answer=WHOLE) as second:
        daemon = await gateway(providers={"first": provider(first.base_url), "second": provider(second.base_url)})
        for expected in ("first", "second"):
            async with client.post(f"{daemon.url}/v1/chat/completions", json=CHAT) as answer:
                assert answer.status == 200
                assert answer.headers["X-Undying-Provider"] == expected
            first.kill()


async def test_a_provider_that_dies_midway_ends_the_stream_with_an_error_and_its_trace(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider(token_delay=0.02, answer="word " * 200) as first:
        daemon = await gateway(providers={"first": provider(first.base_url)})
        async with client.post(f"{daemon.url}/v1/chat/completions", json=STREAM) as answer:
            await answer.content.readline()
            first.kill()
            text = (await answer.content.read()).decode()
        assert '"error"' in text and answer.headers["X-Undying-Trace"] in text and "data: [DONE]" not in text


async def test_when_everybody_fails_the_error_tells_who_was_asked_and_how_it_ended(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as first, FakeProvider() as second:
        daemon = await gateway(providers={"first": provider(first.base_url), "second": provider(second.base_url)})
        first.always("server_error")
        second.always("reset")
        async with client.post(f"{daemon.url}/v1/chat/completions", json=CHAT) as answer:
            told = (await answer.json())["error"]
        assert answer.status == 502
        assert [(trial["provider"], trial["class"]) for trial in told["attempts"]] == [("first", "server_error"), ("second", "connection")]
        assert told["trace"] == answer.headers["X-Undying-Trace"] and answer.headers["X-Should-Retry"] == "false"


@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["plain", "stream"])
async def test_a_redirect_is_not_followed_because_the_key_would_go_with_it(gateway: Started, client: aiohttp.ClientSession, body: dict[str, object]) -> None:
    async with FakeProvider() as fake:
        daemon = await gateway(providers={"fake": provider(fake.url_for("redirect"), api_key="sk-secret")})
        async with client.post(f"{daemon.url}/v1/chat/completions", json=body) as answer:
            told = (await answer.json())["error"]
        assert told["status"] == 307 and len(fake.calls) == 1


async def test_no_more_than_the_allowed_number_of_upstream_calls_is_made(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        fake.always("server_error")
        many = {f"p{n}": provider(fake.url_for(f"status/50{n}")) for n in range(4)}
        daemon = await gateway(providers=many, routing={"max_fallback_attempts": 3})
        async with client.post(f"{daemon.url}/v1/chat/completions", json=CHAT) as answer:
            assert len((await answer.json())["error"]["attempts"]) == 3
        assert len(fake.calls) == 3


async def test_a_fallback_model_answers_when_the_named_one_can_not_and_can_be_declined(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider(models=("mock", "other"), answer=WHOLE) as fake:
        both = {"a": provider(fake.url_for("overloaded")), "b": provider(fake.base_url, models=["other"])}
        daemon = await gateway(providers=both, routing={"fallbacks": {"mock": ["other"]}})
        async with client.post(f"{daemon.url}/v1/chat/completions", json=CHAT) as answer:
            assert (answer.status, answer.headers["X-Undying-Model"]) == (200, "other")
        async with client.post(f"{daemon.url}/v1/chat/completions", json=CHAT, headers={"X-Undying-Fallback": "off"}) as answer:
            assert answer.status == 503


@pytest.mark.parametrize("body", [CHAT, STREAM], ids=["plain", "stream"])
async def test_a_client_that_leaves_takes_its_upstream_call_with_it(gateway: Started, client: aiohttp.ClientSession, body: dict[str, object]) -> None:
    async with FakeProvider(token_delay=0.02, answer="word " * 500) as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, timeouts={"total": 30, "silence": 30, "first_token": 30})})
        if body is CHAT:
            fake.always("hang")
        request = client.post(f"{daemon.url}/v1/chat/completions", json=body)
        if body is STREAM:
            answer = await request
            await answer.content.readline()
            answer.close()
        else:
            waiting = asyncio.ensure_future(request.__aenter__())
            await fake.called()
            waiting.cancel()
        await fake.client_gone()
        await fake.idle()


async def test_the_clients_own_time_limit_wins(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        fake.always("hang")
        daemon = await gateway(providers={"fake": provider(fake.base_url, timeouts={"total": 30})})
        async with client.post(f"{daemon.url}/v1/chat/completions", json=CHAT, headers={"X-Request-Timeout": "0.2"}) as answer:
            assert (answer.status, (await answer.json())["error"]["class"]) == (504, "deadline")
        await fake.client_gone()


async def test_more_requests_than_a_provider_takes_wait_in_line_and_are_all_answered(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider(token_delay=0.002) as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, max_concurrency=2)})

        async def one() -> int:
            async with client.post(f"{daemon.url}/v1/chat/completions", json=STREAM) as answer:
                assert (await answer.text()).endswith("[DONE]\n\n")
                return answer.status

        assert await asyncio.gather(*(one() for _ in range(20))) == [200] * 20
        assert fake.max_in_flight == 2


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_stops_reading_is_cut_off_and_its_upstream_call_with_it(
    gateway: Started, client: aiohttp.ClientSession, stream: bool
) -> None:
    async with FakeProvider(answer="word " * 2_000_000 if not stream else lambda _: "x" * 60_000 + " " + ("y" * 60_000 + " ") * 300) as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, timeouts={"total": 30, "silence": 30, "first_token": 30})})
        daemon.tree.gate.patience = 0.2
        reader, writer = await asyncio.open_connection("127.0.0.1", int(daemon.url.rpartition(":")[2]), limit=1024)
        body = orjson.dumps({**CHAT, "stream": stream})
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await fake.called()
        await reader.readline()  # the head has come; nothing is read any more
        async with asyncio.timeout(20):
            while daemon.tree.gate.open:  # each turn is a request of somebody else's, and its answer
                async with client.get(f"{daemon.url}/health/live") as answer:
                    assert answer.status == 200
        await fake.idle()
        writer.transport.abort()
        await writer.wait_closed()


async def test_a_stream_of_long_chunks_never_runs_out_of_credit(gateway: Started, client: aiohttp.ClientSession) -> None:
    words = " ".join(letter * 200_000 for letter in "abcdefghijkl")
    async with FakeProvider(answer=words) as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, timeouts={"total": 10, "silence": 10, "first_token": 10})})
        async with client.post(f"{daemon.url}/v1/chat/completions", json=STREAM) as answer:
            assert said((await answer.read()).decode()) == words
