"""pykka's actor with an asyncio task in place of the thread.

Owns nothing of the service: it is what pykka users know, on a loop. `AsyncioActor.start()` on a running loop runs the actor there;
without one, on a loop of its own in a daemon thread that all such actors share. Everything pykka promises of an actor type holds:
refs, proxies, registry, FIFO stop, errors of an ask return to the caller. Two things are new. Hooks, handlers and methods may be
coroutines; they are awaited, one at a time. And a blocking `get` on a running loop is refused, because it would wait for itself.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from inspect import iscoroutine
from typing import Any, TypeVar, cast

from pykka import Actor, ActorDeadError, ActorRef, ActorRegistry, Future, ThreadingFuture
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

T = TypeVar("T")
J = TypeVar("J")
M = TypeVar("M")
R = TypeVar("R")

logger = logging.getLogger("undying.runtime")

_BLOCKED = "a blocking wait on a running event loop would stop the loop it waits for: await the future instead"


class AsyncioFuture(ThreadingFuture[T]):
    """pykka's future, awaitable on a loop and blocking from other threads."""

    def __init__(self) -> None:
        super().__init__()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._sources: tuple[Future[Any], ...] | None = None

    def get(self, *, timeout: float | None = None) -> Any:
        """The value, or its exception raised; waits up to `timeout` seconds, except on a running loop, where it never waits."""
        if self._result is None and self._get_hook is None and _on_a_loop():
            raise RuntimeError(_BLOCKED)
        return super().get(timeout=timeout)

    def set(self, value: Any | None = None) -> None:
        """Sets the value and wakes everybody who waits."""
        super().set(value)
        self._wake()

    def set_exception(self, exc_info: Any = None) -> None:
        """Sets an exception (the one being handled by default) and wakes everybody who waits."""
        super().set_exception(exc_info)
        self._wake()

    def _wake(self) -> None:
        with self._condition:
            waiters, self._waiters = self._waiters, []
        for loop, waiter in waiters:
            with suppress(RuntimeError):  # that loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(_settle, waiter)

    def __await__(self) -> Generator[Any, None, T]:
        if not self._tells():  # a hook of somebody else's, or a future of another actor type, may block: never on the loop
            return cast(T, (yield from asyncio.get_running_loop().run_in_executor(None, self.get).__await__()))
        yield from self._until_set()
        return cast(T, self.get())

    def _tells(self) -> bool:
        """Whether it is known here when `get` need not wait: for what is set, and for map, filter, reduce and join of such."""
        if self._sources is None:
            return self._get_hook is None
        return all(isinstance(source, AsyncioFuture) and source._tells() for source in self._sources)

    def _until_set(self) -> Generator[Any, None, None]:
        if self._sources is not None:
            for source in self._sources:
                yield from cast(AsyncioFuture[Any], source)._until_set()
            return
        loop = asyncio.get_running_loop()
        with self._condition:
            if self._result is not None:
                return
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.append((loop, waiter))
        yield from waiter.__await__()

    __iter__ = __await__

    def filter(self: AsyncioFuture[Iterable[J]], func: Callable[[J], bool]) -> Future[Iterable[J]]:
        """See pykka."""
        return _made_of(super().filter(func), self)

    def join(self: AsyncioFuture[Any], *futures: Future[Any]) -> Future[Iterable[Any]]:
        """See pykka."""
        return _made_of(super().join(*futures), self, *futures)

    def map(self, func: Callable[[T], M]) -> Future[M]:
        """See pykka."""
        return _made_of(super().map(func), self)

    def reduce(self: AsyncioFuture[Iterable[J]], func: Callable[[R, J], R], *args: R) -> Future[R]:
        """See pykka."""
        return _made_of(super().reduce(func, *args), self)


def _made_of(future: Future[M], *sources: Future[Any]) -> Future[M]:
    assert isinstance(future, AsyncioFuture)
    future._sources = sources
    return future


def _on_a_loop() -> bool:
    return asyncio._get_running_loop() is not None


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class AsyncioInbox:
    """A FIFO that any thread may put into and one task takes from."""

    def __init__(self) -> None:
        self._envelopes: deque[Envelope[Any]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._then: Callable[[], None] | None = None

    def then(self, teardown: Callable[[], None]) -> None:
        """Nobody takes any more: a thread that had seen the actor alive may still put, and is told by this."""
        self._then = teardown

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on `take` waits on this loop."""
        self._loop = loop

    def put(self, envelope: Envelope[Any], /) -> None:
        """Appends; wakes the task."""
        self._envelopes.append(envelope)
        if self._loop is None:
            return
        if asyncio._get_running_loop() is self._loop:
            self._wake()
        else:
            self._loop.call_soon_threadsafe(self._wake)

    def get(self) -> Envelope[Any]:
        """The next envelope; the caller knows that there is one."""
        return self._envelopes.popleft()

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._envelopes

    async def take(self) -> Envelope[Any]:
        """The next envelope, as soon as there is one."""
        while not self._envelopes:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._envelopes.popleft()

    def _wake(self) -> None:
        if self._waiter is not None:
            _settle(self._waiter)
        if self._then is not None:
            self._then()


A = TypeVar("A", bound="AsyncioActor")


class AsyncioActorRef(ActorRef[A]):
    """pykka's ref; a blocking ask from a running loop is refused before it is sent."""

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """See pykka. On a loop: `await ref.ask(message, block=False)`."""
        if block and _on_a_loop():
            raise RuntimeError(f"{_BLOCKED}: await ref.ask(message, block=False)")
        return super().ask(message, block=block, timeout=timeout)

    def stop(self, *, block: bool = True, timeout: float | None = None) -> Any:
        """See pykka. On a loop: `await ref.stop(block=False)`."""
        if block and _on_a_loop():
            raise RuntimeError(f"{_BLOCKED}: await ref.stop(block=False)")
        return super().stop(block=block, timeout=timeout)


class AsyncioActor(Actor):
    """Subclass this as you would `pykka.ThreadingActor`; `on_start`, `on_receive`, `on_stop` and methods may be coroutines."""

    actor_inbox: AsyncioInbox

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._actor_ref = AsyncioActorRef(self)

    @staticmethod
    def _create_actor_inbox() -> AsyncioInbox:
        return AsyncioInbox()

    @staticmethod
    def _create_future() -> Future[Any]:
        return AsyncioFuture()

    def _start_actor_loop(self) -> None:
        loop = asyncio._get_running_loop() or _background_loop()
        self.actor_inbox.bind(loop)
        if asyncio._get_running_loop() is loop:
            self._run_in(loop)
        else:
            loop.call_soon_threadsafe(self._run_in, loop)

    def _run_in(self, loop: asyncio.AbstractEventLoop) -> None:
        self._task = loop.create_task(self._loop_as_task(), name=str(self))
        self._task.add_done_callback(self._gone)

    async def _loop_as_task(self) -> None:
        await self._guarded(self.on_start)
        while not self.actor_stopped.is_set():
            await self._handle(await self.actor_inbox.take())

    def _gone(self, _: asyncio.Task[None]) -> None:
        """Also when the loop cancels us, even before the first step: an actor that is gone answers nobody, and nobody must wait for it."""
        if not self.actor_stopped.is_set():
            ActorRegistry.unregister(self.actor_ref)
            self.actor_stopped.set()
        self._actor_loop_teardown()
        self.actor_inbox.then(self._actor_loop_teardown)

    async def _handle(self, envelope: Envelope[Any]) -> None:
        """pykka's rules: errors of an ask return to the caller, errors of a tell end the actor, what is no Exception ends all actors."""
        try:
            answer: Any = None
            if isinstance(envelope.message, _ActorStop):
                await self._stop_in_task()
            else:
                answer = self._handle_receive(envelope.message)
                if iscoroutine(answer):
                    answer = await answer
            if envelope.reply_to is not None:
                envelope.reply_to.set(answer)
        except asyncio.CancelledError:
            if envelope.reply_to is not None:
                envelope.reply_to.set_exception((ActorDeadError, ActorDeadError(f"{self.actor_ref} was cancelled"), None))
            raise
        except Exception:
            if envelope.reply_to is not None:
                logger.info("Exception returned from %s to caller:", self, exc_info=True)
                envelope.reply_to.set_exception()
            else:
                failure = sys.exc_info()
                self._handle_failure(*failure)
                await self._guarded(self.on_failure, *failure)
        except BaseException as error:
            logger.debug("%r in %s. Stopping all actors.", error, self)
            if envelope.reply_to is not None:
                envelope.reply_to.set_exception((ActorDeadError, ActorDeadError(f"{self.actor_ref} ended with {error!r}"), None))
            await self._stop_in_task()
            ActorRegistry.stop_all(block=False)

    async def _stop_in_task(self) -> None:
        ActorRegistry.unregister(self.actor_ref)
        self.actor_stopped.set()
        logger.debug("Stopped %s", self)
        await self._guarded(self.on_stop)

    async def _guarded(self, hook: Callable[..., Any], *args: Any) -> None:
        try:
            result = hook(*args)
            if iscoroutine(result):
                await result
        except Exception:
            self._handle_failure(*sys.exc_info())


_background: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None
_background_lock = threading.Lock()


def _background_loop() -> asyncio.AbstractEventLoop:
    """The loop for actors that are started where none runs; one for the process, in a daemon thread."""
    global _background
    with _background_lock:
        if _background is None or _background[0].is_closed():
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, name="asyncio-actors", daemon=True)
            thread.start()
            _background = (loop, thread)
        return _background[0]
