"""The inside of a replay: one actor, everybody else pretended.

    feed --messages, answers, Downs, in their order and with their pauses--> instance
    instance --tells, asks--> strangers, who live at every other address: noted; an ask waits until the feed comes to its answer

What is asked and never answered in the recording was under way at the crash: it stays so until all has been given, then it is refused.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from actors.runtime.cell import Cell
from actors.runtime.crash_file import CrashFile, Entry, Head
from actors.runtime.supervised import SupervisedActor
from actors.runtime.system import ActorSystem, Resident
from actors.runtime.wreckage import place, remains
from messages.envelope import Address, Envelope, from_bytes
from messages.faults import Fault
from messages.message import Message, Unreadable, unpack
from messages.outcome import Outcome, Refused
from messages.supervision import Down, ExitReason

PAUSE = 60.0  # seconds of the sandbox's time between two messages, at most
AFTER = 60.0  # seconds of the sandbox's time for what the last message set going
TICK = 0.000_001  # until everything that can happen without time passing has happened

Factory = Callable[[], SupervisedActor[Any]]

Verdict = Literal["same", "another", "none", "impossible"]
"""The same crash came back; another one did; none did; or the messages never got as far as the instance."""


class Sent(NamedTuple):
    """Something that the replayed actor told or asked somebody."""

    address: str
    kind: str


class _Stranger:
    """Everybody but the replayed actor. Alive as far as it can see."""

    def __init__(self, box: Box, address: str) -> None:
        self.box = box
        self.address = Address(address)
        self.incarnation = 1
        self.watchers: dict[Resident, int] = {}
        self.watching: set[Resident] = set()

    def deliver(self, envelope: Envelope) -> Outcome | None:
        self.box.take(self.address, envelope)
        return None

    def notice_down(self, down: Down, incarnation: int) -> None:
        pass

    def watched_by(self, watcher: Resident, incarnation: int) -> bool:
        self.watchers[watcher] = incarnation
        watcher.watching = {*watcher.watching, self}
        return True


class _Elsewhere(dict[str, Resident]):
    """A directory in which everybody lives."""

    def __init__(self, box: Box) -> None:
        super().__init__()
        self._box = box

    def get(self, address: str, default: Any = None) -> Any:
        """Whoever really lives there, or a stranger."""
        return self[address]

    def __missing__(self, address: str) -> Resident:
        return _Stranger(self._box, address)


@dataclass(slots=True)
class _Asked:
    """An ask of the replayed actor that waits for its answer."""

    sent: Sent
    slot: int


@dataclass(slots=True)
class _Ears:
    """What is answered, and what waits for it. `to_come` counts the answers that the feed has yet to reach."""

    to_come: Counter[Sent]
    early: list[Entry] = field(default_factory=list)
    waiting: list[_Asked] = field(default_factory=list)


class Box:
    """One replay. It is the system's journal of crashes as well, so it hears of the crash with its exception."""

    def __init__(self, crash: CrashFile, factory: Factory) -> None:
        self.crash = crash
        self.sent: list[Sent] = []
        self.refused: list[Sent] = []
        self.problems: list[str] = []
        self.error: BaseException | None = None
        self.given: set[int] = set()
        self.over = False  # everything recorded has been given
        self.ears = _Ears(Counter(Sent(entry.address, entry.asked) for entry in crash.entries if entry.what == "answer" and entry.data))
        self.system = ActorSystem(crashes=self)
        self.system.stopping = True  # what ends is not started again
        self.system.directory = _Elsewhere(self)
        self.cell = Cell(self.system, Address(crash.head.address), factory, None)
        self.cell.incarnation = crash.head.incarnation - 1
        self._ended = asyncio.Event()

    def note(self, cell: Cell, instance: SupervisedActor[Any], reason: ExitReason, error: BaseException | None, poison: Envelope | None) -> str:
        """For the system: the actor has crashed."""
        if cell is self.cell:
            self.error = error
        return ""

    async def run(self) -> None:
        """Starts the instance and gives it all there is."""
        self.system.listeners.append(lambda _: self._ended.set() if self.cell.state == "stopped" else None)
        self.cell.trace = next((_trace(entry) for entry in self.crash.entries if entry.what == "message" and entry.data), "")
        self.cell.start(self._started)
        await asyncio.sleep(TICK)
        before = None
        for entry in self.crash.entries:
            if before is not None:
                await asyncio.sleep(min(max(0.0, (before - entry.ms) / 1000), PAUSE))
            before = entry.ms
            if self.cell.state == "stopped":
                break
            self._give(entry)
            await asyncio.sleep(TICK)
        self._no_more()
        if self.cell.state != "stopped":
            with suppress(TimeoutError):
                async with asyncio.timeout(AFTER):
                    await self._ended.wait()
        if self.cell.state != "stopped":
            self.cell.kill("the replay is over")
            self.cell.last_exit = None

    def _started(self, reason: ExitReason | None) -> None:
        if reason is not None:
            self.problems.append(f"the fresh instance did not start ({reason.error}: {reason.detail})")

    def verdict(self) -> Verdict:
        """What came of it."""
        head = self.crash.head
        if self.error is not None:
            return "same" if _is_same(head, self.error) else "another"
        if self.cell.last_exit is not None and self.cell.last_exit.how == "crashed":
            return "same" if (self.cell.last_exit.error, head.place) == (head.reason.error, ()) else "another"
        return "impossible" if self.problems else "none"

    # ---- what it is given

    def _give(self, entry: Entry) -> None:
        if entry.data is None:
            self.problems += [f"{entry.kind} was not kept, so it could not be given"] if entry is self.crash.entries[-1] else []
            return
        try:
            if entry.what == "message":
                self._deliver(entry.data)
            elif entry.what == "answer":
                self._answer(entry)
            else:
                down = unpack(entry.data)
                assert isinstance(down, Down), "a down is a Down"
                self.cell.notice_down(down, self.cell.incarnation)
        except Unreadable as error:
            self.problems.append(f"{entry.kind} can't be read ({error})")

    def _deliver(self, data: bytes) -> None:
        envelope = from_bytes(data, self.system.now())
        if isinstance(envelope.payload, bytes):
            unpack(envelope.payload)
        if envelope.id in self.given:
            return  # it was put aside, and begun again later: that happens here by itself
        self.given.add(envelope.id)
        envelope.slot = -envelope.slot  # nobody waits here for what it answers, and no ask of its own has such a number
        outcome = self.cell.deliver(envelope)
        if outcome is not None:
            self.problems.append(f"{envelope.kind} was not taken ({outcome.kind})")

    # ---- what it sends

    def take(self, address: str, envelope: Envelope) -> None:
        """Somebody was told or asked something."""
        sent = Sent(address, envelope.kind)
        self.sent.append(sent)
        if not envelope.slot:
            return
        ears = self.ears
        early = next((entry for entry in ears.early if (entry.address, entry.asked) == sent), None)
        if early is not None:
            ears.early.remove(early)
            self.system.loop.call_soon(self._settle, envelope.slot, early)
        elif self.over or (self.cell.state == "starting" and not ears.to_come[sent]):
            self.system.loop.call_soon(self._refuse, _Asked(sent, envelope.slot))
        else:
            ears.waiting.append(_Asked(sent, envelope.slot))

    def _answer(self, entry: Entry) -> None:
        ears, sent = self.ears, Sent(entry.address, entry.asked)
        ears.to_come[sent] -= 1
        asked = next((asked for asked in ears.waiting if asked.sent == sent), None)
        if asked is None:
            ears.early.append(entry)
        else:
            ears.waiting.remove(asked)
            self._settle(asked.slot, entry)

    def _settle(self, slot: int, entry: Entry) -> None:
        assert entry.data is not None, "what was not kept is not given"
        self.system.settle(slot, _readable(entry.data))

    def _refuse(self, asked: _Asked) -> None:
        self.refused.append(asked.sent)
        self.system.settle(asked.slot, Refused(fault=Fault(cls="not_found", message=f"no answer of {asked.sent.address} is recorded")))

    def _no_more(self) -> None:
        self.over = True
        for asked in self.ears.waiting:
            self._refuse(asked)
        self.ears.waiting.clear()


def _readable(data: bytes) -> Message:
    """The answer; one that is no message any more is a refusal that says so."""
    try:
        return unpack(data)
    except Unreadable as error:
        return Refused(fault=Fault(cls="not_understood", message=f"the recorded answer can't be read: {error}"))


def _is_same(head: Head, error: BaseException) -> bool:
    """The same type from the same place. What crashed in another process has told no place."""
    return type(error).__name__ == head.reason.error and head.place in ((), tuple(map(tuple, place(remains(error)))))


def _trace(entry: Entry) -> str:
    try:
        return from_bytes(entry.data or b"", 0.0).trace
    except Unreadable:
        return ""
