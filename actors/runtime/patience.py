"""How long the start of a root that has ended is put off; pure.

    ends within the last WINDOW seconds:  1 ... FREE at once;  FREE + n  up to FIRST x 2^n seconds, CAP at most, with full jitter

There is no supervisor above a root, so this is not a supervisor's to decide, and nobody ever gives up.
"""

from __future__ import annotations

WINDOW = 5.0
FREE = 3
FIRST = 0.05
CAP = 1.0
REMEMBERED = 16  # by then the wait has long been at its cap


def put_off(ends: tuple[float, ...], now: float, chance: float) -> tuple[float, tuple[float, ...]]:
    """One more end at `now` (seconds): how many seconds the next start waits, and the ends to remember. `chance` is drawn from [0, 1)."""
    recent = (*(at for at in ends if at > now - WINDOW), now)[-REMEMBERED:]
    too_many = len(recent) - FREE
    return (chance * min(CAP, FIRST * 2.0**too_many) if too_many > 0 else 0.0), recent
