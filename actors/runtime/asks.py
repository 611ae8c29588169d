"""The asks under way: where each answer goes, and until when it is waited for.

    open --> settle, with the answer or an outcome | close, when nobody waits any more | expire, at the deadline

Nearly every ask is answered long before its deadline, and there may be hundreds of thousands a second: so one costs a place in a table and
one in a heap, and no object of its own. What is answered leaves the heap when its time comes, or when such entries outnumber the rest.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import cast

from messages.message import Message
from messages.outcome import AskFailed, DeadlinePassed, Outcome

FEW = 256  # answered asks in the heap that nobody bothers about

Target = asyncio.Future[Message] | Callable[[Message], None]
"""Who waits: a future, which gets the answer or AskFailed; or a function, which gets the answer or the outcome."""


class Asks:
    """See the module. Each ask is known by a number; `slots` holds who waits, and the set in which its asker keeps its own numbers."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.slots: dict[int, tuple[Target, set[int] | None]] = {}
        self.relays: set[int] = set()  # asks that came from elsewhere, and keep their time there
        self._loop = loop
        self._heap: list[tuple[float, int, str, float]] = []  # deadline, number, address, seconds
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf

    def open(self, id: int, target: Target, owned: set[int] | None, deadline: float, address: str, seconds: float) -> None:
        """Waits for the answer until `deadline`, in seconds of the loop's clock, which is `seconds` from now."""
        if not deadline >= self._rings_at:  # nearly always it is
            if math.isnan(deadline):
                raise ValueError(f"an ask of {address} for {seconds!r} seconds: it would never end, nor would others")
            self._set(deadline)
        self.slots[id] = target, owned
        if owned is not None:
            owned.add(id)
        heap = self._heap
        if len(heap) > FEW + 2 * len(self.slots):
            self._heap = heap = [entry for entry in heap if entry[1] in self.slots]
            heapify(heap)
        heappush(heap, (deadline, id, address, seconds))

    def relay(self, id: int, then: Callable[[Message], None]) -> None:
        """Passes the answer to an ask from elsewhere on, as long as it is open."""
        self.slots[id] = then, None
        self.relays.add(id)

    def close(self, id: int) -> None:
        """Nobody waits for this answer any more."""
        slot = self.slots.pop(id, None)
        self.relays.discard(id)
        if slot is not None and slot[1] is not None:
            slot[1].discard(id)

    def settle(self, id: int, answer: Message, failed: bool) -> bool:
        """Gives the answer, or the outcome, to whoever waits; False when he does so no longer. The ask must be open."""
        target, owned = self.slots.pop(id)
        if self.relays:
            self.relays.discard(id)
        if owned is not None:
            owned.discard(id)
        if not isinstance(target, asyncio.Future):
            target(answer)
        elif target.done():  # whoever awaited it was cancelled
            return False
        elif failed:
            target.set_exception(AskFailed(cast(Outcome, answer)))
        else:
            target.set_result(answer)
        return True

    def asked(self) -> list[str]:
        """The addresses that have not answered yet, one for each open ask."""
        return [address for _, id, address, _ in self._heap if id in self.slots]

    def end(self) -> None:
        """The system has stopped: what is still open are futures that nobody awaits."""
        for id in [id for id, (target, _) in self.slots.items() if isinstance(target, asyncio.Future) and target.done()]:
            self.close(id)
        if self._timer is not None:
            self._timer.cancel()
            self._rings_at = math.inf

    def _set(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._expire)
        self._rings_at = when

    def _expire(self) -> None:
        now = max(self._loop.time(), self._rings_at)  # a loop may ring early by its clock's resolution
        self._timer = None
        self._rings_at = math.inf
        heap = self._heap
        while heap and (heap[0][0] <= now or heap[0][1] not in self.slots):
            _, id, address, seconds = heappop(heap)
            if id in self.slots:
                self.settle(id, DeadlinePassed(address=address, seconds=seconds), True)
        if heap:
            self._set(heap[0][0])
