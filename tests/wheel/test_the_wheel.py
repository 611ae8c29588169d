"""What is in the wheel, in the wheel made from the source distribution, and in an editable install."""

from __future__ import annotations

import ast
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from hatch_build import DOOR, FOLDERS, MOVED
from tests.wheel.run_against_wheel import ROOT
from undying.version import VERSION


def contents(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def hatchling(call: str, root: Path, into: Path) -> Path:
    """What pip does to build something in the folder `root`: calls hatchling there. Returns what was built."""
    into.mkdir()
    subprocess.run([sys.executable, "-c", f"from hatchling.build import {call}; {call}({str(into)!r})"], cwd=root, check=True, stdin=subprocess.DEVNULL)
    [built] = into.iterdir()
    return built


@pytest.fixture(scope="module")
def from_sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scratch = tmp_path_factory.mktemp("from_sdist")
    with tarfile.open(hatchling("build_sdist", ROOT, scratch / "sdist")) as archive:
        archive.extractall(scratch, filter="data")
    [unpacked] = scratch.glob("undying-*")
    return hatchling("build_wheel", unpacked, scratch / "wheel")


def test_the_wheel_claims_one_name_and_no_other(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in contents(wheel)}
    assert {top.partition("-")[0] for top in tops} == {"undying"}
    assert sorted(top.rpartition(".")[2] for top in tops) == ["dist-info", "undying"]


def test_every_source_file_is_in_the_wheel_and_nothing_else_is(wheel: Path) -> None:
    expected = {f"{DOOR}/{module}" for module in ("run.py", "config.yaml")}
    for folder in (*FOLDERS, DOOR):
        prefix = "" if folder == DOOR else f"{DOOR}/"
        files = (file for file in (ROOT / folder).rglob("*") if file.is_file() and "__pycache__" not in file.parts and not file.name.startswith("."))
        expected |= {prefix + str(file.relative_to(ROOT)) for file in files}
    found = {name for name in contents(wheel) if ".dist-info/" not in name}
    assert found == expected


def test_nothing_in_the_wheel_imports_by_the_name_of_the_checkout(wheel: Path) -> None:
    left = []
    for name, data in contents(wheel).items():
        if name.endswith(".py"):
            for node in ast.walk(compile(data, name, "exec", ast.PyCF_ONLY_AST)):
                modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                modules += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
                left += [f"{name}: {module}" for module in modules if module.partition(".")[0] in MOVED]
    assert left == []


def test_the_command_starts_what_the_wheel_holds(wheel: Path) -> None:
    [points] = [data for name, data in contents(wheel).items() if name.endswith("entry_points.txt")]
    assert "undying = undying.run:main" in points.decode()


def test_the_wheel_bears_the_version_that_the_code_tells(wheel: Path) -> None:
    [metadata] = [data for name, data in contents(wheel).items() if name.endswith(".dist-info/METADATA")]
    assert f"\nVersion: {VERSION}\n" in metadata.decode()


def test_the_source_distribution_builds_the_same_wheel(wheel: Path, from_sdist: Path) -> None:
    assert from_sdist.name == wheel.name
    assert contents(from_sdist) == contents(wheel)


def test_an_editable_install_is_the_checkout_itself(tmp_path: Path) -> None:
    files = contents(hatchling("build_editable", ROOT, tmp_path / "editable"))
    assert files.pop("_undying.pth").decode() == str(ROOT)
    assert all(".dist-info/" in name for name in files)
    [points] = [data for name, data in files.items() if name.endswith("entry_points.txt")]
    assert "undying = run:main" in points.decode()
