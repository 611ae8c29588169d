"""What the documents tell a reader to type exists, and what they point at is there."""

from __future__ import annotations

import ast
import functools
import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.sources import ROOT

PAGES = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md")
SHELLS = {"", "sh", "bash", "shell", "console"}


def blocks(page: str) -> list[tuple[str, str]]:
    """The fenced blocks of a page, as (language, text)."""
    return re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[list[str]]:
    """Every command of the page's shell blocks and of its text, in words, without prompt, comment, and the variables set for it."""
    lines = [line for language, text in blocks(page) if language in SHELLS for line in re.sub(r"\\\n\s*", "", text).splitlines()]
    lines += re.findall(r"`((?:make|python run\.py|undying) [^`\n]+)`", (ROOT / page).read_text())
    return [words for line in lines if (words := split(re.sub(r"^(\$ )?(\w+=\S* )*", "", line)))]


def split(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # a line within a quotation that spans several: no command begins in it
        return []


def verbs() -> set[tuple[str, str]]:
    """Every (verb, options) that the pages give `run.py` or `undying`."""
    programs = (["python", "run.py"], ["python3", "run.py"], [".venv/bin/python", "run.py"], ["undying"])
    found = set()
    for words in (words for page in PAGES for words in commands(page)):
        for program in programs:
            if words[: len(program)] == program:
                rest = words[len(program) :]
                verb = rest[0] if rest and not rest[0].startswith("-") else ""
                found.add((verb, " ".join(word.partition("=")[0] for word in rest if word.startswith("--"))))
    return found


@functools.cache
def help_of(verb: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "run.py", *([verb] if verb else []), "--help"]
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def test_the_two_commands_are_on_the_first_screen() -> None:
    first_screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:60])
    fenced = re.findall(r"^```\w*\n(.*?)^```", first_screen, re.MULTILINE | re.DOTALL)
    lines = {line.removeprefix("$ ").partition("#")[0].strip() for text in fenced for line in text.splitlines()}
    assert {"make run", "make test"} <= lines


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for words in commands(page) if words[0] == "make" for word in words[1:] if "=" not in word and not word.startswith("-")}
    assert named - targets == set()


def test_every_verb_and_option_of_the_program_exists() -> None:
    assert help_of("").returncode == 0, help_of("").stderr
    for verb, options in verbs():
        shown = help_of(verb)
        assert shown.returncode == 0, f"run.py {verb}: {shown.stderr}"
        unknown = [option for option in options.split() if not re.search(rf"{option}\b", shown.stdout)]
        assert unknown == [], f"run.py {verb} has no such option"


@pytest.mark.parametrize("page", PAGES)
def test_every_extra_to_install_exists(page: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {extra.strip() for found in re.findall(r"(?:undying|\.)\[([\w, -]+)\]", (ROOT / page).read_text()) for extra in found.split(",")}
    assert named - set(extras) == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_import_in_an_example_works(page: str) -> None:
    for language, text in blocks(page):
        if language == "python":
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom) and node.module:
                    module = importlib.import_module(node.module)
                    assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == [], node.module


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_somewhere(page: str) -> None:
    targets = re.findall(r"\]\(([^)\s#]+)[^)]*\)", (ROOT / page).read_text())
    assert [target for target in targets if "://" not in target and not target.startswith("mailto:") and not (ROOT / target).exists()] == []


PROGRAMS = [(page, text) for page in ("README.md", "docs/actors.md") for language, text in blocks(page) if language == "python" and "asyncio.run(" in text]


@pytest.mark.parametrize(("page", "program"), PROGRAMS, ids=[page for page, _ in PROGRAMS])
def test_every_program_of_the_pages_runs_and_prints_what_it_says(page: str, program: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(program)
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-W", "error", "program.py"], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [said.partition(":")[0] for said in re.findall(r"^ *print\(.*\) +# (.*)$", program, re.MULTILINE)]


def test_every_name_that_hosts_import_is_told_of_on_the_page() -> None:
    from undying.exports import __all__

    page = (ROOT / "docs" / "actors.md").read_text()
    assert [name for name in __all__ if not re.search(rf"`{name}\b", page)] == []
