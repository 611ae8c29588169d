"""The gateway inside somebody's app."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

import undying
from messages.routing import ListModels
from undying import Daemon, StartFailed, StateLocked


async def test_a_daemon_takes_typed_messages_from_its_host(tmp_path: Path) -> None:
    async with Daemon({"server": {"port": 0}, "state_dir": str(tmp_path)}) as gateway:
        listed = await gateway.system.ask("/routing/router", ListModels())
        assert [model.name for model in listed.models] == ["embedded/echo"]
        assert listed.default == "embedded/echo"


async def test_a_daemon_is_asked_from_another_thread(tmp_path: Path) -> None:
    async with Daemon({"server": {"port": 0}, "state_dir": str(tmp_path)}) as gateway:
        listed = await asyncio.to_thread(gateway.system.ask_from_thread, "/routing/router", ListModels())
        assert listed.default == "embedded/echo"


async def test_two_daemons_live_side_by_side_but_not_on_one_state_directory(tmp_path: Path) -> None:
    async with Daemon({"server": {"port": 0}, "state_dir": str(tmp_path / "a")}) as a:
        async with Daemon({"server": {"port": 0}, "state_dir": str(tmp_path / "b")}) as b:
            assert a.url != b.url
        with pytest.raises(StateLocked, match="--state"):
            await Daemon({"server": {"port": 0}, "state_dir": str(tmp_path / "a")}).start()


async def test_a_start_that_fails_says_who_and_why_and_leaves_nothing(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with Daemon({"server": {"port": 0}, "state_dir": str(tmp_path / "a")}) as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(StartFailed, match=f"/gateway/http.*{port}"):
            await Daemon({"server": {"port": port}, "state_dir": str(tmp_path / "b")}).start()
        again = Daemon({"server": {"port": 0}, "state_dir": str(tmp_path / "b")})
        async with again, aiohttp.ClientSession() as client, client.get(f"{again.url}/health/ready") as answer:
            assert answer.status == 200
    assert asyncio.all_tasks() == before


async def test_a_daemon_can_be_started_again_after_its_stop(tmp_path: Path) -> None:
    daemon = Daemon({"server": {"port": 0}, "state_dir": str(tmp_path)})
    for _ in range(2):
        async with daemon, aiohttp.ClientSession() as client, client.get(f"{daemon.url}/health/ready") as answer:
            assert answer.status == 200


def test_a_host_that_has_configured_no_logging_is_not_talked_into_its_ears(tmp_path: Path) -> None:
    script = (
        "import asyncio\nfrom undying import Daemon\n"
        f"async def main():\n    async with Daemon({{'server': {{'port': 0}}, 'state_dir': {str(tmp_path)!r}}}): pass\n"
        "asyncio.run(main())\n"
    )
    path = [entry for entry in sys.path if entry]
    done = subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": ":".join(path)}, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_undying_does_not_have_is_refused_with_what_it_has() -> None:
    with pytest.raises(AttributeError, match="Daemon"):
        assert undying.Deamon
