"""The decisions of a supervisor, each invariant for all inputs."""

from __future__ import annotations

from typing import get_args

import hypothesis.strategies as st
import pytest
from hypothesis import given

from messages.supervision import ExitHow, RestartType
from supervisors.restart import Backoff, add_restart, affected, ends_supervisor, next_step, verdict
from supervisors.spec import AutoShutdown, Intensity, OnExhausted, Strategy

intensities = st.builds(Intensity, st.integers(0, 6), st.floats(0.5, 60.0))
instants = st.lists(st.floats(0.0, 200.0), min_size=1, max_size=40).map(sorted)


@pytest.mark.parametrize("restart", get_args(RestartType))
@pytest.mark.parametrize("how", get_args(ExitHow))
def test_the_verdict_is_otps(restart: RestartType, how: ExitHow) -> None:
    meant = how in ("normal", "shutdown")
    expected = {"permanent": "restart", "transient": "keep" if meant else "restart", "temporary": "forget"}
    assert verdict(restart, how) == expected[restart]


@given(intensities, instants)
def test_a_history_holds_the_latest_restarts_of_one_window_and_never_more_than_it_needs(intensity: Intensity, times: list[float]) -> None:
    history: tuple[float, ...] = ()
    for now in times:
        _, history = add_restart(history, now, intensity)
        assert history[-1] == now
        assert list(history) == sorted(history)
        assert all(at >= now - intensity.seconds for at in history)
        assert len(history) <= intensity.restarts + 1


@given(intensities, instants)
def test_a_restart_is_allowed_exactly_when_it_and_those_of_the_window_before_it_are_not_too_many(intensity: Intensity, times: list[float]) -> None:
    history: tuple[float, ...] = ()
    for index, now in enumerate(times):
        allowed, history = add_restart(history, now, intensity)
        in_window = [at for at in times[: index + 1] if at >= now - intensity.seconds]
        assert allowed == (len(in_window) <= intensity.restarts)


@given(intensities, st.floats(0.0, 1000.0))
def test_exactly_so_many_restarts_fit_into_a_moment_and_the_next_is_too_many(intensity: Intensity, now: float) -> None:
    history: tuple[float, ...] = ()
    verdicts = []
    for _ in range(intensity.restarts + 2):
        allowed, history = add_restart(history, now, intensity)
        verdicts.append(allowed)
    assert verdicts == [True] * intensity.restarts + [False, False]


@given(intensities, st.floats(0.0, 1000.0))
def test_after_a_quiet_window_all_is_forgotten(intensity: Intensity, now: float) -> None:
    history: tuple[float, ...] = ()
    for _ in range(intensity.restarts + 1):
        _, history = add_restart(history, now, intensity)
    later = now + intensity.seconds * 1.001 + 0.001
    assert add_restart(history, later, intensity) == (intensity.restarts > 0, (later,))


@given(st.sampled_from(get_args(Strategy)), st.lists(st.text(min_size=1), min_size=1, max_size=8, unique=True), st.data())
def test_whom_a_failure_takes_along_is_the_strategys_and_in_start_order(strategy: Strategy, ids: list[str], data: st.DataObject) -> None:
    failed = data.draw(st.sampled_from(ids))
    group = affected(strategy, tuple(ids), failed)
    assert failed in group
    assert list(group) == [id for id in ids if id in group]
    match strategy:
        case "one_for_one":
            assert group == (failed,)
        case "one_for_all":
            assert list(group) == ids
        case "rest_for_one":
            assert set(group) == set(ids[ids.index(failed) :])


@given(st.builds(Backoff, st.floats(0.001, 10.0), st.floats(10.0, 600.0)), st.integers(1, 10_000), st.floats(0.0, 1.0, exclude_max=True))
def test_a_wait_is_drawn_from_nothing_to_a_ceiling_that_doubles_up_to_the_cap(backoff: Backoff, failures: int, chance: float) -> None:
    wait = backoff.wait(failures, chance)
    ceiling = backoff.wait(failures, 1.0)
    assert 0.0 <= wait <= ceiling <= backoff.cap
    assert wait == chance * ceiling
    assert backoff.wait(failures + 1, 1.0) == min(backoff.cap, 2.0 * ceiling)
    assert backoff.wait(1, 1.0) == backoff.first
    assert backoff.wait(failures, 0.0) == 0.0


@given(st.booleans(), st.booleans(), st.sampled_from(get_args(OnExhausted)))
def test_what_follows_an_end_is_a_restart_within_the_intensity_and_quarantine_for_whoever_was_on_trial(
    on_trial: bool, allowed: bool, on_exhausted: OnExhausted
) -> None:
    follows = next_step(on_trial, allowed, on_exhausted)
    assert follows in ("restart", *get_args(OnExhausted))
    assert (follows == "restart") == (allowed and not on_trial)
    if on_trial:
        assert follows == "quarantine"
    elif not allowed:
        assert follows == on_exhausted


@given(st.integers(0, 5))
def test_the_first_or_the_last_significant_child_ends_its_supervisor_as_that_was_told(others: int) -> None:
    assert [ends_supervisor(when, others) for when in get_args(AutoShutdown)] == [False, True, others == 0]
