"""OTP's answers beside ours: what must be equal, and where we differ because we chose to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from tests.otp.ours import HERE, Line

RECORDED = HERE / "otp25.txt"  # what supervision.escript printed on Erlang/OTP 25


class Difference(NamedTuple):
    """A chosen one: in which cases, at which lines, why, and what has to be equal all the same."""

    case: str
    verbs: tuple[str, ...]
    why: str
    rest: Callable[[str], str]


CHOSEN = (
    Difference("simple_one_for_one", ("count",), "ours have a spec each, OTP's share one", lambda answer: " ".join(answer.split()[1:2])),
    Difference("simple_one_for_one", ("restart", "delete"), "ours have ids, so these calls work on them", lambda answer: ""),
    Difference("simple_one_for_one", ("end",), "all stop at once: in which order is open", lambda answer: " ".join(sorted(answer.split()))),
)


class Verdict(NamedTuple):
    """One line on both sides; `why` says which difference it is, empty when it is none or one that nobody chose."""

    otp: Line
    ours: Line
    equal: bool
    why: str


def parsed(text: str) -> list[Line]:
    """What supervision.escript printed."""
    lines: list[Line] = []
    case = ""
    for printed in text.splitlines():
        if printed.startswith("case "):
            case = printed.removeprefix("case ")
        elif printed.strip():
            line, _, answer = printed.strip().partition(" ->")
            lines.append(Line(case, line, answer.strip()))
    return lines


def recorded(file: Path = RECORDED) -> list[Line]:
    """The recorded answers."""
    return parsed(file.read_text())


def compared(otp: Iterable[Line], ours: Iterable[Line]) -> list[Verdict]:
    """Line by line. Raises ValueError when the two did not play the same lines."""
    verdicts = []
    for theirs, own in zip_longest(otp, ours):
        if theirs is None or own is None or (theirs.case, theirs.line) != (own.case, own.line):
            raise ValueError(f"not the same scenarios: {theirs} and {own}; record OTP's answers anew")
        verdicts.append(_verdict(theirs, own))
    return verdicts


def _verdict(otp: Line, ours: Line) -> Verdict:
    if otp.answer == ours.answer:
        return Verdict(otp, ours, True, "")
    for difference in CHOSEN:
        if otp.case.startswith(difference.case) and otp.line.split()[0] in difference.verbs and difference.rest(otp.answer) == difference.rest(ours.answer):
            return Verdict(otp, ours, False, difference.why)
    return Verdict(otp, ours, False, "")
