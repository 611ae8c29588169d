"""A message that is delayed or lost inside the gateway costs its own request an honest error, and nobody else anything."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson

from messages.provider import ReportProvider
from messages.supervision import Crash, Delay, Drop
from tests.story.conftest import CHAT, STREAM, Started, provider
from undying import Daemon
from undying.testing.fake_provider import FakeProvider

PATIENT = {"total": 20, "first_token": 20, "silence": 20}


async def post(client: aiohttp.ClientSession, daemon: Daemon, body: dict[str, Any], **headers: str) -> tuple[int, dict[str, Any]]:
    async with client.post(f"{daemon.url}/v1/chat/completions", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def in_flight(daemon: Daemon) -> tuple[int, int]:
    status = (await daemon.system.ask("/providers/fake/account", ReportProvider())).status
    return status.in_flight, status.waiting


async def in_line(daemon: Daemon, wanted: int) -> None:
    for _ in range(2000):  # each turn is an ask and its answer
        if (await in_flight(daemon))[1] == wanted:
            return
    raise AssertionError(f"never {wanted} in line")


async def test_an_attempt_that_never_started_gives_its_permit_back(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, max_concurrency=3)})
        daemon.system.tell("/providers/fake/attempts", Drop(count=3))
        ends = await asyncio.gather(*(post(client, daemon, CHAT) for _ in range(3)))
        assert {status for status, _ in ends} <= {200, 500}
        assert (await post(client, daemon, CHAT))[0] == 200
        assert await in_flight(daemon) == (0, 0)


async def test_attempts_that_came_too_late_give_their_permits_back(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, max_concurrency=3)})
        daemon.system.tell("/providers/fake/attempts", Delay(seconds=0.4))
        ends = await asyncio.gather(*(post(client, daemon, CHAT, **{"X-Request-Timeout": "0.1"}) for _ in range(3)))
        assert [status for status, _ in ends] == [504] * 3
        assert (await post(client, daemon, CHAT))[0] == 200
        assert await in_flight(daemon) == (0, 0) and len(fake.calls) == 1


async def test_a_request_that_never_reached_its_exchange_is_given_to_another_one(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url)})
        daemon.system.tell("/gateway/exchanges", Drop(count=1))
        assert (await post(client, daemon, CHAT))[0] == 200
        daemon.system.tell("/gateway/exchanges", Drop(count=2))
        status, told = await post(client, daemon, CHAT)
        assert (status, told["error"]["class"]) == (500, "internal")


async def test_a_stream_with_a_hole_ends_with_an_error_and_is_never_told_as_whole(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider(token_delay=0.01, answer="a b c d e f g h i j k l m n o p q r s t") as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, timeouts=PATIENT)})
        async with client.post(f"{daemon.url}/v1/chat/completions", json=STREAM) as answer:
            await answer.content.readline()
            [exchange] = [path for path in daemon.system.directory if path.startswith("/gateway/exchanges/")]
            daemon.system.tell(exchange, Drop(count=2))
            text = (await answer.content.read()).decode()
    assert "data: [DONE]" not in text
    assert orjson.loads(text.rstrip().rpartition("data: ")[2])["error"]["class"] == "internal"
    assert "lost inside the gateway" in text


async def test_a_stream_whose_exchange_is_stuck_ends_at_its_time_limit(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider(token_delay=0.01, answer="word " * 300) as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, timeouts=PATIENT)})
        async with client.post(f"{daemon.url}/v1/chat/completions", json=STREAM, headers={"X-Request-Timeout": "0.3"}) as answer:
            await answer.content.readline()
            [exchange] = [path for path in daemon.system.directory if path.startswith("/gateway/exchanges/")]
            daemon.system.tell(exchange, Delay(seconds=15))
            text = (await answer.content.read()).decode()
        assert orjson.loads(text.rstrip().rpartition("data: ")[2])["error"]["class"] == "deadline"


async def test_a_router_that_restarts_while_an_account_is_slow_hears_it_all_the_same(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url)})
        daemon.system.tell("/providers/fake/account", Delay(seconds=1.5))
        daemon.system.tell("/routing/router", Crash())
        status = 0
        for _ in range(10):  # each is waited for by the gateway itself, while the router asks again
            status, _ = await post(client, daemon, CHAT)
            if status == 200:
                break
        assert status == 200


async def test_whoever_leaves_gives_up_his_place_in_line(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, max_concurrency=1, timeouts=PATIENT)})
        fake.script("hang")
        first = asyncio.create_task(post(client, daemon, CHAT))
        await fake.called()
        waiting = [asyncio.create_task(post(client, daemon, CHAT)) for _ in range(5)]
        await in_line(daemon, 5)
        for task in waiting:
            task.cancel()
        await in_line(daemon, 0)
        fake.release()
        assert (await first)[0] == 200
        assert (await post(client, daemon, CHAT))[0] == 200
        assert len(fake.calls) == 2


async def test_a_shutdown_tells_the_streams_that_it_cuts_what_cut_them(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        fake.always("endless")
        daemon = await gateway(providers={"fake": provider(fake.base_url, timeouts=PATIENT)})
        daemon.tree.gate.drain = 0.05
        async with client.post(f"{daemon.url}/v1/chat/completions", json=STREAM) as answer:
            await answer.content.readline()
            stopping = asyncio.create_task(daemon.stop())
            text = (await answer.content.read()).decode()
        await stopping
    told = orjson.loads(text.rstrip().rpartition("data: ")[2])["error"]
    assert told["class"] == "restarting" and "shut down" in told["message"]


async def test_a_long_plain_answer_arrives_whole(gateway: Started, client: aiohttp.ClientSession) -> None:
    long = "word " * 200_000
    async with FakeProvider(answer=long) as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, timeouts=PATIENT)})
        status, told = await post(client, daemon, CHAT)
    assert status == 200 and told["choices"][0]["message"]["content"] == long
