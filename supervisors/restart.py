"""What a supervisor decides when a child has ended; pure.

    ended --verdict(restart type, how)--> Restart | Forget | Keep
                    |
          add_restart(history, now) --too many--> escalate, or back off
                    |
          affected(strategy) -> whom to stop (in reverse), whom to start (in order)

Invariants:
 1. A history never holds a restart older than the intensity's window, so it never grows past `restarts` + 1.
 2. Exactly `restarts` attempts fit into one window; the next is one too many.
 3. A wait is drawn from [0, ceiling], and the ceiling doubles up to the cap: full jitter.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

from messages.supervision import ExitHow, RestartType
from supervisors.spec import AutoShutdown, Intensity, OnExhausted, Strategy, not_negative

Verdict = Literal["restart", "forget", "keep"]
"""forget: the child and its address go; keep: its spec stays, nothing lives there until somebody starts it."""

Step = Literal["restart"] | OnExhausted
"""restart: now; else what the supervisor does when restarts come too fast."""

_MEANT: frozenset[ExitHow] = frozenset(("normal", "shutdown"))


def verdict(restart: RestartType, how: ExitHow) -> Verdict:
    """What to do about a child of this type that ended so."""
    match restart:
        case "temporary":
            return "forget"
        case "transient":
            return "keep" if how in _MEANT else "restart"
        case "permanent":
            return "restart"


def add_restart(history: tuple[float, ...], now: float, intensity: Intensity) -> tuple[bool, tuple[float, ...]]:
    """One more restart at `now` (seconds): whether that is still allowed, and the history with it. One exactly a window ago counts, as with OTP."""
    recent = (*history[bisect_left(history, now - intensity.seconds) :], now)
    return len(recent) <= intensity.restarts, recent[-intensity.restarts - 1 :]


def next_step(on_trial: bool, allowed: bool, on_exhausted: OnExhausted) -> Step:
    """What follows the end of a child that is to be restarted. What ended on trial goes back, whatever the intensity would still allow."""
    if on_trial:
        return "quarantine"
    return "restart" if allowed else on_exhausted


def ends_supervisor(auto_shutdown: AutoShutdown, others: int) -> bool:
    """Whether a significant child that has ended for good ends its supervisor, with so many other significant ones that live or will again."""
    match auto_shutdown:
        case "never":
            return False
        case "any_significant":
            return True
        case "all_significant":
            return others == 0


def affected(strategy: Strategy, ids: tuple[str, ...], failed: str) -> tuple[str, ...]:
    """The children that a failed one takes with it and that start again, itself among them, in start order."""
    match strategy:
        case "one_for_one":
            return (failed,)
        case "one_for_all":
            return ids
        case "rest_for_one":
            return ids[ids.index(failed) :]


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a restart that came too soon: up to `first` seconds, doubling up to `cap`; forgotten after `healthy` seconds."""

    first: float = 0.05
    cap: float = 60.0
    healthy: float = 60.0

    def __post_init__(self) -> None:
        """Refuses what can't be waited for."""
        for name in ("first", "cap", "healthy"):
            not_negative(f"backoff.{name}", getattr(self, name))

    def wait(self, failures: int, chance: float) -> float:
        """Seconds to wait before restart number `failures` (1, 2, ...); `chance` is drawn from [0, 1)."""
        ceiling = min(self.cap, self.first * 2.0 ** min(failures - 1, 32))
        return chance * ceiling
