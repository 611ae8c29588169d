"""What an exchange does when an attempt has failed; pure.

    attempt failed --fault--> next_step --> Try(candidate, wait)   another call, or the same one again after a crash of ours
                                        `-> GiveUp(fault)          the client is told

Invariants:
 1. Once the client has been sent anything, nothing is tried again.
 2. At most `limit` upstream calls; one more only for a call that a crash of our own has lost, and that only once.
 3. What the caller did wrong is never tried elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, assert_never

from messages.faults import Fault, FaultClass, Trial
from messages.routing import Candidate

INTERNAL_WAITS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before each new try to reach a part of ourselves that is being restarted; after the last one we say so."""


class Progress(NamedTuple):
    """How far a request has come. `at` is the candidate being asked, `calls` the upstream calls so far, `sent` whether the client has anything."""

    candidates: tuple[Candidate, ...]
    limit: int
    at: int = 0
    calls: int = 0
    sent: bool = False
    lost: bool = False  # a call was lost to a crash of our own already
    unreached: int = 0  # tries in a row that did not reach the provider's actor
    trail: tuple[Trial, ...] = ()

    @property
    def candidate(self) -> Candidate:
        """Who is being asked."""
        return self.candidates[self.at]


@dataclass(frozen=True, slots=True)
class Try:
    """Ask this candidate, after that many seconds."""

    progress: Progress
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Tell the client."""

    progress: Progress
    fault: Fault


_NOT_CALLED: frozenset[FaultClass] = frozenset(("busy", "no_provider", "restarting", "not_found"))


def called(progress: Progress, fault: Fault | None = None) -> Progress:
    """An attempt has answered, or ended with this fault. One that our own account refused was no upstream call."""
    if fault is not None and fault.cls in _NOT_CALLED:
        return progress
    return progress._replace(calls=progress.calls + 1, unreached=0)


def sent(progress: Progress) -> Progress:
    """The client has been sent something."""
    return progress._replace(sent=True)


def ended(progress: Progress, outcome: str, ms: int) -> Progress:
    """An attempt has ended: `ok`, or a fault class."""
    candidate = progress.candidate
    trial = Trial(provider=candidate.provider, model=candidate.model, outcome=outcome, ms=ms)
    return progress._replace(trail=(*progress.trail, trial))


def next_step(progress: Progress, fault: Fault) -> Try | GiveUp:
    """After an attempt ended with this fault (already in the trail): what now?"""
    if progress.sent:
        return GiveUp(progress, fault)
    if fault.cls == "internal":
        if not progress.lost:
            return Try(progress._replace(lost=True))
        return GiveUp(progress, fault)
    match fault.row.retry:
        case "no":
            return GiveUp(progress, fault)
        case "other" | "same":
            if progress.at + 1 < len(progress.candidates) and progress.calls < progress.limit:
                return Try(progress._replace(at=progress.at + 1))
            return GiveUp(progress, fault)
        case never:
            assert_never(never)


def unreached(progress: Progress, fault: Fault) -> Try | GiveUp:
    """A part of ourselves could not be reached, because it is being restarted: nothing was lost, so try again, a little later each time."""
    if progress.unreached >= len(INTERNAL_WAITS):
        return GiveUp(progress, fault)
    return Try(progress._replace(unreached=progress.unreached + 1), wait=INTERNAL_WAITS[progress.unreached])
