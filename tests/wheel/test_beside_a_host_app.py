"""The installed wheel in somebody else's app, which has a messages.py, an actors.py, a supervisors.py and a run.py of its own."""

from __future__ import annotations

import compileall
from pathlib import Path

from tests.wheel.conftest import Run
from tests.wheel.run_against_wheel import ROOT


def modules(installed: Path) -> list[str]:
    """Every module of the installed package, by its full name."""
    parts = (file.relative_to(installed).with_suffix("").parts for file in sorted((installed / "undying").rglob("*.py")))
    return [".".join(part[:-1] if part[-1] == "__init__" else part) for part in parts]


def test_every_module_compiles(installed: Path) -> None:
    assert compileall.compile_dir(installed / "undying", quiet=1, force=True)


def test_every_module_can_be_imported_alone(beside_a_host_app: Run, installed: Path) -> None:
    names = modules(installed)
    assert {"undying", "undying.run", "undying.messages.chat"} <= set(names)
    done = beside_a_host_app("-P", str(ROOT / "tests" / "docs" / "import_alone.py"), *names)
    assert done.returncode == 0, done.stderr


def test_the_host_keeps_its_own_modules(beside_a_host_app: Run, installed: Path) -> None:
    program = f"""
import importlib, sys
for name in {modules(installed)!r}:
    importlib.import_module(name)
import actors, messages, run, supervisors
for module in (actors, messages, run, supervisors):
    assert module.whose == "the host app's", module
ours = sys.modules["undying"].__file__
assert ours.startswith({str(installed)!r}), ours
"""
    done = beside_a_host_app("-c", program)
    assert done.returncode == 0, done.stderr


def test_the_program_starts_from_any_folder(beside_a_host_app: Run) -> None:
    done = beside_a_host_app("-m", "undying.run", "--help")
    assert done.returncode == 0, done.stderr
    assert "serve" in done.stdout
