"""What is replayed reaches nobody, and always comes to an end."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from actors.runtime.sandbox import NoNetwork, Unfinished, run_in_sandbox
from messages.supervision import Crash
from tests.actors.runtime.test_replay import again
from tests.actors.runtime.trees import Worker
from tests.actors.runtime.victims import Fugitive, Launcher, Patient, Stubborn, crash_of
from tests.actors.runtime.vocabulary import Break, Go


async def test_nothing_in_the_sandbox_reaches_the_network(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Fugitive, Go())
    assert "ConnectionRefusedError" in crash.head.traceback  # outside it was a port where nobody listens
    replayed = await again(crash, Fugitive)
    assert isinstance(replayed.error, LookupError) and str(replayed.error) == "NoNetwork"


async def test_nothing_in_the_sandbox_starts_a_program(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Launcher, Go(), Crash())
    assert isinstance((await again(crash, Launcher)).error, NoNetwork)


async def test_outside_the_sandbox_everything_is_as_before() -> None:
    async def nothing() -> None:
        pass

    await asyncio.to_thread(run_in_sandbox, nothing, 5.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, writer = await asyncio.open_connection(*server.getsockname())
        writer.close()
        await writer.wait_closed()


async def test_threads_that_the_sandbox_starts_reach_nobody_either() -> None:
    async def look_up() -> None:
        await asyncio.get_running_loop().getaddrinfo("localhost", 80)

    with pytest.raises(NoNetwork):
        await asyncio.to_thread(run_in_sandbox, look_up, 5.0)


async def test_the_sandboxs_clock_jumps_from_timer_to_timer() -> None:
    async def wait() -> list[float]:
        loop, seen = asyncio.get_running_loop(), []
        for _ in range(100):
            await asyncio.sleep(3600)
            seen.append(loop.time())
        return seen

    assert await asyncio.to_thread(run_in_sandbox, wait, 10.0) == pytest.approx([3600.0 * hour for hour in range(1, 101)])


async def test_work_in_a_thread_is_waited_for_before_the_clock_jumps() -> None:
    async def work() -> int:
        async with asyncio.timeout(1.0):
            return await asyncio.to_thread(sum, range(1_000_000))

    assert await asyncio.to_thread(run_in_sandbox, work, 10.0)


async def test_a_replay_that_takes_too_long_is_ended_and_says_so(tmp_path: Path) -> None:
    class Restless(Patient):
        def _crash(self) -> None:
            self.after(0.0, self._crash)

        def receive(self, message: Go) -> None:
            self._crash()

    replayed = await again(await crash_of(tmp_path, Patient, Go(), Crash()), Restless, limit=0.2)
    assert replayed.verdict == "impossible" and "not done within 0.2 s" in replayed.doubts[0]


async def test_work_that_never_waits_for_anything_is_ended_by_real_time() -> None:
    async def spin() -> None:
        loop = asyncio.get_running_loop()

        def again() -> None:
            loop.call_soon(again)

        again()
        await loop.create_future()

    with pytest.raises(Unfinished):
        await asyncio.to_thread(run_in_sandbox, spin, 0.1)


async def test_an_actor_that_ends_the_program_ends_the_sandbox_only(tmp_path: Path) -> None:
    class Quitter(Worker):
        def receive(self, message: Any) -> Any:
            raise SystemExit(3)

    replayed = await again(await crash_of(tmp_path, Worker, Break()), Quitter)
    assert replayed.verdict == "impossible" and "ended the program, with 3" in replayed.doubts[0]


async def test_an_endless_loop_is_left_to_its_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash = await crash_of(tmp_path, Stubborn, Go())
    monkeypatch.setattr(Stubborn, "forever", True)
    replaying = asyncio.create_task(again(crash, Stubborn, limit=0.1))
    replayed = await replaying
    monkeypatch.setattr(Stubborn, "forever", False)  # lets the thread go
    assert replayed.verdict == "impossible" and any("never gave up its thread" in doubt for doubt in replayed.doubts)


async def test_a_replay_leaves_no_thread_behind(tmp_path: Path) -> None:
    crash = await crash_of(tmp_path, Worker, Break())
    await again(crash, Worker)
    for thread in threading.enumerate():
        if thread.name.startswith("undying-sandbox"):
            thread.join(5)
            assert not thread.is_alive()
