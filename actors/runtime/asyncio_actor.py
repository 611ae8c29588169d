"""pykka's actor on asyncio's loop in place of a thread.

Owns nothing of the service: it is what pykka users know, on a loop. `AsyncioActor.start()` on a running loop runs the actor there;
without one, on a loop of its own in a daemon thread that all such actors share. Everything pykka promises of an actor type holds:
refs, proxies, registry, FIFO stop, errors of an ask return to the caller. Two things are new. Hooks, handlers and methods may be
coroutines; they are awaited, one at a time. And a blocking `get` on a running loop is refused, because it would wait for itself.

    put --call_soon--> _turn: messages are handled, one after the other    (what needs no `await` costs no task a step)
                         | a coroutine to be awaited, a stop, an error
                         v
                       _live, the actor's task: awaits it, then _turn goes on

The task is there from start to end: whoever cancels it, as a loop does that ends, ends the actor.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from inspect import iscoroutine
from types import CoroutineType
from typing import Any, ClassVar, NoReturn, TypeVar

from pykka import Actor, ActorDeadError, ActorRef, ActorRegistry, Future
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from actors.runtime.asyncio_future import BLOCKED, AsyncioFuture, made_of, running_loop

BATCH = 64  # messages handled before the loop gets its turn

logger = logging.getLogger("undying.runtime")


class AsyncioInbox:
    """A FIFO that any thread may put into and one loop takes from: each put wakes the actor, unless it is about to look anyway."""

    def __init__(self) -> None:
        self.envelopes: deque[Envelope[Any]] = deque()
        self.awake = True  # until the actor runs; the flag falls before the actor looks, so what is put after that wakes it again
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self, loop: asyncio.AbstractEventLoop, look: Callable[[], None], lost: Callable[[], None]) -> None:
        """From now on a put has `look` called on that loop, in a context of the actor's own; `lost`, at once, when the loop is closed."""
        self._loop, self._look, self._lost = loop, look, lost
        self._context = copy_context()

    def put(self, envelope: Envelope[Any], /) -> None:
        """Appends; wakes the actor."""
        self.envelopes.append(envelope)
        if not self.awake:
            self.wake()

    def wake(self) -> None:
        """Has the actor look, soon."""
        loop = self._loop
        assert loop is not None
        self.awake = True
        if running_loop() is loop:
            loop.call_soon(self._look, context=self._context)
        elif loop.is_closed():
            self._lost()
        else:
            loop.call_soon_threadsafe(self._look, context=self._context)

    def task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """A task on the same loop, in the same context."""
        assert self._loop is not None
        return self._loop.create_task(work, name=name, context=self._context)

    def get(self) -> Envelope[Any]:
        """The next envelope; the caller knows that there is one."""
        return self.envelopes.popleft()

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self.envelopes


A = TypeVar("A", bound="AsyncioActor")
Begun = tuple[Envelope[Any], Coroutine[Any, Any, Any]]


class AsyncioActorRef(ActorRef[A]):
    """pykka's ref; a blocking ask from a running loop is refused before it is sent."""

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """See pykka. On a loop: `await ref.ask(message, block=False)`."""
        if block and running_loop() is not None:
            raise RuntimeError(f"{BLOCKED}: await ref.ask(message, block=False)")
        future: AsyncioFuture[Any] = AsyncioFuture()
        if not self.actor_stopped.is_set():
            self.actor_inbox.put(Envelope(message, future))
        else:
            future.set_exception((ActorDeadError, ActorDeadError(f"{self} not found"), None))
        return future.get(timeout=timeout) if block else future

    def stop(self, *, block: bool = True, timeout: float | None = None) -> Any:
        """See pykka. On a loop: `await ref.stop(block=False)`."""
        if block and running_loop() is not None:
            raise RuntimeError(f"{BLOCKED}: await ref.stop(block=False)")
        stopped = self.ask(_ActorStop(), block=False)

        def was_alive(timeout: float | None) -> bool:
            try:
                stopped.get(timeout=timeout)
            except ActorDeadError:
                return False
            return True

        answer: AsyncioFuture[bool] = AsyncioFuture()
        answer.set_get_hook(was_alive)
        made_of(answer, stopped)
        return answer.get(timeout=timeout) if block else answer


class AsyncioActor(Actor):
    """Subclass this as you would `pykka.ThreadingActor`; `on_start`, `on_receive`, `on_stop` and methods may be coroutines."""

    use_daemon_thread: ClassVar[bool] = True
    """Whether the program may end while this actor lives. False counts for actors on the shared loop: one on a loop of yours ends with it."""

    actor_inbox: AsyncioInbox
    _idle: asyncio.Future[Begun] | None = None  # set while the task waits for work
    _begun: Begun | None = None  # what the task works on, or is about to
    _ended: threading.Event | None = None
    _over = False

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
        running = running_loop()
        loop = running or _background_loop()
        self.actor_inbox.bind(loop, self._turn, self._lost)
        if running is not None:
            self._run()
            return
        if not self.use_daemon_thread:
            self._ended = threading.Event()
            threading.Thread(target=self._ended.wait, name=f"{self} keeps the program alive").start()
        loop.call_soon_threadsafe(self._run)

    # ---- on the loop

    def _run(self) -> None:
        self._task = self.actor_inbox.task(self._live(), str(self))
        self._task.add_done_callback(self._gone)

    def _turn(self) -> None:
        """Handles what waits, until there is something for the task."""
        inbox = self.actor_inbox
        idle = self._idle
        if self._over:
            inbox.awake = False
            self._actor_loop_teardown()
            return
        if idle is None or idle.done():
            return  # the task is at work; when that is done, it has us look again
        inbox.awake = False
        envelopes = inbox.envelopes
        for _ in range(BATCH):
            if not envelopes:
                return
            envelope = envelopes.popleft()
            try:
                message = envelope.message  # pykka's own messages are tuples
                answer = self._handle_receive(message) if isinstance(message, tuple) else self.on_receive(message)
            except BaseException as error:
                answer = _raised(error)
            if isinstance(answer, CoroutineType):
                self._begun = envelope, answer
                idle.set_result(self._begun)
                return
            if envelope.reply_to is not None:
                envelope.reply_to.set(answer)
        inbox.wake()

    async def _live(self) -> None:
        await self._guarded(self.on_start)
        while not self.actor_stopped.is_set():
            self._idle = asyncio.get_running_loop().create_future()
            self.actor_inbox.wake()
            await self._handle(*await self._idle)
            self._begun = None

    def _gone(self, _: asyncio.Task[None] | None = None) -> None:
        """Also when the loop cancels us, even before the first step: an actor that is gone answers nobody, and nobody must wait for it."""
        if not self.actor_stopped.is_set():
            ActorRegistry.unregister(self.actor_ref)
            self.actor_stopped.set()
        self._over = True
        if self._begun is not None:
            (envelope, answer), self._begun = self._begun, None
            answer.close()  # the task may have been cancelled before it got that far
            _fail(envelope, f"{self.actor_ref} was cancelled")
        self.actor_inbox.awake = False  # a thread that had seen the actor alive may still put: that has us look once more
        self._actor_loop_teardown()
        if self._ended is not None:
            self._ended.set()

    def _lost(self) -> None:
        """A thread had us wake up on a loop that was closed over our heads."""
        with _background_lock:
            self._gone()

    async def _handle(self, envelope: Envelope[Any], answer: Coroutine[Any, Any, Any]) -> None:
        """pykka's rules: errors of an ask return to the caller, errors of a tell end the actor, what is no Exception ends all actors."""
        try:
            result = await answer
            if envelope.reply_to is not None:
                envelope.reply_to.set(result)
        except asyncio.CancelledError:
            raise  # see _gone
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
            _fail(envelope, f"{self.actor_ref} ended with {error!r}")
            await self._stop()
            ActorRegistry.stop_all(block=False)

    async def _stop(self) -> None:  # type: ignore[override]
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


async def _raised(error: BaseException) -> NoReturn:
    raise error


def _fail(envelope: Envelope[Any], why: str) -> None:
    if envelope.reply_to is not None:
        envelope.reply_to.set_exception((ActorDeadError, ActorDeadError(why), None))


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
