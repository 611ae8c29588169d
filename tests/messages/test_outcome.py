"""How an ask can end: five failures and no more, each told in a sentence and as a fault."""

from __future__ import annotations

from typing import get_args

import pytest

from messages.faults import FAULTS, Fault, FaultClass
from messages.message import Message
from messages.outcome import AskFailed, Crashed, DeadlinePassed, Full, NoSuchAddress, Outcome, Refusal, Refused, as_fault, describe
from tests.messages.arbitrary import our_messages

FAULT = Fault(cls="busy", message="no room at all", retry_after_ms=5)

TOLD: dict[type[Message], tuple[Outcome, str, FaultClass]] = {
    Refused: (Refused(fault=FAULT), "no room at all", "busy"),
    NoSuchAddress: (NoSuchAddress(address="/a"), "nobody lives at /a", "not_found"),
    Crashed: (Crashed(address="/a", incarnation=2, error="ValueError", detail="no"), "/a ended before it answered (ValueError: no)", "internal"),
    DeadlinePassed: (DeadlinePassed(address="/a", seconds=2.5), "/a did not answer within 2.5 s", "deadline"),
    Full: (Full(address="/a", depth=3, size=70), "the mailbox of /a is full (3 messages, 70 bytes)", "busy"),
}


def test_there_are_five_outcomes_and_each_is_told_below() -> None:
    assert set(TOLD) == set(get_args(Outcome))
    assert {cls.kind for cls in TOLD} == {kind for kind in our_messages() if kind.startswith("ask.")}


@pytest.mark.parametrize("kind", TOLD)
def test_every_outcome_has_its_sentence_and_its_fault(kind: type[Message]) -> None:
    outcome, sentence, cls = TOLD[kind]
    assert describe(outcome) == sentence
    assert as_fault(outcome).cls == cls
    assert as_fault(outcome).row is FAULTS[cls]
    assert str(AskFailed(outcome)) == f"{kind.kind}: {sentence}"
    assert AskFailed(outcome).outcome is outcome


def test_a_refusals_fault_is_handed_on_as_it_is() -> None:
    assert as_fault(Refused(fault=FAULT)) is FAULT
    assert Refusal(FAULT).fault is FAULT
    assert str(Refusal(FAULT)) == "no room at all"


def test_a_crash_is_told_to_callers_without_its_internals() -> None:
    fault = as_fault(Crashed(address="/a", incarnation=2, error="KeyError", detail="the secret"))
    assert "secret" not in fault.message
    assert "KeyError" not in fault.message
    assert "/a" in fault.message


def test_a_full_mailbox_says_when_to_come_back() -> None:
    assert as_fault(Full(address="/a", depth=1, size=1)).retry_after_ms == 1000
