"""The fake provider: it speaks OpenAI's dialect, does what it is told, says what it saw, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from tests.doubles.reading import Seen, post, request
from undying.testing.fake_provider import ANSWER, FakeProvider
from undying.testing.fake_provider.breaks import CutAt, Refuse
from undying.testing.fake_provider.payloads import Answer, Body, ToolCall, tokenise, vector

ROOT = Path(__file__).parents[2]
WORDS = tokenise(ANSWER)


def server_sockets(port: int) -> int:
    """How many open sockets of this process have the port on their own side."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            if not stat.S_ISSOCK(os.stat(f"/proc/self/fd/{name}").st_mode):
                continue
            copy = socket.socket(fileno=os.dup(int(name)))
        except OSError:  # the directory's own descriptor is gone by now
            continue
        with copy:
            found += copy.family == socket.AF_INET and copy.getsockname()[1] == port
    return found


def started(client: aiohttp.ClientSession, fake: FakeProvider, *, stream: bool = True) -> asyncio.Task[Seen]:
    """A call under way."""
    return asyncio.get_running_loop().create_task(post(client, fake.base_url, stream=stream))


# ---------------------------------------------------------------------------------------------------------------- the dialect


async def test_a_document_is_a_chat_completion(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        document = (await post(client, fake.base_url, stream=False)).document
        assert document is not None
        usage = document.pop("usage")
        assert document == {
            "id": "chatcmpl-00000001", "object": "chat.completion", "created": 1_760_000_000, "model": "mock",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "logprobs": None, "finish_reason": "stop"}],
        }  # fmt: skip
        assert usage["completion_tokens"] == len(WORDS)
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_a_stream_is_role_then_tokens_then_finish_then_done(client: aiohttp.ClientSession) -> None:
    async with FakeProvider(answer="Hello big world") as fake:
        seen = await post(client, fake.base_url, stream=True)
        choices = [chunk["choices"][0] for chunk in seen.chunks]
        assert [choice["delta"] for choice in choices] == [
            {"role": "assistant", "content": ""}, {"content": "Hello"}, {"content": " big"}, {"content": " world"}, {},
        ]  # fmt: skip
        assert [choice["finish_reason"] for choice in choices] == [None, None, None, None, "stop"]
        assert {chunk["object"] for chunk in seen.chunks} == {"chat.completion.chunk"}
        assert {chunk["id"] for chunk in seen.chunks} == {"chatcmpl-00000001"}
        assert seen.events[-1] == "[DONE]"
        assert not any("usage" in chunk for chunk in seen.chunks)


async def test_usage_comes_last_in_a_stream_when_it_is_asked_for(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        seen = await post(client, fake.base_url, stream=True, stream_options={"include_usage": True})
        *others, last = seen.chunks
        assert all(chunk["usage"] is None for chunk in others)
        assert last["choices"] == []
        assert last["usage"]["completion_tokens"] == len(WORDS)
        assert seen.finish == "stop"
        assert seen.done == 1


async def test_an_answer_can_be_made_from_the_request(client: aiohttp.ClientSession) -> None:
    def echo(body: Body) -> str:
        return f"You said {body['messages'][-1]['content']}"

    async with FakeProvider(answer=echo) as fake:
        assert (await post(client, fake.base_url, stream=False)).text == "You said Hello"
        assert "".join((await post(client, fake.base_url, stream=True)).tokens) == "You said Hello"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_tool_call_is_the_answer_of_one_call(client: aiohttp.ClientSession, stream: bool) -> None:
    arguments = '{"city": "Paris", "days": 3.9}'
    async with FakeProvider() as fake:
        fake.tool_call("get_weather", arguments)
        seen = await post(client, fake.base_url, stream=stream)
        assert seen.finish == "tool_calls"
        if stream:
            pieces = [piece[0] for piece in seen.deltas("tool_calls")]
            assert (pieces[0]["id"], pieces[0]["function"]["name"]) == ("call_00000001", "get_weather")
            assert "".join(piece["function"]["arguments"] for piece in pieces) == arguments
            assert len(pieces) > 3
            assert seen.tokens == []
        else:
            assert seen.document is not None
            message = seen.document["choices"][0]["message"]
            assert message["content"] is None
            assert message["tool_calls"] == [{"id": "call_00000001", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}]
        assert (await post(client, fake.base_url, stream=False)).text == ANSWER


async def test_answers_that_are_queued_come_in_order_and_then_the_usual_one(client: aiohttp.ClientSession) -> None:
    async with FakeProvider(answer="usual") as fake:
        fake.say("first", ToolCall("f", "{}"), lambda body: str(body["model"]))
        seen = [await post(client, fake.base_url, stream=False) for _ in range(4)]
        assert [one.text for one in seen] == ["first", None, "mock", "usual"]


async def test_reasoning_comes_before_the_text_and_can_be_cut(client: aiohttp.ClientSession) -> None:
    async with FakeProvider(answer=Answer("Four.", reasoning="Two and two")) as fake:
        fake.script("healthy", CutAt(2))
        whole, cut = [await post(client, fake.base_url, stream=True) for _ in range(2)]
        assert (whole.deltas("reasoning_content"), whole.tokens) == (["Two", " and", " two"], ["Four."])
        assert (cut.deltas("reasoning_content"), cut.tokens) == (["Two", " and"], [])


async def test_it_lists_its_models(client: aiohttp.ClientSession) -> None:
    async with FakeProvider(models=("a", "b")) as fake:
        listing = (await request(client, "GET", f"{fake.base_url}/models")).document
        assert listing is not None
        assert [(model["id"], model["object"]) for model in listing["data"]] == [("a", "model"), ("b", "model")]
        assert listing["object"] == "list"


async def test_equal_texts_have_equal_embeddings_of_length_one(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        seen = await request(client, "POST", f"{fake.base_url}/embeddings", json={"model": "mock", "input": ["tea", "coffee", "tea"], "dimensions": 5})
        assert seen.document is not None
        tea, coffee, again = [item["embedding"] for item in seen.document["data"]]
        assert tea == again == pytest.approx(vector("tea", 5))
        assert coffee != tea
        assert sum(x * x for x in tea) == pytest.approx(1)
        assert [item["index"] for item in seen.document["data"]] == [0, 1, 2]
        assert seen.document["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


async def test_openais_own_client_understands_all_of_it() -> None:
    async with FakeProvider(key="sk-fake") as fake, openai.AsyncOpenAI(base_url=fake.base_url, api_key="sk-fake", max_retries=0) as sdk:
        messages: Any = [{"role": "user", "content": "Hello"}]
        assert (await sdk.chat.completions.create(model="mock", messages=messages)).choices[0].message.content == ANSWER
        stream = await sdk.chat.completions.create(model="mock", messages=messages, stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == ANSWER
        assert chunks[-1].usage is not None
        fake.tool_call("f", '{"x":1}')
        calls = (await sdk.chat.completions.create(model="mock", messages=messages)).choices[0].message.tool_calls
        assert calls is not None
        assert isinstance(calls[0], openai.types.chat.ChatCompletionMessageFunctionToolCall)
        assert (calls[0].function.name, calls[0].function.arguments) == ("f", '{"x":1}')
        assert [model.id async for model in sdk.models.list()] == ["mock"]
        embedding = (await sdk.embeddings.create(model="mock", input="tea")).data[0].embedding  # asks for base64
        assert embedding == pytest.approx(vector("tea"), abs=1e-6)
        fake.script("quota", "rate_limit", "server_error")
        for error in (openai.RateLimitError, openai.RateLimitError, openai.InternalServerError):
            with pytest.raises(error):
                await sdk.chat.completions.create(model="mock", messages=messages)


# --------------------------------------------------------------------------------------------------------- the caller's mistakes


@pytest.mark.parametrize(("method", "path", "fields", "status", "words"), [
    ("POST", "/v1/completions", {}, 404, "Unknown request URL: POST /v1/completions. There is /v1/chat/completions"),
    ("GET", "/v1/chat/completions", {}, 405, "POST is right"),
    ("POST", "/v1/models", {}, 405, "GET is right"),
    ("POST", "/v1/chat/completions", {"model": "gpt-4"}, 404, "The model `gpt-4` does not exist"),
    ("POST", "/v1/chat/completions", {"messages": None}, 400, "'messages'"),
    ("POST", "/v1/embeddings", {"input": None}, 400, "'input'"),
    ("POST", "/fault/cut_add/v1/chat/completions", {}, 400, "there is cut_at"),
    ("POST", "/fault/refuse/v1/chat/completions", {}, 400, "Ask url_for('refuse')"),
])  # fmt: skip
async def test_a_callers_mistake_is_rejected_in_words_and_uses_no_fault_up(
    client: aiohttp.ClientSession, method: str, path: str, fields: Body, status: int, words: str,
) -> None:  # fmt: skip
    async with FakeProvider() as fake:
        fake.script("server_error")
        fake.script("server_error", on="probes")
        body = {name: value for name, value in ({"model": "mock", "messages": [], "input": "tea"} | fields).items() if value is not None}
        seen = await request(client, method, f"http://127.0.0.1:{fake.port}{path}", json=body)
        assert seen.status == status
        assert words in seen.errors[0]["message"]
        assert [call.outcome for call in [*fake.calls, *fake.probes]] == ["rejected"]
        assert (await post(client, fake.base_url, stream=False)).status == 500


async def test_a_body_that_is_no_json_is_rejected(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        seen = await request(client, "POST", f"{fake.base_url}/chat/completions", data=b'{"model": ')
        assert (seen.status, fake.calls[0].outcome, fake.calls[0].raw, fake.calls[0].body) == (400, "rejected", b'{"model": ', {})


async def test_a_key_that_is_demanded_must_come_with_every_request(client: aiohttp.ClientSession) -> None:
    async with FakeProvider(key="sk-right") as fake:
        for key, status in (("sk-wrong", 401), ("sk-right", 200)):
            assert (await request(client, "GET", f"{fake.base_url}/models", headers={"Authorization": f"Bearer {key}"})).status == status
        assert (await post(client, fake.base_url, stream=False)).status == 401


async def test_without_a_list_of_models_any_model_is_served(client: aiohttp.ClientSession) -> None:
    async with FakeProvider(models=()) as fake:
        seen = await post(client, fake.base_url, stream=False, model="anything/at-all")
        assert seen.document is not None
        assert seen.document["model"] == "anything/at-all"


async def test_a_prompt_of_many_megabytes_is_read(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        body = json.dumps({"model": "mock", "messages": [{"role": "user", "content": "x" * 5_000_000}]})
        assert (await request(client, "POST", f"{fake.base_url}/chat/completions", data=io.BytesIO(body.encode()))).status == 200
        assert len(fake.calls[0].raw) > 5_000_000


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_of_many_megabytes_is_told_in_full(client: aiohttp.ClientSession, stream: bool) -> None:
    answer = "x" * 3_000_000 + " y" * 1000
    async with FakeProvider(answer=answer) as fake:
        seen = await post(client, fake.base_url, stream=stream)
        assert ("".join(seen.tokens) if stream else seen.text) == answer


# --------------------------------------------------------------------------------------------------------------- ordering faults


async def test_a_script_strikes_the_next_calls_in_order_and_then_it_is_healthy(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        fake.script("status/500", CutAt(1))
        fake.script("overloaded")
        seen = [await post(client, fake.base_url, stream=True) for _ in range(4)]
        assert [one.status for one in seen] == [500, 200, 503, 200]
        assert [one.ended for one in seen] == ["well", "cut", "well", "well"]
        assert [call.fault for call in fake.calls] == ["status", "cut_at/1", "overloaded", "healthy"]
        assert [call.outcome for call in fake.calls] == ["faulted", "faulted", "faulted", "completed"]


async def test_a_probe_takes_nothing_from_the_script_of_calls(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        fake.script("server_error")
        fake.script("overloaded", on="probes")
        assert [(await request(client, "GET", f"{fake.base_url}/models")).status for _ in range(2)] == [503, 200]
        assert (await post(client, fake.base_url, stream=False)).status == 500
        assert (len(fake.calls), len(fake.probes)) == (1, 2)


async def test_always_lasts_until_heal(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        fake.always("overloaded")
        assert [(await post(client, fake.base_url, stream=False)).status for _ in range(3)] == [503] * 3
        assert (await request(client, "GET", f"{fake.base_url}/models")).status == 503
        fake.heal()
        assert (await post(client, fake.base_url, stream=False)).status == 200


async def test_always_can_be_for_calls_alone_or_for_probes_alone(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        fake.always("quota", on="calls")
        fake.always("auth", on="probes")
        assert (await post(client, fake.base_url, stream=False)).status == 429
        assert (await request(client, "GET", f"{fake.base_url}/models")).status == 401


async def test_the_url_comes_before_the_script_and_the_script_before_always(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        fake.always("overloaded")
        fake.script("server_error")
        urls = [fake.url_for("healthy"), fake.base_url, fake.base_url]
        assert [(await post(client, url, stream=False)).status for url in urls] == [200, 500, 503]


async def test_heal_forgets_the_script(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        fake.script("server_error", "server_error")
        fake.heal()
        assert (await post(client, fake.base_url, stream=False)).status == 200


async def test_an_unknown_fault_is_refused_where_it_is_ordered() -> None:
    async with FakeProvider() as fake:
        for order in (fake.script, fake.always, fake.url_for):
            with pytest.raises(ValueError, match="there is cut_at"):
                order("cut_att")


# ------------------------------------------------------------------------------------------------------------ refusing and dying


async def test_a_provider_that_refuses_is_back_on_the_same_port_when_healed(lonely: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        url = fake.base_url
        assert (await post(lonely, url, stream=False)).status == 200
        for _ in range(3):
            fake.always(Refuse())
            assert (await post(lonely, url, stream=False)).ended == "refused"
            fake.heal()
            assert (await post(lonely, url, stream=False)).status == 200
        assert fake.base_url == url
        assert len(fake.calls) == 4


async def test_shutting_and_opening_in_the_same_breath_leaves_the_last_word(lonely: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        for _ in range(5):
            fake.always("refuse")
            fake.heal()
        assert (await post(lonely, fake.base_url, stream=False)).status == 200
        for _ in range(5):
            fake.heal()
            fake.always("refuse")
        assert (await post(lonely, fake.base_url, stream=False)).ended == "refused"


async def test_a_script_refuses_when_its_turn_has_come(lonely: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        fake.script("server_error", "refuse")
        assert [(await post(lonely, fake.base_url, stream=False)).ended for _ in range(3)] == ["well", "refused", "refused"]
        fake.heal()
        assert (await post(lonely, fake.base_url, stream=False)).status == 200


async def test_an_order_to_refuse_that_can_not_be_kept_is_an_error() -> None:
    async with FakeProvider() as fake:
        with pytest.raises(ValueError, match="must be the last"):
            fake.script("refuse", "server_error")
        with pytest.raises(ValueError, match="shuts the whole port"):
            fake.always("refuse", on="probes")


async def test_a_call_under_way_is_answered_after_the_port_was_shut(lonely: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        fake.script("hang_at/3")
        waiting = started(lonely, fake)
        await fake.told(3)
        fake.always("refuse")
        fake.release()
        assert (await waiting).tokens == WORDS
        assert (await post(lonely, fake.base_url, stream=True)).ended == "refused"


async def test_a_url_that_refuses_has_a_port_of_its_own_and_the_provider_goes_on(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        refusing = fake.url_for("refuse")
        assert refusing == fake.url_for(Refuse())
        assert (await post(client, refusing, stream=False)).ended == "refused"
        assert (await post(client, fake.base_url, stream=False)).status == 200


async def test_a_client_that_keeps_connections_finds_them_dead_and_is_then_refused(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        await post(client, fake.base_url, stream=False)
        fake.always("refuse")
        assert [(await post(client, fake.base_url, stream=False)).ended for _ in range(2)] == ["closed", "refused"]
        assert len(fake.calls) == 1


async def test_kill_resets_what_is_open_refuses_what_comes_and_heal_revives(lonely: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        assert (await post(lonely, fake.base_url, stream=False)).status == 200
        fake.always("hang_at/3")
        waiting = [started(lonely, fake) for _ in range(3)]
        await fake.until(lambda: sum(call.tokens == 3 for call in fake.calls) == 3)
        fake.kill()
        assert [(one.ended, one.tokens) for one in await asyncio.gather(*waiting)] == [("reset", WORDS[:3])] * 3
        assert (await post(lonely, fake.base_url, stream=True)).ended == "refused"
        assert [call.outcome for call in fake.calls] == ["completed", "stopped", "stopped", "stopped"]
        fake.heal()
        assert (await post(lonely, fake.base_url, stream=True)).tokens == WORDS


# ------------------------------------------------------------------------------------------------------------------ what was seen


async def test_a_call_is_recorded_with_everything_it_said(client: aiohttp.ClientSession) -> None:
    loop = asyncio.get_running_loop()
    async with FakeProvider() as fake:
        began = loop.time()
        await post(client, fake.url_for("crlf"), stream=True, temperature=0.5)
        [call] = fake.calls
        assert (call.number, call.kind, call.method, call.path, call.fault) == (1, "call", "POST", "/v1/chat/completions", "crlf")
        assert call.headers["content-type"] == "application/json"
        assert call.body == json.loads(call.raw) == {"model": "mock", "messages": [{"role": "user", "content": "Hello"}], "stream": True, "temperature": 0.5}
        assert call.ended is not None
        assert began <= call.started <= call.ended <= loop.time()
        assert (call.tokens, call.outcome) == (len(WORDS), "completed")


async def test_calls_in_flight_are_counted_and_their_peak_is_kept(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        fake.always("hang", on="calls")
        waiting = [started(client, fake) for _ in range(7)]
        await fake.called(7)
        assert (await request(client, "GET", f"{fake.base_url}/models")).status == 200
        assert (fake.in_flight, fake.max_in_flight) == (7, 7)
        fake.release()
        await asyncio.gather(*waiting)
        await fake.idle()
        fake.heal()
        await post(client, fake.base_url, stream=False)
        assert (fake.in_flight, fake.max_in_flight) == (0, 7)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_goes_away_is_noticed_at_once(client: aiohttp.ClientSession, stream: bool) -> None:
    async with FakeProvider(token_delay=3600) as fake:
        waiting = started(client, fake, stream=stream)
        await fake.called()
        waiting.cancel()
        assert (await fake.client_gone()).outcome == "client_gone"


async def test_waiting_answers_with_the_call_that_was_waited_for(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        fake.script("server_error")
        await post(client, fake.base_url, stream=True)
        await post(client, fake.base_url, stream=True)
        await request(client, "GET", f"{fake.base_url}/models")
        assert await fake.called(2) is fake.calls[1]
        assert await fake.called(1) is fake.calls[0]
        assert await fake.completed() is fake.calls[1]
        assert await fake.probed() is fake.probes[0]


async def test_waiting_in_vain_ends_at_the_limit_and_tells_what_was_seen(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        with pytest.raises(TimeoutError, match="waited 0 s for call 1; what was seen: nothing at all"):
            await fake.called(limit=0)
        fake.script(CutAt(2))
        await post(client, fake.base_url, stream=True)
        with pytest.raises(TimeoutError, match=r"client 1 to go away; .*\n  POST /v1/chat/completions \(cut_at/2\): faulted, 2 tokens"):
            await fake.client_gone(limit=0)


async def test_a_connection_is_kept_and_used_again(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        for _ in range(5):
            await post(client, fake.base_url, stream=True)
        assert fake.connections == 1


@pytest.mark.looptime
async def test_a_token_delay_passes_before_each_token(client: aiohttp.ClientSession) -> None:
    loop = asyncio.get_running_loop()
    async with FakeProvider(token_delay=60) as fake:
        for stream in (True, False):
            began = loop.time()
            assert (await post(client, fake.base_url, stream=stream)).finish == "stop"
            assert loop.time() - began == pytest.approx(60 * len(WORDS), abs=1)


# ------------------------------------------------------------------------------------------------------------- nothing is left


async def test_closing_waits_for_nobody_and_leaves_no_task_and_no_socket(client: aiohttp.ClientSession) -> None:
    before = asyncio.all_tasks()
    async with FakeProvider(token_delay=3600) as fake:
        idle = await asyncio.open_connection("127.0.0.1", fake.port)
        halfway = await asyncio.open_connection("127.0.0.1", fake.port)
        halfway[1].write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: fake\r\nContent-Length: 100\r\n\r\n{")
        fake.always("hang")
        fake.script("hang_at/0", "hang_headers", "only_comments/3600", "endless", "hang", "slow_first/3600")
        waiting = [started(client, fake) for _ in range(7)]
        await fake.called(7)
        fake.url_for("refuse")
        assert server_sockets(fake.port) == 1 + 9
        port = fake.port
    assert server_sockets(port) == 0
    assert asyncio.all_tasks() - before == set(waiting)
    assert {call.outcome for call in fake.calls} == {"stopped"}
    assert {seen.ended for seen in await asyncio.gather(*waiting)} == {"reset"}
    for reader, writer in (idle, halfway):
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()


@pytest.mark.parametrize("end", ["refuse", "kill"])
async def test_closing_after_the_port_was_shut_leaves_no_socket(client: aiohttp.ClientSession, end: str) -> None:
    async with FakeProvider() as fake:
        await post(client, fake.base_url, stream=True)
        if end == "kill":
            fake.kill()
        else:
            fake.always("refuse")
        port = fake.port
        assert server_sockets(port) >= 1  # the port stays ours
    assert server_sockets(port) == 0


async def test_closing_in_the_breath_of_opening_leaves_nothing() -> None:
    async with FakeProvider() as fake:
        fake.always("refuse")
        fake.heal()
        port = fake.port
    assert server_sockets(port) == 0


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing() -> None:
    before = asyncio.all_tasks()
    async with FakeProvider() as fake:
        with pytest.raises(OSError, match="in use"):
            await FakeProvider(port=fake.port).__aenter__()
        assert server_sockets(fake.port) == 1
    assert asyncio.all_tasks() == before


async def test_what_was_seen_can_be_read_after_the_end(client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        await post(client, fake.base_url, stream=True)
    assert fake.calls[0].outcome == "completed"
    assert fake.base_url.endswith("/v1")


def test_a_provider_that_does_not_run_says_how_to_run_it() -> None:
    with pytest.raises(RuntimeError, match="async with FakeProvider"):
        FakeProvider().base_url  # noqa: B018


# ------------------------------------------------------------------------------------------------------- as a process of its own


async def process(*arguments: str) -> asyncio.subprocess.Process:
    """The fake provider as its own process."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "undying.testing.fake_provider", *arguments,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def base_url(running: asyncio.subprocess.Process) -> str:
    """The line it prints when it is ready."""
    assert running.stdout is not None
    return (await running.stdout.readline()).decode().strip()


async def test_as_a_process_it_prints_its_url_and_stops_on_sigterm_though_a_client_hangs(client: aiohttp.ClientSession) -> None:
    running = await process("--answer", "Good morning", "--script", "server_error", "--script", "healthy", "--fault", "hang_at/1")
    url = await base_url(running)
    assert (await post(client, url, stream=False)).status == 500
    assert (await post(client, url, stream=False)).text == "Good morning"
    body = {"model": "mock", "messages": [], "stream": True}
    async with client.post(f"{url}/chat/completions", json=body) as response:
        assert b'"Good"' in b"".join([await response.content.readline() for _ in range(3)])
        running.terminate()
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.read()
    assert await running.communicate() == (b"", b"")
    assert running.returncode == 0


async def test_as_a_process_it_can_be_killed(client: aiohttp.ClientSession) -> None:
    running = await process("--any-model", "--key", "sk-1")
    url = await base_url(running)
    seen = await request(client, "POST", f"{url}/chat/completions", json={"model": "x", "messages": []}, headers={"Authorization": "Bearer sk-1"})
    assert seen.text == ANSWER
    running.send_signal(signal.SIGKILL)
    await running.communicate()
    assert (await post(client, url, stream=False)).ended == "refused"


async def test_the_command_prints_the_table_of_faults_and_explains_a_wrong_one() -> None:
    running = await process("--faults")
    output, errors = await running.communicate()
    assert b"cut_at/TOKENS" in output
    assert (errors, running.returncode) == (b"", 0)
    running = await process("--fault", "cut_att/3")
    output, errors = await running.communicate()
    assert b"no fault is called 'cut_att'; there is cut_at" in errors
    assert running.returncode == 2
