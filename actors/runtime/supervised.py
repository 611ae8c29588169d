"""What an actor of the service is made of.

    class Counter(SupervisedActor[Inbox]):        # Inbox = Add | Total, the union of what it understands
        def receive(self, message: Inbox) -> Message | Later | None:
            match message:
                case Add():
                    self.total += message.n
                case Total():
                    return Totalled(n=self.total)
                case _:
                    assert_never(message)

`receive` is synchronous: it answers, or returns `self.later()` and lets an owned task answer. Whatever it raises ends the instance and
reaches the supervisor; only `Refusal` is an answer, and `Exit` an end with a typed reason. All that an instance starts (tasks,
timers, asks, monitors) is its own and ends with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar, cast, get_args

import structlog

from actors.runtime.cell import START_LIMIT, Cell
from actors.runtime.exits import Exit
from actors.runtime.system import ASK_TIMEOUT, TRACE, ActorSystem
from actors.runtime.timer import Timer
from messages.envelope import Address, Envelope
from messages.faults import Fault
from messages.message import Ask, Message
from messages.outcome import AskFailed, Outcome, Refusal, is_outcome
from messages.supervision import Down, ExitReason

if TYPE_CHECKING:
    _Actor = object  # hooks may be coroutines here, which pykka's types rule out
else:
    from actors.runtime.asyncio_actor import AsyncioActor as _Actor

I = TypeVar("I", bound=Message)  # noqa: E741
R = TypeVar("R", bound=Message)


NORMAL = ExitReason(how="normal")
OWN_STOP_LIMIT = 5.0  # seconds for the `on_stop` of an actor that leaves by its own wish


class Later:
    """An ask that is answered after `receive` has returned, by the instance that began it. Ends with it, as every ask does."""

    __slots__ = ("_cell", "_envelope")

    def __init__(self, cell: Cell, envelope: Envelope) -> None:
        self._cell = cell
        self._envelope = envelope

    def answer(self, answer: Message) -> None:
        """Answers. Nothing happens when the asker was told otherwise meanwhile."""
        if self._envelope.id in self._cell.pending:
            self._cell.respond(self._envelope, answer)  # what can't be packed crashes the actor, which owes an answer until then
            self._take()

    def refuse(self, fault: Fault) -> None:
        """Says no, and why."""
        if self._take():
            self._cell.respond(self._envelope, Refusal(fault))

    def forward(self, address: str, id: int | None = None) -> Outcome | None:
        """Hands the ask on: whoever lives there answers. See `SupervisedActor.forward`.

        `id`, from `system.unique()`, names the child when a dynamic supervisor lives there: it will live at `address/id`.
        """
        return self._cell.hand_on(self._envelope, address, id) if self._take() else None

    def _take(self) -> bool:
        return self._cell.pending.pop(self._envelope.id, None) is not None  # emptied when the instance ends


class Stashed(Later):
    """A message that is put aside: it has not begun, and comes again after `unstash`, or to the next incarnation."""

    __slots__ = ()


class SupervisedActor(_Actor, Generic[I]):
    """Subclass it, say what you understand as the type argument, write `receive`; hooks are `on_start` and `on_stop`."""

    understands: ClassVar[frozenset[str]] = frozenset()
    start_limit: ClassVar[float | None] = START_LIMIT
    strategy_name: ClassVar[str] = ""
    pid: ClassVar[int | None] = None  # of its own process, if it has one
    decides_nothing: ClassVar[bool] = False  # a supervisor that only forgets who ended need not wait for its turn to do so
    _cell: Cell

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for base in cls.__dict__.get("__orig_bases__", ()):
            for inbox in get_args(base):
                kinds = [member for member in (get_args(inbox) or (inbox,)) if isinstance(member, type) and issubclass(member, Message)]
                if kinds:
                    cls.understands = cls.understands | {kind.kind for kind in kinds}

    def __init__(self) -> None:
        """Nothing of pykka's own: no urn, no lock, no global registry. The cell is all that an instance needs."""

    # ---- to be written by subclasses

    def receive(self, message: I) -> Message | Later | None:
        """Handles one message; returns the answer when it is an ask."""
        raise AssertionError(f"{type(self).__name__} has no receive")

    def on_start(self) -> Coroutine[Any, Any, None] | None:
        """Before the first message. May be a coroutine, for at most 10 s. Raise to say that the start failed."""
        return None

    def on_stop(self) -> Coroutine[Any, Any, None] | None:
        """When asked to end in order, within the child's shutdown time. Not called on a crash or a kill."""
        return None

    def down(self, down: Down) -> None:
        """An actor that this one monitors has ended."""

    def handle(self, envelope: Envelope) -> None:
        """One envelope, before it is read. Overridden by supervisors that hand it on unread."""
        payload = envelope.payload
        message = self._cell.read(envelope) if type(payload) is bytes else payload
        if message is None:
            return
        answer: Message | Later | Refusal | None
        try:
            answer = self.receive(message)  # type: ignore[arg-type]
        except Refusal as refusal:
            answer = refusal
        if answer is None and not envelope.slot:
            return
        if isinstance(answer, Later):
            if isinstance(answer, Stashed):
                self._cell.mailbox.stash(envelope)
        elif answer is None or isinstance(answer, Refusal):
            self._cell.respond(envelope, answer)
        elif envelope.slot:  # what `respond` would do, without the call
            self._cell.system.answer(envelope, answer, self._cell.address)

    def passed_over(self, envelope: Envelope) -> None:
        """A message that was dropped instead of handled: its deadline had passed. For supervisors that owe somebody a Down."""

    # ---- what an actor knows

    @property
    def address(self) -> Address:
        """Its own address."""
        return self._cell.address

    @property
    def incarnation(self) -> int:
        """How often the actor at this address has been started."""
        return self._cell.incarnation

    @property
    def system(self) -> ActorSystem:
        """The system it lives in."""
        return self._cell.system

    @property
    def now(self) -> float:
        """The loop's clock in seconds."""
        return self._cell.system.now()

    @property
    def sender(self) -> Address:
        """Who sent the message being handled; empty for the world outside."""
        assert self._cell.current is not None, "there is a sender only while a message is being handled"
        return self._cell.current.sender

    @property
    def deadline(self) -> float | None:
        """When the message being handled loses its worth, on the loop's clock."""
        assert self._cell.current is not None, "there is a deadline only while a message is being handled"
        return self._cell.current.deadline

    @property
    def log(self) -> Any:
        """The structured log, with this address on every line."""
        return structlog.get_logger(actor=self._cell.address)

    @property
    def title(self) -> str:
        """What kind of actor this is, for people."""
        return type(self).__name__

    # ---- what an actor does

    def tell(self, address: str, message: Message) -> Outcome | None:
        """Sends. None when it is in the mailbox, else why not."""
        return self._cell.system.tell(address, message, sender=self._cell.address)

    def ask(self, address: str, message: Ask[R], *, timeout: float = ASK_TIMEOUT) -> asyncio.Future[R]:
        """For owned tasks: sends and awaits the answer. Raises `AskFailed`. Ends with this instance."""
        cell = self._cell
        future: asyncio.Future[R] = cell.system.loop.create_future()
        cell.system.open_slot(cell.address, address, message, timeout, cast(Any, future), owned=cell.own_slots())
        if cell.system.crashes is not None:
            future.add_done_callback(partial(cell.hear_future, address, message.kind, cell.incarnation))
        return future

    def ask_then(self, address: str, message: Ask[R], then: Callable[[R | AskFailed], None], *, timeout: float = ASK_TIMEOUT) -> None:
        """Sends; `then` is called in this actor's turn, with the answer or with the failure."""
        cell = self._cell
        trace = TRACE.get()

        def in_turn(answer: Any) -> None:
            TRACE.set(trace)
            cell.hear(address, message.kind, answer.outcome if isinstance(answer, AskFailed) else answer)
            then(answer)

        def settled(answer: Any) -> None:
            cell.notice(partial(in_turn, AskFailed(answer) if is_outcome(answer) else answer))

        cell.system.open_slot(cell.address, address, message, timeout, settled, trace, cell.own_slots())

    def later(self) -> Later:
        """To be returned by `receive`: the ask being handled is answered later."""
        envelope = self._cell.current
        assert envelope is not None, "later() belongs into receive"
        if envelope.slot:
            self._cell.put_off(envelope)
        return Later(self._cell, envelope)

    def forward(self, address: str) -> Later:
        """Hands the message being handled on as it is: the asker stays, this actor becomes the sender. Refused if it can't be delivered."""
        envelope = self._cell.current
        assert envelope is not None, "forward() belongs into receive"
        outcome = self._cell.hand_on(envelope, address)
        if outcome is not None and not envelope.slot:
            self.log.warning("not forwarded", to=address, why=outcome.kind)
        return Later(self._cell, envelope)

    def stash(self) -> Stashed:
        """To be returned by `receive`: puts the message being handled aside. It counts as waiting, and keeps its deadline."""
        envelope = self._cell.current
        assert envelope is not None, "stash() belongs into receive"
        return Stashed(self._cell, envelope)

    def unstash(self) -> None:
        """Puts what was put aside in front of everything that waits, in the order in which it came."""
        self._cell.mailbox.unstash()
        self._cell.wake()

    def spawn(self, work: Coroutine[Any, Any, None], name: str = "task") -> asyncio.Task[None]:
        """Runs a coroutine as this actor's own: cancelled when it ends; what it raises crashes it."""
        return self._cell.own(work, name)

    def after(self, seconds: float, then: Callable[[], None]) -> Timer:
        """Calls `then` in this actor's turn, after that many seconds; `.cancel()` it or let it go."""
        return self._cell.after(seconds, then)

    def monitor(self, address: str) -> None:
        """`down` is called when the actor there ends, or at once when there is none."""
        self._cell.monitor(address)

    def demonitor(self, address: str) -> None:
        """`down` is not called for that one any more, not even when it has ended already."""
        self._cell.demonitor(address)

    def link(self, address: str) -> None:
        """Ends this actor when that one ends other than normally, and that one when this one does. Both must be actors of this system."""
        self._cell.link(address)

    def unlink(self, address: str) -> None:
        """Undoes `link`."""
        self._cell.unlink(address)

    def report_end_to(self, address: str) -> None:
        """Has another actor get Down when this instance ends, as if it had called `monitor`."""
        watcher = self._cell.system.resident(address)
        if watcher is not None:
            self._cell.watched_by(watcher, watcher.incarnation)

    def leave(self, reason: ExitReason | None = None) -> None:
        """Ends after the message being handled."""
        self._cell.leave(reason or NORMAL, OWN_STOP_LIMIT)

    def fail(self, fault: Fault) -> NoReturn:
        """Ends now with a failure that was to be expected: the fault is the exit reason, no traceback is kept."""
        raise Exit(ExitReason(how="failed", error=fault.cls, detail=fault.message, fault=fault))

    # ---- for the kernel

    def attach(self, cell: Cell) -> None:
        """Called once by the cell, before `on_start`."""
        if "_cell" in self.__dict__:
            raise TypeError(f"this {type(self).__name__} has lived already: `start` of a ChildSpec has to make a new one each time")
        self._cell = cell

    def paused(self, paused: bool) -> None:
        """Called by the cell when it is suspended, and when it goes on. For those that hand their messages on."""

    def released(self) -> None:
        """Called once by the cell when the instance has ended, however: what it holds outside of its loop is let go."""

    def underway(self) -> Envelope | None:
        """The message that this instance is in the midst of, when that is not on this loop: what ends it now is that message's crash."""
        return None

    def made_by(self) -> Callable[[], Any]:
        """What makes such an actor again, for its crash file."""
        return self._cell.factory

    @classmethod
    def start(cls, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Not for supervised actors."""
        raise TypeError(f"{cls.__name__} is started by a supervisor: give it a ChildSpec")

    @property
    def actor_ref(self) -> NoReturn:
        """Not for supervised actors."""
        raise TypeError(f"{type(self).__name__} has an address ({self._cell.address}), which outlives it, instead of a ref")

    def __str__(self) -> str:
        return f"{type(self).__name__} ({self._cell.address})"

    def child_ended(self, cell: Cell, incarnation: int, reason: ExitReason) -> None:
        """For supervisors."""
        raise AssertionError(f"{self.address} supervises nobody")

    def brings_back(self, cell: Cell) -> bool:
        """For supervisors: whether an instance will live at that child's address again."""
        return False


