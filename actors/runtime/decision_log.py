"""What the log says of a tree: the decisions that somebody should know of without looking, and crashes where no file is written.

    system.recorders --Decision--> log_decision --> one line: warning, error for what needs a hand
    cell ends with a crash --note--> TracebackLog --> one line with the traceback, behind the restart

The text of an exception may be content, so a decision's line has the exception's type only. A host that keeps no crash files gets the
traceback, its text included: somebody has to tell where it broke.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from actors.runtime.exits import traceback_of
from messages.envelope import Envelope
from messages.supervision import Decision, ExitReason

if TYPE_CHECKING:
    from actors.runtime.cell import Cell
    from actors.runtime.supervised import SupervisedActor

logger = structlog.get_logger(actor="/")

ERRORS = ("start_failed", "gave_up", "abandoned")
WARNINGS = ("restarting", "quarantined", "auto_shutdown")  # `blocked` is the watchdog's to log, at once and from its thread
UNMEANT = ("crashed", "killed")


def log_decision(decision: Decision, *, unmeant: tuple[str, ...] = UNMEANT) -> None:
    """One line for what was not meant to happen; nothing for what was. `unmeant`: the ends that are told."""
    wait = {"wait_ms": decision.delay_ms} if decision.delay_ms else {}
    match decision.event:
        case "exited" if decision.how in unmeant:
            logger.warning("exited", actor=decision.address, incarnation=decision.incarnation, how=decision.how, error=decision.error)
        case "start_failed":
            logger.error("start_failed", actor=decision.address, error=decision.error, **wait)
        case event if event in ERRORS:
            logger.error(event, actor=decision.address, detail=decision.detail)
        case event if event in WARNINGS:
            logger.warning(event, actor=decision.address, detail=decision.detail, **wait)
        case _:
            pass


class TracebackLog:
    """The journal of crashes of a host that keeps no files. Goes with `unmeant=("killed",)`: a crash is told once."""

    def note(self, cell: Cell, instance: SupervisedActor[Any], reason: ExitReason, error: BaseException | None, poison: Envelope | None) -> str:
        """See `CrashJournal`."""
        if error is not None and reason.how == "crashed":
            cell.system.loop.call_soon(_log_crash, cell.address, cell.incarnation, reason.error, poison.kind if poison is not None else None, error)
        return ""


def _log_crash(address: str, incarnation: int, name: str, kind: str | None, error: BaseException) -> None:
    logger.error("crashed", actor=address, incarnation=incarnation, error=name, kind=kind, traceback=traceback_of(error))
