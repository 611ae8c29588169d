"""What is behind a factory, however it was wrapped, and where it is found again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from actors.runtime.origin import found_at, origin_of, path_of
from tests.actors.runtime.trees import Slow, Worker


class Kept(partial):  # type: ignore[type-arg]
    """Two of these are not made one by functools, as two plain partials are."""


def shown(*args: Any, **keywords: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, keywords


layers = st.lists(st.tuples(st.lists(st.integers(), max_size=2), st.dictionaries(st.sampled_from("abc"), st.integers(), max_size=2)), max_size=4)


@given(layers, st.booleans())
def test_the_arguments_are_those_of_the_call_through_any_number_of_partials(layers: list[tuple[list[int], dict[str, int]]], kept: bool) -> None:
    start: Callable[[], Any] = shown
    for args, keywords in layers:
        start = (Kept if kept else partial)(start, *args, **keywords)
    made, args_, keywords_ = origin_of(start)
    assert made is shown
    assert (args_, keywords_) == start()


def test_a_path_leads_back_to_what_it_was_made_of() -> None:
    for thing in (Worker, Slow, shown, partial):
        assert found_at(path_of(thing)) is thing
    assert origin_of(partial(Slow, stop=1.0)).path == f"{Slow.__module__}:Slow"


def test_what_is_not_there_and_what_stands_in_the_program_itself_is_not_found() -> None:
    for path in (f"{__name__}:nobody", "no.such.module:Worker", f"{__name__}:Kept.nothing.at.all", "__main__:__name__", path_of(lambda: None)):
        assert found_at(path) is None
