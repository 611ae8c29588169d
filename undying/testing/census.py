"""What there is at a moment that somebody has to end: tasks, threads, child processes, descriptors; each told in words.

Processes and descriptors are read from /proc, where there is one.
"""

from __future__ import annotations

import asyncio
import gc
import io
import os
import socket
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Literal, NamedTuple
from weakref import WeakKeyDictionary

Kind = Literal["tasks", "threads", "processes", "descriptors"]

Makers = MutableMapping["asyncio.Task[Any]", str]
"""Who made a task: file, line and function."""

_PROC = Path("/proc/self")
_POOL = "asyncio_"  # the loop's own threads for `asyncio.to_thread`: idle until the loop is closed, and then gone
_ASYNCIO = os.path.dirname(asyncio.__file__)


class Census(NamedTuple):
    """See the module."""

    tasks: frozenset[asyncio.Task[Any]]
    threads: frozenset[threading.Thread]
    processes: frozenset[int]
    descriptors: frozenset[tuple[int, str]]

    @classmethod
    def taken(cls, loop: asyncio.AbstractEventLoop | None = None) -> Census:
        """Now; the tasks of this loop, or, much slower, those of all loops."""
        tasks = _all_tasks() if loop is None else asyncio.all_tasks(loop)
        threads = (thread for thread in threading.enumerate() if not thread.name.startswith(_POOL))
        return cls(frozenset(tasks), frozenset(threads), frozenset(_children()), frozenset(_descriptors()))

    def since(self, before: Census, kinds: set[Kind]) -> Census:
        """What is here and was not then, of these kinds."""
        return Census(
            self.tasks - before.tasks if "tasks" in kinds else frozenset(),
            self.threads - before.threads if "threads" in kinds else frozenset(),
            self.processes - before.processes if "processes" in kinds else frozenset(),
            self.descriptors - before.descriptors if "descriptors" in kinds else frozenset(),
        )

    def told(self, makers: Makers) -> list[str]:
        """Each in a line: what it is, and as far as can be known, whose."""
        return [
            *sorted(f"task {task_told(task, makers)}" for task in self.tasks),
            *sorted(f"thread {_thread_told(thread)}" for thread in self.threads),
            *(f"child process {pid}: {_command(pid)}" for pid in sorted(self.processes)),
            *(f"descriptor {number}: {_owner(number) or name}" for number, name in sorted(self.descriptors)),
        ]


# ---------------------------------------------------------------------------------------------------------------------- tasks


def _all_tasks() -> Iterator[asyncio.Task[Any]]:
    return (thing for thing in gc.get_objects() if issubclass(type(thing), asyncio.Task) and not thing.done())


def task_told(task: asyncio.Task[Any], makers: Makers) -> str:
    """Its name, what it does and where it is at, and who made it."""
    stack = task.get_stack(limit=1)
    at = f", waits at {_place(stack[-1])}" if stack else ""
    made = f", made at {makers[task]}" if task in makers else ""
    return f"{task.get_name()!r} ({getattr(task.get_coro(), '__qualname__', task.get_coro())}){at}{made}"


def remember_makers(loop: asyncio.AbstractEventLoop, inner: tuple[str, ...]) -> tuple[Makers, Callable[[], None]]:
    """From now on notes who makes each task: the first frame outside asyncio and the folders `inner`. Also returns what ends that."""
    makers: Makers = WeakKeyDictionary()
    before: Any = loop.get_task_factory()

    def factory(loop: asyncio.AbstractEventLoop, work: Any, **keywords: Any) -> Any:
        task = before(loop, work, **keywords) if before is not None else asyncio.Task(work, loop=loop, **keywords)
        makers[task] = _maker(sys._getframe(1), inner)  # pyright: ignore[reportPrivateUsage]
        return task

    loop.set_task_factory(factory)
    return makers, lambda: loop.set_task_factory(before)


def _maker(frame: FrameType | None, inner: tuple[str, ...]) -> str:
    """Up to where the loop called: what stands beyond is whoever runs the loop."""
    place = ""
    while frame is not None and frame.f_code is not asyncio.Handle._run.__code__:
        folder = os.path.dirname(frame.f_code.co_filename)
        if folder != _ASYNCIO:
            place = place or _place(frame)
            if folder not in inner:
                return _place(frame)
        frame = frame.f_back
    return place


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"


# -------------------------------------------------------------------------------------------------------------------- threads


def _thread_told(thread: threading.Thread) -> str:
    frame = sys._current_frames().get(thread.ident or 0)  # pyright: ignore[reportPrivateUsage]
    work = ""
    while frame is not None:
        if frame.f_code.co_filename != threading.__file__:
            work = _place(frame)  # the outermost stays: what the thread was made for
        frame = frame.f_back
    return f"{thread.name!r}" + (f", runs {work}" if work else "")


# ------------------------------------------------------------------------------------------------------ processes, descriptors


def _children() -> Iterator[int]:
    """Our child processes, but for the one that Python's multiprocessing keeps for itself."""
    tracker = getattr(sys.modules.get("multiprocessing.resource_tracker"), "_resource_tracker", None)
    for file in _PROC.glob("task/*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # that thread has ended meanwhile
            yield from (pid for pid in map(int, file.read_text().split()) if pid != getattr(tracker, "_pid", None))


def _command(pid: int) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip() or "ended, but nobody waited for it"
    return "gone meanwhile"


def _descriptors() -> Iterator[tuple[int, str]]:
    tracker = getattr(sys.modules.get("multiprocessing.resource_tracker"), "_resource_tracker", None)
    if not _PROC.exists():
        return
    for number in os.listdir(_PROC / "fd"):
        with suppress(FileNotFoundError):  # the one that listed them
            name = os.readlink(_PROC / "fd" / number)
            if int(number) != getattr(tracker, "_fd", None):
                yield int(number), name


def _owner(number: int) -> str:
    """The file or socket object that holds a descriptor, and, under `python -X tracemalloc`, who made that."""
    for thing in gc.get_objects():
        if issubclass(type(thing), socket.socket | io.FileIO) and not getattr(thing, "closed", False) and thing.fileno() == number:
            trace = tracemalloc.get_object_traceback(thing)
            return f"{thing!r}" + (f", made at {trace[-1]}" if trace else "")
    return ""
