"""The live stream of decisions, over a real socket."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import structlog

from actors.gateway import events as handler
from actors.runtime import decision_log
from messages.supervision import Crash, Decision
from tests.story.conftest import CHAT, Started
from tests.story.following import LIMIT, following
from undying import Daemon

CONTROL = {"X-Undying-Control": "1"}


def publish(daemon: Daemon, address: str, detail: str = "") -> None:
    daemon.system.publish(Decision(at=0.0, address=address, event="suspended", incarnation=1, detail=detail))


async def nobody_reads(daemon: Daemon) -> None:
    async with asyncio.timeout(LIMIT):
        while daemon.tree.gate.events.reading:  # noqa: ASYNC110  # a handler's end is no event that anybody else hears of
            await asyncio.sleep(0)


async def test_a_crash_and_its_healing_are_told_as_they_happen(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    async with following(client, daemon.url) as stream:
        assert stream.answer.headers["Cache-Control"] == "no-cache"
        daemon.system.tell("/routing/router", Crash())
        told = [await stream.next() for _ in range(3)]
    assert [(name, data["address"], data["incarnation"]) for name, _, data in told] == [
        ("exited", "/routing/router", 1), ("started", "/routing/router", 2), ("restarted", "/routing/router", 2),
    ]  # fmt: skip
    first = told[0][1]
    assert first is not None and [number for _, number, _ in told] == [first, first + 1, first + 2]
    assert "InjectedCrash" in told[0][2]["detail"]
    assert abs(datetime.fromisoformat(told[0][2]["time"]) - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_crash_is_in_the_log_too(gateway: Started, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[dict[str, Any]] = []

    def log(_: Any, level: str, event: Any) -> str:
        lines.append({"level": level, **event})
        raise structlog.DropEvent

    monkeypatch.setattr(decision_log, "logger", structlog.wrap_logger(structlog.PrintLogger(), processors=[log]))
    daemon = await gateway()
    async with following(client, daemon.url) as stream:
        daemon.system.tell("/routing/router", Crash(detail="canary"))
        await stream.until("restarted", "/routing/router")
    assert lines == [{"level": "warning", "event": "exited", "actor": "/routing/router", "incarnation": 1, "how": "crashed", "error": "InjectedCrash"}]


@pytest.mark.parametrize("how", ["Last-Event-ID", "since"])
async def test_a_client_that_comes_back_gets_what_it_missed(gateway: Started, client: aiohttp.ClientSession, how: str) -> None:
    daemon = await gateway()
    async with following(client, daemon.url) as stream:
        publish(daemon, "/a")
        number, _ = await stream.until("suspended", "/a")
    publish(daemon, "/b")
    publish(daemon, "/c")
    query, headers = (f"?since={number}", {}) if how == "since" else ("", {"Last_Event_ID": str(number)})
    async with following(client, daemon.url, query, **headers) as again:
        publish(daemon, "/d")
        assert [(await again.next())[2]["address"] for _ in range(3)] == ["/b", "/c", "/d"]


async def test_what_is_no_longer_remembered_is_told_first_and_counted(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    ring = daemon.tree.gate.events.ring
    before = ring.last
    for n in range(1010):
        publish(daemon, f"/{n}")
    async with following(client, daemon.url, "?since=0") as stream:
        name, number, data = await stream.next()
        assert (name, number, data["count"]) == ("lost", None, before + 10)
        assert "1000" in data["why"]
        assert (await stream.next())[1] == ring.last - 999


async def test_a_number_of_an_earlier_run_is_answered_with_all_of_this_run(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    async with following(client, daemon.url, Last_Event_ID="123456") as stream:
        name, _, data = await stream.next()
        assert name == "lost" and "anew" in data["why"]
        assert (await stream.next())[1] == 1


@pytest.mark.parametrize("since", ["-1", "soon", "", "1" * 30, "²"])
async def test_a_number_that_is_none_is_refused_with_what_is_right(gateway: Started, client: aiohttp.ClientSession, since: str) -> None:
    daemon = await gateway()
    async with client.get(f"{daemon.url}/status/events", params={"since": since}) as answer:
        told = (await answer.json())["error"]
    assert (answer.status, told["param"]) == (400, "since") and "0 for all" in told["message"]


async def test_only_the_wanted_branch_is_told(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    async with following(client, daemon.url, "?under=/providers") as stream:
        for address in ("/routing", "/providersx", "/providers/embedded", "/providers"):
            publish(daemon, address)
        assert [(await stream.next())[2]["address"] for _ in range(2)] == ["/providers/embedded", "/providers"]


async def test_the_days_of_temporary_actors_are_told_to_those_who_ask_for_everything(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    async with following(client, daemon.url, "?everything=1") as all_of_it, following(client, daemon.url) as stream:
        async with client.post(f"{daemon.url}/v1/chat/completions", json={"messages": CHAT["messages"]}) as answer:
            assert answer.status == 200
        publish(daemon, "/last")
        got: list[tuple[str, int | None, dict[str, Any]]] = []
        while not got or got[-1][0] != "suspended":
            got.append(await all_of_it.next())
        assert (await stream.next())[2]["address"] == "/last"
    assert sorted((name, data["address"].rpartition("/")[0]) for name, number, data in got if number is None) == [
        ("exited", "/gateway/exchanges"), ("exited", "/providers/embedded/attempts"),
        ("started", "/gateway/exchanges"), ("started", "/providers/embedded/attempts"),
    ]  # fmt: skip


async def test_silence_is_filled_with_comments(gateway: Started, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "KEEP_ALIVE", 0.01)
    daemon = await gateway()
    async with following(client, daemon.url) as stream, asyncio.timeout(LIMIT):
        while ": keep-alive" not in stream.comments:
            line = (await stream.answer.content.readline()).decode().strip()
            stream.comments.append(line)


async def test_a_stream_outlives_restarts_of_http_and_of_the_whole_tree(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    async with following(client, daemon.url) as stream:
        async with client.post(f"{daemon.url}/supervision/gateway/http/restart", headers=CONTROL) as answer:
            assert answer.status == 200
        await stream.until("started", "/gateway/http")
        async with client.post(f"{daemon.url}/supervision/restart", headers=CONTROL) as answer:
            assert answer.status == 202
        await stream.until("exited", "/")
        await stream.until("started", "/")


async def test_a_stream_ends_with_an_end_event_when_the_gateway_stops(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    async with following(client, daemon.url) as stream:
        stopping = asyncio.create_task(daemon.stop())
        await stream.until("end")
        with pytest.raises(EOFError):
            await stream.next()
        await stopping
    assert daemon.tree.gate.events.reading == 0


async def test_a_client_that_leaves_frees_its_place(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    async with following(client, daemon.url):
        assert daemon.tree.gate.events.reading == 1
    await nobody_reads(daemon)


async def test_the_33rd_stream_is_refused_with_503_that_says_so(gateway: Started, client: aiohttp.ClientSession) -> None:
    daemon = await gateway()
    async with AsyncExitStack() as stack:
        for _ in range(32):
            await stack.enter_async_context(following(client, daemon.url))
        async with client.get(f"{daemon.url}/status/events") as answer:
            told = (await answer.json())["error"]
        assert answer.status == 503 and "32 event streams are open already" in told["message"] and "Retry-After" in answer.headers
    await nobody_reads(daemon)
    async with following(client, daemon.url):
        assert daemon.tree.gate.events.reading == 1


async def test_a_client_that_does_not_read_costs_no_memory_and_is_told_what_it_missed(gateway: Started) -> None:
    daemon = await gateway()
    loop = asyncio.get_running_loop()
    port = int(daemon.url.rpartition(":")[2])
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        await loop.sock_connect(slow, ("127.0.0.1", port))
        await loop.sock_sendall(slow, b"GET /status/events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await loop.sock_recv(slow, 1000)).startswith(b"HTTP/1.1 200")
        published = 0
        [reader] = daemon.tree.gate.events._readers
        async with asyncio.timeout(LIMIT):
            while not reader._dropped:  # the socket's buffers are full, and so is the queue
                for _ in range(200):
                    publish(daemon, "/a", "x" * 2000)
                published += 200
                await asyncio.sleep(0)
        assert len(reader._queue) <= 2000
        received = b""
        async with asyncio.timeout(LIMIT):
            while b"event: lost" not in received:
                received += await loop.sock_recv(slow, 1 << 20)
    assert b'"why":"more than 2000 events waited for this reader"' in received
    await nobody_reads(daemon)
