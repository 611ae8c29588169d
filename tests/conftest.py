"""What all tests share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _a_loop_for_who_asks() -> Iterator[None]:
    """looptime's plugin asks for the thread's loop around sync tests too; the one that asyncio would make for it is never closed."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
