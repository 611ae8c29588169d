"""What follows a failed attempt."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from actors.gateway.retry import INTERNAL_WAITS, GiveUp, Progress, Try, called, ended, next_step, sent, unreached
from messages.faults import FAULTS, Fault, FaultClass
from messages.routing import Candidate


def candidates(count: int) -> tuple[Candidate, ...]:
    return tuple(Candidate(provider=f"p{n}", base_url=f"http://p{n}.test/v1", model="mock", upstream="mock") for n in range(count))


def fault(cls: FaultClass) -> Fault:
    return Fault(cls=cls, message=cls)


def test_the_next_candidate_is_asked_after_a_provider_failed() -> None:
    step = next_step(called(Progress(candidates(2), limit=3)), fault("server_error"))
    assert isinstance(step, Try) and step.progress.candidate.provider == "p1" and step.wait == 0


def test_what_the_caller_did_wrong_is_not_tried_elsewhere() -> None:
    for cls in ("bad_request", "context_length", "content_filter"):
        assert isinstance(next_step(called(Progress(candidates(2), limit=3)), fault(cls)), GiveUp)


def test_nothing_is_tried_once_the_client_has_seen_a_token() -> None:
    for cls in get_args(FaultClass):
        assert isinstance(next_step(sent(called(Progress(candidates(3), limit=3))), fault(cls)), GiveUp)


def test_a_call_lost_to_our_own_crash_is_made_once_more_at_the_same_provider() -> None:
    once = next_step(called(Progress(candidates(2), limit=1)), fault("internal"))
    assert isinstance(once, Try) and once.progress.candidate.provider == "p0"
    assert isinstance(next_step(called(once.progress), fault("internal")), GiveUp)


def test_a_part_of_ours_that_restarts_is_waited_for_a_little_longer_each_time_and_not_for_ever() -> None:
    progress = Progress(candidates(1), limit=1)
    waits = []
    while isinstance(step := unreached(progress, fault("restarting")), Try):
        waits.append(step.wait)
        progress = step.progress
    assert tuple(waits) == INTERNAL_WAITS and sorted(waits) == waits


@given(st.integers(1, 6), st.integers(1, 5), st.lists(st.sampled_from(get_args(FaultClass)), max_size=30))
def test_upstream_calls_never_exceed_the_limit_but_for_one_lost_to_a_crash(count: int, limit: int, faults: list[FaultClass]) -> None:
    progress = Progress(candidates(count), limit)
    calls = lost = 0
    for cls in faults:
        calls += 1
        lost += cls == "internal"
        progress = ended(called(progress), cls, 5)
        step = next_step(progress, fault(cls))
        if isinstance(step, GiveUp):
            assert step.fault.cls == cls
            break
        assert FAULTS[cls].retry != "no"
        assert step.progress.at >= progress.at
        progress = step.progress
    assert calls <= limit + 1 and (calls <= limit or lost)
    assert len(progress.trail) == calls
