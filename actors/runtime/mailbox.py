"""What waits for one actor: two lanes, bounded, kept over restarts.

    system lane   stop, suspend, resume: overtakes, unbounded (only the kernel writes it)
    normal lane   messages, replies, exit signals: FIFO; messages are bounded in number and in bytes
    stash         messages that the actor put aside; they count, and come back to the front of the normal lane

Replies and exit signals are never refused: there are no more of them than asks made and actors watched.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from messages.envelope import Envelope

MAX_MESSAGES = 10_000
SWEEP_EVERY = 1.0  # seconds: a full mailbox is not looked through for each message that it refuses
MAX_BYTES = 64 * 1024 * 1024


class Mailbox:
    """See the module. `depth` and `size` count messages only, those put aside too; `high_water` is the greatest depth that a turn began with.

    `normal` and `urgent` are the two lanes, made when they are needed: an idle actor pays for no deque. The actor loop reads them itself.
    """

    __slots__ = ("_stash", "_sweep_at", "high_water", "max_bytes", "max_messages", "normal", "signals", "size", "urgent")

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self.size = 0
        self.high_water = 0
        self.signals = 0  # in the normal lane
        self.normal: deque[Any] | None = None
        self.urgent: deque[Any] | None = None
        self._stash: deque[Envelope] | None = None
        self._sweep_at = 0.0  # the mailbox is not looked through earlier

    def __len__(self) -> int:
        return len(self.normal or ()) + len(self.urgent or ())

    @property
    def depth(self) -> int:
        """How many messages wait."""
        return len(self.normal or ()) - self.signals + len(self._stash or ())

    def mark(self) -> None:
        """Notes how much waits now, for `high_water`."""
        if self.normal is not None and len(self.normal) > self.high_water:
            self.high_water = max(self.high_water, self.depth)

    def put(self, envelope: Envelope) -> bool:
        """Takes the message, or says False: full."""
        normal = self.normal
        if normal is None:
            normal = self.normal = deque()
        size = self.size + envelope.size
        if ((len(normal) >= self.max_messages or self._stash is not None) and self.depth >= self.max_messages) or size > self.max_bytes:
            return False
        self.size = size
        normal.append(envelope)
        return True

    def put_signal(self, signal: Any, *, overtake: bool = False) -> None:
        """Takes what the kernel has to say: behind what is there, or in front of everything but its like."""
        if overtake:
            if self.urgent is None:
                self.urgent = deque()
            self.urgent.append(signal)
        else:
            if self.normal is None:
                self.normal = deque()
            self.normal.append(signal)
            self.signals += 1

    def take(self) -> Any:
        """The next thing to handle, or None."""
        if self.urgent:
            return self.urgent.popleft()
        if not self.normal:
            return None
        item = self.normal.popleft()
        if type(item) is Envelope:
            self.size -= item.size
        else:
            self.signals -= 1
        return item

    def ready(self, normal: bool) -> bool:
        """Whether there is something to take; with `normal` False, in the system lane."""
        return bool(self.urgent or (normal and self.normal))

    def take_urgent(self) -> Any:
        """The next thing of the system lane, or None: for an actor that handles nothing else now."""
        return self.urgent.popleft() if self.urgent else None

    def stash(self, envelope: Envelope) -> None:
        """Puts a message aside that was taken."""
        if self._stash is None:
            self._stash = deque()
        self._stash.append(envelope)
        self.size += envelope.size

    @property
    def stashed(self) -> int:
        """How many messages are put aside."""
        return len(self._stash or ())

    def unstash(self) -> None:
        """Puts what is aside in front of what waits, oldest first."""
        if self._stash:
            self.normal = self._stash + (self.normal or deque())
            self._stash = None

    def put_back(self, envelopes: Iterable[Envelope]) -> None:
        """Puts messages that were taken, and not begun, in front of what waits; they keep their order, whatever the bounds say."""
        back = deque(envelopes)
        self.size += sum(envelope.size for envelope in back)
        self.normal = back + (self.normal or deque())

    def sweep(self, now: float) -> list[Envelope]:
        """Takes out the messages whose deadline has passed, those put aside too. Looks again when the next one passes, or in a second."""
        if now < self._sweep_at:
            return []
        dated = [(item.deadline, item) for item in (*(self._stash or ()), *(self.normal or ())) if type(item) is Envelope and item.deadline is not None]
        expired = [envelope for deadline, envelope in dated if deadline <= now]
        if expired:
            gone = set(map(id, expired))
            self.normal = deque(item for item in self.normal or () if id(item) not in gone)
            self._stash = deque(envelope for envelope in self._stash or () if id(envelope) not in gone) or None
            self.size -= sum(envelope.size for envelope in expired)
        self._sweep_at = min((deadline for deadline, _ in dated if deadline > now), default=math.inf)
        self._sweep_at = min(self._sweep_at, now + SWEEP_EVERY)
        return expired

    def oldest(self) -> Envelope | None:
        """The message that has waited longest."""
        if self._stash:
            return self._stash[0]
        return next((item for item in self.normal or () if type(item) is Envelope), None)

    def drop_signals(self, unwanted: Callable[[Any], bool]) -> None:
        """Drops some of what the kernel had to say."""
        if self.normal:
            self.normal = deque(item for item in self.normal if type(item) is Envelope or not unwanted(item))
            self.signals = sum(type(item) is not Envelope for item in self.normal)

    def forget_signals(self) -> None:
        """Drops what was meant for an instance that is gone; messages stay, also those that it put aside."""
        self.urgent = None
        self.unstash()
        if self.signals:
            self.normal = deque(item for item in self.normal or () if type(item) is Envelope)
            self.signals = 0

    def drain(self) -> list[Envelope]:
        """Empties the mailbox; the messages that were in it, oldest first."""
        self.unstash()
        envelopes = [item for item in self.normal or () if type(item) is Envelope]
        self.normal = self.urgent = None
        self.size = self.signals = 0
        return envelopes
