"""How long a root's next start is put off."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from actors.runtime.patience import CAP, FREE, REMEMBERED, WINDOW, put_off

gaps = st.lists(st.floats(0, 2 * WINDOW), min_size=1, max_size=60)
chances = st.floats(0, 1, exclude_max=True)


@given(gaps, chances)
def test_a_wait_is_within_its_cap_and_there_is_none_for_the_first_few_ends_of_a_window(gaps: list[float], chance: float) -> None:
    ends: tuple[float, ...] = ()
    times: list[float] = []
    now = 0.0
    for gap in gaps:
        now += gap
        times.append(now)
        wait, ends = put_off(ends, now, chance)
        recent = sum(at > now - WINDOW for at in times)
        assert 0.0 <= wait <= CAP
        assert len(ends) == min(recent, REMEMBERED)
        if recent <= FREE:
            assert wait == 0.0


@given(chances.filter(lambda chance: chance > 0.001))
def test_it_waits_ever_longer_until_the_cap(chance: float) -> None:
    ends: tuple[float, ...] = ()
    waits = []
    for _ in range(20):
        wait, ends = put_off(ends, 1.0, chance)
        waits.append(wait)
    assert waits == sorted(waits)
    assert waits[FREE] > 0.0
    assert waits[-1] == chance * CAP


@given(gaps)
def test_after_a_quiet_window_all_is_forgotten(gaps: list[float]) -> None:
    ends: tuple[float, ...] = ()
    now = 0.0
    for gap in gaps:
        now += gap
        _, ends = put_off(ends, now, 0.5)
    later = now + WINDOW * 1.001 + 0.001
    assert put_off(ends, later, 0.5) == (0.0, (later,))
