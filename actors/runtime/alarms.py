"""Many time limits on one timer of the loop.

Nearly every limit is lifted before its time: an ask is answered, a client takes its chunk. asyncio's own timers cost a context, a handle
and a Python-level comparison in a heap each; these cost a tuple in a heap, and nothing when they are lifted. What is lifted leaves the
heap when its time comes, or when the lifted outnumber the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from math import isnan

FEW = 256  # lifted alarms that nobody bothers about


class Alarm:
    """A call to come. `lift` it, and it never does."""

    __slots__ = ("_alarms", "due", "then")

    def __init__(self, alarms: Alarms, then: Callable[[], None]) -> None:
        self._alarms = alarms
        self.then: Callable[[], None] | None = then
        self.due = False  # it has left the heap, and is called next

    def ring(self) -> None:
        """Makes the call, unless it was lifted."""
        then, self.then = self.then, None
        if then is not None:
            then()

    def lift(self) -> None:
        """Nothing will be called. Lifting twice, or after the call, does nothing."""
        if self.then is not None:
            self.then = None
            self._alarms.lifted += not self.due


class Alarms:
    """The alarms of one loop. `at` takes seconds of the loop's clock; calls come in the order of their times."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lifted = 0
        self._loop = loop
        self._heap: list[tuple[float, int, Alarm]] = []
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, when: float, then: Callable[[], None]) -> Alarm:
        """Calls `then` at that time, in the loop's own turn."""
        if isnan(when):
            raise ValueError("an alarm at nan seconds: it would never ring, nor would others")
        alarm = Alarm(self, then)
        if self.lifted > FEW and self.lifted * 2 > len(self._heap):
            self._clear()
        heappush(self._heap, (when, next(self._order), alarm))
        if self._timer is None or when < self._timer.when():
            self._set()
        return alarm

    def _clear(self) -> None:
        self._heap = [entry for entry in self._heap if entry[2].then is not None]
        heapify(self._heap)
        self.lifted = 0

    def _set(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._heap[0][0], self._ring) if self._heap else None

    def _ring(self) -> None:
        timer, self._timer = self._timer, None
        assert timer is not None, "it has just rung"
        now = max(self._loop.time(), timer.when())  # a loop may ring early by its clock's resolution
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].then is None):
            alarm = heappop(self._heap)[2]
            if alarm.then is None:
                self.lifted -= 1
            else:
                alarm.due = True
                self._loop.call_soon(alarm.ring)  # each a callback of its own: one that raises takes no other with it
        self._set()
