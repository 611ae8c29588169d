"""The fixtures that need pytest-asyncio; loaded by `plugin.py` where it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest_asyncio

if TYPE_CHECKING:
    from undying.testing.fake_provider import FakeProvider


@pytest_asyncio.fixture(loop_scope="function")
async def undying_running_provider() -> AsyncIterator[FakeProvider]:
    """What `fake_provider` gives: on the loop of a test that has a loop of its own."""
    from undying.testing.fake_provider import FakeProvider

    async with FakeProvider() as fake:
        yield fake
