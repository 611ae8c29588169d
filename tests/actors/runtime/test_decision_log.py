"""What the log says of decisions: all that somebody should know of, nothing that was meant, and no text of an exception."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import structlog

from actors.runtime import decision_log
from actors.runtime.decision_log import log_decision
from messages.supervision import Decision, ExitReason

LOUD = {"start_failed": "error", "gave_up": "error", "abandoned": "error", "restarting": "warning", "quarantined": "warning", "auto_shutdown": "warning"}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was logged."""
    lines: list[dict[str, Any]] = []

    def log(_: Any, level: str, event: Any) -> str:
        lines.append({"level": level, **event})
        raise structlog.DropEvent

    monkeypatch.setattr(decision_log, "logger", structlog.wrap_logger(structlog.PrintLogger(), processors=[log]))
    return lines


def ended(reason: ExitReason) -> Decision:
    """As a cell publishes it."""
    return decision("exited", f"{reason.how} {reason.error} {reason.detail}".strip(), how=reason.how, error=reason.error)


def decision(event: Any, detail: str = "", **fields: Any) -> Decision:
    return Decision(at=0.0, address="/a", event=event, incarnation=3, detail=detail, **fields)


@pytest.mark.parametrize("event", get_args(Decision.model_fields["event"].annotation))
def test_what_needs_attention_is_logged_at_its_level_and_what_was_meant_is_not(lines: list[dict[str, Any]], event: str) -> None:
    log_decision(decision(event, "shutdown"))
    assert [(line["event"], line["level"], line["actor"]) for line in lines] == ([(event, LOUD[event], "/a")] if event in LOUD else [])


@pytest.mark.parametrize(("reason", "told"), [
    (ExitReason(how="crashed", error="ValueError", detail="the card number"), {"how": "crashed", "error": "ValueError"}),
    (ExitReason(how="killed", error="SIGKILL", detail="ended by a signal"), {"how": "killed", "error": "SIGKILL"}),
    (ExitReason(how="failed", error="rate_limit", detail="slow down"), None), (ExitReason(how="normal"), None), (ExitReason(how="shutdown"), None),
])  # fmt: skip
def test_an_end_that_was_not_meant_is_a_warning_without_the_exceptions_text(
    lines: list[dict[str, Any]], reason: ExitReason, told: dict[str, str] | None
) -> None:
    log_decision(ended(reason))
    assert lines == ([] if told is None else [{"level": "warning", "event": "exited", "actor": "/a", "incarnation": 3, **told}])


def test_a_failed_start_names_the_exception_and_not_its_text(lines: list[dict[str, Any]]) -> None:
    log_decision(decision("start_failed", "OSError: /home/me/secret.db is locked", how="start_failed", error="OSError", delay_ms=50))
    assert lines == [{"level": "error", "event": "start_failed", "actor": "/a", "error": "OSError", "wait_ms": 50}]


def test_who_hears_of_crashes_elsewhere_is_not_told_twice(lines: list[dict[str, Any]]) -> None:
    log_decision(ended(ExitReason(how="crashed", error="ValueError")), unmeant=("killed",))
    assert lines == []
