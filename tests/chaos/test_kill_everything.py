"""Any actor of the tree is crashed, delayed or made to lose a message every 100 ms under load, supervisors and the root too.

Every request ends, no answer has a hole, and nothing leaks.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path

import aiohttp
import orjson

from messages.outcome import AskFailed
from messages.provider import ReportProvider
from messages.supervision import Crash, Delay, Drop
from tests.story.conftest import provider
from undying import Daemon
from undying.testing.fake_provider import FakeProvider

SECONDS = float(os.environ.get("UNDYING_CHAOS_SECONDS", "20"))
EVERY = 0.1
CALLERS = 8

BODIES: list[dict[str, object]] = [
    {"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": stream} for model in ("mock", "embedded/echo") for stream in (False, True)
]


class Killer:
    """Tells one random living actor to crash, to pause or to lose a message, again and again, on the loop's own timer."""

    def __init__(self, daemon: Daemon, seed: int) -> None:
        self.daemon = daemon
        self.chance = random.Random(seed)
        self.killed: Counter[str] = Counter()
        self.done = asyncio.Event()
        self.left = round(SECONDS / EVERY)
        self.again()

    def again(self) -> None:
        if not self.left:
            self.done.set()
            return
        self.left -= 1
        asyncio.get_running_loop().call_later(EVERY, self.again)
        addresses = sorted(address for address in self.daemon.system.directory if not address.startswith("/gateway/clients"))
        target = self.chance.choice(addresses)
        blow = self.chance.choice([Crash(detail="chaos"), Crash(detail="chaos"), Drop(), Delay(seconds=0.05)])
        self.daemon.system.tell(target, blow)
        self.killed["/".join(target.split("/")[:4])] += 1


WHOLE = {"one two three", "four five six"}


def whole(text: str) -> bool:
    if not text.endswith("data: [DONE]\n\n") or '"error"' in text:
        return False
    events = [orjson.loads(line[6:]) for line in text.split("\n") if line.startswith("data: {")]
    said = "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    assert said in WHOLE or (said.startswith("I am echo") and said.endswith("config.yaml.")), f"an answer with a hole: {said}"
    return True


def explicit(text: str, trace: str) -> bool:
    last = [line for line in text.split("\n") if line.startswith("data: ")][-1]
    return orjson.loads(last[6:])["error"]["trace"] == trace and "data: [DONE]" not in text


async def one(client: aiohttp.ClientSession, url: str, body: dict[str, object]) -> str:
    """How one request ended. Anything else than an answer or a typed error with its trace fails here."""
    async with client.post(f"{url}/v1/chat/completions", json=body) as answer:
        trace = answer.headers["X-Undying-Trace"]
        text = await answer.text()
    if answer.status != 200:
        told = orjson.loads(text)["error"]
        assert told["trace"] == trace and told["class"] in ("internal", "restarting", "busy", "connection", "not_found", "deadline"), told
        return f"refused: {told['class']}"
    if body["stream"]:
        assert whole(text) or explicit(text, trace), text
        return "answered" if whole(text) else "cut, and said so"
    assert orjson.loads(text)["choices"][0]["finish_reason"] == "stop"
    return "answered"


async def report(daemon: Daemon, name: str) -> int:
    """A provider's calls in flight. A last order to lose a message may still stand: then the next one is answered."""
    for _ in range(3):
        with suppress(AskFailed):
            return (await daemon.system.ask(f"/providers/{name}/account", ReportProvider())).status.in_flight
    raise AssertionError(f"{name} reports nothing")


async def test_a_killed_actor_every_tenth_of_a_second_loses_no_request_in_silence_and_leaks_nothing(tmp_path: Path) -> None:
    gc.collect()
    tasks, files = asyncio.all_tasks(), len(os.listdir("/proc/self/fd"))
    ends: Counter[str] = Counter()
    async with FakeProvider(answer="one two three", token_delay=0.005) as first, FakeProvider(answer="four five six") as second:
        settings = {
            "server": {"port": 0}, "state_dir": str(tmp_path / "state"), "routing": {"request_timeout": 10},
            "providers": {"first": provider(first.base_url), "second": provider(second.base_url)},
        }  # fmt: skip
        async with Daemon(settings) as daemon, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as client:
            killer = Killer(daemon, seed=20261120)

            async def caller(number: int) -> None:
                turn = number
                while not killer.done.is_set():
                    ends[await one(client, daemon.url, BODIES[turn % len(BODIES)])] += 1
                    turn += 1

            await asyncio.gather(*(caller(number) for number in range(CALLERS)))
            await asyncio.gather(*(one(client, daemon.url, body) for body in BODIES * 3))  # take what blows are left
            ends_after = [await one(client, daemon.url, body) for body in BODIES]
            addresses = set(daemon.system.directory)
            in_flight = [await report(daemon, name) for name in ("first", "second", "embedded")]
        assert ends_after == ["answered"] * len(BODIES)
        assert in_flight == [0, 0, 0]
        assert addresses == {
            "/", "/providers", "/routing", "/routing/router", "/gateway", "/gateway/exchanges", "/gateway/http",
            *(f"/providers/{name}{part}" for name in ("first", "second", "embedded") for part in ("", "/account", "/attempts")),
        }  # fmt: skip
        await first.idle()
        await second.idle()
    assert ends["answered"] >= 0.9 * sum(ends.values()), ends
    assert len(killer.killed) > 8, killer.killed
    gc.collect()
    assert not asyncio.all_tasks() - tasks - {asyncio.current_task()}
    assert len(os.listdir("/proc/self/fd")) <= files
