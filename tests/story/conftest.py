"""A gateway in this process, on a real socket, and the promise that nothing is left of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from undying import Daemon

Started = Callable[..., Awaitable[Daemon]]


def provider(base_url: str, **more: Any) -> dict[str, Any]:
    """A provider's settings as a config file would give them, patient for no longer than a test needs."""
    limits = {"connect": 1, "first_token": 0.4, "silence": 0.4, "total": 0.7}
    return {"kind": "openai", "base_url": base_url, "timeouts": limits, "models": ["mock"], **more}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Started]:
    """Starts daemons: `await gateway(providers={...}, **other settings)`."""
    before = asyncio.all_tasks()
    open_files = len(os.listdir("/proc/self/fd"))
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Daemon:
            return await stack.enter_async_context(Daemon({"server": {"port": 0}, "state_dir": str(tmp_path / "state"), **settings}))

        yield start
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left, left
    assert len(os.listdir("/proc/self/fd")) <= open_files, "a descriptor was left open"


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """A client without limits of its own: the gateway has to keep them."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


CHAT = {"model": "mock", "messages": [{"role": "user", "content": "Hello"}]}
STREAM = {**CHAT, "stream": True}
