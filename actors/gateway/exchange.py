"""Owns one client request, from its arrival to its last byte.

    client --ServeChat--> exchange --PlanFor--> router --Planned--> exchange
    exchange --BeginAttempt--> account ... attempt --AttemptAnswered--> exchange --ChatAnswered--> client
                                           attempt --AttemptOpened, AttemptChunk..., AttemptEnded--> exchange
                                                                     exchange --ChatOpened, ChatChunk..., ChatClosed--> client
    the attempt fails: what now? (`retry.py`) another attempt, or --ChatFailed--> client
    client closes --Down--> exchange: it leaves, and the attempt with it

    planning --Planned--> asking --AttemptAnswered--> left
        ^ `--unreached--'  ^ | `--AttemptOpened--> relaying --AttemptEnded, Down--> left
                           `-' failed, unreached
"""

from __future__ import annotations

from functools import partial
from typing import assert_never

from actors.gateway.retry import GiveUp, Progress, Try, called, ended, next_step, sent, unreached
from actors.runtime.supervised import Later, SupervisedActor
from messages.chat import ChatAnswered, ChatChunk, ChatClosed, ChatCredit, ChatFailed, ChatOpened, ServeChat, Served
from messages.faults import LEVELS, Fault, LogLevel
from messages.message import Message
from messages.outcome import AskFailed, Crashed, as_fault
from messages.provider import AttemptAnswered, AttemptChunk, AttemptEnded, AttemptOpened, BeginAttempt, GrantCredit
from messages.routing import PlanFor, Planned
from messages.supervision import Down

Inbox = ServeChat | ChatCredit | AttemptChunk | AttemptEnded

ROUTER = "/routing/router"
LIMIT = 600.0  # seconds for a request that comes without a deadline

HOLE = Fault(cls="internal", message="a part of the stream was lost inside the gateway; what was sent is incomplete")


class Exchange(SupervisedActor[Inbox]):
    """See the module."""

    request: ServeChat

    def __init__(self) -> None:
        super().__init__()
        self.client = ""
        self.until = 0.0
        self.began_at = 0.0
        self.asked_at = 0.0
        self.note = ""
        self.plans = 0
        self.progress = Progress((), 0)
        self.chunks = 0  # of the stream, so far
        self.attempt = ""  # where the stream comes from, once it is open

    def receive(self, message: Inbox) -> Message | Later | None:
        """See the module."""
        match message:
            case ServeChat():
                self._serve(message)
            case AttemptChunk():
                self._chunk(message)
            case ChatCredit():
                self.tell(self.attempt, GrantCredit(chunks=message.chunks, size=message.size))
            case AttemptEnded():
                if message.n == self.chunks:
                    self._close(ChatClosed(n=self.chunks))
                else:
                    self._give_up(HOLE)
            case _:
                assert_never(message)
        return None

    # ---- the plan

    def _serve(self, message: ServeChat) -> None:
        self.request = message
        self.began_at = self.now
        self.until = self.deadline or self.now + LIMIT
        self.client = self.sender
        self.monitor(self.client)
        self._ask_plan()

    def _ask_plan(self) -> None:
        head = self.request.head
        plan = PlanFor(model=head.model, needs=head.needs, fallback=self.request.fallback)
        self.ask_then(ROUTER, plan, self._planned, timeout=self.until - self.now)

    def _planned(self, plan: Planned | AskFailed) -> None:
        if isinstance(plan, Planned):
            self.note = plan.note
            self.progress = Progress(plan.candidates, plan.attempts)
            self._ask_attempt()
            return
        fault = as_fault(plan.outcome)
        step = unreached(self.progress._replace(unreached=self.plans), fault)
        if isinstance(step, GiveUp) or not _passing(plan):
            self._give_up(fault)
        else:
            self.plans += 1
            self.after(step.wait, self._ask_plan)

    # ---- the attempts

    def _ask_attempt(self) -> None:
        candidate, head = self.progress.candidate, self.request.head
        self.asked_at = self.now
        begin = BeginAttempt(
            owner=self.address, provider=candidate.provider, base_url=candidate.base_url, model=candidate.upstream,
            rename=candidate.upstream != head.model, stream=head.stream, include_usage=head.include_usage, body=self.request.body,
        )  # fmt: skip
        self.ask_then(f"/providers/{candidate.provider}/account", begin, self._told, timeout=self.until - self.now)

    def _told(self, answer: AttemptAnswered | AttemptOpened | AskFailed) -> None:
        match answer:
            case AttemptAnswered():
                self.progress = called(self.progress)
                self._close(ChatAnswered(served=self._served(), content_type=answer.content_type, body=answer.body))
            case AttemptOpened():
                self._open(answer)
            case AskFailed():
                fault = as_fault(answer.outcome)
                if _passing(answer) and not isinstance(answer.outcome, Crashed):
                    self._go_on(unreached(self.progress, fault))
                else:
                    self._failed(called(self.progress, fault), fault)
            case _:
                assert_never(answer)

    def down(self, down: Down) -> None:
        """The client is gone, or the stream has broken."""
        if down.address == self.client:
            self._done("cancelled", "info")
        elif down.address == self.attempt:
            lost = Fault(cls="internal", message="the part of the gateway that made the upstream call was ended")
            self._failed(self.progress, down.reason.fault or lost)

    def _failed(self, progress: Progress, fault: Fault) -> None:
        provider = self.progress.candidate.provider
        self.log.log(LEVELS[fault.row.level], "attempt failed", provider=provider, fault=fault.cls, status=fault.status, detail=fault.message[:200])
        self._go_on(next_step(ended(progress, fault.cls, int((self.now - self.asked_at) * 1000)), fault))

    def _go_on(self, step: Try | GiveUp) -> None:
        self.progress = step.progress
        match step:
            case GiveUp():
                self._give_up(step.fault)
            case Try():
                self.after(step.wait, self._ask_attempt) if step.wait else self._ask_attempt()
            case _:
                assert_never(step)

    # ---- towards the client

    def _open(self, opened: AttemptOpened) -> None:
        self.progress = sent(called(self.progress))
        self.attempt = opened.attempt
        self.after(self.until - self.now, partial(self._give_up, Fault(cls="deadline", message="the request's time limit ran out")))
        self.tell(self.client, ChatOpened(exchange=self.address, served=self._served()))
        self.chunks = 1
        self.tell(self.client, ChatChunk(n=1, data=opened.data, count=opened.count))

    def _chunk(self, chunk: AttemptChunk) -> None:
        self.chunks += 1
        if chunk.n == self.chunks:
            self.tell(self.client, ChatChunk(n=chunk.n, data=chunk.data, count=chunk.count))
        else:
            self._give_up(HOLE)

    def _give_up(self, fault: Fault) -> None:
        self.tell(self.client, ChatFailed(fault=fault, trail=self.progress.trail))
        self._done(fault.cls, fault.row.level)

    def _close(self, message: ChatAnswered | ChatClosed) -> None:
        self.tell(self.client, message)
        self._done("ok", "info")

    def _done(self, outcome: str, level: LogLevel) -> None:
        asked = self.progress.candidate if self.progress.candidates else None
        self.log.log(
            LEVELS[level], "chat", outcome=outcome, provider=asked.provider if asked else "", model=asked.model if asked else self.request.head.model,
            attempts=self.progress.calls, stream=self.request.head.stream, ms=int((self.now - self.began_at) * 1000),
        )  # fmt: skip
        self.leave()

    def _served(self) -> Served:
        candidate = self.progress.candidate
        return Served(provider=candidate.provider, model=candidate.model, attempts=self.progress.calls, note=self.note)


def _passing(failure: AskFailed) -> bool:
    """Whether a part of ourselves is just being restarted, so that it is worth asking again."""
    fault = as_fault(failure.outcome)
    return fault.cls in ("internal", "restarting", "not_found")
