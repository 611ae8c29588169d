"""One address in the tree: what stays when an instance goes.

Owns the mailbox, the current instance, its tasks and timers, and who watches it. A cell runs its instance and reports how it ends;
whether it starts again is the supervisor's business::

            start                 on_start done               stop
    stopped ------> starting --------------------> running --------> stopping --> stopped
                       |  raises, or takes too long    |  exception, exit, kill       ^
                       +-------------------------------+------------------------------+   end(reason): parent and monitors are told

Invariants:
 1. At most one instance lives; its number is `incarnation`, which only grows.
 2. A message that an instance has begun is never given to another one. What was not begun stays in the mailbox.
 3. When an instance ends, every ask it had begun has failed and all its tasks are cancelled before anybody hears of it.
 4. Nothing is handled while the state is not `running`, but what the kernel itself has to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from inspect import iscoroutine
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, assert_never

from actors.runtime.bonds import NONE, Bonds
from actors.runtime.describe import status_of
from actors.runtime.exits import Exit, InjectedCrash, crash_reason, error_of, reraise, traceback_of
from actors.runtime.mailbox import Mailbox
from actors.runtime.ring import SMALL, End, Heard, Ring, history_of, ring_of, weight
from actors.runtime.system import TRACE, ActorSystem
from actors.runtime.timer import Timer
from messages.envelope import Address, Envelope
from messages.faults import Fault
from messages.message import Message, Unreadable, unpack
from messages.outcome import AskFailed, Crashed, DeadlinePassed, Full, NoSuchAddress, Outcome, Refusal, Refused, describe
from messages.supervision import (
    Crash,
    Decision,
    Delay,
    Describe,
    Described,
    Drop,
    ExitReason,
    Isolation,
    Resume,
    State,
    Steered,
    Suspend,
    TellHistory,
)  # fmt: skip

if TYPE_CHECKING:
    from actors.runtime.supervised import SupervisedActor

MANY = 64  # asks put off before anybody looks which of them are too late
BATCH = 64  # messages handled before the loop gets its turn
START_LIMIT = 10.0
AT_ONCE = ("supervision.describe", "kernel.suspend", "kernel.resume", "supervision.tell_history")  # answered by the cell itself
KERNEL_KINDS = ("kernel.crash", "kernel.delay", "kernel.drop", *AT_ONCE)
WORKING = ("running", "half_open")
OTHERS_DOING = ("Killed", "ShutdownTimeout", "LinkedExit")  # ends that are no crash of the actor's own

Started = Callable[[ExitReason | None], None]
"""Told once how a start went: None when the actor runs, else why not. Called before `start` returns, or in the parent's turn."""


class Cell(Bonds):
    """See the module. A tree may have a hundred thousand of them: what an idle one doesn't need is made when it does."""

    __slots__ = (
        "_by_hand", "_drop", "_limit", "_many", "_on_started", "_on_stopped", "_scheduled", "accepts", "address", "busy", "children", "crashes",
        "current", "exiting", "factory", "handled", "incarnation", "instance", "isolation", "last_exit", "last_exit_at", "mailbox",
        "on_trial", "parent", "pending", "restart_at", "restart_type", "restarts", "ring", "significant", "slots", "started_at", "state",
        "supervises", "system", "tasks", "timers", "trace",
    )  # fmt: skip

    traced: ClassVar[bool] = False  # whether a crash is told with its traceback

    def __init__(
        self, system: ActorSystem, address: Address, factory: Callable[[], SupervisedActor[Any]], parent: Cell | None, *,
        restart_type: str = "permanent", mailbox: Mailbox | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.system = system
        self.address = address
        self.factory = factory
        self.parent = parent
        self.restart_type = restart_type
        self.mailbox = Mailbox() if mailbox is None else mailbox  # an empty one is false
        self.state: State = "stopped"
        self.instance: SupervisedActor[Any] | None = None
        self.incarnation = 0
        self.accepts: frozenset[str] = frozenset()
        self.children: dict[str, Cell] = {}  # written by the supervisor that lives here
        self.restart_at: float | None = None  # set while the supervisor waits before it starts this again
        self.on_trial = False  # the next start, or the present instance, has to prove itself: written by the supervisor
        self.significant = False
        self.isolation: Isolation = "task"
        self.supervises = False
        self.restarts = 0
        self.handled = 0
        self.busy = 0.0  # seconds
        self.crashes = 0
        self.started_at = 0.0
        self.last_exit: ExitReason | None = None
        self.last_exit_at = 0.0
        self.trace = ""  # of an actor that serves one request; what it does by itself belongs to it
        self.current: Envelope | None = None
        self.ring: Ring | None = None  # made when there is something to note
        self.exiting: tuple[ExitReason, float | None] | None = None
        self.pending: dict[int, Envelope] = {}  # asks begun and not yet answered
        self.slots: set[int] = NONE  # asks of its own under way
        self.tasks: set[asyncio.Task[None]] = NONE
        self.timers: set[Timer] = NONE
        self._by_hand = False  # suspended until somebody says otherwise
        self._drop = 0
        self._many = MANY
        self._limit: asyncio.TimerHandle | None = None  # of the start or the stop under way
        self._scheduled = False
        self._on_started: Started | None = None
        self._on_stopped: tuple[Callable[[], None], ...] = ()
        system.directory[address] = self

    # ---- life

    def start(self, done: Started) -> None:
        """Makes a new instance and runs its `on_start`; tells `done` when it runs, or why it doesn't."""
        assert self.state == "stopped", f"{self.address} has an instance: {self.state}"
        self.incarnation += 1
        if self.ring is not None:
            self.ring.incarnate(self.incarnation, self.handled)
        self.state = "starting"
        self.restart_at = None
        try:
            instance = self.factory()
            if isinstance(instance, type) or not hasattr(instance, "attach"):
                raise TypeError(f"{instance!r} is no actor: `start` of a ChildSpec is called without arguments and returns an instance")
            instance.attach(self)
            self.instance = instance
            self.accepts = instance.understands
            self.supervises = bool(instance.strategy_name)
            starting = instance.on_start()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            done(self._start_failed(error))
            return
        if iscoroutine(starting):
            self._on_started = done
            limit = instance.start_limit
            if limit is not None:
                late = Exit(ExitReason(how="start_failed", error="StartTimeout", detail=f"on_start took longer than {limit:g} s"))
                self._limit = self.system.loop.call_later(limit, lambda: self._report_start(self._start_failed(late)))
            self.own(starting, "on_start", self._finish_start)
        else:
            self._running()
            done(None)

    def _finish_start(self) -> None:
        self._running()
        self._report_start(None)

    def _running(self) -> None:
        self.state = "half_open" if self.on_trial else "running"
        self.started_at = self.system.now()
        self._lift_limit()
        self._publish("started")
        if self.exiting is not None:
            self.leave(*self.exiting)
        self.wake()

    def _lift_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _start_failed(self, error: BaseException) -> ExitReason:
        reason = crash_reason(error).model_copy(update={"how": "start_failed", "traceback": traceback_of(error)})
        self._end(reason)
        return reason

    def _report_start(self, reason: ExitReason | None) -> None:
        done, self._on_started = self._on_started, None
        if done is not None:
            self._in_parents_turn(partial(done, reason))

    def stop(self, done: Callable[[], None], limit: float | None) -> None:
        """Ends the instance: its `on_stop` may take `limit` seconds (None: for ever, 0: it isn't asked); then `done` is called."""
        if self.state == "stopped":
            done()
            return
        self._on_stopped += (done,)
        if self.state == "starting" or limit == 0:
            self.kill()
        else:
            self.notice(partial(self._stop, limit, ExitReason(how="shutdown")), overtake=True)

    def _stop(self, limit: float | None, reason: ExitReason) -> None:
        """In the instance's turn, so that an `on_stop` that raises is its own crash."""
        if self.state != "stopping":
            assert self.instance is not None, "only a living instance has turns"
            self.state = "stopping"
            stopping = self.instance.on_stop()
            if not iscoroutine(stopping):
                self._end(reason)
                return
            self.own(stopping, "on_stop", partial(self._end, reason))
        if limit is not None:
            self._end_within(limit)

    def _end_within(self, limit: float) -> None:
        """Whoever wants the stop that is under way to be over sooner gets his way."""
        at = self.system.loop.time() + limit
        if self._limit is None or self._limit.when() > at:
            self._lift_limit()
            late = ExitReason(how="killed", error="ShutdownTimeout", detail=f"on_stop took longer than {limit:g} s")
            self._limit = self.system.loop.call_at(at, self._end, late)

    def kill(self, detail: str = "killed by its supervisor") -> None:
        """Ends the instance now; nothing of it is asked."""
        if self.state != "stopped":
            reason = ExitReason(how="killed", error="Killed", detail=detail)
            done, self._on_started = self._on_started, None  # of this start: the root is started again before `_end` returns
            self._end(reason)
            if done is not None:
                self._in_parents_turn(partial(done, reason))

    def leave(self, reason: ExitReason, limit: float | None) -> None:
        """The instance ends by its own wish, when it has handled the message it is at; its `on_stop` may take `limit` seconds."""
        self.exiting = (reason, limit)
        if self.current is None:
            self.notice(lambda: None, overtake=True)

    def _in_parents_turn(self, then: Callable[[], None]) -> None:
        if self.parent is None:
            then()
        else:
            self.parent.notice(then, overtake=True)

    def _end(self, reason: ExitReason, error: BaseException | None = None) -> None:
        """The only way an instance goes; see the invariants."""
        self._note_end(reason, error)
        instance, self.instance = self.instance, None
        if instance is not None:
            instance.released()
        poison, self.current = self.current, None
        failed_to_start = self.state == "starting"
        self.state = "stopped"
        self.exiting = None
        self._by_hand = False
        self.last_exit, self.last_exit_at = reason, self.system.now()
        self.crashes += reason.how == "crashed"
        self.mailbox.forget_signals()
        self._lift_limit()
        for timer in tuple(self.timers):
            timer.cancel()
        tasks, self.tasks = self.tasks, NONE
        self.system.disown(tasks)
        for slot in tuple(self.slots):
            self.system.asks.close(slot)
        self._fail_begun(poison, reason)
        self._end_children()
        self.tell_watchers(reason)
        self.end_linked(reason)
        self._publish("exited", reason)
        stopped, self._on_stopped = self._on_stopped, ()
        for done in stopped:
            self._in_parents_turn(done)
        if not stopped and not failed_to_start:
            self._tell_parent(reason)

    def _note_end(self, reason: ExitReason, error: BaseException | None) -> None:
        crash, instance = "", self.instance
        if instance is not None and self.system.crashes is not None and reason.how in ("crashed", "killed"):
            poison = self.current or instance.underway()
            if reason.error not in OTHERS_DOING and (reason.how == "crashed" or poison is not None):
                crash = self.system.crashes.note(self, instance, reason, error, poison)
        if self.restart_type == "temporary" and not crash:
            return  # nobody will be there to be asked about it
        self._lasting_ring().end(End(self.incarnation, self.system.now(), reason, crash))

    def _lasting_ring(self) -> Ring:
        if self.ring is None:
            self.ring = ring_of(self.incarnation, self.handled)
        return self.ring

    def hear(self, address: str, asked: str, message: Message) -> None:
        """Notes what comes to the instance past its mailbox: a crash can't be replayed without. Of no use when nobody writes it down."""
        if self.system.crashes is not None:
            heard = Heard(self.handled, self.system.now(), address, asked, message, weight(message))
            self._lasting_ring().hear(heard, starting=self.state == "starting")

    def hear_future(self, address: str, asked: str, incarnation: int, answer: asyncio.Future[Any]) -> None:
        """The same for an ask that was awaited, unless the instance that made it has ended meanwhile."""
        if not answer.cancelled() and incarnation == self.incarnation:
            failed = answer.exception()
            self.hear(address, asked, failed.outcome if isinstance(failed, AskFailed) else answer.result())

    def _end_children(self) -> None:
        """Only a supervisor that was killed or crashed still has living ones. Those that nobody will start again go with it."""
        for id, child in reversed(tuple(self.children.items())):
            child.restart_at = None
            child.on_trial = False
            child.kill("its supervisor ended")
            if child.restart_type == "temporary":
                del self.children[id]
                child.dispose()

    def _fail_begun(self, poison: Envelope | None, reason: ExitReason) -> None:
        begun, self.pending = self.pending, {}
        if poison is not None:
            begun.pop(poison.id, None)
            if reason.how == "crashed" or poison.slot:
                self.system.fail(self.address, poison, self._crashed(reason), reason)
        for envelope in begun.values():
            self.system.fail(self.address, envelope, self._crashed(reason), reason)

    def _crashed(self, reason: ExitReason) -> Outcome:
        if reason.fault is not None:
            return Refused(fault=reason.fault)
        return Crashed(address=self.address, incarnation=self.incarnation, error=reason.error or reason.how, detail=reason.detail)

    def _tell_parent(self, reason: ExitReason) -> None:
        if self.parent is None:
            self.system.loop.call_soon(self.system.root_ended, self, reason)
        elif (supervisor := self.parent.instance) is None:
            return
        elif supervisor.decides_nothing:
            supervisor.child_ended(self, self.incarnation, reason)
        else:
            self.parent.notice(partial(supervisor.child_ended, self, self.incarnation, reason))

    def dispose(self, outcome: Outcome | None = None) -> None:
        """Gives up the address: nobody will live here again. What waits is told so."""
        assert self.instance is None, f"{self.address} still runs"
        if self.system.directory.get(self.address) is self:
            del self.system.directory[self.address]
        for child in tuple(self.children.values()):
            child.dispose(outcome)
        self.children.clear()
        self.turn_away(outcome)

    def turn_away(self, outcome: Outcome | None = None) -> None:
        """Tells whatever waits here, and below, that nobody will come for it."""
        for child in self.children.values():
            child.turn_away(outcome)
        for envelope in self.mailbox.drain():
            self.system.fail(self.address, envelope, outcome or NoSuchAddress(address=self.address))

    # ---- mail

    def deliver(self, envelope: Envelope) -> Outcome | None:
        """Puts it into the mailbox, unless nobody will ever read it there. Status is told at once, by the cell, whatever the actor is at."""
        if envelope.kind not in self.accepts:
            if envelope.kind in AT_ONCE:
                self.system.loop.call_soon(self._say_at_once, envelope)
                return None
            if self.accepts and envelope.kind not in KERNEL_KINDS:
                return Refused(fault=self._not_understood(f"{self.address} does not understand {envelope.kind!r}"))
        if self.state != "running" and (absence := self._absence(envelope.sender)) is not None:
            return absence
        if not self.mailbox.put(envelope) and not (self._swept() and self.mailbox.put(envelope)):
            return Full(address=self.address, depth=self.mailbox.depth, size=self.mailbox.size)
        if not self._scheduled and self.state in WORKING:
            self._scheduled = True
            self.system.schedule(self)
        return None

    def _swept(self) -> bool:
        """Makes room by dropping what has waited past its deadline, wherever it stands."""
        expired = self.mailbox.sweep(self.system.now())
        for envelope in expired:
            self._pass_over(envelope, DeadlinePassed(address=self.address, seconds=self.system.now() - envelope.at))
        return bool(expired)

    def _absence(self, sender: str) -> Outcome | None:
        """Why nobody will read here within a second; None when somebody lives here, or is about to."""
        cell = self
        if self.state == "half_open":
            if not (self.mailbox.depth or self.current or self.pending) or (self.parent is not None and sender == self.parent.address):
                return None
            return Refused(fault=Fault(cls="restarting", message=f"{self.address} is on trial, and takes one message at a time", retry_after_ms=1000))
        while cell.state == "stopped":
            if cell.restart_at is not None:
                wait = cell.restart_at - self.system.now()
                if wait <= 1.0:
                    return None
                why = "is in quarantine, and tried again" if cell.on_trial else "is restarted"
                return Refused(fault=Fault(cls="restarting", message=f"{cell.address} {why} in {wait:.1f} s", retry_after_ms=int(wait * 1000)))
            if cell.parent is None:
                return NoSuchAddress(address=self.address) if self.system.stopping else None
            if cell.parent.instance is not None:
                return None if cell.parent.instance.brings_back(cell) else NoSuchAddress(address=self.address)
            cell = cell.parent  # its supervisor is down as well
        return None

    def notice(self, signal: Callable[[], None], *, overtake: bool = False) -> None:
        """Has the instance that lives here now run this, in its turn and under its guard. A later instance won't."""
        if self.instance is not None:
            self.mailbox.put_signal(signal, overtake=overtake)
            self.wake()

    def wake(self) -> None:
        """Has the mailbox looked at, soon."""
        if not self._scheduled and self.mailbox.ready(self.state in WORKING):
            self._scheduled = True
            self.system.schedule(self)

    def turn(self, began: float) -> float:
        """The actor loop: one turn of at most BATCH messages. Whatever an actor's code raises ends here, and ends the actor.

        `began` is the time now and the answer the time when the turn is over, in seconds of real time.
        """
        self._scheduled = False
        item: Any = None
        mailbox = self.mailbox
        if mailbox.normal and len(mailbox.normal) > mailbox.high_water:
            mailbox.mark()
        try:
            for _ in range(BATCH):
                if mailbox.urgent:
                    TRACE.set(self.trace)
                    mailbox.urgent.popleft()()
                elif not mailbox.normal or self.state not in WORKING:
                    break
                elif type(item := mailbox.normal.popleft()) is Envelope:
                    mailbox.size -= item.size
                    self._begin(item)
                else:
                    mailbox.signals -= 1
                    TRACE.set(self.trace)
                    item()
                if self.exiting is not None and self.state in ("running", "half_open", "suspended"):
                    reason, limit = self.exiting
                    self._stop(limit, reason)
        except (KeyboardInterrupt, SystemExit):
            raise  # the whole process is to end
        except BaseException as error:  # CancelledError, or the panic of a library written in Rust
            self._end(crash_reason(error, traced=self.traced), error)
        if mailbox.normal or mailbox.urgent:
            self.wake()
        over = perf_counter()
        self.busy += over - began
        if over - began > self.system.turn_limit:
            self.system.long_turn(self, over - began, item.kind if type(item) is Envelope else "its own code")
        return over

    def _begin(self, envelope: Envelope) -> None:
        known = envelope.kind in self.accepts
        late = envelope.deadline is not None and envelope.deadline <= self.system.turned_at
        if (late or self._drop or not known) and self._kept_from(envelope):
            return
        self.current = envelope
        ring = self.ring
        if ring is None:
            ring = self._lasting_ring()
        ring.append(envelope)
        if envelope.size > SMALL:
            ring.make_room()
        self.handled += 1
        TRACE.set(envelope.trace)
        if known:
            self.instance.handle(envelope)  # type: ignore[union-attr]  # only a living instance has turns
        else:
            self._obey(envelope)
        self.current = None

    def _kept_from(self, envelope: Envelope) -> bool:
        """Whether the actor is spared a message that it is too late for, that was to get lost, or that was here before anybody knew what is understood."""
        now = self.system.turned_at
        outcome: Outcome
        if envelope.deadline is not None and envelope.deadline <= now:
            outcome = DeadlinePassed(address=self.address, seconds=now - envelope.at)
        elif self._drop:
            self._drop -= 1
            outcome = Refused(fault=Fault(cls="internal", message="dropped by an injected kernel.drop"))
        elif envelope.kind in KERNEL_KINDS:
            return False
        else:
            outcome = Refused(fault=self._not_understood(f"{self.address} does not understand {envelope.kind!r}"))
        self._pass_over(envelope, outcome)
        return True

    def _pass_over(self, envelope: Envelope, outcome: Outcome) -> None:
        self.system.fail(self.address, envelope, outcome)
        if self.instance is not None:
            self.instance.passed_over(envelope)

    def _obey(self, envelope: Envelope) -> None:
        message = self.read(envelope)
        match message:
            case None:
                return
            case Crash():
                raise InjectedCrash(message.detail)
            case Delay():
                self.suspend()
                self.after(message.seconds, self._delayed, overtake=True)
            case Drop():
                self._drop = message.count
            case _:
                raise AssertionError(message)

    def _say_at_once(self, envelope: Envelope) -> None:
        """What the cell itself answers, whatever the actor is at."""
        answer: Message | Refusal
        match message := self.read(envelope):
            case None:
                return
            case Describe():
                answer = Described(status=status_of(self, message.depth, message.limit))
            case TellHistory():
                answer = history_of(self)
            case Suspend() | Resume():
                answer = self._steer(suspend=isinstance(message, Suspend))
            case _:
                raise AssertionError(message)
        self.respond(envelope, answer)

    def _steer(self, *, suspend: bool) -> Steered | Refusal:
        if self.state not in (*WORKING, "suspended"):
            why = f"{self.address} is {self.shown_state}: only what lives can be suspended and resumed"
            return Refusal(Fault(cls="conflict", code=self.shown_state, message=why))
        self._by_hand = suspend
        if suspend:
            self.suspend()
        else:
            self.resume()
        return Steered(address=self.address, state=self.state)

    def read(self, envelope: Envelope) -> Message | None:
        """The message in the envelope; None when it can't be read, and its sender has been told."""
        if not isinstance(envelope.payload, bytes):
            return envelope.payload
        try:
            message = unpack(envelope.payload)
            if message.kind != envelope.kind:
                raise Unreadable(f"the envelope says {envelope.kind!r} and holds {message.kind!r}")
        except Unreadable as error:
            self.system.fail(self.address, envelope, Refused(fault=self._not_understood(str(error))))
            return None
        return message

    def respond(self, envelope: Envelope, answer: Message | Refusal | None) -> None:
        """Sends what an actor said to the message it handled."""
        if isinstance(answer, Refusal):
            outcome = Refused(fault=answer.fault)
            if envelope.slot:
                self.system.settle(envelope.slot, outcome)  # an answer like any other; what nobody asked for is a letter that came to nothing
            else:
                self.system.bury(self.address, envelope, describe(outcome))
        elif envelope.slot:
            if answer is None:
                raise TypeError(f"{type(self.instance).__name__} was asked {envelope.kind} and answered nothing: return the answer, or self.later()")
            self.system.answer(envelope, answer, self.address)

    def hand_on(self, envelope: Envelope, address: str, id: int | None = None) -> Outcome | None:
        """Sends it on unread: the asker stays, the sender is now this actor. If that fails, the asker is told. `id` is the new envelope's."""
        onward = Envelope(
            self.system.unique() if id is None else id, envelope.kind, envelope.payload, envelope.size, self.system.now(), self.address,
            envelope.trace, envelope.reply_to, envelope.slot, envelope.deadline,
        )  # fmt: skip
        outcome = self.system.deliver(address, onward)
        if outcome is not None and onward.slot:
            self.system.settle(onward.slot, outcome)
        return outcome

    def put_off(self, envelope: Envelope) -> None:
        """It is answered later. Those that nobody waits for any more are let go, whenever they may be half of all: none is kept for ever."""
        pending = self.pending
        if len(pending) >= self._many:
            now = self.system.now()
            for id in [id for id, old in pending.items() if old.deadline is not None and old.deadline <= now]:
                del pending[id]
            self._many = max(MANY, 2 * len(pending))
        pending[envelope.id] = envelope

    def _not_understood(self, why: str) -> Fault:
        return Fault(cls="not_understood", message=f"{why}; understood here: {', '.join(sorted(self.accepts))}", names=tuple(sorted(self.accepts)))

    # ---- what an instance owns

    def own(self, work: Coroutine[Any, Any, None], name: str, then: Callable[[], None] | None = None) -> asyncio.Task[None]:
        """Runs a coroutine as the instance's own: it ends with it, and its crash is the actor's. `then` is called when it has come to its end."""
        task = self.system.loop.create_task(work, name=f"{self.address}:{name}")
        self.tasks = self.tasks or set()
        self.tasks.add(task)
        task.add_done_callback(partial(self._owned_done, self.incarnation, then))
        return task

    def _owned_done(self, incarnation: int, then: Callable[[], None] | None, task: asyncio.Task[None]) -> None:
        if task in self.tasks:
            self.tasks.remove(task)
        error = error_of(task)
        if incarnation != self.incarnation or self.instance is None:
            return  # it was cancelled, and went on for a while
        if error is None:
            if then is not None and not task.cancelled():
                then()
            return
        match self.state:
            case "starting":
                self._report_start(self._start_failed(error))
            case "stopping":
                self._end(crash_reason(error, traced=self.traced), error)
            case "running" | "half_open" | "suspended":
                self.notice(partial(reraise, error), overtake=True)
            case "restarting" | "quarantined" | "stopped":
                raise AssertionError(self.state)
            case _:
                assert_never(self.state)

    def own_slots(self) -> set[int]:
        """Where the asks of this instance are kept."""
        self.slots = self.slots or set()
        return self.slots

    def after(self, seconds: float, then: Callable[[], None], *, overtake: bool = False) -> Timer:
        """Runs `then` in the instance's turn, after that many seconds."""
        return Timer(self, seconds, then, overtake=overtake)

    def suspend(self) -> None:
        """Handles nothing until `resume`; the mailbox goes on filling."""
        if self.state in WORKING:
            self.state = "suspended"
            if self.instance is not None:
                self.instance.paused(True)
            self._publish("suspended")

    def resume(self) -> None:
        """Goes on after `suspend`."""
        if self.state == "suspended":
            self.state = "half_open" if self.on_trial else "running"
            if self.instance is not None:
                self.instance.paused(False)
            self._publish("resumed")
            self.wake()

    def _delayed(self) -> None:
        if not self._by_hand:
            self.resume()

    def pass_trial(self) -> None:
        """The instance is as good as any other."""
        self.on_trial = False
        if self.state == "half_open":
            self.state = "running"
            self.wake()

    @property
    def shown_state(self) -> State:
        """The state as people are told it: what nobody lives in may be about to be lived in."""
        if self.state == "stopped" and self.restart_at is not None:
            return "quarantined" if self.on_trial else "restarting"
        return self.state

    def _publish(self, event: Any, reason: ExitReason | None = None) -> None:
        system = self.system
        everyday = self.restart_type == "temporary" and (event == "started" if reason is None else reason.how in ("normal", "shutdown"))
        if system.listeners or (system.recorders and not everyday):
            how, error, detail = (None, "", "") if reason is None else (reason.how, reason.error, f"{reason.how} {reason.error} {reason.detail}".strip())
            system.publish(
                Decision(
                    at=system.now(), address=self.address, event=event, incarnation=self.incarnation, detail=detail, how=how, error=error, everyday=everyday,
                )
            )
