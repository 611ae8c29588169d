"""What waits for one actor: two lanes, bounded, kept over restarts.

    system lane   stop, suspend, resume: overtakes, unbounded (only the kernel writes it)
    normal lane   messages, replies, exit signals: FIFO; messages are bounded in number and in bytes
    stash         messages that the actor put aside; they count, and come back to the front of the normal lane

Replies and exit signals are never refused: there are no more of them than asks made and actors watched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from messages.envelope import Envelope

MAX_MESSAGES = 10_000
MAX_BYTES = 64 * 1024 * 1024


class Mailbox:
    """See the module. `depth` and `size` count messages only; `high_water` is the greatest depth so far."""

    __slots__ = ("_normal", "_stash", "_sweep_at", "_system", "depth", "high_water", "max_bytes", "max_messages", "size")

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self.depth = 0
        self.size = 0
        self.high_water = 0
        self._normal: deque[Any] | None = None  # an idle actor pays for no deque
        self._system: deque[Any] | None = None
        self._stash: deque[Envelope] | None = None
        self._sweep_at = 0.0  # no message expires earlier

    def __len__(self) -> int:
        return len(self._normal or ()) + len(self._system or ())

    def put(self, envelope: Envelope) -> bool:
        """Takes the message, or says False: full."""
        if self.depth >= self.max_messages or self.size + envelope.size > self.max_bytes:
            return False
        if self._normal is None:
            self._normal = deque()
        self._normal.append(envelope)
        self.depth += 1
        self.size += envelope.size
        if self.depth > self.high_water:
            self.high_water = self.depth
        return True

    def put_signal(self, signal: Any, *, overtake: bool = False) -> None:
        """Takes what the kernel has to say: behind what is there, or in front of everything but its like."""
        if overtake:
            if self._system is None:
                self._system = deque()
            self._system.append(signal)
        else:
            if self._normal is None:
                self._normal = deque()
            self._normal.append(signal)

    def take(self) -> Any:
        """The next thing to handle, or None."""
        if self._system:
            return self._system.popleft()
        if not self._normal:
            return None
        item = self._normal.popleft()
        if type(item) is Envelope:
            self.depth -= 1
            self.size -= item.size
        return item

    def ready(self, normal: bool) -> bool:
        """Whether there is something to take; with `normal` False, in the system lane."""
        return bool(self._system or (normal and self._normal))

    def take_urgent(self) -> Any:
        """The next thing of the system lane, or None: for an actor that handles nothing else now."""
        return self._system.popleft() if self._system else None

    def stash(self, envelope: Envelope) -> None:
        """Puts a message aside that was taken."""
        if self._stash is None:
            self._stash = deque()
        self._stash.append(envelope)
        self.depth += 1
        self.size += envelope.size

    @property
    def stashed(self) -> int:
        """How many messages are put aside."""
        return len(self._stash or ())

    def unstash(self) -> None:
        """Puts what is aside in front of what waits, oldest first."""
        if self._stash:
            self._normal = self._stash + (self._normal or deque())
            self._stash = None

    def put_back(self, envelopes: Iterable[Envelope]) -> None:
        """Puts messages that were taken, and not begun, in front of what waits; they keep their order, whatever the bounds say."""
        back = deque(envelopes)
        self.depth += len(back)
        self.size += sum(envelope.size for envelope in back)
        self._normal = back + (self._normal or deque())

    def sweep(self, now: float) -> list[Envelope]:
        """Takes out the messages whose deadline has passed. Looks only when there can be one."""
        if now < self._sweep_at:
            return []
        expired = [item for item in self._normal or () if type(item) is Envelope and item.deadline is not None and item.deadline <= now]
        gone = set(map(id, expired))
        if expired:
            self._normal = deque(item for item in self._normal or () if id(item) not in gone)
            self.depth -= len(expired)
            self.size -= sum(envelope.size for envelope in expired)
        deadlines = (item.deadline for item in self._normal or () if type(item) is Envelope and item.deadline is not None)
        self._sweep_at = min(deadlines, default=now)
        return expired

    def oldest(self) -> Envelope | None:
        """The message that has waited longest."""
        if self._stash:
            return self._stash[0]
        return next((item for item in self._normal or () if type(item) is Envelope), None)

    def drop_signals(self, unwanted: Callable[[Any], bool]) -> None:
        """Drops some of what the kernel had to say."""
        if self._normal:
            self._normal = deque(item for item in self._normal if type(item) is Envelope or not unwanted(item))

    def forget_signals(self) -> None:
        """Drops what was meant for an instance that is gone; messages stay, also those that it put aside."""
        self._system = None
        self.unstash()
        if self._normal:
            self._normal = deque(item for item in self._normal if type(item) is Envelope)

    def drain(self) -> list[Envelope]:
        """Empties the mailbox; the messages that were in it, oldest first."""
        self.unstash()
        envelopes = [item for item in self._normal or () if type(item) is Envelope]
        self._normal = self._system = None
        self.depth = self.size = 0
        return envelopes
