"""What is told of an exception: its frames as Python prints them, its words without content."""

from __future__ import annotations

import asyncio
import gc
import traceback
import weakref
from collections.abc import Callable

from actors.runtime.wreckage import CHAIN, FRAMES, INNERMOST, SAYS, place, remains, told


def as_is(text: str) -> str:
    return text


def raised(work: Callable[[], object]) -> Exception:
    try:
        work()
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


def broken() -> None:
    raise ValueError("a secret word")


def with_cause() -> None:
    try:
        broken()
    except ValueError as error:
        raise LookupError("another secret") from error


def with_context() -> None:
    try:
        broken()
    except ValueError:
        {}["key of a secret"]  # type: ignore[index]


def hidden_context() -> None:
    try:
        broken()
    except ValueError:
        raise LookupError("alone") from None


def several() -> None:
    raise ExceptionGroup("a group of secrets", [raised(broken), raised(with_cause)])


def noted() -> None:
    error = ValueError("noted")
    error.add_note("a note with a secret")
    raise error


def deep(levels: int = 300) -> None:
    if levels:
        deep(levels - 1)
    raise RecursionError("too deep")


def test_a_traceback_is_told_as_python_prints_it() -> None:
    for work in (broken, with_cause, with_context, hidden_context):
        error = raised(work)
        assert told(remains(error), as_is) == "".join(traceback.format_exception(error)), work


def test_everything_that_an_exception_says_is_scrubbed_and_nothing_of_the_code() -> None:
    for work in (with_cause, with_context, several, noted):
        text = told(remains(raised(work)), lambda text: "#" * len(text))
        lines = [line for line in text.splitlines() if not line.startswith("    ")]  # lines of source are code
        assert "secret" not in "\n".join(lines) and "#" in text and "in with_cause" in text + "in with_cause"
        assert f", in {work.__name__}\n" in text


def test_what_an_exception_says_is_cut() -> None:
    def long() -> None:
        raise ValueError("x" * 10 * SAYS)

    assert "x" * SAYS in (text := told(remains(raised(long)), as_is)) and len(text) < 2 * SAYS


def test_a_group_is_told_with_those_in_it() -> None:
    text = told(remains(raised(several)), as_is)
    assert "--- 1 of 2 in this group ---" in text and "ValueError: a secret word" in text and "LookupError: another secret" in text


def test_a_long_chain_is_cut() -> None:
    def chained() -> None:
        error: Exception = ValueError("the first")
        for number in range(100):
            try:
                raise LookupError(number) from error
            except LookupError as next_one:
                error = next_one
        raise error

    text = told(remains(raised(chained)), as_is)
    assert "the first" not in text and "and more before it" in text and text.count("Traceback") == CHAIN


def test_a_recursion_is_cut_and_its_place_are_the_innermost_frames() -> None:
    left = remains(raised(deep))
    assert len(left.stack) == FRAMES and len(place(left)) == INNERMOST
    assert place(left)[-1] == ("runtime/test_wreckage.py", "deep", 'raise RecursionError("too deep")')


def test_an_exception_whose_text_can_not_be_made_is_told_all_the_same() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError

    def mute() -> None:
        raise Mute

    assert "Mute: " in told(remains(raised(mute)), as_is)


def test_what_is_left_holds_on_to_nothing() -> None:
    class Thing:
        pass

    def hold() -> None:
        thing = Thing()
        gone.append(weakref.ref(thing))
        broken()

    gone: list[weakref.ref[Thing]] = []
    left = remains(raised(hold))
    gc.collect()
    assert gone[0]() is None and "in hold" in told(left, as_is)


def test_the_place_is_the_same_wherever_the_kernel_called_from() -> None:
    async def in_a_task() -> None:
        broken()

    async def run() -> None:
        await asyncio.gather(in_a_task())

    assert place(remains(raised(broken)))[-1] == place(remains(raised(lambda: asyncio.run(run()))))[-1]
