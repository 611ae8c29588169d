"""The promise that nothing is left: no task, thread, child process, descriptor, address or open ask, and a loop without complaints.

    async with leak_check():            census before ... what was made is noted ... census after; what is more has leaked
    with leak_check_of_a_call():        the same around a whole test, from outside its loop; for the plugin

What is about to end gets the time for it: turns of the loop, then half a second of real time, in which virtual time stands still.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, cast, get_args

from actors.runtime.port import Port
from actors.runtime.system import ActorSystem
from undying.testing.census import Census, Kind, remember_makers, task_told
from undying.testing.settling import settle

GRACE = 10, 0.05  # times, seconds

_KERNEL = (os.path.dirname(sys.modules[Port.__module__].__file__ or ""), os.path.dirname(__file__))


class Leaked(AssertionError):
    """Something was left. The text names each thing, and who made it as far as that can be known."""

    def __init__(self, leaks: list[str]) -> None:
        super().__init__("left behind:" + "".join(f"\n  {leak}" for leak in leaks))


class leak_check:
    """See the module. `may_leave` names what may stay: tasks, threads, processes, descriptors.

    Raises `Leaked`; when the body has raised already, says it in a note on that. What somebody else starts on the same loop meanwhile
    counts too.
    """

    def __init__(self, *, may_leave: Collection[Kind] = ()) -> None:
        self._kinds = _checked(may_leave)
        self._systems: list[ActorSystem] = []
        self._complaints: list[dict[str, Any]] = []
        self._undo: list[Callable[[], None]] = []

    def watch(self, system: ActorSystem) -> None:
        """Its addresses and asks are to be gone, too."""
        self._systems.append(system)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._before = Census.taken(loop)
        self._makers, forget = remember_makers(loop, _KERNEL)
        handler = loop.get_exception_handler()
        loop.set_exception_handler(lambda _, context: self._complaints.append(context))
        self._undo = [forget, lambda: loop.set_exception_handler(handler)]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        try:
            leaks = await self._left()
        finally:
            for undo in self._undo:
                undo()
        if leaks and error is not None:
            error.add_note(str(Leaked(leaks)))
        elif leaks:
            raise Leaked(leaks)

    async def _left(self) -> list[str]:
        loop = asyncio.get_running_loop()
        await settle()
        left = Census.taken(loop).since(self._before, self._kinds)
        for pause in _pauses():
            if not any(left):
                break
            pause()
            await settle()
            left = Census.taken(loop).since(self._before, self._kinds)
        return [*left.told(self._makers), *self._left_in_systems(), *map(_complaint, self._complaints)]

    def _left_in_systems(self) -> Iterator[str]:
        for system in self._systems:
            for address, resident in system.directory.items():
                yield f"address {address} ({type(resident).__name__})"
            for address in system.asks.asked():
                yield f"an open ask to {address}"


@contextmanager
def leak_check_of_a_call(may_leave: Collection[Kind]) -> Generator[None]:
    """See the module; `may_leave` is read at the end. Only where no loop runs. When the body raises, nothing is said."""
    before = Census.taken()
    yield
    kinds = _checked(may_leave)
    left = Census.taken().since(before, kinds)
    for pause in _pauses():
        if not any(left):
            return
        pause()
        for loop in {task.get_loop() for task in left.tasks}:
            if not (loop.is_closed() or loop.is_running()):
                loop.run_until_complete(settle())
        left = Census.taken().since(before, kinds)
    if any(left):
        raise Leaked(left.told({}))


def _checked(may_leave: Collection[Kind]) -> set[Kind]:
    """The kinds that are looked for."""
    kinds: set[Kind] = set(get_args(Kind))
    if unknown := set(may_leave) - kinds:
        raise ValueError(f"may_leave: {', '.join(sorted(unknown))}, must be of {', '.join(get_args(Kind))}")
    return kinds - set(may_leave)


def _pauses() -> Iterator[Callable[[], object]]:
    """What to do between one look and the next. It blocks the loop, so that no virtual time passes: what ends elsewhere ends in real time."""
    times, seconds = GRACE
    never = threading.Event()
    for _ in range(times):
        yield lambda: never.wait(seconds)


def _complaint(context: dict[str, Any]) -> str:
    task: Any = context.get("task") or context.get("future")
    whose = f" ({task_told(cast(Any, task), {})})" if isinstance(task, asyncio.Task) else ""
    return f"the loop complained: {context['message']}{whose}: {context.get('exception')!r}"
