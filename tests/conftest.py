"""What every test can rely on: no key of anybody's in the environment, no event loop left over from a plug-in."""

from __future__ import annotations

import asyncio
import os

import pytest


def pytest_configure() -> None:
    # looptime's plug-in leaves an event loop behind where none runs, which warns when it is collected, and warnings are errors here.
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key or a setting in the developer's shell must not change what a test sees."""
    for name in os.environ:
        if name.endswith(("_API_KEY", "_BASE_URL")) or name.startswith("UNDYING_"):
            monkeypatch.delenv(name)
