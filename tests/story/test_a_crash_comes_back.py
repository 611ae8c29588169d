"""An actor crashes in the daemon; its crash file brings the same crash back, on the command line and in a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from actors.runtime.exits import InjectedCrash
from messages.supervision import Crash
from tests.actors.runtime.victims import Reader, crash_of
from tests.actors.runtime.vocabulary import Echo
from tests.story.conftest import CHAT, STREAM, Started, provider
from tests.story.test_run import Process, ended, serving, write_config
from undying.testing import FakeProvider, replay

CANARY = "canary 7f3a bird"
INJECTING = {"UNDYING_INJECT__ENABLED": "true"}


async def told(client: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with client.get(url) as answer:
        assert answer.status == 200, await answer.text()
        found: dict[str, Any] = await answer.json()
    return found


async def crash(client: aiohttp.ClientSession, url: str, path: str) -> None:
    """Injects a crash."""
    async with client.post(f"{url}/inject{path}", json={"kind": "kernel.crash"}, headers={"X-Undying-Control": "1"}) as answer:
        assert answer.status == 202, await answer.text()


async def kept(client: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    """The crashes that the daemon tells of: all that have happened so far."""
    return list((await told(client, f"{url}/status/crashes"))["kept"])


@asynccontextmanager
async def crashing_daemon(folder: Path) -> AsyncIterator[tuple[Process, aiohttp.ClientSession]]:
    async with serving(folder, "--port", "0", env=INJECTING) as daemon, aiohttp.ClientSession() as client:
        yield daemon, client


async def test_a_crash_in_the_daemon_is_replayed_from_the_command_line(tmp_path: Path) -> None:
    async with crashing_daemon(tmp_path) as (daemon, client):
        body = {"messages": [{"role": "user", "content": CANARY}]}
        async with client.post(f"{daemon.url}/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
        await crash(client, daemon.url, "/routing/router")
        [line] = await kept(client, daemon.url)
        code, out, err = await ended(tmp_path, "replay", line["id"])  # while it runs
        assert (code, err) == (0, "")
        assert out.rstrip().endswith("\nthe same crash") and "routing.plan  from /gateway/exchanges/" in out
        assert "kernel.crash  from outside  <- crashed on this" in out and "InjectedCrash" in out
        assert (await daemon.stop())[0] == 0
    assert (await ended(tmp_path, "replay", line["id"]))[0] == 0  # and after it has stopped
    code, out, _ = await ended(tmp_path, "replay")
    assert code == 0 and line["id"] in out and "/routing/router  crashed InjectedCrash" in out
    with pytest.raises(InjectedCrash):
        await replay(line["id"], state_dir=tmp_path / "state")


async def test_a_crash_in_the_midst_of_a_stream_comes_back_without_provider_or_client(tmp_path: Path) -> None:
    async with FakeProvider(answer=f"{CANARY} " * 200, token_delay=0.02) as fake:
        write_config(tmp_path, f"providers: {{fake: {{kind: openai, base_url: '{fake.base_url}', models: [mock]}}}}")
        async with crashing_daemon(tmp_path) as (daemon, client):
            body = {**STREAM, "messages": [{"role": "user", "content": CANARY}]}
            async with client.post(f"{daemon.url}/v1/chat/completions", json=body) as answer:
                for _ in range(9):
                    await answer.content.readline()
                exchanges = (await told(client, f"{daemon.url}/status/actors/gateway/exchanges"))["children"]
                await crash(client, daemon.url, exchanges[0]["address"])
                await answer.content.read()
            [line] = await kept(client, daemon.url)
            _, log = await daemon.stop()
    [path] = (tmp_path / "state" / "crashes").iterdir()
    content = path.read_bytes()
    assert CANARY.encode() not in content and b"canary" not in content and b"7f3a" not in content
    assert line["address"] == exchanges[0]["address"] and not [entry for entry in log if entry.get("event") == "crash file not written"]
    code, out, _ = await ended(tmp_path, "replay", line["id"])
    assert code == 0 and "the same crash" in out
    for kind in ("chat.serve", "routing.planned", "provider.attempt_opened", "provider.attempt_chunk"):
        assert kind in out
    assert len(fake.calls) == 1


async def test_an_unknown_crash_names_those_that_are_there_and_exits_1(tmp_path: Path) -> None:
    code, out, err = await ended(tmp_path, "replay", "nope")
    assert (code, out) == (1, "") and "no crash 'nope'" in err and "nor any other" in err and "Traceback" not in err
    assert (await ended(tmp_path, "replay"))[:2] == (0, f"no crashes in {tmp_path}/state/crashes\n")


async def test_a_crash_that_does_not_come_back_exits_1_and_says_what_may_be_the_reason(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path / "state", Reader, Echo(text="a fox"))
    code, out, _ = await ended(tmp_path, "replay", crash.head.id)
    assert code == 1 and "\nno crash\n" in out and "perhaps because" in out and "keep_content" in out


async def test_status_tells_of_crashes_without_their_contents(gateway: Started, client: aiohttp.ClientSession, tmp_path: Path) -> None:
    async with FakeProvider(answer=CANARY) as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url)}, inject={"enabled": True}, crashes={"keep_content": True})
        assert (await told(client, f"{daemon.url}/status/crashes")) == {"left_out": 0, "not_written": 0, "kept": []}
        async with client.post(f"{daemon.url}/v1/chat/completions", json={**CHAT, "messages": [{"role": "user", "content": CANARY}]}) as answer:
            assert answer.status == 200
        await crash(client, daemon.url, "/providers/fake/account")
        [line] = await kept(client, daemon.url)
        whole = await told(client, f"{daemon.url}/status/crashes/{line['id']}")
        assert "/status/crashes" in (await told(client, f"{daemon.url}/status"))["more"]
        actor = await told(client, f"{daemon.url}/status/actors/providers/fake/account")
    assert (actor["crashes"], [end["crash"] for end in actor["exits"]]) == (1, [line["id"]])
    assert "provider.begin_attempt" in [message["kind"] for message in actor["messages"]] and CANARY not in str(actor)
    assert (line["address"], line["error"], line["kind"]) == ("/providers/fake/account", "InjectedCrash", "kernel.crash")
    assert [entry["kind"] for entry in whole["trail"]][-1] == "kernel.crash" and "provider.begin_attempt" in [entry["kind"] for entry in whole["trail"]]
    assert "InjectedCrash" in whole["traceback"] and CANARY not in str(whole) and whole["content"] == "kept"
    assert CANARY.encode() in next((tmp_path / "state" / "crashes").iterdir()).read_bytes()


@pytest.mark.parametrize("id", ["nope", "..%2F..%2Fetc%2Fpasswd", "%2Ftmp%2Fx.msgpack", "x.msgpack"])
async def test_a_crash_is_asked_for_by_its_id_and_nothing_else_is_read(gateway: Started, client: aiohttp.ClientSession, id: str) -> None:
    daemon = await gateway()
    async with client.get(f"{daemon.url}/status/crashes/{id}") as answer:
        assert answer.status == 404 and "no crash" in (await answer.json())["error"]["message"]


async def test_a_crash_in_the_last_moment_is_still_written(gateway: Started, tmp_path: Path) -> None:
    daemon = await gateway()
    daemon.system.tell("/routing/router", Crash())
    await daemon.stop()
    assert len(list((tmp_path / "state" / "crashes").iterdir())) == 1
