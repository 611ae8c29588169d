"""How an ask can end: answered, or one of five others. There are no more, over any transport.

    answered         the typed answer itself
    Refused          the other side said no, and why: a `Fault`
    NoSuchAddress    nobody lives there
    Crashed          the actor ended before it had answered; the message is not delivered again
    DeadlinePassed   no answer in time
    Full             the mailbox takes no more

`tell` returns one of these (or None) where it is known at once. An ask raises `AskFailed`, which carries it.
"""

from __future__ import annotations

from typing import TypeGuard

from messages.faults import Fault
from messages.message import Message


class Refused(Message, kind="ask.refused"):
    """The other side understood, or at least read, the message and said no."""

    fault: Fault


class NoSuchAddress(Message, kind="ask.no_such_address"):
    """Nobody lives at this address (any more)."""

    address: str


class Crashed(Message, kind="ask.crashed"):
    """The actor's instance ended before it answered. `error` is the exception's type, `detail` its text."""

    address: str
    incarnation: int
    error: str
    detail: str


class DeadlinePassed(Message, kind="ask.deadline_passed"):
    """No answer within `seconds`."""

    address: str
    seconds: float


class Full(Message, kind="ask.full"):
    """The mailbox holds `depth` messages of `size` bytes and takes no more."""

    address: str
    depth: int
    size: int


Outcome = Refused | NoSuchAddress | Crashed | DeadlinePassed | Full


_OUTCOMES = frozenset(outcome.kind for outcome in (Refused, NoSuchAddress, Crashed, DeadlinePassed, Full))


def is_outcome(answer: Message) -> TypeGuard[Outcome]:
    """Whether this is one of the five, and no answer."""
    return answer.kind in _OUTCOMES


class AskFailed(Exception):
    """An ask that was not answered; `outcome` says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"{outcome.kind}: {describe(outcome)}")
        self.outcome = outcome


class Refusal(Exception):
    """Raised inside an actor to say no to the message it is handling. It is answered, not a crash."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def describe(outcome: Outcome) -> str:
    """The outcome in one sentence."""
    match outcome:
        case Refused():
            return outcome.fault.message
        case NoSuchAddress():
            return f"nobody lives at {outcome.address}"
        case Crashed():
            return f"{outcome.address} ended before it answered ({outcome.error}: {outcome.detail})"
        case DeadlinePassed():
            return f"{outcome.address} did not answer within {outcome.seconds:.3g} s"
        case Full():
            return f"the mailbox of {outcome.address} is full ({outcome.depth} messages, {outcome.size} bytes)"


def as_fault(outcome: Outcome) -> Fault:
    """The outcome as a fault that a caller can be told."""
    match outcome:
        case Refused():
            return outcome.fault
        case NoSuchAddress():
            return Fault(cls="not_found", message=describe(outcome))
        case Crashed():
            return Fault(cls="internal", message=f"{outcome.address} crashed while it handled this request, and was restarted")
        case DeadlinePassed():
            return Fault(cls="deadline", message=describe(outcome))
        case Full():
            return Fault(cls="busy", message=describe(outcome), retry_after_ms=1000)
