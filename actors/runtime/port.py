"""A mailbox for what is no actor: an HTTP handler, a test, a script. It has an address, so it can be told things and watch actors.

    async with Port(system, trace="ab12") as port:
        port.tell("/gateway/exchanges", ServeChat(...))
        answer = await port.receive(timeout=30)

Owned by the task that waits at it; closing it gives up the address.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from types import TracebackType
from typing import Self

from actors.runtime.system import ActorSystem, Resident
from messages.envelope import Address, Envelope
from messages.faults import Fault
from messages.message import Message, Unreadable, unpack
from messages.outcome import Full, Outcome, Refused
from messages.supervision import Down, ExitReason

LIMIT = 10_000


class Port:
    """See the module. Messages and `Down`s come out in the order in which they came in."""

    def __init__(self, system: ActorSystem, *, trace: str = "", prefix: str = "/ports") -> None:
        self.system = system
        self.trace = trace
        self.incarnation = 1
        self.address = Address(f"{prefix}/{system.unique()}")
        self.watchers: dict[Resident, int] = {}
        self.watching: set[Resident] = set()
        self._received: deque[Message] = deque()
        self._waiter: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def open(self) -> None:
        """Takes its address."""
        self.system.directory[self.address] = self

    def close(self) -> None:
        """Gives it up. Closing it twice does nothing."""
        if self.system.directory.pop(self.address, None) is None:
            return
        for target in self.watching:
            target.watchers.pop(self, None)
        down = Down(address=self.address, incarnation=self.incarnation, reason=ExitReason(how="normal"))
        for watcher, incarnation in self.watchers.items():
            watcher.watching.discard(self)
            watcher.notice_down(down, incarnation)

    def tell(self, address: str, message: Message, *, timeout: float | None = None) -> Outcome | None:
        """Sends; answers and Downs come back here."""
        return self.system.tell(address, message, sender=self.address, trace=self.trace, timeout=timeout)

    async def receive(self, timeout: float | None = None) -> Message:
        """The next message, as soon as there is one. Raises TimeoutError after `timeout` seconds."""
        if not self._received:
            waiter = self._waiter = self.system.loop.create_future()
            alarm = None if timeout is None else self.system.alarms.at(self.system.now() + timeout, partial(_too_late, waiter))
            try:
                await waiter
            finally:
                if alarm is not None:
                    alarm.lift()
        return self._received.popleft()

    def deliver(self, envelope: Envelope) -> Outcome | None:
        """For the system: takes the envelope."""
        if envelope.slot:
            return Refused(fault=Fault(cls="not_understood", message=f"{self.address} is a port: it is told things, it does not answer"))
        if len(self._received) >= LIMIT:
            return Full(address=self.address, depth=LIMIT, size=0)
        try:
            self._take(unpack(envelope.payload) if isinstance(envelope.payload, bytes) else envelope.payload)
        except Unreadable as error:
            return Refused(fault=Fault(cls="not_understood", message=f"{self.address}: {error}"))
        return None

    def notice_down(self, down: Down, incarnation: int) -> None:
        """For the kernel: somebody that reported its end to this port has ended."""
        self._take(down)

    def watched_by(self, watcher: Resident, incarnation: int) -> bool:
        """For the kernel: that one gets Down when this port closes."""
        self.watchers[watcher] = incarnation
        watcher.watching = watcher.watching or set()  # an actor makes its set when it needs one
        watcher.watching.add(self)
        return True

    def _take(self, message: Message) -> None:
        self._received.append(message)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _too_late(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
