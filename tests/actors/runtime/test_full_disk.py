"""A disk that takes no more: no crash file, and nothing else is lost by it. The limit is the process's own, so this is a program of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.actors.runtime import crowded_disk


@pytest.mark.parametrize(("limit", "files"), [(64, 0), (1_000_000, 1)])
def test_when_no_crash_file_can_be_written_the_actor_is_restarted_all_the_same_and_no_half_of_a_file_stays(
    tmp_path: Path, limit: int, files: int
) -> None:
    command = [sys.executable, "-P", "-m", crowded_disk.__name__, str(tmp_path / "crashes"), str(limit)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    *said, told = done.stdout.splitlines()
    assert json.loads(told) == {"incarnation": 2, "not_written": 1 - files}
    assert len(said) == 1 - files  # the log tells of it
    assert [path.suffix for path in (tmp_path / "crashes").iterdir()] == [".msgpack"] * files
