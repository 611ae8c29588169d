"""Requests per second, CPU per request and added latency of a chat request through the gateway, as ratios to a bare aiohttp proxy.

Three processes: the one under test on core 0; the mock upstream and the load on core 1. Rounds alternate between the gateway and the
bare proxy, so that a machine that drifts drifts for both. `python benchmarks/http_path.py [--seconds 3] [--rounds 5]`
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _upstream
import aiohttp

HERE = Path(__file__).parent
CONNECTIONS = 64


class Subject:
    """A process under test, pinned to core 0. `cpu` is what it has used so far, in seconds."""

    def __init__(self, name: str, command: list[str], env: dict[str, str]) -> None:
        self.name = name
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env, cwd=HERE.parent)
        os.sched_setaffinity(self.process.pid, {0})
        assert self.process.stdout is not None
        found = re.search(r"http://\S+", self.process.stdout.readline())
        assert found is not None, f"{name} did not say where it listens"
        self.url = found.group().rstrip("/") + "/v1/chat/completions"

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def body(size: int) -> bytes:
    return b'{"model":"mock","messages":[{"role":"user","content":"' + b"lorem ipsum " * (size // 12) + b'"}]}'


async def load(session: aiohttp.ClientSession, url: str, payload: bytes, seconds: float, connections: int = CONNECTIONS) -> tuple[int, list[float]]:
    """Closed-loop load; how many answers, and how long each took in ms."""
    until = time.perf_counter() + seconds
    times: list[float] = []

    async def caller() -> None:
        while (began := time.perf_counter()) < until:
            async with session.post(url, data=payload, headers={"Content-Type": "application/json"}) as answer:
                await answer.read()
                assert answer.status == 200, answer.status
            times.append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(caller() for _ in range(connections)))
    return len(times), times


async def run(seconds: float, rounds: int) -> None:
    os.sched_setaffinity(0, {1})
    runner, upstream = await _upstream.start()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(
            f"state_dir: {folder}/state\nproviders:\n  mock: {{kind: openai, base_url: '{upstream}', max_concurrency: 1000, models: [mock]}}\n"
        )
        bare_env = {"PATH": os.environ["PATH"]}
        subjects = [
            Subject("bare", [sys.executable, str(HERE / "_bare_proxy.py"), upstream], bare_env),
            Subject("undying", [sys.executable, "run.py", "serve", "--config", str(config), "--port", "0"], bare_env),
            Subject("undying, wire: edge", [sys.executable, "run.py", "serve", "--config", str(config), "--port", "0", "--state", f"{folder}/edge"],
                    {**bare_env, "UNDYING_WIRE": "edge"}),
        ]  # fmt: skip
        try:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                for subject in subjects:
                    await load(session, subject.url, body(2048), 1.0)
                for size in (2048, 51200):
                    await compare(session, subjects, body(size), seconds, rounds, f"{size // 1024} KB prompt, {CONNECTIONS} connections")
                print(f"RSS after load: {', '.join(f'{subject.name} {subject.rss():.0f} MB' for subject in subjects)}")
        finally:
            for subject in subjects:
                subject.stop()
            await runner.cleanup()


async def compare(session: aiohttp.ClientSession, subjects: list[Subject], payload: bytes, seconds: float, rounds: int, title: str) -> None:
    rates: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    costs: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    alone: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    for _ in range(rounds):
        for subject in subjects:
            cpu = subject.cpu()
            count, _ = await load(session, subject.url, payload, seconds)
            rates[subject.name].append(count / seconds)
            costs[subject.name].append((subject.cpu() - cpu) / count * 1e6)
            alone[subject.name] += (await load(session, subject.url, payload, seconds / 4, 1))[1]
    bare = statistics.median(rates["bare"])
    bare_cost = statistics.median(costs["bare"])
    print(f"\n{title}\n{'':<22}{'req/s':>8}{'ratio':>8}{'CPU us':>9}{'ratio':>8}{'p50 ms alone':>14}{'p99':>7}")
    for subject in subjects:
        rate, cost = statistics.median(rates[subject.name]), statistics.median(costs[subject.name])
        times = statistics.quantiles(alone[subject.name], n=100)
        print(f"{subject.name:<22}{rate:>8.0f}{rate / bare:>8.2f}{cost:>9.0f}{cost / bare_cost:>8.2f}{times[49]:>14.2f}{times[98]:>7.2f}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=3.0)
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    asyncio.run(run(given.seconds, given.rounds))
