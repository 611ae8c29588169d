"""What `run.py replay` says: the crashes that are there, a crash's trail, and how its replay went. Lines of text, printed by the program."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from actors.runtime.crash_file import CrashFile, Entry, Head
from actors.runtime.replay import Replayed


def listed(heads: Sequence[Head]) -> list[str]:
    """One line per crash, the latest last."""
    return [f"{head.id}  {_when(head)}  {head.address}  {_end(head)}" + _missing(head) for head in heads]


def trail(crash: CrashFile) -> list[str]:
    """What the crashed incarnation was given, and how it ended."""
    head = crash.head
    lines = [f"crash {head.id}: {head.address} ({head.actor}), incarnation {head.incarnation}, {_when(head)}, undying {head.undying}"]
    for entry in crash.entries:
        last = head.trigger == "message" and entry is crash.entries[-1]
        lines.append(f"  {'-' + str(entry.ms):>8} ms  {_given(entry)}{'  <- crashed on this' if last else ''}{f'  ({entry.note})' if entry.note else ''}")
    if head.trigger == "other":
        lines.append("  crashed in a task, a timer or an answer, not on a message")
    return [*lines, "", *head.traceback.splitlines()]


def judged(replayed: Replayed) -> list[str]:
    """How it went, in one line; when it did not come back, why that may be."""
    return [_verdict(replayed), *(f"  perhaps because {doubt}" for doubt in replayed.doubts)]


def _verdict(replayed: Replayed) -> str:
    ended = replayed.reason
    match replayed.verdict:
        case "same":
            return "the same crash"
        case "another":
            return f"another crash: {type(replayed.error).__name__}: {replayed.error}" if ended is None else f"another crash: {ended.error}: {ended.detail}"
        case "none":
            return "no crash" if ended is None else f"no crash: it ended {ended.how} {ended.error} {ended.detail}".rstrip()
        case "impossible":
            return "it could not be replayed"


def _given(entry: Entry) -> str:
    match entry.what:
        case "message":
            return f"{entry.kind}  from {entry.address or 'outside'}"
        case "answer":
            return f"{entry.kind}  answer of {entry.address} to {entry.asked}"
        case "down":
            return f"{entry.kind}  of {entry.address}"


def _end(head: Head) -> str:
    return f"{head.reason.how} {head.reason.error}".strip()


def _missing(head: Head) -> str:
    return f"  (and {head.left_out} more before it)" if head.left_out else ""


def _when(head: Head) -> str:
    return datetime.fromtimestamp(head.at, UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")
