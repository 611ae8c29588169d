"""The actor system: who lives where, how a message gets there, and where the answer goes.

Owns the directory of addresses, the reply slots of every ask under way, the dead letters and the ring of hops. It decides nothing
about anybody's life: cells hold instances, supervisors decide.

    tell / ask --envelope--> directory[address].deliver --> mailbox ... answer --> settle(slot) --> future or asker's mailbox

Everything here runs on one loop. `tell` may be called from any thread, `ask_from_thread` from any other.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextvars import ContextVar
from functools import partial
from itertools import count
from threading import get_ident
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar, cast

from actors.runtime.alarms import Alarms
from actors.runtime.asks import Asks, Target
from actors.runtime.patience import put_off
from messages.envelope import Address, Envelope
from messages.message import Ask, Message, pack, unpack
from messages.outcome import AskFailed, DeadlinePassed, NoSuchAddress, Outcome, describe, is_outcome
from messages.supervision import Decision, Down, ExitReason

if TYPE_CHECKING:
    from actors.runtime.cell import Cell
    from actors.runtime.crashes import CrashJournal

R = TypeVar("R")

Wire = Literal["always", "edge"]

OUTSIDE = Address("")
ASK_TIMEOUT = 30.0
DEAD_LETTERS = 1000
HOPS = 10_000
UNPACKED = 256  # bytes that a message counts for which nobody packed
LOOP_GRACE = 1.0  # seconds that a loop may be late with the end of an ask, for a thread that waits
ROOT_RETRY = 0.25
ABANDON_AFTER = 5.0  # seconds a cancelled task may take to go
TURNS_FOR = 0.002  # seconds of real time, not of the loop's: it is the sockets that wait

TRACE: ContextVar[str] = ContextVar("undying_trace", default="")
"""The trace of the message being handled; inherited by everything it causes."""

class StartFailed(Exception):
    """The tree did not start; `reason` says which actor and why."""

    def __init__(self, reason: ExitReason) -> None:
        super().__init__(f"{reason.error}: {reason.detail}")
        self.reason = reason


class Resident(Protocol):
    """What an address leads to."""

    address: Address
    incarnation: int
    watchers: dict[Resident, int]
    watching: set[Resident]

    def deliver(self, envelope: Envelope) -> Outcome | None:
        """Takes the envelope, or says why not."""
        ...

    def notice_down(self, down: Down, incarnation: int) -> None:
        """Tells the incarnation that asked for it that somebody ended, behind what is already waiting."""
        ...

    def watched_by(self, watcher: Resident, incarnation: int) -> bool:
        """From now on that one gets Down when this ends; False when it has ended already."""
        ...


class Elsewhere(Protocol):
    """Where the addresses are that nobody here has: the way to another system. See `border.py`."""

    def deliver(self, address: str, envelope: Envelope) -> Outcome | None:
        """Sends it there."""
        ...

    def resident(self, address: str) -> Resident:
        """A stand-in for whoever lives there."""
        ...


class DeadLetter(NamedTuple):
    """A message that was not handled, and why. `reason` is the crash it caused, if it did."""

    at: float
    address: str
    kind: str
    sender: str
    trace: str
    why: str
    reason: ExitReason | None = None


class Hop(NamedTuple):
    """One message on its way, for `/status/traces`."""

    trace: str
    at: float
    kind: str
    sender: str
    address: str


class ActorSystem:
    """See the module. Made on the loop that it lives on."""

    def __init__(
        self, *, wire: Wire = "always", chance: Callable[[], float] = random.random, crashes: CrashJournal | None = None
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time  # the loop's clock in seconds; virtual in tests
        self.wire = wire
        self._packs = wire == "always"
        self.chance = chance
        self.crashes = crashes
        self.directory: dict[str, Resident] = {}
        self.dead_letters: deque[DeadLetter] = deque(maxlen=DEAD_LETTERS)
        self.dead_letter_count = 0
        self.late_replies = 0
        self.hops: deque[tuple[str, float, str, str, str]] = deque(maxlen=HOPS)  # each the fields of a Hop, made when somebody looks
        self.elsewhere: Elsewhere | None = None
        self.listeners: list[Callable[[Decision], None]] = []
        self.recorders: list[Callable[[Decision], None]] = []  # hear the same, but for what temporary actors do every day
        self.ending: set[asyncio.Task[None]] = set()
        self.abandoned = 0  # tasks and threads that went on although their actor had ended and they were cancelled
        self.handed: dict[int, object] = {}  # what a message names by a number: code stays in the process
        self.began = self.loop.time()
        self.root: Cell | None = None
        self.stopping = False
        self._root_ends: tuple[float, ...] = ()
        self.alarms = Alarms(self.loop)
        self.turning: Cell | None = None  # whose turn it is; the watchdog looks at it from its thread
        self.turn_limit = float("inf")  # seconds of real time; a longer turn is told to `long_turn`
        self.long_turn: Callable[[Cell, float, str], None] = lambda cell, seconds, last: None
        self._ready: deque[Cell] = deque()
        self._turning = False
        self.turned_at = self.began  # the loop's clock when the present turns began: near enough for deadlines
        self._ids = count(1)
        self._guests = count(1)
        self.asks = Asks(self.loop)
        self._thread = get_ident()

    # ---- sending

    def unique(self) -> int:
        """A number that was not given out before in this process."""
        return next(self._ids)

    def number_apart(self, which: int) -> None:
        """Gives out numbers that no other system does that this one meets: every system has a `which` of its own, the first has 0."""
        self._ids = count((which << 40) + 1)

    def new_guest(self) -> int:
        """The `which` of a system that will live in a thread or a process."""
        return next(self._guests)

    def resident(self, address: str) -> Resident | None:
        """Who lives at that address; a stand-in when it may be elsewhere."""
        resident = self.directory.get(address)
        return self.elsewhere.resident(address) if resident is None and self.elsewhere is not None else resident

    def _deliver_elsewhere(self, address: str, envelope: Envelope) -> Outcome | None:
        return NoSuchAddress(address=address) if self.elsewhere is None else self.elsewhere.deliver(address, envelope)

    def deliver(self, address: str, envelope: Envelope) -> Outcome | None:
        """Puts the envelope into the mailbox at that address; what comes back is why that failed."""
        resident = self.directory.get(address)
        outcome = resident.deliver(envelope) if resident is not None else self._deliver_elsewhere(address, envelope)
        self._note(address, envelope, outcome)
        return outcome

    def _note(self, address: str, envelope: Envelope, outcome: Outcome | None) -> None:
        if outcome is not None:
            self.bury(address, envelope, describe(outcome))
        elif envelope.trace:
            self.hops.append((envelope.trace, envelope.at, envelope.kind, envelope.sender, address))

    def tell(
        self, address: str, message: Message, *, sender: Address = OUTSIDE, trace: str | None = None, timeout: float | None = None
    ) -> Outcome | None:
        """Sends without waiting for an answer. None when it is in the mailbox, else why not. From another thread always None.

        `timeout` in seconds: after that the message is no longer worth handling.
        """
        if get_ident() != self._thread:
            self.loop.call_soon_threadsafe(lambda: self.tell(address, message, sender=sender, trace=trace, timeout=timeout))
            return None
        now = self.now()
        payload = pack(message) if self._packs else message
        return self._send(address, message.kind, payload, sender, trace, now, None if timeout is None else now + timeout, 0)

    def _send(
        self, address: str, kind: str, payload: bytes | Message, sender: Address, trace: str | None, now: float, deadline: float | None, slot: int,
    ) -> Outcome | None:  # fmt: skip
        if trace is None:
            trace = TRACE.get()
        size = len(payload) if isinstance(payload, bytes) else UNPACKED
        envelope = Envelope(next(self._ids), kind, payload, size, now, sender, trace, sender if slot else None, slot, deadline)
        resident = self.directory.get(address)  # as `deliver` does: this is the hottest path there is, a call less is worth two lines
        outcome = resident.deliver(envelope) if resident is not None else self._deliver_elsewhere(address, envelope)
        if outcome is not None or trace:
            self._note(address, envelope, outcome)
        return outcome

    def ask(self, address: str, message: Ask[R], *, timeout: float = ASK_TIMEOUT, trace: str | None = None) -> asyncio.Future[R]:
        """Sends and awaits the typed answer for at most `timeout` seconds. Raises `AskFailed`."""
        future: asyncio.Future[R] = self.loop.create_future()
        self.open_slot(OUTSIDE, address, message, timeout, cast(Any, future), trace)
        return future

    def ask_from_thread(self, address: str, message: Ask[R], *, timeout: float = ASK_TIMEOUT) -> R:
        """The same from a thread that is not the loop's: blocks it until the answer is there. Raises `AskFailed`, also when the loop has gone."""
        if get_ident() == self._thread:
            raise RuntimeError("ask_from_thread would block the loop that has to answer: await system.ask(...) instead")

        async def asked() -> R:
            return await self.ask(address, message, timeout=timeout)

        if self.loop.is_closed():
            raise AskFailed(NoSuchAddress(address=address))
        asking = asyncio.run_coroutine_threadsafe(asked(), self.loop)
        try:
            return asking.result(timeout + LOOP_GRACE)
        except TimeoutError:  # not from the ask, which knows its own end: the loop itself stands still
            asking.cancel()
            raise AskFailed(DeadlinePassed(address=address, seconds=timeout)) from None
        except CancelledError:  # the loop ended, and its tasks with it
            raise AskFailed(NoSuchAddress(address=address)) from None

    # ---- answers

    def open_slot(
        self, sender: Address, address: str, message: Message, timeout: float, target: Target, trace: str | None = None, owned: set[int] | None = None,
    ) -> int:  # fmt: skip
        """Asks; the target gets the answer or an outcome, once and later. Returns the slot's number, which is in `owned` while it is open."""
        id = next(self._ids)
        now = self.now()
        deadline = now + timeout
        payload = pack(message) if self._packs else message  # what can't be packed is the sender's own error, and opens nothing
        self.asks.open(id, target, owned, deadline, address, timeout)
        outcome = self._send(address, message.kind, payload, sender, trace, now, deadline, id)
        if outcome is not None:
            self.loop.call_soon(self.settle, id, outcome)
        return id

    def settle(self, id: int, answer: Message) -> None:
        """Gives the answer, or the outcome, to whoever asked. Once: nothing happens when he has been told already."""
        if id in self.asks.slots:
            self.asks.settle(id, answer, is_outcome(answer))

    def answer(self, envelope: Envelope, answer: Message, sender: Address, *, fresh: bool = False) -> None:
        """Answers the ask in this envelope. An answer that comes too late is counted and dropped. `fresh`: nobody else holds it."""
        slot, asks = envelope.slot, self.asks
        if slot in asks.slots:  # packed before the slot goes: what can't be packed crashes the answerer, and that settles it
            if slot in asks.relays:
                pack(answer)
            elif self._packs and not fresh:
                answer = unpack(pack(answer))
        if slot not in asks.slots or not asks.settle(slot, answer, False):
            self.late_replies += 1
        elif envelope.trace:
            self.hops.append((envelope.trace, self.now(), answer.kind, sender, envelope.reply_to or OUTSIDE))

    # ---- turns

    def schedule(self, cell: Cell) -> None:
        """Gives the cell a turn. All that wait for one share a single callback: asyncio's own cost more than most turns."""
        self._ready.append(cell)
        if not self._turning:
            self._turning = True
            self.loop.call_soon(self._turns)

    def _turns(self) -> None:
        """Turns for 2 ms, those that follow from the first ones included; then sockets and tasks get theirs."""
        self.turned_at = self.now()
        now = time.perf_counter()
        until = now + TURNS_FOR
        try:
            while self._ready and now < until:
                cell = self.turning = self._ready.popleft()
                now = cell.turn(now)
        finally:
            self.turning = None
            self._turning = bool(self._ready)
            if self._turning:
                self.loop.call_soon(self._turns)

    # ---- the root

    def start_root(self, root: Cell) -> asyncio.Future[None]:
        """Starts the tree. Raises `StartFailed`; once it has started, the root is started again whenever it ends."""
        self.root = root
        started: asyncio.Future[None] = self.loop.create_future()

        def done(reason: ExitReason | None) -> None:
            if started.done():  # whoever waited has been cancelled
                return
            if reason is None:
                started.set_result(None)
            else:
                started.set_exception(StartFailed(reason))

        root.start(done)
        return started

    def root_ended(self, root: Cell, reason: ExitReason) -> None:
        """The root never gives up after start-up: there is nobody above it who could do better. It only slows down."""
        if self.stopping or root.state != "stopped":
            return
        wait, self._root_ends = put_off(self._root_ends, self.now(), self.chance())
        if wait:
            root.restart_at = self.now() + wait
            self.loop.call_at(root.restart_at, self._start_root_again, root)
        else:
            self._start_root_again(root)

    def _start_root_again(self, root: Cell) -> None:
        if not self.stopping and root.state == "stopped":
            root.restarts += 1
            root.start(lambda failed: None if failed is None else self._retry_root(root, failed))

    def _retry_root(self, root: Cell, reason: ExitReason) -> None:
        if root.state != "stopped":
            return  # it was killed while it started, and is started again already
        root.restart_at = self.loop.time() + ROOT_RETRY
        self.loop.call_at(root.restart_at, self._start_root_again, root)

    def restart_root(self) -> None:
        """Stops the tree in reverse order and starts it again."""
        root = self.root
        assert root is not None, "the tree was never started"
        root.stop(lambda: self._start_root_again(root), None)

    def stop_root(self, limit: float | None = None) -> asyncio.Future[None]:
        """Stops the tree in reverse order and gives up its addresses."""
        self.stopping = True
        stopped: asyncio.Future[None] = self.loop.create_future()
        root = self.root
        assert root is not None, "the tree was never started"

        def done() -> None:
            root.dispose()
            self.asks.end()
            if not stopped.done():
                stopped.set_result(None)

        root.stop(done, limit)
        return stopped

    # ---- what is left over

    def bury(self, address: str, envelope: Envelope, why: str, reason: ExitReason | None = None) -> None:
        """Notes a message that nobody will handle."""
        self.bury_letter(DeadLetter(self.loop.time(), address, envelope.kind, envelope.sender, envelope.trace, why, reason))

    def bury_letter(self, letter: DeadLetter) -> None:
        """The same, of which only this is known here."""
        self.dead_letter_count += 1
        self.dead_letters.append(letter)

    def fail(self, address: str, envelope: Envelope, outcome: Outcome, reason: ExitReason | None = None) -> None:
        """Buries a message and tells its asker, if it has one."""
        self.bury(address, envelope, describe(outcome), reason)
        if envelope.slot:
            self.settle(envelope.slot, outcome)

    def publish(self, decision: Decision) -> None:
        """Tells every listener what was decided, soon: what a listener raises is the loop's to report, and no actor's."""
        for listener in self.listeners if decision.everyday else (*self.recorders, *self.listeners):
            self.loop.call_soon(listener, decision)

    def disown(self, tasks: set[asyncio.Task[None]]) -> None:
        """Cancels an ended instance's tasks, and keeps hold of them until they are gone. One that won't go can't be forced to: it is reported."""
        if tasks:
            self.alarms.at(self.loop.time() + ABANDON_AFTER, partial(self._report_abandoned, tasks))
        for task in tasks:
            task.cancel()
            self.ending.add(task)
            task.add_done_callback(self._gone)

    def _report_abandoned(self, tasks: set[asyncio.Task[None]]) -> None:
        for task in tasks & self.ending:
            self.abandoned += 1
            address, _, name = task.get_name().rpartition(":")
            detail = f"its task {name} was cancelled {ABANDON_AFTER:g} s ago and goes on"
            self.publish(Decision(at=self.now(), address=address, event="abandoned", incarnation=0, detail=detail))

    def outlast(self, ending: Coroutine[Any, Any, None]) -> None:
        """Keeps hold of what an ended instance has left outside of this loop, until it is gone."""
        task = self.loop.create_task(ending)
        self.ending.add(task)
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self.ending.discard(task)
        if not task.cancelled():
            task.exception()  # its actor is gone already; asking for it keeps asyncio from complaining


