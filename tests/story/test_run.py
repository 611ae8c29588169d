"""The program: a real process, started and stopped as a user would."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from run import main
from tests.story.conftest import STREAM
from undying.testing.fake_provider import FakeProvider

LIMIT = 20.0
ENV = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}  # and no key of anybody's


class Process:
    """A daemon in a process of its own. `url` is what it printed; `lines` are its log."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url

    async def stop(self) -> tuple[int, list[dict[str, Any]]]:
        """Its exit code after SIGTERM, and its log."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(LIMIT):
            _, log = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, [json.loads(line) for line in log.decode().splitlines()]


async def launch(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", main.__module__, *arguments, "--state", str(folder / "state"),
        env={**ENV, **(env or {})}, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@asynccontextmanager
async def serving(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> AsyncIterator[Process]:
    process = await launch(folder, *arguments, env=env)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(LIMIT):
            line = (await process.stdout.readline()).decode()
        assert " listens on http://" in line, (line, (await process.communicate())[1].decode())
        yield Process(process, line.split(" listens on ")[1].split()[0])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    process = await launch(folder, *arguments, env=env)
    async with asyncio.timeout(LIMIT):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def write_config(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


async def test_it_serves_without_arguments_prints_where_and_stops_cleanly_on_sigterm(tmp_path: Path) -> None:
    async with serving(tmp_path, "--port", "0") as daemon, aiohttp.ClientSession() as client:
        async with client.get(f"{daemon.url}/health/ready") as answer:
            assert answer.status == 200
        code, log = await daemon.stop()
    assert code == 0
    assert [line["event"] for line in log if line["actor"] == "/"] == ["provider", "draining", "stopped"]
    assert not (tmp_path / "state" / "running.json").exists()
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


async def test_what_the_environment_offers_is_used_and_the_first_log_lines_say_so(tmp_path: Path) -> None:
    async with FakeProvider(key="sk-secret-1") as fake:
        env = {"OPENAI_API_KEY": "sk-secret-1", "OPENAI_BASE_URL": fake.base_url}
        async with serving(tmp_path, "--port", "0", env=env) as daemon, aiohttp.ClientSession() as client:
            async with client.post(f"{daemon.url}/v1/chat/completions", json={**STREAM, "model": "openai/mock", "stream": False}) as answer:
                assert (answer.status, answer.headers["X-Undying-Provider"]) == (200, "openai")
            async with client.get(f"{daemon.url}/status/providers") as answer:
                assert list((await answer.json())["providers"]) == ["openai", "embedded"]
            _, log = await daemon.stop()
    assert "OPENAI_API_KEY" in log[0]["found"] and fake.base_url in log[0]["found"]
    assert "sk-secret" not in json.dumps(log)


async def test_sigterm_lets_a_stream_under_way_finish(tmp_path: Path) -> None:
    async with FakeProvider(token_delay=0.02, answer="word " * 20) as fake:
        write_config(tmp_path, f"providers: {{fake: {{kind: openai, base_url: '{fake.base_url}', models: [mock]}}}}")
        async with serving(tmp_path, "--port", "0") as daemon, aiohttp.ClientSession() as client:
            async with client.post(f"{daemon.url}/v1/chat/completions", json=STREAM) as answer:
                await answer.content.readline()
                stopping = asyncio.create_task(daemon.stop())
                text = (await answer.content.read()).decode()
            code, _ = await stopping
    assert text.endswith("data: [DONE]\n\n") and code == 0


async def test_a_taken_port_is_a_clear_error_and_exit_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, _, err = await ended(tmp_path, "serve", "--port", port)
    told = [line for line in err.splitlines() if line.startswith("undying:")]
    assert code == 1 and len(told) == 1 and port in told[0] and "--port" in told[0] and "Traceback" not in err


async def test_a_state_directory_in_use_is_a_clear_error_and_exit_1(tmp_path: Path) -> None:
    async with serving(tmp_path, "--port", "0") as daemon:
        code, _, err = await ended(tmp_path, "serve", "--port", "0")
        told = [line for line in err.splitlines() if line.startswith("undying:")]
        assert code == 1 and str(daemon.process.pid) in told[0] and "--state" in told[0] and "Traceback" not in err


async def test_a_state_directory_is_free_again_after_a_kill(tmp_path: Path) -> None:
    async with serving(tmp_path, "--port", "0") as daemon:
        daemon.process.kill()
        await daemon.process.wait()
        async with serving(tmp_path, "--port", "0") as again:
            assert (await again.stop())[0] == 0


async def test_a_bad_config_stops_the_start_with_file_line_and_remedy(tmp_path: Path) -> None:
    write_config(tmp_path, "server:\n  prot: 1\n")
    for verb in ("serve", "check-config"):
        code, _, err = await ended(tmp_path, verb)
        assert code == 1 and "config.yaml:2: server.prot: unknown key" in err and '"port"' in err and "Traceback" not in err


async def test_check_config_says_that_a_good_one_is_good(tmp_path: Path) -> None:
    write_config(tmp_path, "server: {port: 8701}\n")
    code, out, _ = await ended(tmp_path, "check-config")
    assert code == 0 and "good" in out


async def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    write_config(tmp_path, "server: {port: 1}\n")
    async with serving(tmp_path, env={"UNDYING_SERVER__PORT": "0"}) as daemon:
        assert not daemon.url.endswith(":1")


async def test_status_and_tree_ask_the_daemon_that_runs_or_say_that_none_does(tmp_path: Path) -> None:
    for verb in ("status", "tree"):
        code, _, err = await ended(tmp_path, verb)
        assert code == 1 and "no daemon runs" in err
    async with serving(tmp_path, "--port", "0"):
        code, out, _ = await ended(tmp_path, "status")
        assert code == 0 and "running" in out and "embedded" in out
        code, out, _ = await ended(tmp_path, "tree")
        assert code == 0 and "    └── http          Http         running, handled 0\n" in out
        code, out, _ = await ended(tmp_path, "tree", "--json")
        assert json.loads(out)["address"] == "/"


async def test_a_killed_daemon_is_told_from_a_running_one(tmp_path: Path) -> None:
    async with serving(tmp_path, "--port", "0") as daemon:
        daemon.process.kill()
        await daemon.process.wait()
    code, _, err = await ended(tmp_path, "status")
    assert code == 1 and "no daemon answers" in err and "Traceback" not in err


@pytest.mark.parametrize("header", [b"Content-Length: abc", b"X-Long: " + b"x" * 20_000, b"no colon here"])
async def test_a_request_that_is_no_http_is_answered_and_what_libraries_log_reaches_the_log(tmp_path: Path, header: bytes) -> None:
    async with serving(tmp_path, "--port", "0") as daemon:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(daemon.url.rpartition(":")[2]))
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\n")
        async with asyncio.timeout(LIMIT):
            assert (await reader.read()).startswith(b"HTTP/1.0 400")
        writer.close()
        _, log = await daemon.stop()
    assert all("actor" in line or "library" in line for line in log)


async def test_a_state_directory_that_can_not_be_used_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    code, _, err = await ended(tmp_path, "serve", "--port", "0")
    assert code == 1 and "can't be used" in err and "Traceback" not in err


async def test_what_is_written_into_the_state_directory_is_its_owners_alone(tmp_path: Path) -> None:
    async with serving(tmp_path, "--port", "0"):
        assert {path.stat().st_mode & 0o077 for path in (tmp_path / "state").iterdir()} == {0}


async def test_a_damaged_note_of_the_running_daemon_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "running.json").write_text("{")
    code, _, err = await ended(tmp_path, "status")
    assert code == 1 and "damaged" in err and "Traceback" not in err


async def test_a_setting_without_effect_is_told(tmp_path: Path) -> None:
    write_config(tmp_path, "routing: {strategy: weighted}\n")
    code, out, _ = await ended(tmp_path, "check-config")
    assert code == 0 and "routing.strategy" in out


async def test_no_log_line_holds_any_of_a_body_and_every_line_of_a_request_has_its_trace(tmp_path: Path) -> None:
    canary = "canary-7f3a"
    async with FakeProvider(answer=f"answered {canary}") as fake:
        write_config(tmp_path, f"logging: {{level: debug}}\nproviders: {{fake: {{kind: openai, base_url: '{fake.base_url}', models: [mock]}}}}")
        async with serving(tmp_path, "--port", "0") as daemon, aiohttp.ClientSession() as client:
            traces = []
            for fault in ("healthy", "server_error", "cut_at/2"):
                fake.always(fault)
                body = {**STREAM, "messages": [{"role": "user", "content": canary}]}
                async with client.post(f"{daemon.url}/v1/chat/completions", json=body) as answer:
                    traces.append(answer.headers["X-Undying-Trace"])
                    await answer.read()
            _, log = await daemon.stop()
    assert canary not in json.dumps(log)
    chats = [line for line in log if line["event"] == "chat"]
    assert [line["trace"] for line in chats] == traces
    assert [(line["provider"], line["attempts"]) for line in chats] == [("fake", 1)] * 3
    assert [line["trace"] for line in log if line["event"] == "attempt failed"] == traces[1:]
    assert [line["outcome"] for line in chats] == ["ok", "server_error", "invalid_output"] or [line["outcome"] for line in chats][2] == "connection"
    assert all({"timestamp", "level", "actor"} <= set(line) for line in log)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0 and capsys.readouterr().out.startswith("undying 0.")


# ---- tree --watch


async def frames(process: asyncio.subprocess.Process, text: str) -> str:
    """What it has written, up to and with this text."""
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT):
        return (await process.stdout.readuntil(text.encode())).decode()


async def interrupted(process: asyncio.subprocess.Process, number: signal.Signals = signal.SIGINT) -> None:
    """It ends cleanly."""
    process.send_signal(number)
    async with asyncio.timeout(LIMIT):
        _, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_watched_tree_is_written_to_a_pipe_again_when_it_has_changed_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    async with serving(tmp_path, "--port", "0") as daemon, aiohttp.ClientSession() as client:
        watching = await launch(tmp_path, "tree", "--watch")
        assert "router        Router       running" in await frames(watching, "\n\n")
        async with client.post(f"{daemon.url}/supervision/routing/router/stop", headers={"X-Undying-Control": "1"}) as answer:
            assert answer.status == 200
        second = await frames(watching, "\n\n")
        assert "router        -            stopped" in second and "\x1b" not in second
        await interrupted(watching, number)


async def test_a_watched_daemon_may_go_and_come_back(tmp_path: Path) -> None:
    watching = await launch(tmp_path, "tree", "--watch")
    await frames(watching, "waiting for a daemon on ")
    for _ in range(2):
        async with serving(tmp_path, "--port", "0") as daemon:
            await frames(watching, "Http         running")
            assert (await daemon.stop())[0] == 0
        await frames(watching, "waiting for a daemon on ")
    await interrupted(watching)


async def test_a_pipe_that_nobody_reads_any_more_ends_the_watch_without_a_word(tmp_path: Path) -> None:
    async with serving(tmp_path, "--port", "0") as daemon, aiohttp.ClientSession() as client:
        reading, writing = os.pipe()
        watching = await asyncio.create_subprocess_exec(
            sys.executable, "-m", main.__module__, "tree", "--watch", "--url", daemon.url,
            env=ENV, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            await asyncio.to_thread(pipe.readline)
        async with client.post(f"{daemon.url}/supervision/routing/router/stop", headers={"X-Undying-Control": "1"}) as answer:
            assert answer.status == 200
        async with asyncio.timeout(LIMIT):
            _, err = await watching.communicate()
    assert (watching.returncode, err.decode()) == (0, "")


async def test_in_a_terminal_the_tree_is_drawn_in_colours_and_the_cursor_comes_back(tmp_path: Path) -> None:
    async with serving(tmp_path, "--port", "0") as daemon, aiohttp.ClientSession() as client:
        leader, follower = os.openpty()
        watching = await asyncio.create_subprocess_exec(
            sys.executable, "-m", main.__module__, "tree", "--watch", "--state", str(tmp_path / "state"),
            env={**ENV, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}, cwd=tmp_path, stdout=follower, stderr=follower, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(follower)
        with os.fdopen(leader, "rb", buffering=0) as screen:
            shown = await read_until(screen, "Router")
            assert "\x1b[32mrunning" in shown and "\x1b[?25l" in shown
            async with client.post(f"{daemon.url}/supervision/routing/router/suspend", headers={"X-Undying-Control": "1"}) as answer:
                assert answer.status == 200
            shown = await read_until(screen, "\x1b[34msuspended")
            if "suspended     /routing/router" not in shown:  # the decision, below the tree
                await read_until(screen, "suspended     /routing/router")
            watching.send_signal(signal.SIGINT)
            await read_until(screen, "\x1b[?25h")
            async with asyncio.timeout(LIMIT):
                assert await watching.wait() == 0


async def read_until(screen: Any, text: str) -> str:
    shown = ""
    async with asyncio.timeout(LIMIT):
        while text not in shown:
            shown += (await asyncio.to_thread(screen.read, 65536)).decode(errors="replace")
    return shown
