"""The door: what it takes, what it refuses, and in whose words."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import aiohttp
import msgpack
import orjson
import pytest

from messages.supervision import Crash
from tests.story.conftest import CHAT, Started, provider
from undying import Daemon
from undying.testing.fake_provider import FakeProvider

CONTROL = {"X-Undying-Control": "1"}


async def error(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    told: dict[str, Any] = (await answer.json())["error"]
    assert set(told) >= {"message", "type", "param", "code", "class", "trace"}
    assert told["trace"] == answer.headers["X-Undying-Trace"]
    return told


async def test_without_any_provider_the_embedded_one_answers_and_says_what_it_is(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    async with client.post(f"{daemon.url}/v1/chat/completions", json={"messages": [{"role": "user", "content": "Is anybody there?"}]}) as answer:
        told = (await answer.json())["choices"][0]["message"]["content"]
    assert answer.headers["X-Undying-Provider"] == "embedded"
    assert "Is anybody there?" in told and "no language model" in told and "config.yaml" in told


async def test_a_bearer_token_is_accepted_and_ignored_while_no_keys_are_configured(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    body = {"messages": CHAT["messages"]}
    async with client.post(f"{daemon.url}/v1/chat/completions", json=body, headers={"Authorization": "Bearer whatever"}) as answer:
        assert answer.status == 200


async def test_an_unknown_model_is_404_with_the_three_nearest_names(gateway: Started, client: aiohttp.ClientSession) -> None:
    names = ["kimi-k2", "kimi-k1", "glm-4.6", "llama3"]
    async with FakeProvider(models=()) as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, models=names)})
        async with client.post(f"{daemon.url}/v1/chat/completions", json={**CHAT, "model": "kimi"}) as answer:
            told = await error(answer)
    assert answer.status == 404 and len(told["names"]) == 3 and "kimi-k2" in told["names"]
    assert told["code"] == "model_not_found" and fake.calls == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None), (b"{", None), (b"[]", None), (b"{}", "messages"), (b'{"messages": []}', "messages"), (b'{"messages": "hi"}', "messages"),
        (b'{"messages": [1]}', "messages[0]"), (b'{"messages": [{"role": "alien", "content": ""}]}', "messages[0].role"),
        (b'{"messages": [{"role": "user", "content": "x"}], "model": 3}', "model"),
        (b'{"messages": [{"role": "user", "content": "x"}], "stream": "yes"}', "stream"), (b"\xff\xfe", None), (b"[" * 100_000, None),
    ],
)  # fmt: skip
async def test_a_broken_body_is_400_naming_the_field(gateway: Started, client: aiohttp.ClientSession, body: bytes, field: str | None) -> None:
    daemon = await gateway()
    async with client.post(f"{daemon.url}/v1/chat/completions", data=body) as answer:
        told = await error(answer)
    assert (answer.status, told["param"]) == (400, field)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_413(gateway: Started, client: aiohttp.ClientSession, chunked: bool) -> None:
    daemon = await gateway(server={"port": 0, "max_body": "10KiB"})

    async def pieces() -> Any:
        for _ in range(20):
            yield b"x" * 1024

    async with client.post(f"{daemon.url}/v1/chat/completions", data=pieces() if chunked else b"x" * 20_000) as answer:
        assert (answer.status, (await error(answer))["class"]) == (413, "body_too_large")


async def test_a_large_body_passes(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, timeouts={"total": 20})})
        body = {**CHAT, "messages": [{"role": "user", "content": "x" * 5_000_000}]}
        async with client.post(f"{daemon.url}/v1/chat/completions", data=BytesIO(orjson.dumps(body))) as answer:
            assert answer.status == 200
        assert (await fake.called()).body == body


async def test_unknown_paths_and_methods_are_refused_in_openais_shape(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    async with client.get(f"{daemon.url}/nowhere") as answer:
        assert (answer.status, (await error(answer))["class"]) == (404, "not_found")
    async with client.get(f"{daemon.url}/v1/chat/completions") as answer:
        assert (answer.status, (await error(answer))["class"]) == (405, "method_not_allowed")


async def test_models_are_listed_with_who_serves_them(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        daemon = await gateway(providers={"a": provider(fake.base_url), "b": provider(fake.base_url.replace("/v1", "/x/v1"), models=["mock", "org/big"])})
        async with client.get(f"{daemon.url}/v1/models") as answer:
            told = {model["id"]: model["undying"]["served_by"] for model in (await answer.json())["data"]}
        assert told == {"embedded/echo": ["embedded"], "mock": ["a", "b"], "org/big": ["b"]}
        async with client.get(f"{daemon.url}/v1/models/org/big") as answer:
            assert (await answer.json())["id"] == "org/big"
        async with client.get(f"{daemon.url}/v1/models/none") as answer:
            assert (answer.status, (await error(answer))["code"]) == (404, "model_not_found")


async def test_a_provider_without_configured_models_is_asked_for_its_list(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider(models=("one", "two")) as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, models=None)})
        await fake.probed()
        names: list[str] = []
        for _ in range(500):  # each turn is a request and its answer, and the listing comes within a few
            async with client.get(f"{daemon.url}/v1/models") as answer:
                names = [model["id"] for model in (await answer.json())["data"]]
            if "one" in names:
                break
        assert names == ["embedded/echo", "one", "two"]


async def test_an_unset_key_leaves_a_provider_shown_as_unconfigured_and_never_asked(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider() as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, missing_env=("FAKE_KEY",))})
        async with client.get(f"{daemon.url}/status/providers") as answer:
            shown = (await answer.json())["providers"]["fake"]
        assert shown["state"] == "unconfigured" and "FAKE_KEY" in shown["detail"]
        async with client.post(f"{daemon.url}/v1/chat/completions", json=CHAT) as answer:
            assert answer.status == 503 and "FAKE_KEY" in (await error(answer))["message"]
        assert fake.calls == [] and fake.probes == []


async def test_the_status_pages_tell_what_lives_and_what_is_ready(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    for path in ("/", "/status", "/status/tree", "/status/providers", "/status/dead-letters", "/health/live", "/health/ready", "/status/actors/routing/router"):
        async with client.get(daemon.url + path) as answer:
            assert answer.status == 200, path
    async with client.get(f"{daemon.url}/status/tree") as answer:
        assert [child["address"] for child in (await answer.json())["children"]] == ["/providers", "/routing", "/gateway"]
    async with client.get(f"{daemon.url}/status/actors/no/body") as answer:
        assert answer.status == 404


async def inject(client: aiohttp.ClientSession, daemon: Daemon, path: str, body: Any, headers: dict[str, str] = CONTROL) -> tuple[int, dict[str, Any]]:
    async with client.post(f"{daemon.url}/inject{path}", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_injection_is_off_unless_it_is_turned_on(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    status, told = await inject(client, daemon, "/routing/router", {"kind": "kernel.crash"})
    assert status == 403 and "inject.enabled" in told["error"]["message"]


async def test_an_injected_crash_is_seen_in_the_tree_and_healed(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway(inject={"enabled": True})
    status, _ = await inject(client, daemon, "/routing/router", {"kind": "kernel.crash", "version": 1, "fields": {"detail": "by hand"}})
    assert status == 202
    told: dict[str, Any] = {}
    for _ in range(500):  # it answers while it starts, too
        async with client.get(f"{daemon.url}/status/actors/routing/router") as answer:
            told = await answer.json()
        if told["state"] == "running":
            break
    assert (told["state"], told["restarts"], told["incarnation"], told["last_exit"]["detail"]) == ("running", 1, 2, "by hand")


async def test_an_injected_ask_is_answered_and_an_injected_message_may_be_msgpack(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway(inject={"enabled": True})
    status, told = await inject(client, daemon, "/routing/router", {"kind": "routing.list_models"})
    assert status == 200 and told["answer"]["kind"] == "routing.models_listed"
    packed = msgpack.packb((Crash.kind, Crash.version, {"detail": "packed"}))
    async with client.post(f"{daemon.url}/inject/routing/router", data=packed, headers={**CONTROL, "Content-Type": "application/msgpack"}) as answer:
        assert answer.status == 202


@pytest.mark.parametrize(
    "body",
    [{"kind": "no.such.kind"}, {"kind": "chat.closed"}, {"kind": "routing.plan", "fields": {"model": 3}}, {"kind": "kernel.crash", "version": 9}, {"x": 1}, []],
)
async def test_what_an_actor_does_not_understand_is_refused_with_what_it_does(gateway: Started, client: aiohttp.ClientSession, body: Any) -> None:
    daemon = await gateway(inject={"enabled": True})
    status, told = await inject(client, daemon, "/routing/router", body)
    assert status == 422
    for kind in ("routing.plan", "routing.list_models", "provider.announced"):
        assert kind in told["error"]["message"]
    async with client.get(f"{daemon.url}/status/actors/routing/router") as answer:
        assert (await answer.json())["restarts"] == 0


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"X-Undying-Control": "yes"}, {**CONTROL, "Host": "evil.example"}, {**CONTROL, "Origin": "https://evil.example"}, {**CONTROL, "Origin": "null"},
        {**CONTROL, "Host": "127.0.0.1:1"}, {**CONTROL, "Host": "127.0.0.1.evil.example"},
    ],
)  # fmt: skip
async def test_a_foreign_page_can_not_press_the_buttons(gateway: Started, client: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    daemon = await gateway(inject={"enabled": True})
    for path in ("/supervision/routing/router/restart", "/supervision/restart", "/inject/routing/router"):
        async with client.post(daemon.url + path, headers=headers, json={"kind": "kernel.crash"}) as answer:
            assert answer.status == 403, path


async def test_a_restart_by_hand_answers_when_the_actor_runs_again(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    for path in ("/routing/router", "/gateway/http", "/providers/embedded", "/gateway", "/routing"):
        async with client.post(f"{daemon.url}/supervision{path}/restart", headers={**CONTROL, "Origin": daemon.url}) as answer:
            assert (answer.status, (await answer.json())["incarnation"]) == (200, 2), path
        async with client.post(f"{daemon.url}/v1/chat/completions", json={"messages": CHAT["messages"]}) as answer:
            assert answer.status == 200
    async with client.post(f"{daemon.url}/supervision/no/body/restart", headers=CONTROL) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("limit", ["soon", "-1", "0", "nan", "inf", "1e999"])
async def test_a_time_limit_that_is_none_is_refused(gateway: Started, client: aiohttp.ClientSession, limit: str) -> None:
    daemon = await gateway()
    async with client.post(f"{daemon.url}/v1/chat/completions", json=CHAT, headers={"X-Request-Timeout": limit}) as answer:
        assert (answer.status, (await error(answer))["param"]) == (400, "X-Request-Timeout")
