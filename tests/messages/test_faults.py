"""The one table of faults is total, and its columns do not contradict one another."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import ValidationError

from messages.faults import FAULTS, LEVELS, Fault, FaultClass, HealthWeight, LogLevel, Retry

PROVIDERS: tuple[FaultClass, ...] = get_args(FaultClass)[: get_args(FaultClass).index("internal")]
OURS: tuple[FaultClass, ...] = get_args(FaultClass)[len(PROVIDERS) :]


def test_every_fault_has_a_row_and_every_row_a_fault() -> None:
    assert set(FAULTS) == set(get_args(FaultClass))
    assert len(get_args(FaultClass)) == len(set(get_args(FaultClass)))


@pytest.mark.parametrize("cls", FAULTS)
def test_every_row_says_only_what_its_columns_allow(cls: FaultClass) -> None:
    row = FAULTS[cls]
    assert 400 <= row.status < 600
    assert row.retry in get_args(Retry)
    assert row.health in get_args(HealthWeight)
    assert row.level in get_args(LogLevel)
    assert row.type
    assert row.type == row.type.lower()
    assert row.meaning
    assert not row.meaning.endswith(".")
    assert Fault(cls=cls, message="").row is row


@pytest.mark.parametrize("cls", OURS)
def test_what_the_gateway_itself_refuses_says_nothing_about_a_provider(cls: FaultClass) -> None:
    assert FAULTS[cls].health == "none"


@pytest.mark.parametrize("cls", [cls for cls, row in FAULTS.items() if row.status in (400, 404, 405, 413, 415, 422, 499) and row.health == "none"])
def test_what_is_wrong_with_the_request_itself_is_not_tried_again_at_the_same_place(cls: FaultClass) -> None:
    assert FAULTS[cls].retry != "same"


@pytest.mark.parametrize("cls", [cls for cls, row in FAULTS.items() if row.health in ("account", "model")])
def test_an_account_or_a_model_that_is_out_is_only_worth_trying_elsewhere(cls: FaultClass) -> None:
    assert FAULTS[cls].retry == "other"


def test_a_providers_refusal_of_our_key_is_not_told_as_if_it_were_the_clients() -> None:
    assert FAULTS["auth"].status not in (401, 403)


def test_levels_are_the_standard_librarys() -> None:
    assert LEVELS == {"debug": 10, "info": 20, "warning": 30, "error": 40}
    assert set(LEVELS) == set(get_args(LogLevel))


def test_a_fault_of_no_class_can_not_be_made() -> None:
    with pytest.raises(ValidationError):
        Fault(cls="misfortune", message="")  # type: ignore[arg-type]
