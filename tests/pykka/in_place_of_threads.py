"""A pytest plugin for pykka's own tests: whatever they take for ThreadingActor and ThreadingFuture is ours.

Loaded by name before their conftest.py is, from which nothing is changed. What it leaves out it names, and it fails the run when a
test was skipped, or ran on another runtime.
"""

from __future__ import annotations

from typing import Any, cast

import pykka
import pytest

from actors.runtime.asyncio_actor import AsyncioActor
from actors.runtime.asyncio_future import AsyncioFuture

pykka.ThreadingActor = AsyncioActor  # type: ignore[assignment, misc]
pykka.ThreadingFuture = AsyncioFuture  # type: ignore[assignment, misc]

ABOUT_THREADS = {
    "test_actor_thread_is_named_after_pykka_actor_class": "an AsyncioActor has no thread of its own",
    "test_actor_thread_is_not_daemonic_by_default": "an AsyncioActor has no thread of its own",
    "test_actor_thread_is_daemonic_if_use_daemon_thread_flag_is_set": "an AsyncioActor has no thread of its own",
}


class Count:
    """What became of the tests."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self.skipped: list[str] = []
        self.on_ours = 0


COUNT = Count()


@pytest.fixture(autouse=True)
def _on_ours(request: pytest.FixtureRequest) -> None:
    if "runtime" in request.fixturenames:
        runtime = cast(Any, request.getfixturevalue("runtime"))
        assert (runtime.actor_class, runtime.future_class) == (AsyncioActor, AsyncioFuture)
        COUNT.on_ours += 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is about threads."""
    out = [item for item in items if getattr(item, "originalname", "") in ABOUT_THREADS]
    COUNT.left_out = [f"{item.nodeid}: {ABOUT_THREADS[item.originalname]}" for item in out if isinstance(item, pytest.Function)]
    items[:] = [item for item in items if item not in out]
    config.hook.pytest_deselected(items=out)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Skipped, or expected to fail: neither is a proof."""
    if report.skipped or hasattr(report, "wasxfail"):
        COUNT.skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that skipped something, or that never used ours, has failed."""
    if session.exitstatus == pytest.ExitCode.OK and (COUNT.skipped or not COUNT.on_ours):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What ran on ours, and what did not run."""
    terminalreporter.write_line(f"{COUNT.on_ours} tests ran on {AsyncioActor.__name__} and {AsyncioFuture.__name__}; the others need no actor")
    for what in COUNT.left_out:
        terminalreporter.write_line(f"left out: {what}")
    for what in COUNT.skipped:
        terminalreporter.write_line(f"skipped, which counts as failed: {what}")
