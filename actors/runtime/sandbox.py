"""Where a crash is replayed: a loop of its own in a thread of its own, with a clock that jumps and without a network.

Nothing in there waits for anybody outside, so when nothing is left to do the clock goes on to the next timer: a minute takes no time; only
work in a thread is waited for. Real time is bounded. Connecting, listening, resolving names and starting processes are refused, on the loop and in its
own executor. That is to keep a mistake in, not malice: a thread of the actor's own making is not held back, nor is who writes a file.
"""

from __future__ import annotations

import asyncio
import os
import select
import selectors
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, Literal, NamedTuple, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

GRACE = 2.0  # seconds beyond its limit for a sandbox to clean up

_REFUSED = frozenset((
    "socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname", "socket.sendmsg", "socket.sendto",
    "subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system",
))  # fmt: skip

_here = threading.local()


_TRUE, _FALSE, _FAILED, _EXITED = 101, 102, 103, 104  # exit codes that nothing else uses


class Apart(NamedTuple):
    """How work in a process of its own ended: with what it returned, by raising, or with the whole process: then `error` names how."""

    how: Literal["true", "false", "failed", "killed", "exited"]
    error: str = ""


class NoNetwork(ConnectionError):
    """Something tried to reach out of the sandbox."""


class Unfinished(Exception):
    """What ran in the sandbox took too much real time, or ended the program instead."""


class ProgramEnded(Unfinished):
    """The latter."""


def run_in_sandbox(work: Callable[[], Coroutine[Any, Any, T]], limit: float) -> T:
    """Runs a coroutine in a sandbox for at most `limit` seconds of real time, and blocks meanwhile. Raises `Unfinished`, and what `work` raises.

    A thread that never comes to its end, an endless loop perhaps, is left alone: it dies with the process.
    """
    result: Future[T] = Future()
    threading.Thread(target=_run, args=(work, limit, result), name="undying-sandbox", daemon=True).start()
    try:
        return result.result(limit + GRACE)
    except TimeoutError:
        if result.done():
            raise
        raise Unfinished(f"it never gave up its thread within {limit:g} s") from None


def run_apart(work: Callable[[], bool], limit: float) -> Apart:
    """Runs it in a forked process for at most `limit` seconds, and blocks until that has ended. What takes longer counts as hung."""
    ends, held = os.pipe()  # who lives holds one end, also when it is stopped
    child = os.fork()
    if child == 0:
        code = _FAILED
        try:
            code = _TRUE if work() else _FALSE
        except ProgramEnded:
            code = _EXITED
        finally:
            os._exit(code)  # nothing above this line is the child's
    os.close(held)
    with open(ends, "rb") as pipe:
        hung = not select.select([pipe], [], [], limit)[0]
    if hung:
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status < 0:
        return Apart("killed", "Hung" if hung else signal.Signals(-status).name)
    told: dict[int, Apart] = {_TRUE: Apart("true"), _FALSE: Apart("false"), _FAILED: Apart("failed")}
    return told.get(status, Apart("exited", "ProcessExited"))


def _run(work: Callable[[], Coroutine[Any, Any, T]], limit: float, result: Future[T]) -> None:
    _refuse()
    _mark()
    try:
        with asyncio.Runner(loop_factory=lambda: _Loop(limit)) as runner:
            done = runner.run(_done(work))
    except Unfinished as late:
        result.set_exception(late)
    except SystemExit as ended:
        result.set_exception(ProgramEnded(f"it ended the program, with {ended.code!r}"))
    else:
        error = done.exception()
        result.set_result(done.result()) if error is None else result.set_exception(error)


async def _done(work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
    """The work as a task that is done: it says itself how it ended."""
    task = asyncio.get_running_loop().create_task(work())
    await asyncio.wait([task])
    return task


class _Loop(asyncio.SelectorEventLoop):
    """A loop on a clock that jumps."""

    def __init__(self, limit: float) -> None:
        self._clock = _Clock(limit)
        super().__init__(self._clock)
        self.set_exception_handler(lambda *_: None)  # what a crashed actor left behind is nobody's concern here
        self.set_default_executor(ThreadPoolExecutor(2, "undying-sandbox", initializer=_mark))

    def time(self) -> float:
        return self._clock.now

    def run_in_executor(self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> asyncio.Future[T]:
        """As ever; while it runs, the clock does not jump."""
        future = super().run_in_executor(executor, func, *args)
        self._clock.threads += 1
        future.add_done_callback(self._clock.came_back)
        return future


class _Clock(selectors.DefaultSelector):
    """Never waits for time to pass: says that it has."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0  # at work
        self._limit = limit
        self._until = time.perf_counter() + limit

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        left = self._until - time.perf_counter()
        if left < 0:
            self._until += GRACE  # for the tasks that are cancelled now
            raise Unfinished(f"it was not done within {self._limit:g} s of real time")
        if timeout is None or (timeout > 0 and self.threads):
            return super().select(left)
        ready = super().select(0)
        if not ready and timeout > 0:
            self.now += timeout
        return ready

    def came_back(self, _: asyncio.Future[Any]) -> None:
        """A thread has done its work."""
        self.threads -= 1


def _mark() -> None:
    _here.sandboxed = True


def _refuse() -> None:
    """An audit hook can't be taken away again, so there is one, which lets everybody pass but threads of a sandbox."""
    global _hooked
    with _once:
        if not _hooked:
            _hooked = True
            sys.addaudithook(_audit)


_once = threading.Lock()
_hooked = False


def _audit(event: str, _: tuple[Any, ...]) -> None:
    if event in _REFUSED and getattr(_here, "sandboxed", False):
        raise NoNetwork(f"{event} is refused in the sandbox: what is replayed reaches nobody")
