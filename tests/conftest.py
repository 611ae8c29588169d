"""What all tests share."""

from __future__ import annotations

import asyncio


def pytest_configure() -> None:
    """looptime's plugin asks for the thread's loop around sync tests too. Without this asyncio would make one for it that nobody closes."""
    asyncio.set_event_loop(None)
