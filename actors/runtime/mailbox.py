"""What waits for one actor: two lanes, bounded, kept over restarts.

    system lane   stop, suspend, resume: overtakes, unbounded (only the kernel writes it)
    normal lane   messages, replies, exit signals: FIFO; messages are bounded in number and in bytes

Replies and exit signals are never refused: there are no more of them than asks made and actors watched.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from messages.envelope import Envelope

MAX_MESSAGES = 10_000
MAX_BYTES = 64 * 1024 * 1024


class Mailbox:
    """See the module. `depth` and `size` count messages only; `high_water` is the greatest depth so far."""

    __slots__ = ("_normal", "_system", "depth", "high_water", "max_bytes", "max_messages", "size")

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self.depth = 0
        self.size = 0
        self.high_water = 0
        self._normal: deque[Any] | None = None  # an idle actor pays for no deque
        self._system: deque[Any] | None = None

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

    def oldest(self) -> Envelope | None:
        """The message that has waited longest."""
        return next((item for item in self._normal or () if type(item) is Envelope), None)

    def forget_signals(self) -> None:
        """Drops what was meant for an instance that is gone; messages stay."""
        self._system = None
        if self._normal:
            self._normal = deque(item for item in self._normal if type(item) is Envelope)

    def drain(self) -> list[Envelope]:
        """Empties the mailbox; the messages that were in it, oldest first."""
        envelopes = [item for item in self._normal or () if type(item) is Envelope]
        self._normal = self._system = None
        self.depth = self.size = 0
        return envelopes
