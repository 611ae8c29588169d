"""Runs pykka's own test-suite on AsyncioActor: `python -m tests.pykka.run_pykkas_tests [pytest's arguments]`.

Fetches the source archive of the pykka that is installed, and the one pytest plugin its tests want, once, into build/pykka; both by
pip. The tests run in a process of their own, from their own folder, with `in_place_of_threads.py` as a plugin.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "pykka"
WANTED = ("pytest-mock>=3.14",)


def main(arguments: list[str]) -> int:
    """Fetches and tests; returns pytest's exit code, 2 when something could not be fetched."""
    name = f"pykka-{version('pykka')}"
    if not (fetch_tests(name) and fetch_wanted()):
        sys.stderr.write(f"{name}'s tests could not be fetched: pip must reach a package index. Nothing was tested.\n")
        return 2
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(folder) for folder in (Path(__file__).parent, CACHE / "wanted", ROOT)),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    plugins = ("-p", "pytest_mock", "-p", "in_place_of_threads", "-p", "no:cacheprovider")
    return _say("-m", "pytest", "-c", "pyproject.toml", "--rootdir", ".", *plugins, "-q", *(arguments or ["tests"]), cwd=CACHE / name, env=env)


def fetch_tests(name: str) -> bool:
    """Has pip fetch the archive, unless it is here already, and unpacks its tests. False when pip could not."""
    if not (CACHE / name / "tests").is_dir():
        archive = CACHE / f"{name}.tar.gz"
        if not archive.is_file() and _say("-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", name.replace("-", "=="), "-d", str(CACHE)):
            return False
        with tarfile.open(archive) as packed:
            members = [member for member in packed.getmembers() if member.name.startswith((f"{name}/tests/", f"{name}/pyproject.toml"))]
            packed.extractall(CACHE, members, filter="data")
    return True


def fetch_wanted() -> bool:
    """The same for the plugins that pykka's tests want; they stay out of our environment."""
    folder = CACHE / "wanted"
    return folder.is_dir() or _say("-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), *WANTED) == 0


def _say(*command: str, cwd: Path = ROOT, env: dict[str, str] | None = None) -> int:
    sys.stdout.write(f"{' '.join((sys.executable, *command))}\n")
    sys.stdout.flush()
    return subprocess.run((sys.executable, *command), cwd=cwd, env=env, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
