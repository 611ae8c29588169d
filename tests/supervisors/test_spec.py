"""A spec that can't be right is refused field by field, with what was found and what is allowed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from supervisors.quarantine import Quarantine
from supervisors.restart import Backoff
from supervisors.spec import BadSpec, ChildSpec, Intensity, checked


def make() -> object:
    return object()


def test_a_spec_has_otps_defaults() -> None:
    spec = ChildSpec("a", make)
    assert (spec.restart, spec.shutdown, spec.mailbox) == ("permanent", 5.0, None)
    assert (Intensity().restarts, Intensity().seconds) == (3, 5.0)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"id": ""}, "id: '', must be a non-empty string without '/'"),
        ({"id": "a/b"}, "id: 'a/b', must be"),
        ({"id": 7}, "id: 7, must be"),
        ({"start": None}, "start of 'a': None, must be callable without arguments and return an actor"),
        ({"restart": "always"}, "restart of 'a': 'always', must be one of permanent, transient, temporary"),
        ({"shutdown": -1}, "shutdown of 'a': -1, must be seconds >= 0, or None for ever"),
        ({"shutdown": "soon"}, "shutdown of 'a': 'soon', must be seconds"),
        ({"shutdown": float("nan")}, "shutdown of 'a': nan, must be seconds"),
        ({"shutdown": float("inf")}, "shutdown of 'a': inf, must be seconds >= 0, or None for ever"),
        ({"hung_after": float("inf")}, "hung_after of 'a': inf, must be seconds > 0, or None for ever"),
        ({"hung_after": 0}, "hung_after of 'a': 0, must be seconds > 0"),
        ({"mailbox": (0, 10)}, "mailbox of 'a': (0, 10), must be (messages >= 1, bytes >= 1)"),
        ({"mailbox": 10}, "mailbox of 'a': 10, must be (messages >= 1, bytes >= 1)"),
        ({"mailbox": (1.5, 10)}, "mailbox of 'a': (1.5, 10), must be"),
    ],
)
def test_a_field_that_can_not_be_right_is_refused_by_name_with_what_is_allowed(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(BadSpec) as refused:
        ChildSpec(**{"id": "a", "start": make, **fields})
    assert text in str(refused.value)


@pytest.mark.parametrize("fields", [{"shutdown": 0}, {"shutdown": None}, {"shutdown": 0.5}, {"restart": "temporary"}, {"mailbox": (1, 1)}, {"id": "a b.ü"}])
def test_what_is_at_the_edge_of_being_right_is_taken(fields: dict[str, Any]) -> None:
    ChildSpec(**{"id": "a", "start": make, **fields})


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"restarts": -1}, "intensity.restarts: -1, must be a whole number >= 0"),
        ({"restarts": 1.5}, "intensity.restarts: 1.5, must be"),
        ({"restarts": True}, "intensity.restarts: True, must be"),
        ({"seconds": 0}, "intensity.seconds: 0, must be > 0"),
        ({"seconds": -2.0}, "intensity.seconds: -2.0, must be > 0"),
        ({"seconds": float("nan")}, "intensity.seconds: nan, must be > 0"),
        ({"seconds": "5"}, "intensity.seconds: '5', must be > 0"),
    ],
)
def test_an_intensity_that_can_not_be_counted_is_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(BadSpec) as refused:
        Intensity(**fields)
    assert text in str(refused.value)


@pytest.mark.parametrize(
    ("policy", "fields", "text"),
    [
        (Backoff, {"first": -0.1}, "backoff.first: -0.1, must be seconds >= 0"),
        (Backoff, {"cap": "60"}, "backoff.cap: '60', must be seconds >= 0"),
        (Backoff, {"healthy": float("nan")}, "backoff.healthy: nan, must be"),
        (Quarantine, {"first": -1}, "quarantine.first: -1, must be seconds >= 0"),
        (Quarantine, {"cap": None}, "quarantine.cap: None, must be"),
        (Quarantine, {"trial": -5.0}, "quarantine.trial: -5.0, must be"),
        (Quarantine, {"healthy": -5.0}, "quarantine.healthy: -5.0, must be"),
        (Quarantine, {"jitter": 1.5}, "quarantine.jitter: 1.5, must be a part of the wait, from 0 to 1"),
        (Quarantine, {"jitter": -0.5}, "quarantine.jitter: -0.5, must be"),
    ],
)
def test_a_wait_that_can_not_be_waited_for_is_refused(policy: type[Any], fields: dict[str, Any], text: str) -> None:
    with pytest.raises(BadSpec) as refused:
        policy(**fields)
    assert text in str(refused.value)


def test_two_children_of_one_name_are_refused_and_so_is_what_is_no_spec() -> None:
    specs = (ChildSpec("a", make), ChildSpec("b", make))
    assert checked(specs) == specs
    assert checked(()) == ()
    with pytest.raises(BadSpec, match="id: 'a' is there twice"):
        checked((*specs, ChildSpec("a", make)))
    with pytest.raises(BadSpec, match="'a' is not a ChildSpec"):
        checked(("a",))  # type: ignore[arg-type]


def test_specs_are_frozen() -> None:
    for frozen, field in ((ChildSpec("a", make), "id"), (Intensity(), "restarts")):
        with pytest.raises(FrozenInstanceError):
            setattr(frozen, field, 1)
