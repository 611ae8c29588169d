"""Who blocks the loop is named: on the spot by a thread, and as a decision when the loop runs again. On a real loop: time really passes.

No actor here sleeps: each blocks the loop until the watchdog has seen it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime import watchdog as module
from actors.runtime.supervised import SupervisedActor
from actors.runtime.watchdog import OWN, Lags, Watchdog, place
from messages.supervision import Decision
from supervisors.spec import ChildSpec
from tests.actors.runtime.trees import Tree, growing
from tests.actors.runtime.vocabulary import Break, Echo, Go, Heard

LIMIT = 20.0
SHORT = 0.02


class Log:
    """What the watchdog's thread logs, and the event of its first line."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.written = threading.Event()

    def __call__(self, _: Any, level: str, line: Any) -> Any:
        self.lines.append({**line, "level": level, "thread": threading.current_thread().name})
        self.written.set()
        raise structlog.DropEvent


class Blocking(SupervisedActor[Go | Echo | Break]):
    """Keeps the loop until the watchdog has written a line: in its turn, or in a task."""

    def __init__(self, seen: threading.Event) -> None:
        super().__init__()
        self.seen = seen

    def receive(self, message: Go | Echo | Break) -> Heard | None:
        match message:
            case Go():
                self.spawn(self.work(), "work")
            case Break():
                self.block()
                raise ValueError(message.detail)
            case Echo():
                self.block()
                return Heard(text=message.text)
        return None

    async def work(self) -> None:
        self.block()

    def block(self) -> None:
        assert self.seen.wait(LIMIT), "nobody saw it"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()
    monkeypatch.setattr(module, "logger", structlog.wrap_logger(structlog.PrintLogger(), processors=[log]))
    return log


@contextmanager
def watching(tree: Tree, limit: float = SHORT) -> Iterator[Watchdog]:
    watchdog = Watchdog(tree.system, limit)
    try:
        yield watchdog
    finally:
        watchdog.stop()
    assert "undying-watchdog" not in {thread.name for thread in threading.enumerate()}


@asynccontextmanager
async def blocked(log: Log) -> AsyncIterator[Tree]:
    async with growing(ChildSpec("a", lambda: Blocking(log.written))) as tree:
        with watching(tree):
            yield tree


async def the_block(tree: Tree) -> Decision:
    """The first decision "blocked", as soon as it is there."""
    found: asyncio.Future[Decision] = tree.system.loop.create_future()

    def look(decision: Decision) -> None:
        if decision.event == "blocked" and not found.done():
            found.set_result(decision)

    tree.system.listeners.append(look)
    await asyncio.sleep(0)  # what was published before this listener came is in the events now
    for decision in tree.events:
        look(decision)
    async with asyncio.timeout(LIMIT):
        return await found


# ---- who it was


async def test_an_actor_that_blocks_in_its_turn_is_named_with_its_message_and_its_line(log: Log) -> None:
    async with blocked(log) as tree:
        assert (await tree.system.ask("/a", Echo(text="done"))).text == "done"
        decision = await the_block(tree)
    line = log.lines[0]
    assert (line["by"], line["what"], line["level"], line["thread"]) == ("/a", "test.echo", "warning", "undying-watchdog")
    assert line["where"].endswith(" in block") and "tests/actors/runtime/test_watchdog.py:" in line["where"] and line["ms"] >= 20
    assert (decision.address, decision.incarnation, decision.delay_ms >= 20) == ("/a", 1, True)
    assert f"for {decision.delay_ms} ms in test.echo at " in decision.detail and line["where"] in decision.detail


async def test_it_is_logged_while_the_loop_is_still_blocked(log: Log) -> None:
    async with blocked(log) as tree:
        answer = tree.system.ask("/a", Echo(text="done"))
        await answer  # the actor answers only because a line was written meanwhile: see `block`
    assert log.lines[0]["by"] == "/a"


async def test_an_owned_task_that_blocks_is_named_by_its_actor(log: Log) -> None:
    async with blocked(log) as tree:
        tree.system.tell("/a", Go())
        decision = await the_block(tree)
    assert (decision.address, log.lines[0]["by"], log.lines[0]["what"]) == ("/a", "/a", "its task 'work'")
    assert "in its task 'work' at " in decision.detail


async def test_a_task_of_nobody_is_told_by_its_name_and_its_place(log: Log) -> None:
    async def foreign() -> None:
        assert log.written.wait(LIMIT)

    async with blocked(log) as tree:
        await asyncio.create_task(foreign(), name="stranger")
        decision = await the_block(tree)
    assert decision.address == "/" and "the task 'stranger'" in decision.detail and "in foreign" in decision.detail


async def test_a_callback_that_blocks_is_told_by_its_place(log: Log) -> None:
    async with blocked(log) as tree:
        tree.system.loop.call_soon(log.written.wait, LIMIT)
        decision = await the_block(tree)
    assert decision.address == "/" and "in a callback at " in decision.detail


async def test_one_block_is_one_decision(log: Log) -> None:
    async with growing(ChildSpec("a", lambda: Blocking(log.written))) as tree:
        with watching(tree) as watchdog:
            await tree.system.ask("/a", Echo(text="done"))
            await the_block(tree)
            await after_the_last_ping(watchdog)
    assert tree.trail("blocked") == ["blocked /a"]


async def test_an_actor_that_blocks_and_then_crashes_is_still_named(log: Log) -> None:
    async with blocked(log) as tree:
        tree.system.tell("/a", Break())
        decision = await the_block(tree)
    assert decision.address == "/a" and "in test.break at " in decision.detail


async def test_a_long_turn_is_told_without_the_threads_help(log: Log) -> None:
    async with growing(ChildSpec("a", lambda: Blocking(log.written))) as tree:
        log.written.set()  # nobody blocks
        with watching(tree, limit=LIMIT):  # the thread sees nothing in so short a time
            tree.system.turn_limit = 0.0
            await tree.system.ask("/a", Echo(text="x"))
            tree.system.turn_limit = LIMIT
            decision = await the_block(tree)
    blocks = [event for event in tree.events if event.event == "blocked" and event.address == "/a"]
    assert blocks and blocks[0].detail.endswith("in test.echo") and decision.event == "blocked" and log.lines == []


async def test_without_a_watchdog_no_turn_is_too_long() -> None:
    async with growing(ChildSpec("a", lambda: Blocking(seen()))) as tree:
        await tree.system.ask("/a", Echo(text="x"))
        await asyncio.sleep(0)
        assert tree.trail("blocked") == []


async def test_a_block_that_goes_on_is_logged_again_ten_times_later(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = threading.Event()

    def note(line: Any) -> None:
        if len(log.lines) == 2:
            twice.set()

    async with growing(ChildSpec("a", lambda: Blocking(twice))) as tree:
        monkeypatch.setattr(log.written, "set", lambda: note(None))
        with watching(tree, limit=0.005):
            await tree.system.ask("/a", Echo(text="x"))
    assert [line["by"] for line in log.lines[:2]] == ["/a", "/a"] and log.lines[1]["ms"] >= 50


async def test_a_loop_that_was_closed_ends_the_thread() -> None:
    def on_a_loop_of_its_own() -> threading.Thread:
        async def start() -> threading.Thread:
            async with growing(may_leave=["threads"]) as tree:
                return Watchdog(tree.system, SHORT)._thread

        return asyncio.run(start())

    thread = await asyncio.to_thread(on_a_loop_of_its_own)
    await asyncio.to_thread(thread.join, LIMIT)
    assert not thread.is_alive()


# ---- the lag


async def test_the_lag_of_the_loop_is_measured(log: Log) -> None:
    async with growing(ChildSpec("a", lambda: Blocking(log.written))) as tree:
        with watching(tree) as watchdog:
            assert watchdog.figures() == {"max": 0.0, "p99": 0.0}
            await tree.system.ask("/a", Echo(text="x"))
            await after_the_last_ping(watchdog)
            assert watchdog.figures()["max"] >= 20


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), max_size=200))
def test_the_figures_are_those_of_the_last_minute(measured: list[tuple[float, float]]) -> None:
    lags = Lags(window=60.0)
    for at, lag in sorted(measured):
        lags.add(at, lag)
    recent = sorted(lag for at, lag in measured if at >= 40.0)
    figures = lags.figures(100.0)
    assert figures["max"] == (round(recent[-1] * 1000, 2) if recent else 0.0)
    assert figures["p99"] <= figures["max"]
    below = [lag for lag in recent if round(lag * 1000, 2) <= figures["p99"]]
    assert len(below) >= 0.99 * len(recent)


def test_one_block_in_a_minute_shows_as_the_highest_and_not_in_the_percentile() -> None:
    lags = Lags()
    for n in range(400):
        lags.add(n / 8, 2.0 if n == 7 else 0.001)
    assert lags.figures(50.0) == {"max": 2000.0, "p99": 1.0}


# ---- where it was


@pytest.mark.parametrize(
    ("stack", "where"),
    [
        ([("/lib/x.py", 1, "f")], "/lib/x.py:1 in f"),
        ([(threading.__file__, 1, "wait"), (str(OWN / "actors/router/actor.py"), 55, "receive")], "actors/router/actor.py:55 in receive"),
        ([(str(OWN / "actors/runtime/cell.py"), 9, "turn"), ("/home/me/app/own.py", 3, "receive")], "/home/me/app/own.py:3 in receive"),
        ([("<frozen codecs>", 1, "decode"), ("/home/me/app/own.py", 3, "receive")], "/home/me/app/own.py:3 in receive"),
        ([(str(OWN / ".venv/lib/python3.11/site-packages/x/y.py"), 1, "f"), (str(OWN / "actors/router/actor.py"), 2, "g")], "actors/router/actor.py:2 in g"),
        ([(threading.__file__, 7, "run")], f"{threading.__file__}:7 in run"),
        ([], ""),
    ],
)  # fmt: skip
def test_the_innermost_frame_of_somebodys_own_code_is_named(stack: list[tuple[str, int, str]], where: str) -> None:
    assert place(stack) == where


def seen() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


async def after_the_last_ping(watchdog: Watchdog) -> None:
    """Everything that the thread has sent to the loop has been done."""
    watchdog.stop()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
