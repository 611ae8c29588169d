"""The pytest plugin in a host app's tests: pytest runs in a process of its own, in a project that knows nothing of ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., str]
"""Runs pytest on a test file's text, with these arguments; returns what it said, as long as the outcome is the expected one."""

HOST = '''
import asyncio, threading
from undying import Actor, Ask, ChildSpec, Message

class Totalled(Message, kind="host.totalled"):
    n: int

class Total(Ask[Totalled], kind="host.total"):
    pass

class Counter(Actor[Total]):
    def receive(self, message):
        return Totalled(n=0)

COUNTER = ChildSpec("counter", Counter)
'''


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The entry point is announced by hand, so that it is there whether or not we are installed."""
    announced = tmp_path / "site" / "announced-0.dist-info"
    announced.mkdir(parents=True)
    (announced / "METADATA").write_text("Metadata-Version: 2.1\nName: announced\nVersion: 0\n")
    (announced / "entry_points.txt").write_text("[pytest11]\nundying = undying.testing.plugin\n")
    project = tmp_path / "project"
    project.mkdir()
    (project / "host.py").write_text(HOST)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(announced.parent), *filter(None, sys.path)])}

    def run(test: str, *arguments: str, outcome: str = "1 passed") -> str:
        (project / "test_host.py").write_text(f"import pytest\nfrom host import *\n{test}")
        absent = [name for switch, name in (("no:asyncio", "pytest_asyncio"), ("no:looptime_plugin", "looptime")) if switch in arguments]
        for name in absent:
            (project / f"{name}.py").write_text("raise ImportError('not installed')")
        scope = () if "pytest_asyncio" in absent else ("-o", "asyncio_default_fixture_loop_scope=function")  # pytest-asyncio warns without
        command = [sys.executable, "-W", "error", "-m", "pytest", "-W", "error", "--strict-markers", "-p", "no:cacheprovider", *scope, *arguments]
        done = subprocess.run(command, env=env, cwd=project, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        said = done.stdout + done.stderr
        [last] = done.stdout.splitlines()[-1:] or [""]
        assert outcome in last and "warning" not in last, said
        return said

    return run


AUTO = ("-o", "asyncio_mode=auto")


def test_a_host_starts_a_tree_on_virtual_time(run: Run) -> None:
    run(
        '''
@pytest.mark.looptime
async def test(undying_tree):
    async with undying_tree(COUNTER) as running:
        running.delay("/counter", 3600)
        assert (await running.ask("/counter", Total(), timeout=4000)).n == 0
        assert asyncio.get_running_loop().time() >= 3600
''', *AUTO)  # fmt: skip


def test_in_pytest_asyncios_strict_mode_the_fixtures_are_the_same(run: Run) -> None:
    run(
        '''
@pytest.mark.asyncio
@pytest.mark.looptime
async def test(undying_tree, fake_provider, undying_leaks):
    async with undying_tree(COUNTER) as running:
        assert (await running.ask("/counter", Total())).n == 0
    assert fake_provider.base_url.startswith("http://127.0.0.1:")
''', "-o", "asyncio_mode=strict")  # fmt: skip


def test_the_fake_provider_listens_while_the_test_runs(run: Run) -> None:
    run(
        '''
import aiohttp

@pytest.mark.looptime
async def test(fake_provider):
    fake_provider.script("status/500")
    async with aiohttp.ClientSession() as client:
        for status in (500, 200):
            async with client.post(f"{fake_provider.base_url}/chat/completions", json={"model": "mock", "messages": []}) as answer:
                assert answer.status == status
    assert [call.outcome for call in fake_provider.calls] == ["faulted", "completed"]
''', *AUTO)  # fmt: skip


def test_the_plugins_of_aiohttp_and_of_looptime_get_along_with_it(run: Run) -> None:
    run(
        '''
from aiohttp import web

@pytest.mark.looptime
async def test(aiohttp_client, undying_tree):
    async with undying_tree(COUNTER) as running:
        async def total(request):
            return web.json_response({"n": (await running.ask("/counter", Total())).n})
        app = web.Application()
        app.router.add_get("/", total)
        client = await aiohttp_client(app)
        assert await (await client.get("/")).json() == {"n": 0}
        await client.close()
''', *AUTO, outcome="1 passed")  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- leak check


def test_what_a_test_leaves_is_named_with_a_loop_and_without(run: Run) -> None:
    said = run(
        '''
async def test_a_task(undying_leaks):
    asyncio.left = asyncio.get_running_loop().create_task(asyncio.sleep(3600), name="forgotten")

async def test_a_thread(undying_leaks):
    threading.Thread(target=threading.Event().wait, daemon=True, name="forgotten").start()

async def test_a_descriptor(undying_leaks):
    asyncio.left = open("left.txt", "wb")

@pytest.mark.usefixtures("undying_leaks")
def test_without_a_loop():
    threading.left = open("left too.txt", "wb")
''', *AUTO, "-p", "no:unraisableexception", outcome="4 failed")  # fmt: skip
    for told in (r"task 'forgotten' \(sleep\)", "thread 'forgotten'", r"descriptor .*left\.txt", r"descriptor .*left too\.txt"):
        assert re.search(rf"Leaked: left behind:\nE\s+{told}", said), told


def test_what_a_test_allows_may_be_left_and_what_is_about_to_end_is_no_leak(run: Run) -> None:
    run(
        '''
async def wait():
    try:
        await asyncio.sleep(3600)
    finally:
        for _ in range(10):
            await asyncio.sleep(0)

async def test(undying_leaks):
    undying_leaks.add("descriptors")
    asyncio.left = open("left.txt", "wb")
    asyncio.ended = asyncio.get_running_loop().create_task(asyncio.sleep(0))
    await asyncio.ended
    asyncio.ending = asyncio.get_running_loop().create_task(wait())
    await asyncio.sleep(0)
    asyncio.ending.cancel()
''', *AUTO)  # fmt: skip


def test_a_test_that_fails_by_itself_says_so_and_nothing_of_leaks(run: Run) -> None:
    said = run("def test(undying_leaks):\n    threading.left = open('left.txt', 'wb')\n    raise KeyError('of the test')", outcome="1 failed")
    assert "KeyError: 'of the test'" in said
    assert "Leaked" not in said


def test_what_a_fixture_opened_before_is_the_fixtures_to_close(run: Run) -> None:
    run(
        '''
@pytest.fixture
def opened():
    with open("held.txt", "wb") as file:
        yield file

def test(undying_leaks, opened):
    assert not opened.closed
''')  # fmt: skip


# --------------------------------------------------------------------------------------- when nobody wants it, or half is missing


def test_nothing_of_it_is_loaded_where_no_test_uses_it(run: Run) -> None:
    run(
        '''
import sys

def test():
    assert [name for name in sys.modules if name.startswith("undying.testing.")] == ["undying.testing.plugin", "undying.testing.async_fixtures"]
'''.replace("from host import *", ""))  # fmt: skip


WITHOUT_LOOPTIME = ("-p", "no:looptime_plugin", "-p", "no:looptime_chronometers", "-p", "no:looptime_timeproxies")
WITHOUT_ASYNCIO = (*WITHOUT_LOOPTIME, "-p", "no:asyncio", "-p", "no:aiohttp")  # looptime's plugin can't do without pytest-asyncio


def test_without_looptime_a_test_that_wants_virtual_time_says_what_to_install(run: Run) -> None:
    said = run("@pytest.mark.looptime\nasync def test():\n    pass", *AUTO, *WITHOUT_LOOPTIME, outcome="1 error")
    assert "@pytest.mark.looptime needs the package looptime: pip install 'undying[testing]'" in said


def test_without_pytest_asyncio_the_fake_provider_says_what_to_install(run: Run) -> None:
    said = run("def test(fake_provider):\n    pass", *WITHOUT_ASYNCIO, outcome="1 error")
    assert "fake_provider needs the package pytest-asyncio: pip install 'undying[testing]'" in said


def test_without_either_a_tree_runs_wherever_a_loop_does(run: Run) -> None:
    run(
        '''
def test(undying_tree, undying_leaks):
    async def talk():
        async with undying_tree(COUNTER) as running:
            return (await running.ask("/counter", Total())).n
    assert asyncio.run(talk()) == 0
''', *WITHOUT_ASYNCIO)  # fmt: skip


@pytest.mark.parametrize("how", ["option", "mark"])
def test_the_fake_provider_says_at_once_that_it_is_on_another_loop_than_the_test(run: Run, how: str) -> None:
    mark = "import pytest\npytestmark = pytest.mark.asyncio(loop_scope='module')\n" if how == "mark" else ""
    options = ["-o", "asyncio_default_test_loop_scope=module"] if how == "option" else []
    said = run(f"{mark}async def test(fake_provider):\n    pass", *options, outcome="1 error")
    assert "fake_provider needs a test with a loop of its own, this one's scope is module" in said
