"""A crash once more: the messages of a crash file, given to a fresh instance in a sandbox.

    entries, in their order and with their pauses --> instance at the same address
    it tells somebody  --> nowhere; noted
    it asks somebody   --> the answer that it got then, or refused as not recorded
    it crashes         --> the same crash: the same type of exception, raised at the same place in the code; or another one
    it does not        --> mended, or what it crashed on came from elsewhere than its messages: `doubts` say what may be the reason
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

from actors.runtime.crash_file import CrashFile
from actors.runtime.replay_box import Box, Factory, Sent, Verdict
from actors.runtime.ring import MESSAGES
from actors.runtime.sandbox import Unfinished, run_apart, run_in_sandbox
from messages.supervision import ExitReason

LIMIT = 10.0  # seconds of real time

_ENDS = {"ProcessExited": ("ProcessExited", "ThreadEnded")}  # what ends the program ends a thread of it

Source = Callable[[], AbstractAsyncContextManager[Factory]]
"""Opens a factory inside the sandbox; what it needs is let go of at the end."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a replay went. `error` is what the fresh instance raised, `reason` how it ended, None when it lives."""

    verdict: Verdict
    error: BaseException | None
    reason: ExitReason | None
    sent: tuple[Sent, ...]
    doubts: tuple[str, ...]


def given(factory: Factory) -> Source:
    """The source that a factory is by itself."""
    return lambda: nullcontext(factory)


def replay(crash: CrashFile, source: Source, limit: float = LIMIT) -> Replayed:
    """Runs the crash; blocks for at most `limit` seconds and a little. What `source` raises comes out.

    What took a whole process down once is run in a process of its own, forked from this one.
    """
    if not crash.head.traceback:
        return _apart(crash, source, limit)
    try:
        return run_in_sandbox(partial(_replay, crash, source), limit)
    except Unfinished as error:
        return Replayed("impossible", None, None, (), (str(error), *_doubts(crash, ())))


def _apart(crash: CrashFile, source: Source, limit: float) -> Replayed:
    apart = run_apart(lambda: run_in_sandbox(partial(_replay, crash, source), 2 * limit).verdict in ("same", "another"), limit)
    match apart.how:
        case "false":
            return Replayed("none", None, None, (), _doubts(crash, ()))
        case "failed":
            return Replayed("impossible", None, None, (), ("it could not be made again", *_doubts(crash, ())))
        case "true" | "killed" | "exited":
            same = crash.head.reason.error in _ENDS.get(apart.error, (apart.error,))
            reason = ExitReason(how="killed" if apart.how == "killed" else "crashed", error=apart.error, detail="replayed in a process of its own")
            return Replayed("same" if same else "another", None, reason, (), () if same else _doubts(crash, ()))


async def _replay(crash: CrashFile, source: Source) -> Replayed:
    async with source() as factory:
        box = Box(crash, factory)
        await box.run()
        verdict = box.verdict()
        doubts = () if verdict == "same" else (*box.problems, *_doubts(crash, tuple(box.refused)))
        return Replayed(verdict, box.error, box.cell.last_exit if box.cell.state == "stopped" else None, tuple(box.sent), doubts)


def _doubts(crash: CrashFile, refused: tuple[Sent, ...]) -> tuple[str, ...]:
    """Why a crash may not come back although nothing was mended."""
    head, doubts = crash.head, []
    if head.trigger == "other":
        doubts.append("it crashed in a task, a timer or an answer, not on a message: what came from outside is not recorded")
    doubts += [f"{entry.kind}: {entry.note}" for entry in crash.entries if entry.note]
    if sum(entry.what == "message" for entry in crash.entries) > MESSAGES - 1:
        doubts.append(f"only its last {MESSAGES} messages are known, not what it had learnt before")
    doubts += [f"it asked {sent.address} {sent.kind}: no answer to that is recorded, so it was refused" for sent in refused]
    if head.content == "filled":
        doubts.append("the messages hold filler instead of content: crashes.keep_content keeps it, for crashes to come")
    return tuple(doubts)


