"""The watch, against a daemon of this process."""

from __future__ import annotations

import asyncio
from io import StringIO
from pathlib import Path

import aiohttp
import pytest

from messages.supervision import Crash
from tests.undying.test_drawing import STATUS, actor
from undying import Daemon
from undying.drawing import View
from undying.terminal import Changes, _watch

LIMIT = 20.0
ROUTER = "/routing/router"


class Screen:
    """Notes every frame; `shows` awaits one that fulfils a condition."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[tuple[str, list[str], list[str]]] = asyncio.Queue()

    def __call__(self, view: View) -> None:
        not_running = list(view.status.get("not_running", ()))
        self.frames.put_nowait((view.waiting, not_running, [f"{name} {told.get('address')}" for name, told in view.latest]))

    async def shows(self, waiting: str = "", not_running: str = "", decision: str = "") -> None:
        async with asyncio.timeout(LIMIT):
            while True:
                frame = await self.frames.get()
                if waiting in frame[0] and bool(waiting) == bool(frame[0]) and (not not_running or not_running in frame[1]) and (
                    not decision or decision in frame[2]
                ):  # fmt: skip
                    return


def daemon(folder: Path) -> Daemon:
    return Daemon({"server": {"port": 0}, "state_dir": str(folder)})


def test_a_frame_is_written_once_and_again_only_when_it_is_another() -> None:
    out = StringIO()
    show = Changes(out)
    view = View(tree=actor("/", actor("/a")).model_dump())
    show(view)
    first = out.getvalue()
    view.status = {**STATUS, "uptime_ms": 9_999_999}
    show(view)
    assert out.getvalue() == first and first.endswith("handled 1\n\n")
    view.waiting = "waiting for a daemon ..."
    show(view)
    show(view)
    assert out.getvalue() == f"{first}waiting for a daemon ...\n\n"
    view.waiting = ""
    show(view)
    assert out.getvalue().endswith(first)


async def test_a_decision_is_drawn_when_it_is_taken(tmp_path: Path) -> None:
    screen = Screen()
    async with daemon(tmp_path) as gateway:
        watching = asyncio.create_task(_watch(lambda: gateway.url, "it", screen))
        await screen.shows(decision="started /")
        gateway.system.tell(ROUTER, Crash())
        await screen.shows(decision=f"restarted {ROUTER}")
        async with aiohttp.ClientSession() as client:
            await client.post(f"{gateway.url}/supervision{ROUTER}/stop", headers={"X-Undying-Control": "1"})
        await screen.shows(not_running=ROUTER)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching


async def test_the_watch_follows_a_daemon_that_comes_back_on_another_port(tmp_path: Path) -> None:
    screen, url = Screen(), [""]
    watching = asyncio.create_task(_watch(lambda: url[0] or None, "somebody", screen))
    await screen.shows(waiting="waiting for somebody ...")
    for _ in range(2):
        async with daemon(tmp_path) as gateway:
            url[0] = gateway.url
            await screen.shows(decision="started /gateway/http")
            gateway.system.tell(ROUTER, Crash())
            await screen.shows(decision=f"restarted {ROUTER}")
        await screen.shows(waiting="waiting for somebody ...")
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_what_is_no_daemon_is_waited_for(tmp_path: Path) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n}{")
        writer.close()

    screen = Screen()
    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        watching = asyncio.create_task(_watch(lambda: f"http://127.0.0.1:{port}", "a daemon", screen))
        await screen.shows(waiting="waiting for a daemon ...")
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
