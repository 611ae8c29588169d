"""The mailbox of an actor that lives in a thread or a process: its messages are lent out at once, and wait over there.

    put --> waiting --lend--> lent --begun--> gone --keep--> stashed over there --resume--> gone
               ^               |                                    |
               +---take_back---+------------------------------------+   the instance ended first

What is lent counts as waiting until it is begun, and what is stashed too: depth, size and the typed refusal are those of any mailbox.
Messages are numbered 1, 2, ... for each instance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from actors.runtime.mailbox import Mailbox
from messages.envelope import Envelope


class LendingMailbox(Mailbox):
    """See the module. `last` is the message begun last, with its number; `look`, when set, notes what was begun meanwhile."""

    __slots__ = ("_kept", "_lent", "_number", "last", "look")

    def __init__(self, before: Mailbox) -> None:
        super().__init__(before.max_messages, before.max_bytes)
        self._lent: dict[int, Envelope] = {}
        self._kept: dict[int, Envelope] = {}
        self._number = 0
        self.last: tuple[int, Envelope] | None = None
        self.look: Callable[[], None] | None = None
        self.put_back(before.drain())

    @property
    def depth(self) -> int:
        """How many messages wait, here or there."""
        return super().depth + len(self._lent) + len(self._kept)

    @property
    def stashed(self) -> int:
        """How many messages are put aside."""
        return super().stashed + len(self._kept)

    def put(self, envelope: Envelope) -> bool:
        """Takes the message, or says False: full, also after a look at what was begun meanwhile."""
        if self._full(envelope):
            self._look()
        return not self._full(envelope) and super().put(envelope)

    def _full(self, envelope: Envelope) -> bool:
        return self.depth >= self.max_messages or self.size + envelope.size > self.max_bytes

    def oldest(self) -> Envelope | None:
        """The message that has waited longest, here or there."""
        self._look()
        return next(iter(self._kept.values()), None) or next(iter(self._lent.values()), None) or super().oldest()

    def lend(self, envelope: Envelope) -> None:
        """A message that was just taken is handed over."""
        self._number += 1
        self._lent[self._number] = envelope
        self.size += envelope.size

    def begun(self, number: int) -> Iterator[Envelope]:
        """The messages that have been begun meanwhile: all up to that number."""
        while self._lent and (first := next(iter(self._lent))) <= number:
            yield self._let_go(first)

    def settled(self, envelope: Envelope) -> None:
        """A message was answered without being begun: refused, over there."""
        for number, lent in self._lent.items():
            if lent is envelope:
                self._let_go(number)
                return

    def keep(self, number: int, envelope: Envelope) -> None:
        """A message that was begun is put aside over there: it waits again."""
        self._kept[number] = envelope
        self.size += envelope.size

    def resume(self, number: int) -> Envelope | None:
        """And is begun again; None when it was never put aside."""
        envelope = self._kept.pop(number, None)
        if envelope is not None:
            self.size -= envelope.size
            self.last = number, envelope
        return envelope

    def take_back(self) -> None:
        """The instance has ended: what it had not begun is in front again, in its order, for the next one."""
        kept = tuple(filter(None, [self.resume(number) for number in tuple(self._kept)]))
        unbegun = (*kept, *self._lent.values())
        for number in tuple(self._lent):
            self._let_go(number)
        self.put_back(unbegun)
        self._number = 0
        self.last = self.look = None

    def _look(self) -> None:
        if self.look is not None:
            self.look()

    def _let_go(self, number: int) -> Envelope:
        envelope = self._lent.pop(number)
        self.last = number, envelope
        self.size -= envelope.size
        return envelope
