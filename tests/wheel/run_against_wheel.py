"""Runs the tests against the built wheel instead of the checkout: `python -m tests.wheel.run_against_wheel [pytest's arguments]`.

The wheel goes into a fresh environment together with what it says it needs. The tests are copied to a place from which the
checkout can't be seen, with the same import lines renamed as in the wheel. tests/docs, tests/pykka, tests/types and tests/wheel are
about the checkout and stay there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hatch_build import copy_renamed

ROOT = Path(__file__).resolve().parents[2]
ABOUT_THE_CHECKOUT = ("docs", "pykka", "types", "wheel")


def build(into: Path) -> Path:
    """Builds the wheel of this checkout into a folder, and returns its path there."""
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(into), str(ROOT)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    if done.returncode:
        raise RuntimeError(f"no wheel was built:\n{done.stdout}")
    [wheel] = into.glob("*.whl")
    return wheel


def main(arguments: list[str]) -> int:
    """Builds, installs, copies, tests; returns pytest's exit code."""
    with tempfile.TemporaryDirectory(prefix="undying-against-wheel-") as scratch:
        wheel = build(Path(scratch, "dist"))
        python = Path(scratch, "venv", "bin", "python")
        away = Path(scratch, "away")
        _say(sys.executable, "-m", "venv", str(python.parents[1]))
        _say(str(python), "-m", "pip", "install", "-q", f"{wheel}[test]")
        copy_renamed(ROOT / "tests", away / "tests", without=ABOUT_THE_CHECKOUT)
        shutil.copyfile(ROOT / "pyproject.toml", away / "pyproject.toml")
        return _say(str(python), "-m", "pytest", *arguments, cwd=away, check=False)


def _say(*command: str, cwd: Path = ROOT, check: bool = True) -> int:
    """Prints a command and runs it, out of reach of a PYTHONPATH that could lead back to the checkout."""
    sys.stdout.write(f"{' '.join(command)}\n")
    sys.stdout.flush()
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, check=check).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
