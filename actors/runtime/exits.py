"""How an instance ends, from the exception to the reason that its supervisor hears."""

from __future__ import annotations

import asyncio
import traceback

from actors.runtime.wreckage import remains, told
from messages.supervision import ExitReason

TRACEBACK = 4000


class Exit(Exception):
    """Raised inside an actor to end it with a typed reason. `failed` carries its evidence as a fault."""

    def __init__(self, reason: ExitReason) -> None:
        super().__init__(f"{reason.how} {reason.error}".strip())
        self.reason = reason


class InjectedCrash(Exception):
    """What `kernel.crash` raises."""


def crash_reason(error: BaseException, *, traced: bool = False) -> ExitReason:
    """An exception as an exit reason. Its text is cut: a reason travels, a crash file keeps the rest. It may fail to tell, or to be sent.

    `traced`: with the traceback, told without content, which costs more than the restart of most actors.
    """
    if isinstance(error, Exit):
        return error.reason
    text = str(traceback.TracebackException(type(error), error, None, compact=True))
    detail = text[:500].encode(errors="replace").decode()
    return ExitReason(how="crashed", error=type(error).__name__, detail=detail, traceback=told(remains(error))[-TRACEBACK:] if traced else "")


def traceback_of(error: BaseException) -> str:
    """Where it came from, at most the last TRACEBACK characters. What a start failed with in another process or thread says so itself."""
    if isinstance(error, Exit):
        return error.reason.traceback
    lines = traceback.TracebackException.from_exception(error, compact=True).format()
    return "".join(lines)[-TRACEBACK:].encode(errors="replace").decode()


def error_of(task: asyncio.Task[None]) -> BaseException | None:
    """What a task crashed with. One that was cancelled was meant to end, unless nobody asked for it: then what it awaited was cancelled."""
    if not task.cancelled():
        return task.exception()
    return None if task.cancelling() else asyncio.CancelledError("what it awaited was cancelled")


def reraise(error: BaseException) -> None:
    """Raises it, in the turn of the actor whose task it was."""
    raise error
