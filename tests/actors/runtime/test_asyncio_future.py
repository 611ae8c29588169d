"""pykka's future, awaited on a loop and waited for in a thread."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pykka import Future, ThreadingFuture, Timeout, get_all

from actors.runtime.asyncio_future import AsyncioFuture

PATIENCE = 10.0


def later(act: Callable[[], None]) -> None:
    """Does it in the loop's next turn."""
    asyncio.get_running_loop().call_soon(act)


async def test_it_can_be_awaited_before_and_after_it_is_set_and_more_than_once() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    later(lambda: future.set(7))
    assert [await future, await future] == [7, 7]
    assert future.get() == 7


async def test_many_can_await_the_same_one_and_one_of_them_may_give_up() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()

    async def wait() -> int:
        return await future

    waiting = [asyncio.ensure_future(wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    later(lambda: future.set(7))
    assert await asyncio.gather(*waiting[1:]) == [7, 7]
    assert waiting[0].cancelled()


async def test_an_exception_that_was_set_is_raised() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()

    def fail() -> None:
        try:
            raise LookupError("nowhere")
        except LookupError:
            future.set_exception()

    later(fail)
    for _ in range(2):
        with pytest.raises(LookupError, match="nowhere"):
            await future


async def test_it_is_set_once() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    future.set(1)
    with pytest.raises(queue.Full):
        future.set(2)
    with pytest.raises(queue.Full):
        future.set_exception((LookupError, LookupError(), None))
    with pytest.raises(queue.Full):
        future.set_get_hook(lambda _: 3)
    assert await future == 1


async def test_a_blocking_get_on_a_running_loop_is_refused_unless_there_is_nothing_to_wait_for() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    for wait in (future.get, future.map(lambda n: n).get):
        with pytest.raises(RuntimeError, match="await the future instead"):
            wait(timeout=1.0)
    future.set(7)
    assert (future.get(), future.map(lambda n: n + 1).get()) == (7, 8)


async def test_a_thread_can_set_it_and_the_loop_is_woken() -> None:
    future: AsyncioFuture[str] = AsyncioFuture()
    thread = threading.Thread(target=lambda: future.set("from a thread"))
    later(thread.start)
    assert await future == "from a thread"
    thread.join()


async def test_a_thread_can_wait_for_it() -> None:
    future: AsyncioFuture[str] = AsyncioFuture()
    mapped = future.map(str.upper)
    waiting = [asyncio.ensure_future(asyncio.to_thread(each.get, timeout=PATIENCE)) for each in (future, mapped)]
    later(lambda: future.set("hello"))
    assert [await one for one in waiting] == ["hello", "HELLO"]


def test_without_a_loop_it_is_pykkas_future() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    with pytest.raises(Timeout):
        future.get(timeout=0)
    other: AsyncioFuture[int] = AsyncioFuture()
    future.set(1)
    other.set(2)
    assert get_all([future, other]) == [1, 2]
    assert isinstance(future, Future)


async def test_map_filter_reduce_and_join_can_be_awaited_before_their_sources_are_there() -> None:
    numbers: AsyncioFuture[Any] = AsyncioFuture()
    other: AsyncioFuture[Any] = AsyncioFuture()
    made: list[Future[Any]] = [
        numbers.map(len), numbers.filter(lambda n: n > 1), numbers.reduce(lambda a, b: a + b), numbers.reduce(lambda a, b: a + b, 100),
        numbers.join(other), numbers.map(len).map(str).join(other),
    ]  # fmt: skip
    later(lambda: numbers.set([1, 2, 3]))
    later(lambda: other.set("x"))
    assert [await future for future in made] == [3, [2, 3], 6, 106, [[1, 2, 3], "x"], ["3", "x"]]


async def test_what_is_made_of_a_failed_future_fails_likewise() -> None:
    source: AsyncioFuture[Any] = AsyncioFuture()
    mapped = source.map(len)
    later(lambda: source.set_exception((LookupError, LookupError("nowhere"), None)))
    with pytest.raises(LookupError, match="nowhere"):
        await mapped
    with pytest.raises(LookupError, match="nowhere"):
        await mapped.map(str)


async def test_an_error_in_the_mapping_is_raised_and_the_mapping_is_made_once_when_it_succeeds() -> None:
    calls: list[int] = []
    source: AsyncioFuture[int] = AsyncioFuture()
    source.set(0)
    with pytest.raises(ZeroDivisionError):
        await source.map(lambda n: 1 / n)
    mapped = source.map(calls.append)
    await mapped
    await mapped
    assert calls == [0]


async def test_a_get_hook_may_block_and_never_blocks_the_loop() -> None:
    turn = threading.Event()
    future: AsyncioFuture[Any] = AsyncioFuture()
    mapped = future.map(lambda value: f"{value}!")
    future.set_get_hook(lambda _: (turn.wait(PATIENCE), threading.current_thread() is threading.main_thread()))
    later(turn.set)  # it would never come if the hook held up the loop
    assert await future == (True, False)
    assert await mapped == "(True, False)!"


async def test_joining_a_future_of_another_actor_type_does_not_block_the_loop() -> None:
    ours: AsyncioFuture[int] = AsyncioFuture()
    theirs: ThreadingFuture[int] = ThreadingFuture()
    joined = ours.join(theirs)
    later(lambda: ours.set(1))
    later(lambda: theirs.set(2))
    assert await joined == [1, 2]


def test_a_waiter_whose_loop_is_closed_hurts_nobody_who_sets() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()

    async def wait() -> None:
        await future

    loop = asyncio.new_event_loop()
    task = loop.create_task(wait())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert len(future._waiters) == 1
    future.set(7)
    assert future.get() == 7
    task.get_coro().close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]


async def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(future, 0)
    for _ in range(3):
        waiting = asyncio.ensure_future(future)
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    with pytest.raises(Timeout, match="0 seconds"):
        await asyncio.to_thread(future.get, timeout=0)
    assert future._waiters == ()


async def test_it_can_be_set_in_the_moment_in_which_somebody_gives_up_and_then_knows_nobody() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    waiting = [asyncio.ensure_future(future) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    future.set(7)
    assert future._waiters == ()
    assert await waiting[1] == 7
    await asyncio.wait(waiting)
    assert waiting[0].cancelled()


async def test_what_is_made_of_what_is_made_waits_for_the_first_of_them() -> None:
    source: AsyncioFuture[Any] = AsyncioFuture()
    made = asyncio.ensure_future(source.map(len).map(str))
    await asyncio.sleep(0)
    later(lambda: source.set([1, 2, 3]))
    assert await made == "3"


async def test_only_one_of_many_threads_that_set_it_succeeds() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    together = threading.Barrier(4)

    def attempt(n: int) -> bool:
        together.wait(PATIENCE)
        try:
            future.set(n)
        except queue.Full:
            return False
        return True

    done = await asyncio.gather(*(asyncio.to_thread(attempt, n) for n in range(4)))
    assert done.count(True) == 1
    assert await future == done.index(True)


async def test_a_hook_is_called_once_with_the_timeout_by_however_many_threads_ask() -> None:
    calls: list[float | None] = []
    future: AsyncioFuture[str] = AsyncioFuture()
    together = threading.Barrier(3)

    def hook(timeout: float | None) -> str:
        calls.append(timeout)
        for _ in range(1000):
            os.sched_yield()  # any other thread may come in
        return "hooked"

    def get() -> str:
        together.wait(PATIENCE)
        return str(future.get(timeout=PATIENCE))

    future.set_get_hook(hook)
    assert await asyncio.gather(*(asyncio.to_thread(get) for _ in range(3))) == ["hooked"] * 3
    assert calls == [PATIENCE]
    with pytest.raises(queue.Full):
        future.set(1)


async def test_a_hook_that_comes_while_somebody_waits_is_what_he_gets() -> None:
    future: AsyncioFuture[str] = AsyncioFuture()
    thread = asyncio.ensure_future(asyncio.to_thread(future.get, timeout=PATIENCE))
    task = asyncio.ensure_future(future)
    while len(future._waiters) < 2:  # noqa: ASYNC110 - a future tells nobody that somebody waits
        await asyncio.sleep(0)
    future.set_get_hook(lambda _: "hooked")
    assert [await thread, await task] == ["hooked", "hooked"]


def test_an_exception_info_without_an_instance_is_raised_as_its_type() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    future.set_exception((LookupError, None, None))
    with pytest.raises(LookupError):
        future.get()


async def test_pykkas_get_all_takes_what_is_set_and_is_refused_where_it_would_wait() -> None:
    futures: list[AsyncioFuture[int]] = [AsyncioFuture() for _ in range(3)]
    with pytest.raises(RuntimeError, match="await the future instead"):
        get_all(futures)
    for n, future in enumerate(futures):
        future.set(n)
    assert get_all(futures, timeout=0) == [0, 1, 2]


async def test_a_future_can_be_waited_for_by_all_that_asyncio_offers() -> None:
    futures: list[AsyncioFuture[int]] = [AsyncioFuture() for _ in range(3)]
    for n, future in enumerate(futures):
        later(lambda n=n, future=future: future.set(n))  # type: ignore[misc]
    assert await asyncio.gather(*futures) == [0, 1, 2]
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.wait_for(futures[1].map(str), PATIENCE) == "1"
