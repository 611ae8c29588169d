"""pykka's future, awaitable on a loop and blocking from other threads.

    set, set_exception --> result, once --> wakes everybody in `_waiters`: threads in `get`, tasks in `await`
    map, filter, reduce, join, stop --> a hook that computes the result from other futures, once, when somebody asks

One future is made for each ask, so making one costs nothing but the object: its fields are the class's until they change, and one lock
serves all of them. It is held for a few steps only, never while anybody waits or while somebody else's code runs.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

from pykka import Future, Timeout

T = TypeVar("T")
J = TypeVar("J")
M = TypeVar("M")
R = TypeVar("R")

BLOCKED = "a blocking wait on a running event loop would stop the loop it waits for: await the future instead"

running_loop = asyncio._get_running_loop  # None where none runs

_LOCK = threading.Lock()
_NOTHING: Any = object()


class AsyncioFuture(Future[T]):
    """See the module. What `get` promises in pykka holds here too; only on a running loop it never waits."""

    _result: tuple[Any, Any] | None = None  # the value, and the exception's info
    _waiters: tuple[Callable[[], None], ...] = ()
    _get_hook: Callable[[float | None], T] | None = None
    _hook_lock: threading.RLock | None = None
    _hooked: Any = _NOTHING  # what the hook returned
    _sources: tuple[Future[Any], ...] | None = None

    def __init__(self) -> None:
        """Nothing: see the class's own fields."""

    # ---- the result

    def set(self, value: Any | None = None) -> None:
        """Sets the value and wakes everybody who waits. Raises `queue.Full` when there is a result, or a hook, already."""
        self._settle((value, None))

    def set_exception(self, exc_info: Any = None) -> None:
        """Sets an exception (the one being handled by default) and wakes everybody who waits. Raises `queue.Full` as `set` does."""
        self._settle((None, sys.exc_info() if exc_info is None else exc_info))

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Has `get` compute the value by this function, once. Raises `queue.Full` when there is a result already."""
        with _LOCK:
            if self._result is not None:
                raise queue.Full
            self._hook_lock = threading.RLock()
            self._get_hook = func
            waiters, self._waiters = self._waiters, ()
        for wake in waiters:
            wake()

    def _settle(self, result: tuple[Any, Any]) -> None:
        with _LOCK:
            if self._result is not None or self._get_hook is not None:
                raise queue.Full
            self._result = result
            waiters = self._waiters
            if waiters:
                self._waiters = ()
        for wake in waiters:
            wake()

    # ---- waiting for it

    def get(self, *, timeout: float | None = None) -> Any:
        """The value, or its exception raised; waits up to `timeout` seconds, except on a running loop, where it never waits."""
        if self._result is None and self._get_hook is None:
            if running_loop() is not None:
                raise RuntimeError(BLOCKED)
            self._block(timeout)
        if self._result is None:
            return self._compute(timeout)
        value, exc_info = self._result
        if exc_info is None:
            return value
        kind, error, traceback = exc_info
        if error is None:
            error = kind()
        raise error if error.__traceback__ is traceback else error.with_traceback(traceback)

    def _compute(self, timeout: float | None) -> Any:
        assert self._get_hook is not None
        assert self._hook_lock is not None
        with self._hook_lock:
            if self._hooked is _NOTHING:
                self._hooked = self._get_hook(timeout)
            return self._hooked

    def _block(self, timeout: float | None) -> None:
        came = threading.Lock()
        came.acquire()
        if self._wait_with(came.release) and not came.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            self._wait_no_more(came.release)
            raise Timeout(f"{timeout} seconds")

    def __await__(self) -> Generator[Any, None, T]:
        if self._result is None and self._get_hook is None:
            yield from self._until_set()
        if self._get_hook is not None:
            if not self._tells():  # a hook of somebody else's, or a future of another actor type, may block: never on the loop
                return cast(T, (yield from asyncio.get_running_loop().run_in_executor(None, self.get).__await__()))
            yield from self._until_made()
        return cast(T, self.get())

    __iter__ = __await__

    def _until_set(self) -> Generator[Any, None, None]:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        wake = partial(_wake, loop, waiter)
        if self._wait_with(wake):
            try:
                yield from waiter
            finally:
                if waiter.cancelled():
                    self._wait_no_more(wake)

    def _until_made(self) -> Generator[Any, None, None]:
        """Until all that it is made of is set. What that is, an exception maybe, is the hook's to deal with."""
        for source in self._sources or ():
            assert isinstance(source, AsyncioFuture)
            yield from source._until_made()
            if source._get_hook is None:
                yield from source._until_set()

    def _tells(self) -> bool:
        """Whether it is known here when `get` need not wait: for what is set, and for what is made of such."""
        if self._sources is None:
            return self._get_hook is None
        return all(isinstance(source, AsyncioFuture) and source._tells() for source in self._sources)

    def _wait_with(self, wake: Callable[[], None]) -> bool:
        """Has `wake` called when there is a result; False when there is one."""
        with _LOCK:
            if self._result is not None or self._get_hook is not None:
                return False
            self._waiters = (*self._waiters, wake)
            return True

    def _wait_no_more(self, wake: Callable[[], None]) -> None:
        with _LOCK:
            self._waiters = tuple(waiting for waiting in self._waiters if waiting != wake)

    # ---- made of others

    def filter(self: AsyncioFuture[Iterable[J]], func: Callable[[J], bool]) -> Future[Iterable[J]]:
        """See pykka."""
        return made_of(super().filter(func), self)

    def join(self: AsyncioFuture[Any], *futures: Future[Any]) -> Future[Iterable[Any]]:
        """See pykka."""
        return made_of(super().join(*futures), self, *futures)

    def map(self, func: Callable[[T], M]) -> Future[M]:
        """See pykka."""
        return made_of(super().map(func), self)

    def reduce(self: AsyncioFuture[Iterable[J]], func: Callable[[R, J], R], *args: R) -> Future[R]:
        """See pykka."""
        return made_of(super().reduce(func, *args), self)


def made_of(future: Future[M], *sources: Future[Any]) -> Future[M]:
    """The future, which now knows what its hook waits for: so awaiting it needs no thread."""
    assert isinstance(future, AsyncioFuture)
    future._sources = sources
    return future


def _wake(loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[None]) -> None:
    if running_loop() is loop:
        if not waiter.done():
            waiter.set_result(None)
    else:
        with suppress(RuntimeError):  # that loop is closed: nobody waits there any more
            loop.call_soon_threadsafe(_set, waiter)


def _set(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
