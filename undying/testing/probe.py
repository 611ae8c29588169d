"""An address of the test's own: given to actors as a target, it keeps what they say, and the test expects it, in order.

    actor --message, Down--> probe --expect, expect_down, expect_nothing--> test
    actor --ask------------> probe --answer--> actor

What comes next has to be what is expected: a message of another kind fails at once, and stays to be read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar, overload

from actors.runtime.port import Port
from actors.runtime.system import ActorSystem
from messages.envelope import Address, Envelope
from messages.faults import Fault
from messages.message import Message, Unreadable, unpack
from messages.outcome import NoSuchAddress, Outcome, Refused
from messages.supervision import Down, ExitReason

A = TypeVar("A", bound=Message)
B = TypeVar("B", bound=Message)
C = TypeVar("C", bound=Message)

WITHIN = 1.0


class Probe(Port):
    """See the module. `received` is everything that ever came, in order; `at` an address that it takes instead of one of its own.

    Made by `RunningTree.probe`, or with `async with Probe(system)`. Times are in seconds of the loop's clock.
    """

    def __init__(self, system: ActorSystem, at: str = "") -> None:
        super().__init__(system, prefix="/probes")
        if at in system.directory:
            raise ValueError(f"at: {at!r} is taken; a probe stands where nobody lives")
        if at:
            self.address = Address(at)
        self.received: list[Message] = []
        self._asks: deque[Envelope] = deque()

    # ---- expecting

    @overload
    async def expect(self, *, within: float = WITHIN, where: Callable[[Message], bool] | None = None) -> Message: ...
    @overload
    async def expect(self, a: type[A], /, *, within: float = WITHIN, where: Callable[[A], bool] | None = None) -> A: ...
    @overload
    async def expect(self, a: type[A], b: type[B], /, *, within: float = WITHIN, where: Callable[[A | B], bool] | None = None) -> A | B: ...
    @overload
    async def expect(
        self, a: type[A], b: type[B], c: type[C], /, *, within: float = WITHIN, where: Callable[[A | B | C], bool] | None = None,
    ) -> A | B | C: ...  # fmt: skip

    async def expect(self, *kinds: type[Any], within: float = WITHIN, where: Callable[[Any], bool] | None = None) -> Any:
        """The next message, which has to be of one of these kinds, and such that `where` holds. Raises AssertionError, told in full."""
        wanted = " or ".join(kind.__name__ for kind in kinds) or "a message"
        return await self._expect(f"{wanted} for which `where` holds" if where else wanted, kinds or (Message,), within, where)

    async def expect_down(self, address: str, within: float = WITHIN) -> Down:
        """The next message, which has to be the Down of this address."""
        down = await self._expect(f"the Down of {address}", (Down,), within, lambda down: down.address == address)
        assert isinstance(down, Down)
        return down

    async def expect_nothing(self, within: float = 0.1) -> None:
        """Waits for so long, and nothing may come."""
        message = await self._next(within)
        if message is not None:
            raise AssertionError(self._story(f"nothing within {within:g} s", f"but {told(message)} came"))

    async def _expect(self, wanted: str, kinds: tuple[type[Any], ...], within: float, where: Callable[[Any], bool] | None) -> Message:
        message = await self._next(within)
        if message is None:
            raise AssertionError(self._story(f"{wanted} within {within:g} s", "but nothing came"))
        if not isinstance(message, kinds) or not (where is None or where(message)):
            raise AssertionError(self._story(wanted, f"but {told(message)} came"))
        return self._received.popleft()

    async def _next(self, within: float) -> Message | None:
        """What comes next, left where it is."""
        try:
            message = await self.receive(within)
        except TimeoutError:
            return None
        self._received.appendleft(message)
        return message

    def _story(self, wanted: str, instead: str) -> str:
        read = self.received[: len(self.received) - len(self._received)]
        before = "".join(f"\n  {told(message)}" for message in read) or " nothing"
        behind = "".join(f"\n  {told(message)}" for message in list(self._received)[1:]) or " nothing"
        return f"{self.address} expected {wanted}, {instead}.\nRead before:{before}\nWaiting behind:{behind}"

    # ---- watching and answering

    def watch(self, address: str) -> None:
        """Has Down sent here when whoever lives there ends; at once when nobody does."""
        target = self.system.directory.get(address)
        if target is None or not target.watched_by(self, self.incarnation):
            reason = ExitReason(how="killed", error="NoSuchAddress", detail=f"nobody lives at {address}")
            self._take(Down(address=address, incarnation=0, reason=reason))

    def answer(self, answer: Message) -> None:
        """Answers the oldest ask that was not answered yet."""
        if not self._asks:
            raise AssertionError(self._story("an ask to answer", "but there is none"))
        self.system.answer(self._asks.popleft(), answer, self.address)

    # ---- for the kernel

    def deliver(self, envelope: Envelope) -> Outcome | None:
        """Takes the envelope; an ask waits for `answer`."""
        if not envelope.slot:
            return super().deliver(envelope)
        try:
            message = unpack(envelope.payload) if isinstance(envelope.payload, bytes) else envelope.payload
        except Unreadable as error:
            return Refused(fault=Fault(cls="not_understood", message=f"{self.address}: {error}"))
        self._asks.append(envelope)
        self._take(message)
        return None

    def close(self) -> None:
        """Gives up the address; who still waits for an answer is told so."""
        super().close()
        while self._asks:
            self.system.settle(self._asks.popleft().slot, NoSuchAddress(address=self.address))

    def _take(self, message: Message) -> None:
        self.received.append(message)
        super()._take(message)


def told(message: Message) -> str:
    """A message in full."""
    return f"{message.kind} {message!r}"
