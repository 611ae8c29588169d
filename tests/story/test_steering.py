"""Five verbs over HTTP: each does what it says, or says why not and what is possible."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from messages.supervision import Crash
from tests.story.conftest import CHAT, STREAM, Started, provider
from tests.story.following import following
from undying import Daemon
from undying.testing.fake_provider import FakeProvider

CONTROL = {"X-Undying-Control": "1"}
ROUTER = "/routing/router"
LIMIT = 20.0


async def steer(client: aiohttp.ClientSession, daemon: Daemon, address: str, verb: str, **headers: str) -> tuple[int, Any]:
    """Status, and the answer or the error."""
    sent = {**CONTROL, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with client.post(f"{daemon.url}/supervision{address}/{verb}", headers=sent) as answer:
        told = await answer.json()
    return answer.status, told.get("error", told)


async def shown(client: aiohttp.ClientSession, daemon: Daemon, address: str) -> dict[str, Any]:
    async with client.get(f"{daemon.url}/status/actors{address}") as answer:
        assert answer.status == 200
        told: dict[str, Any] = await answer.json()
        return told


async def chat(client: aiohttp.ClientSession, daemon: Daemon) -> int:
    async with client.post(f"{daemon.url}/v1/chat/completions", json={"messages": CHAT["messages"]}) as answer:
        await answer.read()
        return answer.status


# ---- what is done


async def test_a_stopped_actor_stays_visible_and_is_started_again(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    assert await steer(client, daemon, ROUTER, "stop") == (200, {"address": ROUTER, "state": "stopped"})
    async with client.get(f"{daemon.url}/status/tree") as answer:
        tree = await answer.json()
    [routing] = [child for child in tree["children"] if child["address"] == "/routing"]
    assert [(child["address"], child["state"]) for child in routing["children"]] == [(ROUTER, "stopped")]
    async with client.get(f"{daemon.url}/status") as answer:
        assert (await answer.json())["not_running"] == [ROUTER]
    assert await chat(client, daemon) >= 400
    status, told = await steer(client, daemon, ROUTER, "start")
    assert (status, told["address"], told["incarnation"], told["state"]) == (200, ROUTER, 2, "running")
    assert await chat(client, daemon) == 200


async def test_a_suspended_actor_handles_nothing_until_it_is_resumed_and_then_all_that_waits(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    assert await steer(client, daemon, ROUTER, "suspend") == (200, {"address": ROUTER, "state": "suspended"})
    waiting = asyncio.create_task(chat(client, daemon))
    async with asyncio.timeout(LIMIT):
        while not (told := await shown(client, daemon, ROUTER))["depth"]:
            pass
    assert (told["state"], told["bytes"] > 0, waiting.done()) == ("suspended", True, False)
    assert await steer(client, daemon, ROUTER, "resume") == (200, {"address": ROUTER, "state": "running"})
    assert await waiting == 200


async def test_a_restart_makes_a_new_instance(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    assert await steer(client, daemon, ROUTER, "restart") == (200, {"address": ROUTER, "incarnation": 2, "state": "running"})


async def test_a_whole_branch_is_stopped_and_started(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    assert (await steer(client, daemon, "/providers", "stop"))[0] == 200
    told = await shown(client, daemon, "/providers")
    assert told["state"] == "stopped" and {child["state"] for child in told["children"]} == {"stopped"}
    assert (await steer(client, daemon, "/providers", "start"))[0] == 200
    assert (await shown(client, daemon, "/providers/embedded/account"))["state"] == "running"
    assert await chat(client, daemon) == 200


async def test_the_door_stopped_and_started_costs_no_connection(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    for verb in ("stop", "start"):
        assert (await steer(client, daemon, "/gateway/http", verb))[0] == 200
        assert await chat(client, daemon) == 200


async def test_a_request_under_way_can_be_stopped_and_its_client_is_told(gateway: Started, client: aiohttp.ClientSession) -> None:
    async with FakeProvider(token_delay=0.05, answer="word " * 1000) as fake:
        daemon = await gateway(providers={"fake": provider(fake.base_url, timeouts={"total": 60})})
        async with client.post(f"{daemon.url}/v1/chat/completions", json=STREAM) as answer:
            await answer.content.readline()
            [exchange] = (await shown(client, daemon, "/gateway/exchanges"))["children"]
            assert exchange["restart_type"] == "temporary"
            status, told = await steer(client, daemon, exchange["address"], "restart")
            assert (status, told["names"]) == (409, ["stop", "suspend", "resume"]) and "temporary" in told["message"]
            assert (await steer(client, daemon, exchange["address"], "stop"))[0] == 200
            assert b"error" in await answer.read()


async def test_the_root_can_be_suspended_and_resumed(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    assert await steer(client, daemon, "", "suspend") == (200, {"address": "/", "state": "suspended"})
    assert await chat(client, daemon) == 200
    assert await steer(client, daemon, "/", "resume") == (200, {"address": "/", "state": "running"})


async def test_every_verb_is_told_as_an_event(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    told = {"suspend": "suspended", "resume": "resumed", "stop": "stopped", "start": "restarted", "restart": "restarted"}
    async with following(client, daemon.url, f"?under={ROUTER}") as stream:
        for verb, event in told.items():
            assert (await steer(client, daemon, ROUTER, verb))[0] == 200
            await stream.until(event, ROUTER)


# ---- what is not


@pytest.mark.parametrize(
    ("verb", "remedy"), [("stop", "SIGTERM"), ("start", "POST /supervision/restart")],
)  # fmt: skip
async def test_the_root_is_neither_stopped_nor_started_and_the_remedy_is_told(gateway: Started, client: aiohttp.ClientSession, verb: str, remedy: str) -> None:
    daemon = await gateway()
    status, told = await steer(client, daemon, "", verb)
    assert (status, told["names"]) == (409, ["restart", "suspend", "resume"]) and remedy in told["message"]
    assert await chat(client, daemon) == 200


async def test_what_runs_is_not_started_and_what_is_down_is_not_suspended(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    status, told = await steer(client, daemon, ROUTER, "start")
    assert (status, told["code"]) == (409, "running")
    await steer(client, daemon, ROUTER, "stop")
    status, told = await steer(client, daemon, ROUTER, "suspend")
    assert (status, told["code"]) == (409, "stopped") and "stopped" in told["message"]


async def test_below_a_stopped_branch_the_branch_is_named(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    await steer(client, daemon, "/providers", "stop")
    status, told = await steer(client, daemon, "/providers/embedded/account", "restart")
    assert status == 409 and "POST /supervision/providers/start first" in told["message"]


@pytest.mark.parametrize(("above", "below", "remedy"), [("/providers", "/providers/embedded", "/providers/resume"), ("", "/routing", "/supervision/resume")])
async def test_below_a_suspended_supervisor_who_is_to_resume_is_named_at_once(
    gateway: Started, client: aiohttp.ClientSession, above: str, below: str, remedy: str
) -> None:
    daemon = await gateway()
    await steer(client, daemon, above, "suspend")
    for verb in ("stop", "start", "restart"):
        status, told = await steer(client, daemon, below, verb)
        assert (status, told["code"]) == (409, "suspended") and f"{remedy} first" in told["message"]
    assert (await shown(client, daemon, below))["incarnation"] == 1
    await steer(client, daemon, above, "resume")
    assert (await steer(client, daemon, below, "restart"))[0] == 200


async def test_a_suspended_supervisor_further_up_is_in_nobodys_way(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    await steer(client, daemon, "/providers", "suspend")
    assert (await steer(client, daemon, "/providers/embedded/account", "restart"))[0] == 200


@pytest.mark.parametrize(("address", "verb"), [(ROUTER, "explode"), ("", "explode"), ("", "routing")])
async def test_an_unknown_verb_is_answered_with_those_there_are(gateway: Started, client: aiohttp.ClientSession, address: str, verb: str) -> None:
    daemon = await gateway()
    status, told = await steer(client, daemon, address, verb)
    assert (status, told["names"]) == (404, ["restart", "stop", "start", "suspend", "resume"]) and verb in told["message"]


@pytest.mark.parametrize("verb", ["restart", "stop", "start", "suspend", "resume"])
async def test_nobody_is_steered_where_nobody_lives(gateway: Started, client: aiohttp.ClientSession, verb: str) -> None:
    daemon = await gateway()
    status, told = await steer(client, daemon, "/no/body", verb)
    assert status == 404 and "GET /status/tree" in told["message"]


@pytest.mark.parametrize("verb", ["restart", "stop", "start", "suspend", "resume"])
async def test_every_verb_is_guarded_against_foreign_pages(gateway: Started, client: aiohttp.ClientSession, verb: str) -> None:
    daemon = await gateway()
    url = f"{daemon.url}/supervision{ROUTER}/{verb}"
    for headers in ({}, {**CONTROL, "Origin": "http://evil.example"}, {**CONTROL, "Host": "evil.example"}):
        async with client.post(url, headers=headers) as answer:
            assert answer.status == 403, headers
    async with client.get(url, headers=CONTROL) as answer:
        assert answer.status == 405
    assert (await shown(client, daemon, ROUTER))["incarnation"] == 1


# ---- what is shown


async def test_an_actors_status_tells_its_crashes_where_it_runs_and_what_waits(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    async with following(client, daemon.url) as stream:
        daemon.system.tell(ROUTER, Crash())
        await stream.until("restarted", ROUTER)
    told = await shown(client, daemon, ROUTER)
    assert (told["crashes"], told["restarts"], told["isolation"], told["significant"], told["bytes"], told["stashed"]) == (1, 1, "task", False, 0, 0)
    assert (await steer(client, daemon, ROUTER, "restart"))[0] == 200
    assert (await shown(client, daemon, ROUTER))["crashes"] == 1, "a restart by hand is no crash"


async def test_the_overview_tells_the_loops_lag_and_how_many_follow(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    async with following(client, daemon.url), client.get(f"{daemon.url}/status") as answer:
        told = await answer.json()
    assert set(told["loop_lag_ms"]) == {"max", "p99"} and told["event_streams"] == 1 and told["tasks_abandoned"] == 0
