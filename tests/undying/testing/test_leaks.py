"""Whatever is left behind is named, with whoever made it; whatever is about to end is given the time. On a real loop: threads and processes are real."""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.undying.testing.host import COUNTER, Add, Careless, Counter, Total, wait_for
from undying import ChildSpec, Port
from undying.testing import FakeProvider, Leaked, actor, leak_check, tree


@contextmanager
def leaking(*patterns: str) -> Iterator[None]:
    """The leak check in the body says each of these, and nothing else."""
    with pytest.raises(Leaked) as leaked:
        yield
    head, *lines = str(leaked.value).splitlines()
    assert head == "left behind:"
    assert len(lines) == len(patterns), lines
    for pattern in patterns:
        leaked.match(pattern)


async def end(task: asyncio.Task[None]) -> None:
    """Ends what a test had let leak."""
    task.cancel()
    await asyncio.wait([task])


async def test_a_tree_that_ends_in_order_leaves_nothing() -> None:
    async with leak_check(), tree(COUNTER, ChildSpec("careless", Careless)) as running:
        await running.ask("/counter", Total())


def started(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.PIPE)


# ------------------------------------------------------------------------------------------------------------------- tasks


@pytest.mark.looptime
async def test_a_task_that_an_actor_forgot_is_named_with_the_line_that_made_it() -> None:
    with leaking(r"task 'Task-\d+' \(wait_for\), waits at .*host\.py:\d+ in wait_for, made at .*host\.py:\d+ in Careless\.receive"):
        async with actor(Careless) as running:
            running.tell("/actor", Add(n=1))
    await end(asyncio.get_running_loop().forgotten)  # type: ignore[attr-defined]


@pytest.mark.looptime
async def test_a_leak_is_found_at_once_and_virtual_time_does_not_wait_for_it_to_end() -> None:
    now = asyncio.get_running_loop().time
    began = now()
    with leaking("wait_for"):
        async with actor(lambda: Careless(0.5)) as running:
            running.tell("/actor", Add(n=1))
    assert now() == began
    await end(asyncio.get_running_loop().forgotten)  # type: ignore[attr-defined]


@pytest.mark.looptime
async def test_a_task_that_refuses_to_end_is_given_five_seconds_and_named_with_its_actor() -> None:
    class Stubborn(Counter):
        def on_start(self) -> None:
            self.spawn(self.refuse(), "refusing")

        async def refuse(self) -> None:
            while not may_end.is_set():
                try:
                    await may_end.wait()
                except asyncio.CancelledError:
                    continue

    may_end = asyncio.Event()
    now = asyncio.get_running_loop().time
    with leaking(r"task '/actor:refusing' .* waits at .*test_leaks\.py:\d+ in .*Stubborn\.refuse, made at .*test_leaks\.py:\d+ in .*Stubborn\.on_start"):
        async with actor(Stubborn) as running:
            await running.settle()
    assert now() == pytest.approx(5.0)
    may_end.set()


@pytest.mark.looptime
async def test_a_task_that_the_kernel_made_for_an_actor_is_not_blamed_on_whoever_runs_the_loop() -> None:
    class Lingering(Counter):
        async def on_stop(self) -> None:
            with suppress(asyncio.CancelledError):
                await may_end.wait()
            await may_end.wait()

    may_end = asyncio.Event()
    with leaking(r"task '/actor:on_stop' .* waits at .*Lingering\.on_stop, made at .*runtime/cell\.py:\d+ in Cell\.own"):
        async with actor(Lingering, shutdown=1.0):
            pass
    may_end.set()


async def test_a_task_that_is_about_to_end_is_no_leak() -> None:
    async with leak_check():
        task = asyncio.get_running_loop().create_task(wait_for(3600))
        await asyncio.sleep(0)
        task.cancel()


# -------------------------------------------------------------------------------------------- threads, processes, descriptors


async def test_a_thread_is_named_with_the_function_that_it_runs() -> None:
    def work() -> None:
        may_end.wait()

    may_end = threading.Event()
    thread = threading.Thread(target=work, name="forgotten", daemon=True)
    with leaking(r"thread 'forgotten', runs .*test_leaks\.py:\d+ in .*work"):
        async with leak_check():
            thread.start()
    may_end.set()
    thread.join()


async def test_a_thread_that_is_about_to_end_is_waited_for_also_when_it_needs_the_loop() -> None:
    told: list[str] = []

    def work() -> None:
        may_end.wait()
        loop.call_soon_threadsafe(told.append, "ended")

    loop, may_end = asyncio.get_running_loop(), threading.Event()
    async with leak_check():
        threading.Thread(target=work, daemon=True).start()
        may_end.set()
    assert told == ["ended"]


async def test_the_loops_own_threads_are_no_leak() -> None:
    async with leak_check():
        assert await asyncio.to_thread(lambda: 1) == 1


async def test_a_child_process_is_named_with_its_command() -> None:
    with leaking(r"child process \d+: .*python.* -c input\(\)"):
        async with leak_check(may_leave=["descriptors"]):
            child = started(sys.executable, "-c", "input()")
    child.communicate(b"\n")


async def test_a_child_process_that_nobody_waited_for_is_a_leak_though_it_has_ended() -> None:
    with leaking(r"child process \d+: ended, but nobody waited for it"):
        async with leak_check(may_leave=["descriptors"]):
            child = started("/bin/sh", "-c", "exit 0")
    child.communicate()


async def test_what_pythons_multiprocessing_keeps_for_itself_is_no_leak() -> None:
    async with leak_check():
        child = multiprocessing.get_context("spawn").Process(target=int)
        child.start()
        await asyncio.to_thread(child.join)
        child.close()


async def test_a_descriptor_is_named_with_the_file_or_socket_that_holds_it(tmp_path: Path) -> None:
    with leaking(r"descriptor \d+: <.*left\.txt.*>", r"descriptor \d+: <socket\.socket .*laddr=\('127\.0\.0\.1', \d+\)"):
        async with leak_check():
            file = (tmp_path / "left.txt").open("wb", buffering=0)
            sock = socket.create_server(("127.0.0.1", 0))
    file.close()
    sock.close()


async def test_a_closed_file_and_a_closed_socket_are_no_leak() -> None:
    async with leak_check(), FakeProvider() as fake:
        with tempfile.TemporaryFile(), socket.create_connection(("127.0.0.1", fake.port)):
            assert fake.calls == []


# ------------------------------------------------------------------------------------------------- addresses, asks, complaints


async def test_an_address_that_was_not_given_up_is_named_with_what_it_is() -> None:
    with leaking(r"address /ports/\d+ \(Port\)"):
        async with tree(COUNTER) as running:
            Port(running.system).open()


class Silent(Port):
    """Takes asks and forgets them."""

    def deliver(self, envelope: object) -> None:
        return None


async def test_an_ask_that_nobody_will_answer_is_named() -> None:
    with leaking(r"an open ask to /silent/\d+"):
        async with tree(COUNTER) as running, Silent(running.system, prefix="/silent") as silent:
            running.ask(silent.address, Total()).add_done_callback(lambda _: None)


async def test_what_the_loop_complains_of_is_a_failure() -> None:
    def broken() -> None:
        raise ValueError("broken callback")

    with leaking(r"the loop complained: Exception in callback .*broken.*: ValueError\('broken callback'\)"):
        async with tree(COUNTER):
            asyncio.get_running_loop().call_soon(broken)


async def test_the_loop_is_left_as_it_was_found() -> None:
    loop = asyncio.get_running_loop()
    complaints: list[object] = []

    def handler(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        complaints.append(context)

    loop.set_exception_handler(handler)
    factory = loop.get_task_factory()
    async with tree(COUNTER), leak_check():
        assert loop.get_exception_handler() is not handler
    assert loop.get_exception_handler() is handler
    assert loop.get_task_factory() is factory


# ----------------------------------------------------------------------------------------------------------- how it is told


async def test_a_test_that_fails_fails_with_its_own_error_and_the_leak_is_a_note_on_it() -> None:
    async def failing() -> None:
        async with tree(COUNTER) as running:
            Port(running.system, prefix="/left").open()
            raise KeyError("of the test")

    with pytest.raises(KeyError) as failed:
        await failing()
    [note] = failed.value.__notes__
    assert note.startswith("left behind:\n  address /left/")


async def test_what_may_be_left_is_said_by_its_kind_and_a_wrong_kind_is_refused() -> None:
    for started_with in (tree(COUNTER, may_leave=["descriptors"]), actor(Counter, may_leave=["descriptors"])):
        async with started_with:
            left = socket.socket()
        left.close()
    with pytest.raises(ValueError, match="may_leave: sockets, must be of tasks, threads, processes, descriptors"):
        leak_check(may_leave=["sockets"])  # type: ignore[list-item]
