"""What pytest gets by installing us: fixtures, none of them used unless a test names it.

    undying_tree     `tree` itself: `async with undying_tree(ChildSpec(...)) as running`
    fake_provider    a FakeProvider that listens while the test runs
    undying_leaks    the leak check around the whole test; a set, to which a test adds what it may leave

pytest loads this module in every run where the package is installed, so it imports nothing but pytest: the rest comes with the
first fixture used. Virtual time is looptime's own mark, `@pytest.mark.looptime`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from undying.testing.census import Kind
    from undying.testing.fake_provider import FakeProvider
    from undying.testing.running import RunningTree

REMEDY = "pip install 'undying[testing]'"


def pytest_configure(config: pytest.Config) -> None:
    """Makes the async fixture where somebody runs such, and keeps looptime's mark known where looptime is not."""
    if config.pluginmanager.hasplugin("asyncio"):
        config.pluginmanager.register(import_module("undying.testing.async_fixtures"), "undying_async_fixtures")
    if not config.pluginmanager.hasplugin("looptime_plugin"):
        config.addinivalue_line("markers", f"looptime: virtual time for this test; needs looptime: {REMEDY}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that wants virtual time must not run on real time unsaid."""
    if item.get_closest_marker("looptime") is not None and not item.config.pluginmanager.hasplugin("looptime_plugin"):
        pytest.fail(f"@pytest.mark.looptime needs the package looptime: {REMEDY}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """The leak check stands around the test alone: what a fixture opened before is the fixture's to close."""
    if "undying_leaks" not in pyfuncitem.fixturenames:
        return (yield)
    from undying.testing.leaks import leak_check_of_a_call

    may_leave: set[Kind] = pyfuncitem.funcargs["undying_leaks"]  # type: ignore[assignment]
    with leak_check_of_a_call(may_leave):
        return (yield)


@pytest.fixture
def undying_leaks() -> set[Kind]:
    """No task, thread, child process or descriptor is left when the test ends; `undying_leaks.add("threads")` allows these to be."""
    return set()


@pytest.fixture
def undying_tree() -> Callable[..., AbstractAsyncContextManager[RunningTree]]:
    """Starts a supervised tree: `async with undying_tree(ChildSpec("counter", Counter)) as running`."""
    from undying.testing.running import tree

    return tree


@pytest.fixture
def fake_provider(request: pytest.FixtureRequest) -> FakeProvider:
    """An OpenAI-compatible server with scripted faults: `fake_provider.base_url`, `.script("cut_at/3")`, `.calls`."""
    if not request.config.pluginmanager.hasplugin("asyncio"):
        pytest.fail(f"fake_provider needs the package pytest-asyncio: {REMEDY}; or use `async with FakeProvider() as fake`", pytrace=False)
    marked = request.node.get_closest_marker("asyncio")
    scope = (marked and marked.kwargs.get("loop_scope")) or request.config.getini("asyncio_default_test_loop_scope") or "function"
    if scope != "function":  # nobody would run its loop while the test runs
        pytest.fail(f"fake_provider needs a test with a loop of its own, this one's scope is {scope}: use `async with FakeProvider() as fake`", pytrace=False)
    fake: FakeProvider = request.getfixturevalue("undying_running_provider")
    return fake
