"""When a child that crashed too often is tried again; pure.

    running --too many restarts--> quarantined --wait is over--> half_open --passed--> running
                                        ^                            |
                                        +----- ended, no answer -----+        each time in a row the wait doubles

While quarantined nobody lives there and whoever asks is told until when. Half-open, one instance is on trial: it gets one message at a time.
It passes when it answers the spec's probe, or, without one, when it has lived for `trial` seconds.

Invariants:
 1. A wait lies within `jitter` of `first` x 2^(step - 1), and of `cap` at most.
 2. What ended on trial goes back, whatever the intensity would still allow.
 3. Steps are forgotten after `healthy` seconds of life, not by passing a trial.
"""

from __future__ import annotations

from dataclasses import dataclass

from supervisors.spec import BadSpec, not_negative


@dataclass(frozen=True, slots=True)
class Quarantine:
    """All in seconds, but `jitter`, a part of the wait: 0.2 is 20 % more or less."""

    first: float = 1.0
    cap: float = 300.0
    trial: float = 5.0
    healthy: float = 60.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        """Refuses what can't be waited for."""
        for name in ("first", "cap", "trial", "healthy", "jitter"):
            not_negative(f"quarantine.{name}", getattr(self, name))
        if self.jitter > 1:
            raise BadSpec(f"quarantine.jitter: {self.jitter!r}, must be a part of the wait, from 0 to 1")

    def wait(self, step: int, chance: float) -> float:
        """Seconds in quarantine the `step`th time in a row (1, 2, ...); `chance` is drawn from [0, 1)."""
        whole = min(self.cap, self.first * 2.0 ** min(step - 1, 32))
        return whole * (1 - self.jitter + 2 * self.jitter * chance)
