"""The pytest plugin where it is installed, from the wheel or editable: a host app's tests have the fixtures without importing them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.wheel.run_against_wheel import ROOT
from tests.wheel.test_the_wheel import hatchling

TEST = '''
import pytest
import undying
from undying import Actor, Ask, ChildSpec, Message

class Totalled(Message, kind="host.totalled"):
    n: int

class Total(Ask[Totalled], kind="host.total"):
    pass

class Counter(Actor[Total]):
    def receive(self, message):
        return Totalled(n=self.incarnation)

@pytest.mark.looptime
async def test_a_counter(undying_tree, undying_leaks):
    async with undying_tree(ChildSpec("counter", Counter)) as running:
        probe = running.probe()
        probe.watch("/counter")
        running.crash("/counter")
        await probe.expect_down("/counter")
        assert await running.ask("/counter", Total()) == Totalled(n=2)

async def test_a_provider(fake_provider):
    assert fake_provider.base_url

def test_where_it_comes_from():
    assert undying.__file__.startswith("{home}")
'''


@pytest.fixture
def editable(tmp_path: Path) -> Path:
    """What an editable install puts into site-packages, unpacked."""
    with ZipFile(hatchling("build_editable", ROOT, tmp_path / "built")) as archive:
        archive.extractall(tmp_path / "site")
    return tmp_path / "site"


@pytest.mark.parametrize("how", ["editable", "installed"])
def test_a_host_has_the_fixtures_by_installing_us(how: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    site = request.getfixturevalue(how)
    home = ROOT if how == "editable" else site
    project = tmp_path / "project"
    project.mkdir()
    (project / "test_host.py").write_text(TEST.replace("{home}", str(home / "undying")))
    (project / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    (project / "conftest.py").write_text("import asyncio\n\ndef pytest_configure():\n    asyncio.set_event_loop(None)\n")
    env = os.environ | {"PYTHONPATH": os.pathsep.join(dict.fromkeys([str(site), str(home)]))}
    command = [sys.executable, "-W", "error", "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "--trace-config"]
    done = subprocess.run(command, env=env, cwd=project, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    assert f"undying-{version(site)} at {home}/undying/testing/plugin.py" in done.stdout


def version(site: Path) -> str:
    [metadata] = site.glob("undying-*.dist-info")
    return metadata.name.removeprefix("undying-").removesuffix(".dist-info")
