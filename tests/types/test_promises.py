"""mypy and pyright infer the reply type of every ask: `promises.py` says of which; both agree, and neither just looks away."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from messages.message import Ask, Message, known_kinds

ROOT = Path(__file__).resolve().parents[2]
PROMISES = ROOT / "tests" / "types" / "promises.py"
LIMIT = 300.0  # seconds: with a cold cache mypy reads all of pydantic

CHECKERS = {
    "mypy": (sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")),
    "pyright": (sys.executable, "-m", "pyright", "-p"),
}
PYRIGHT = '{"include": ["promises.py"], "extraPaths": ["%s"], "typeCheckingMode": "strict", "reportUnnecessaryTypeIgnoreComment": "error"}'
LIES = {
    "another answer": ("tea\")), Weight)", "tea\")), Drop)"),
    "an answer to what is no ask": ("# type: ignore[arg-type]", "#"),
    "a needless excuse": ("assert_type(port, Port)", "assert_type(port, Port)  # type: ignore[arg-type]"),
}


def check(checker: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Has the checker read promises.py in that folder."""
    (folder / "pyrightconfig.json").write_text(PYRIGHT % ROOT)
    command = (*CHECKERS[checker], str(folder if checker == "pyright" else folder / PROMISES.name))
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_type_checker_infers_what_is_promised_of_every_ask(checker: str, tmp_path: Path) -> None:
    shutil.copy(PROMISES, tmp_path)
    done = check(checker, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_type_checker_refuses_a_promise_that_is_not_kept(checker: str, lie: str, tmp_path: Path) -> None:
    true, false = LIES[lie]
    text = PROMISES.read_text()
    assert true in text
    (tmp_path / PROMISES.name).write_text(text.replace(true, false))
    done = check(checker, tmp_path)
    assert done.returncode == 1
    assert "error" in done.stdout, done.stderr


def asks() -> list[type[Message]]:
    """Every kind of ours that wants an answer."""
    for file in sorted((ROOT / "messages").glob("[!_]*.py")):
        importlib.import_module(f"{Message.__module__.rpartition('.')[0]}.{file.stem}")
    return [cls for cls in known_kinds().values() if issubclass(cls, Ask)]


def answers_of(ask: type[Any]) -> tuple[Any, ...]:
    """What stands between the brackets of `Ask[...]`; each member when that is a union."""
    generics = [base.__pydantic_generic_metadata__ for base in ask.__mro__ if issubclass(base, Ask)]
    named = [answer for generic in generics if generic["origin"] is Ask for answer in generic["args"]]
    return tuple(member for answer in named for member in get_args(answer) or (answer,))


def test_every_ask_names_a_concrete_answer_that_can_be_sent() -> None:
    assert len(asks()) >= 10
    for ask in asks():
        answers = answers_of(ask)
        assert answers, f"{ask.__name__} names no answer"
        for answer in answers:
            assert isinstance(answer, type) and issubclass(answer, Message), f"{ask.__name__}: {answer!r}"
            assert answer.kind in known_kinds(), f"{ask.__name__}: {answer.__name__} has no kind"


def test_an_ask_that_names_no_answer_is_found() -> None:
    class Vague(Ask):  # type: ignore[type-arg]
        """Wants something."""

    assert answers_of(Vague) == ()
