"""One wheel for all tests of this folder, and one place where it is installed, beside a host app with modules of the same names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hatch_build import MOVED
from tests.wheel.run_against_wheel import build

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs Python with these arguments in the host app's folder, with the host's modules first on the path and the installed wheel second."""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(pip, check=True, stdin=subprocess.DEVNULL)
    return target


@pytest.fixture(scope="session")
def beside_a_host_app(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    host = tmp_path_factory.mktemp("host")
    for name in MOVED:
        (host / f"{name}.py").write_text('whose = "the host app\'s"\n')
    env = os.environ | {"PYTHONPATH": f"{host}{os.pathsep}{installed}"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *arguments], cwd=host, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)

    return run
