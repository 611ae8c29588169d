"""The life of a chat request, as ARCHITECTURE.md tells it."""

from __future__ import annotations

import aiohttp
import orjson

from tests.story.conftest import CHAT, STREAM, Started, provider
from undying.testing.fake_provider import FakeProvider

TRAIL = [
    ("chat.serve", "client", "/gateway/exchanges"),
    ("routing.plan", "exchange", "/routing/router"),
    ("routing.planned", "/routing/router", "exchange"),
    ("provider.begin_attempt", "exchange", "/providers/fake/account"),
    ("provider.begin_attempt", "/providers/fake/account", "/providers/fake/attempts"),
]


def role(address: str) -> str:
    for prefix, name in (("/gateway/clients/", "client"), ("/gateway/exchanges/", "exchange"), ("/providers/fake/attempts/", "attempt")):
        if address.startswith(prefix):
            return name
    return address


async def trail(client: aiohttp.ClientSession, url: str, trace: str) -> list[tuple[str, str, str]]:
    async with client.get(f"{url}/status/traces/{trace}") as answer:
        return [(hop["kind"], role(hop["from"]), role(hop["to"])) for hop in (await answer.json())["hops"]]


async def test_a_plain_request_takes_the_documented_way_through_the_actors(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider(answer="Good morning") as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url)})
        async with client.post(f"{daemon.url}/v1/chat/completions", json=CHAT) as answer:
            told = await answer.json()
        assert told["choices"][0]["message"]["content"] == "Good morning"
        assert await trail(client, daemon.url, answer.headers["X-Undying-Trace"]) == [
            *TRAIL,
            ("provider.attempt_answered", "attempt", "exchange"),
            ("chat.answered", "exchange", "client"),
        ]


async def test_a_stream_takes_the_documented_way_through_the_actors(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider(answer="one two three") as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url)})
        async with client.post(f"{daemon.url}/v1/chat/completions", json=STREAM) as answer:
            text = await answer.text()
        assert text.endswith("data: [DONE]\n\n")
        hops = await trail(client, daemon.url, answer.headers["X-Undying-Trace"])
        kinds = [kind for kind, _, _ in hops]
        assert hops[: len(TRAIL)] == TRAIL
        assert kinds.index("provider.attempt_opened") < kinds.index("chat.opened") < kinds.index("chat.chunk") < kinds.index("chat.closed")
        assert kinds.count("provider.attempt_chunk") + 1 == kinds.count("chat.chunk")


async def test_the_body_reaches_the_provider_byte_for_byte(gateway: Started, client: aiohttp.ClientSession) -> None:
    body = b'{ "model":"mock", "messages":[{"role":"user","content":"\\u00e9 \xc3\xa9"}], "seed": 18446744073709551615, "x_unknown": [1.0, 1e2] }'
    async with FakeProvider() as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url)})
        async with client.post(f"{daemon.url}/v1/chat/completions", data=body, headers={"Content-Type": "application/json"}) as answer:
            assert answer.status == 200
        assert (await fake.called()).raw == body


async def test_a_model_goes_upstream_by_the_name_it_has_there(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider(models=("kimi-2025",)) as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, models=[{"name": "kimi", "upstream": "kimi-2025"}])})
        async with client.post(f"{daemon.url}/v1/chat/completions", json={**CHAT, "model": "kimi", "seed": 7}) as answer:
            assert answer.status == 200
            assert answer.headers["X-Undying-Model"] == "kimi"
        call = await fake.called()
        assert orjson.loads(call.raw) == {**CHAT, "model": "kimi-2025", "seed": 7}


async def test_the_key_goes_to_its_provider_and_nowhere_else(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider(key="sk-first") as first, FakeProvider(key="sk-second") as second:
        both = {"first": provider(first.base_url, api_key="sk-first"), "second": provider(second.base_url, api_key="sk-second")}
        daemon = await gateway(providers=both)
        for name in ("first/mock", "second/mock"):
            async with client.post(f"{daemon.url}/v1/chat/completions", json={**CHAT, "model": name}, headers={"Authorization": "Bearer mine"}) as answer:
                assert answer.status == 200, await answer.text()
        assert [call.headers["Authorization"] for call in first.calls + second.calls] == ["Bearer sk-first", "Bearer sk-second"]
        for path in ("/status", "/status/providers", "/status/tree", "/status/dead-letters"):
            async with client.get(daemon.url + path) as answer:
                assert "sk-" not in await answer.text()
