"""`run.py tree --watch`: the tree as it lives, in a terminal; in a file or a pipe one frame after each change.

    GET /status/events --each decision--> look again --GET /status, /status/tree--> draw
                       each second -----------^          no answer: the last frame, and what is waited for
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, suppress
from typing import IO, Any

import aiohttp
import orjson
from rich.console import Console
from rich.live import Live

from undying.drawing import View, draw, picture

EVERY = 1.0  # seconds between two looks when nothing happens
AT_MOST = 0.1  # seconds between two looks whatever happens
ASK_LIMIT = 5.0
SILENCE = 40.0  # seconds without even a comment after which a stream is taken for dead

UNREACHABLE = (aiohttp.ClientError, TimeoutError, ConnectionError, ValueError)  # the last: what answers there is no daemon

Find = Callable[[], str | None]
"""The daemon's URL, None while none runs."""

Show = Callable[[View], None]


def watch(find: Find, where: str, out: IO[str] | None = None) -> int:
    """Draws until Ctrl-C or SIGTERM; the exit code. `where` says in words what is waited for while nothing answers."""
    console = Console(file=out or sys.stdout)
    with ExitStack() as stack:
        if console.is_terminal:
            show: Show = Frames(stack.enter_context(Live(console=console, auto_refresh=False, vertical_overflow="crop")))
        else:
            show = Changes(out or sys.stdout)
        with suppress(asyncio.CancelledError):
            try:
                asyncio.run(_watch(find, where, show))
            except BrokenPipeError:  # whoever read has seen enough
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


class Frames:
    """Draws each frame over the last one."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def __call__(self, view: View) -> None:
        """Draws it."""
        self._live.update(picture(view), refresh=True)


class Changes:
    """Writes the tree as text, and the decisions, when they are not what was written last."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._last: list[str] = []

    def __call__(self, view: View) -> None:
        """Writes the frame, if it is a new one."""
        lines = [view.waiting] if view.waiting else draw(view.tree) if view.tree is not None else []
        if lines != self._last:
            self._last = lines
            self._out.write("\n".join([*lines, "", ""]))
            self._out.flush()


async def _watch(find: Find, where: str, show: Show) -> None:
    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    assert this is not None, "asyncio.run runs it as a task"
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, this.cancel)
    view, changed = View(), asyncio.Event()
    async with aiohttp.ClientSession() as client:
        await asyncio.gather(_follow(client, find, view, changed), _look(client, find, where, view, changed, show))


async def _look(client: aiohttp.ClientSession, find: Find, where: str, view: View, changed: asyncio.Event, show: Show) -> None:
    while True:
        changed.clear()
        try:
            view.status, view.tree = await _get(client, find, "/status"), await _get(client, find, "/status/tree")
            view.waiting = ""
        except UNREACHABLE:
            view.waiting = f"waiting for {where} ..."
        show(view)
        await asyncio.sleep(AT_MOST)
        with suppress(TimeoutError):
            async with asyncio.timeout(EVERY - AT_MOST):
                await changed.wait()


async def _get(client: aiohttp.ClientSession, find: Find, path: str) -> Any:
    url = find()
    if url is None:
        raise ConnectionError("no daemon runs")
    async with client.get(url + path, timeout=aiohttp.ClientTimeout(total=ASK_LIMIT), raise_for_status=True) as answer:
        return orjson.loads(await answer.read())


async def _follow(client: aiohttp.ClientSession, find: Find, view: View, changed: asyncio.Event) -> None:
    """The decisions, over restarts of the daemon: the number of the last one brings what was missed meanwhile."""
    last = 0
    while True:
        url = find()
        if url is not None:
            with suppress(*UNREACHABLE):
                async for name, number, told in _events(client, url, last):
                    if name == "end":  # the next one begins to count anew
                        last = 0
                    else:
                        last = number or last
                        view.latest.append((name, told))
                    changed.set()
        await asyncio.sleep(EVERY)


async def _events(client: aiohttp.ClientSession, url: str, last: int) -> AsyncIterator[tuple[str, int, dict[str, Any]]]:
    limits = aiohttp.ClientTimeout(total=None, sock_connect=ASK_LIMIT, sock_read=SILENCE)
    async with client.get(f"{url}/status/events", headers={"Last-Event-ID": str(last)}, timeout=limits, raise_for_status=True) as answer:
        fields: dict[str, str] = {}
        async for raw in answer.content:
            name, _, value = raw.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                yield fields["event"], int(fields.get("id", 0)), orjson.loads(fields["data"])
                fields = {}
