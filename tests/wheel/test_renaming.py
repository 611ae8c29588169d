"""What the build hook does to a source file, and what it refuses."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatch_build import FOLDERS, MOVED, CannotMove, lay_out, renamed


def moved(source: str) -> str:
    return renamed(source.encode(), "actors/some.py").decode()


@pytest.mark.parametrize(("line", "result"), [
    ("from messages.chat import ChatHead", "from undying.messages.chat import ChatHead"),
    ("from actors import runtime", "from undying.actors import runtime"),
    ("from supervisors.spec import (\n    ChildSpec,  # from actors\n)", "from undying.supervisors.spec import (\n    ChildSpec,  # from actors\n)"),
    ("from run import main as start", "from undying.run import main as start"),
    ("def f() -> None:\n\tfrom messages.chat import ChatHead", "def f() -> None:\n\tfrom undying.messages.chat import ChatHead"),
    ("x = 'é'; from messages.chat import ChatHead; y = 2", "x = 'é'; from undying.messages.chat import ChatHead; y = 2"),
    ("from   messages.chat import ChatHead", "from   undying.messages.chat import ChatHead"),
    ("from \\\n  messages.chat import ChatHead", "from \\\n  undying.messages.chat import ChatHead"),
    ("from messages.chat import ChatHead\r\nfrom run import main\r\n", "from undying.messages.chat import ChatHead\r\nfrom undying.run import main\r\n"),
    ("from messages.a import b; from messages.a import c", "from undying.messages.a import b; from undying.messages.a import c"),
])  # fmt: skip
def test_an_import_of_ours_is_renamed_wherever_it_stands(line: str, result: str) -> None:
    assert moved(line) == result


@pytest.mark.parametrize("source", [
    '"""from messages.chat import ChatHead"""',
    "x = 'from actors.runtime import Actor'  # from messages import chat",
    'x = """\nfrom messages.chat import ChatHead\n"""',
    "from undying import Daemon",
    "from messages_of_others.chat import x",
    "from my.messages.chat import x",
    "from . import messages",
    "from .messages import chat",
    "import running, runner.run, email.message",
    "messages = actors = run = 1",
    "",
])  # fmt: skip
def test_everything_else_stays_as_it_is(source: str) -> None:
    assert moved(source) == source


@pytest.mark.parametrize("name", ["messages", "messages.chat", "actors.runtime", "supervisors", "run"])
@pytest.mark.parametrize("form", ["import {}", "import os, {}", "import {} as other", "def f() -> None:\n    import {}"])
def test_a_plain_import_of_ours_stops_the_build_and_says_what_to_write(form: str, name: str) -> None:
    with pytest.raises(CannotMove, match=rf"^actors/some\.py:[12]: `import {name}` .* write `from {name} import \.\.\.`"):
        moved(form.format(name))


@given(text=st.text(), own=st.sampled_from(sorted(MOVED)), name=st.from_regex(r"[a-z]{1,5}", fullmatch=True))
def test_a_renamed_program_differs_from_its_source_by_the_names_alone(text: str, own: str, name: str) -> None:
    source = f"x_ = {text!r}; from {own}.m_{name} import n_{name}  # {text!a}\nfrom o_{name} import {own}\n"
    result = moved(source)
    assignment = ast.parse(result).body[0]
    assert isinstance(assignment, ast.Assign)
    assert ast.literal_eval(assignment.value) == text
    assert f"from undying.{own}.m_{name} import n_{name}  # {text!a}\n" in result
    assert len(result) == len(source) + len("undying.")
    assert moved(result) == result


@pytest.mark.parametrize("squatter", [*(f"{name}.py" for name in sorted(MOVED)), *sorted(MOVED)])
def test_the_door_may_hold_nothing_where_the_folders_go(tmp_path: Path, squatter: str) -> None:
    checkout(tmp_path)
    (tmp_path / "undying" / squatter).mkdir()
    with pytest.raises(CannotMove, match=rf"^undying/{squatter}: .* choose another"):
        lay_out(tmp_path, tmp_path / "out")


def test_data_is_carried_along_and_caches_stay_behind(tmp_path: Path) -> None:
    checkout(tmp_path)
    pages = tmp_path / "actors" / "gateway" / "pages"
    (pages / "__pycache__").mkdir(parents=True)
    for name in ("page.html", "page.css", "page.js", "knowledge.yaml", ".hidden", "x.pyc", "__pycache__/y.pyc"):
        (pages / name).write_text("from messages.chat import ChatHead\n")
    lay_out(tmp_path, tmp_path / "out")
    carried = tmp_path / "out" / "actors" / "gateway" / "pages"
    assert sorted(file.name for file in carried.iterdir()) == ["knowledge.yaml", "page.css", "page.html", "page.js"]
    assert (carried / "page.html").read_text() == "from messages.chat import ChatHead\n"
    assert (tmp_path / "out" / "config.yaml").read_text() == "{}\n"


def checkout(root: Path) -> None:
    """The smallest checkout that can be laid out."""
    for folder in (*FOLDERS, "undying"):
        (root / folder).mkdir()
        (root / folder / "__init__.py").write_text("")
    (root / "run.py").write_text("")
    (root / "config.yaml").write_text("{}\n")
