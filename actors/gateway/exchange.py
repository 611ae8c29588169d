"""Owns one client request, from its arrival to its last byte.

    client --ServeChat--> exchange --PlanFor--> router --Planned--> exchange
    exchange --BeginAttempt--> account ... attempt --AttemptBegun--> exchange
    attempt --AttemptAnswered | AttemptChunk... AttemptEnded--> exchange --ChatAnswered | ChatOpened, ChatChunk..., ChatClosed--> client
    attempt ends otherwise --Down--> exchange: what now? (`retry.py`) another attempt, or --ChatFailed--> client
    client closes --Down--> exchange: it leaves, and the attempt with it

    planning --Planned--> asking --AttemptBegun--> attempting --first chunk--> relaying --> left
        ^ `--unreached--'    ^ `----- failed, unreached -----'
"""

from __future__ import annotations

from functools import partial
from typing import assert_never

from actors.gateway.retry import GiveUp, Progress, Try, began, ended, next_step, sent, unreached
from actors.runtime.supervised import Later, SupervisedActor
from messages.chat import ChatAnswered, ChatChunk, ChatClosed, ChatCredit, ChatFailed, ChatOpened, ServeChat, Served
from messages.faults import LEVELS, Fault, LogLevel
from messages.message import Message
from messages.outcome import AskFailed, Crashed, as_fault
from messages.provider import AttemptAnswered, AttemptBegun, AttemptChunk, AttemptEnded, BeginAttempt, CancelAttempt, GrantCredit
from messages.routing import PlanFor, Planned
from messages.supervision import Down

Inbox = ServeChat | ChatCredit | AttemptAnswered | AttemptChunk | AttemptEnded

ROUTER = "/routing/router"
BEGIN_LIMIT = 15.0  # seconds to get a permit: longer than an account lets anybody wait


class Exchange(SupervisedActor[Inbox]):
    """See the module."""

    request: ServeChat

    def __init__(self) -> None:
        super().__init__()
        self.client = ""
        self.began_at = 0.0
        self.note = ""
        self.progress = Progress((), 0)
        self.attempt = ""  # the id of the attempt that may speak
        self.attempt_address = ""
        self.attempt_at = 0.0
        self.plans = 0

    def receive(self, message: Inbox) -> Message | Later | None:
        """See the module."""
        match message:
            case ServeChat():
                self._serve(message)
            case AttemptChunk():
                if self._wanted(message.attempt):
                    self._chunk(message)
            case ChatCredit():
                if self.attempt_address:
                    self.tell(self.attempt_address, GrantCredit(chunks=message.chunks, size=message.size))
            case AttemptAnswered():
                if self._wanted(message.attempt):
                    self._close(ChatAnswered(served=self._served(), content_type=message.content_type, body=message.body))
            case AttemptEnded():
                if self._wanted(message.attempt):
                    self._close(ChatClosed())
            case _:
                assert_never(message)
        return None

    def _wanted(self, attempt: str) -> bool:
        """Whether this attempt may speak; one that was given up, and lives on unknowing, is told to stop."""
        if attempt != self.attempt:
            self.tell(self.sender, CancelAttempt())
        return attempt == self.attempt

    # ---- the plan

    def _serve(self, message: ServeChat) -> None:
        self.request = message
        self.began_at = self.now
        self.client = self.sender
        self.monitor(self.client)
        if self.deadline is not None:
            self.after(self.deadline - self.now, partial(self._give_up, Fault(cls="deadline", message="the request's time limit ran out")))
        self._ask_plan()

    def _ask_plan(self) -> None:
        head = self.request.head
        self.ask_then(ROUTER, PlanFor(model=head.model, needs=head.needs, fallback=self.request.fallback), self._planned)

    def _planned(self, plan: Planned | AskFailed) -> None:
        if isinstance(plan, Planned):
            self.note = plan.note
            self.progress = Progress(plan.candidates, plan.attempts)
            self._ask_attempt()
            return
        fault = as_fault(plan.outcome)
        step = unreached(Progress((), 0, unreached=self.plans), fault)
        if isinstance(step, GiveUp) or not _passing(plan):
            self._give_up(fault)
        else:
            self.plans += 1
            self.after(step.wait, self._ask_plan)

    # ---- the attempts

    def _ask_attempt(self) -> None:
        candidate, head = self.progress.candidate, self.request.head
        self.attempt = f"{self.address.rpartition('/')[2]}-{len(self.progress.trail) + 1}-{self.progress.unreached}"
        self.attempt_at = self.now
        begin = BeginAttempt(
            attempt=self.attempt, owner=self.address, provider=candidate.provider, base_url=candidate.base_url, model=candidate.upstream,
            rename=candidate.upstream != head.model, stream=head.stream, include_usage=head.include_usage, body=self.request.body,
        )  # fmt: skip
        self.ask_then(f"/providers/{candidate.provider}/account", begin, partial(self._begun, self.attempt), timeout=BEGIN_LIMIT)

    def _begun(self, attempt: str, answer: AttemptBegun | AskFailed) -> None:
        if attempt != self.attempt:
            return
        if isinstance(answer, AttemptBegun):
            self.attempt_address = answer.address
            self.progress = began(self.progress)
            return
        fault = as_fault(answer.outcome)
        if _passing(answer) and not isinstance(answer.outcome, Crashed):
            self._go_on(unreached(self.progress, fault))
        else:
            self._failed(fault)

    def down(self, down: Down) -> None:
        """The client is gone, or the attempt has ended."""
        if down.address == self.client:
            self._done("cancelled", "info")
        elif down.address == self.attempt_address and self.attempt:
            lost = Fault(cls="internal", message="the part of the gateway that made the upstream call was ended")
            self._failed(down.reason.fault or lost)

    def _failed(self, fault: Fault) -> None:
        self.progress = ended(self.progress, fault.cls, self._ms())
        self._go_on(next_step(self.progress, fault))

    def _go_on(self, step: Try | GiveUp) -> None:
        self.attempt = self.attempt_address = ""
        self.progress = step.progress
        match step:
            case GiveUp():
                self._give_up(step.fault)
            case Try():
                self.after(step.wait, self._ask_attempt) if step.wait else self._ask_attempt()
            case _:
                assert_never(step)

    # ---- towards the client

    def _chunk(self, message: AttemptChunk) -> None:
        if not self.progress.sent:
            self.progress = sent(self.progress)
            self.tell(self.client, ChatOpened(exchange=self.address, served=self._served()))
        self.tell(self.client, ChatChunk(data=message.data, count=message.count))

    def _give_up(self, fault: Fault) -> None:
        self.tell(self.client, ChatFailed(fault=fault, trail=self.progress.trail))
        self._done(fault.cls, fault.row.level)

    def _close(self, message: ChatAnswered | ChatClosed) -> None:
        self.progress = ended(self.progress, "ok", self._ms())
        self.tell(self.client, message)
        self._done("ok", "info")

    def _done(self, outcome: str, level: LogLevel) -> None:
        last = self.progress.trail[-1] if self.progress.trail else None
        self.log.log(
            LEVELS[level], "chat", outcome=outcome, provider=last.provider if last else "", model=last.model if last else self.request.head.model,
            attempts=self.progress.calls, stream=self.request.head.stream, ms=int((self.now - self.began_at) * 1000),
        )  # fmt: skip
        self.attempt = ""
        self.leave()

    def _served(self) -> Served:
        candidate = self.progress.candidate
        return Served(provider=candidate.provider, model=candidate.model, attempts=self.progress.calls, note=self.note)

    def _ms(self) -> int:
        return int((self.now - self.attempt_at) * 1000)


def _passing(failure: AskFailed) -> bool:
    """Whether a part of ourselves is just being restarted, so that it is worth asking again."""
    fault = as_fault(failure.outcome)
    return fault.cls in ("internal", "restarting", "not_found")
