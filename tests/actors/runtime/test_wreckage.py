"""What is told of an exception: its frames as Python prints them, its words without content."""

from __future__ import annotations

import asyncio
import gc
import traceback
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from actors.runtime.wreckage import CHAIN, FRAMES, INNERMOST, SAYS, place, remains, told, told_again


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
        assert told(remains(error)) == "".join(traceback.format_exception(error)), work


def test_what_an_exception_says_is_told_in_words_of_the_code_only() -> None:
    canary = "Xylophone 8675309 \u738b\u5c0f\u660e \U0001f98a ann@example.org"
    secrets = ("Xylo", "8675", "\u738b", "\U0001f98a", "example.")

    def quoting() -> None:
        raise ValueError(f"a bad name: {canary[:100]}") from KeyError(canary[:100])

    def in_a_group() -> None:
        error = LookupError(canary[:100])
        error.add_note(canary[:100])
        raise ExceptionGroup("a few", [error])

    for work in (quoting, in_a_group):
        text = told(remains(raised(work)))
        assert [secret for secret in secrets if secret in text] == [], text
        assert f", in {work.__name__}\n" in text and ("a bad name: ***" in text or "a few" in text)


def test_what_python_says_by_itself_is_told_as_it_is() -> None:
    def calls() -> Iterator[Callable[[], object]]:
        given: Any = None
        yield lambda: given.strength
        yield lambda: [][0 if given is None else 1]
        yield lambda: 1 / (0 if given is None else 1)
        yield lambda: given()

    for call in calls():
        error = raised(call)
        assert str(error) in told(remains(error))


def test_a_traceback_that_is_text_loses_what_is_said_in_it_and_no_line_of_code() -> None:
    text = told_again('Traceback (most recent call last):\n  File "a.py", line 7, in f\n    raise ValueError(f"bad {name}")\nValueError: bad Ann\n  and Bob\n')
    assert text.endswith('    raise ValueError(f"bad {name}")\nValueError: bad ***\n  *** ***\n')


def test_what_an_exception_says_is_cut() -> None:
    def long() -> None:
        raise ValueError("x" * 10 * SAYS)

    assert "*" * SAYS in (text := told(remains(raised(long)))) and len(text) < 2 * SAYS


def test_a_group_is_told_with_those_in_it() -> None:
    text = told(remains(raised(several)))
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

    text = told(remains(raised(chained)))
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

    assert "Mute: " in told(remains(raised(mute)))


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
    assert gone[0]() is None and "in hold" in told(left)


def test_the_place_is_the_same_wherever_the_kernel_called_from() -> None:
    async def in_a_task() -> None:
        broken()

    async def run() -> None:
        await asyncio.gather(in_a_task())

    assert place(remains(raised(broken)))[-1] == place(remains(raised(lambda: asyncio.run(run()))))[-1]
