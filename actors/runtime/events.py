"""The decisions of the tree, numbered and remembered, and who follows them. Not an actor: it must outlive every one of them.

    cell, supervisor --Decision--> system.publish --> Events: one number each --> the ring, for whoever comes late
                                                                             `--> every Reader: a bounded queue, for one HTTP stream

Invariants:
 1. Numbers grow by one. A reader gets its events in that order, each once.
 2. The ring and every queue are bounded. What does not fit is counted, and the reader is told where: before what comes after the gap.
 3. What a temporary actor does every day is not remembered and has no number; a reader gets it if it asked for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from actors.runtime.system import ActorSystem
from messages.faults import Fault
from messages.outcome import Refusal
from messages.supervision import Decision

REMEMBERED = 1000
QUEUE = 2 * REMEMBERED  # a replay fits, and leaves room for what happens meanwhile
READERS = 32


class Event(NamedTuple):
    """One decision. `n` is its number, 0 when it is not remembered; `at` is the wall clock in seconds."""

    n: int
    at: float
    decision: Decision


class Lost(NamedTuple):
    """So many events are missing here; `why` says what became of them."""

    number: int
    why: str


class Ring:
    """The last events. Numbers begin at 1 with every process."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._kept: deque[Event] = deque(maxlen=size)
        self.last = 0  # the number of the newest

    def add(self, at: float, decision: Decision) -> Event:
        """Numbers and keeps it; the oldest makes room."""
        self.last += 1
        event = Event(self.last, at, decision)
        self._kept.append(event)
        return event

    def since(self, n: int) -> tuple[Lost | None, list[Event]]:
        """What came after number `n`, and what of that is lost. A number that was never given out is one of an earlier process."""
        oldest = self.last - len(self._kept)  # the number before the first that is kept
        if n > self.last:
            return Lost(oldest, "the gateway was started anew since then: these are the events of this run"), list(self._kept)
        lost = Lost(oldest - n, f"only the last {self._kept.maxlen} events are remembered") if n < oldest else None
        return lost, [event for event in self._kept if event.n > n]


class Reader:
    """One who follows. When he is slower than the events, the newest are dropped until he has caught up."""

    def __init__(self, under: str = "/", *, everything: bool = False, limit: int = QUEUE) -> None:
        self.everything = everything
        self.ended = False
        self._under = under.rstrip("/")
        self._limit = limit
        self._queue: deque[Event | Lost] = deque()
        self._dropped = 0
        self._waiter: asyncio.Future[None] | None = None

    def offer(self, event: Event) -> None:
        """Queues it, if it is of the wanted part of the tree."""
        if not f"{event.decision.address.rstrip('/')}/".startswith(f"{self._under}/"):
            return
        if len(self._queue) >= self._limit:
            self._dropped += 1
        else:
            self._queue.append(event)
        self._wake()

    def tell_lost(self, lost: Lost) -> None:
        """Queues the news that something is missing."""
        self._queue.append(lost)

    def end(self) -> None:
        """There will be no more."""
        self.ended = True
        self._wake()

    async def next(self, timeout: float) -> list[Event | Lost]:
        """All that waits, as soon as there is something; empty after `timeout` seconds of silence, or at the end."""
        if not self._queue and not self.ended:
            self._waiter = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._waiter,), timeout=timeout)
            self._waiter = None
        told = list(self._queue)
        self._queue.clear()
        if self._dropped:
            told.append(Lost(self._dropped, f"more than {self._limit} events waited for this reader"))
            self._dropped = 0
        return told

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Events:
    """See the module. `wall` is the clock that people read, in seconds."""

    def __init__(self, system: ActorSystem, wall: Callable[[], float], *, readers: int = READERS) -> None:
        self.ring = Ring()
        self._system = system
        self._wall = wall
        self._most = readers
        self._readers: list[Reader] = []
        self._ended = False
        system.recorders.append(self._record)

    @property
    def reading(self) -> int:
        """How many follow."""
        return len(self._readers)

    @contextmanager
    def read(self, reader: Reader, since: int | None = None) -> Iterator[Reader]:
        """Lets one follow, from after number `since` on, or from now. Raises `Refusal` when too many do."""
        if len(self._readers) >= self._most:
            message = f"{self._most} event streams are open already, and more would slow the gateway down: close one, or ask /status/tree now and then"
            raise Refusal(Fault(cls="overloaded", message=message, retry_after_ms=5000))
        if since is not None:
            self._replay(reader, since)
        if self._ended:
            reader.end()
        everyday = partial(self._everyday, reader)
        self._readers.append(reader)
        if reader.everything:
            self._system.listeners.append(everyday)
        try:
            yield reader
        finally:
            self._readers.remove(reader)
            if reader.everything:
                self._system.listeners.remove(everyday)

    def close(self) -> None:
        """Ends every stream; those that begin later end at once."""
        self._ended = True
        for reader in self._readers:
            reader.end()

    def _replay(self, reader: Reader, since: int) -> None:
        lost, events = self.ring.since(since)
        if lost is not None:
            reader.tell_lost(lost)
        for event in events:
            reader.offer(event)

    def _record(self, decision: Decision) -> None:
        event = self.ring.add(self._wall(), decision)
        for reader in self._readers:
            reader.offer(event)

    def _everyday(self, reader: Reader, decision: Decision) -> None:
        if decision.everyday:
            reader.offer(Event(0, self._wall(), decision))
