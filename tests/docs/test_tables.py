"""The tables in docs/ say what the code says."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

from messages.faults import FAULTS
from messages.message import known_kinds

ROOT = Path(__file__).resolve().parents[2]


def test_the_generated_pages_have_not_drifted_from_the_code() -> None:
    done = subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_kind_of_the_vocabulary_is_on_its_page() -> None:
    for file in (ROOT / "messages").glob("[!_]*.py"):
        importlib.import_module(f"messages.{file.stem}")
    page = (ROOT / "docs" / "messages.md").read_text()
    kinds = {kind for kind, cls in known_kinds().items() if cls.__module__.startswith("messages.")}
    assert {kind for kind in kinds if f"\n| `{kind}` |" not in page} == set()


def test_every_fault_is_on_its_page() -> None:
    page = (ROOT / "docs" / "faults.md").read_text()
    assert {cls for cls, row in FAULTS.items() if f"\n| `{cls}` | {row.status} |" not in page} == set()


def test_each_row_about_supervision_names_a_test_that_there_is() -> None:
    page = (ROOT / "docs" / "supervision.md").read_text()
    assert "NO-SUCH-TEST" not in page
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.endswith("| proof |")]
    assert [row for row in rows if "][test_" not in row] == []
    assert len(rows) > 50
