"""docs/testing.md, as a host app's developer would type it: its settings, and every Python block in order, run by pytest in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.sources import ROOT

PAGE = (ROOT / "docs" / "testing.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_block_of_the_page_runs_and_every_test_on_it_passes(tmp_path: Path) -> None:
    conftest: list[str] = []
    tests: list[str] = []
    for block in blocks("python"):
        (conftest if "def pytest_configure" in block else tests).append(block)
    (tmp_path / "test_page.py").write_text("\n\n".join(tests))
    (tmp_path / "conftest.py").write_text("import asyncio\n\n" + "\n".join(conftest))
    (tmp_path / "pytest.ini").write_text("".join(blocks("ini")))
    announced = tmp_path / "site" / "announced-0.dist-info"  # the entry point, whether or not we are installed
    announced.mkdir(parents=True)
    (announced / "METADATA").write_text("Metadata-Version: 2.1\nName: announced\nVersion: 0\n")
    (announced / "entry_points.txt").write_text("[pytest11]\nundying = undying.testing.plugin\n")
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(announced.parent), str(ROOT)])}
    command = [sys.executable, "-W", "error", "-m", "pytest", "-W", "error", "--strict-markers", "-q", "-p", "no:cacheprovider", "test_page.py"]
    done = subprocess.run(command, cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    written = len(re.findall(r"^(?:async )?def test_", "".join(tests), re.MULTILINE))
    assert f"{written} passed" in done.stdout


def test_the_page_tells_of_everything_that_a_running_tree_and_a_probe_can_do() -> None:
    from undying.testing import Probe, RunningTree, __all__

    public = {name for name in vars(RunningTree) if not name.startswith("_")} - {"cell", "stop", "probes", "events"}
    public |= {name for name in ("answer", "expect", "expect_down", "expect_nothing", "watch") if hasattr(Probe, name)} | {*__all__} - {"RunningTree", "Probe"}
    assert {name for name in public if not re.search(rf"\b{name}\b", PAGE)} == set()
