"""Permits: counted exactly, whoever crashes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from messages.outcome import AskFailed, Refused
from messages.provider import BeginAttempt, ReportProvider
from messages.supervision import Crash
from undying import Daemon, Port
from undying.testing.fake_provider import FakeProvider

CHAT = {"model": "mock", "messages": [{"role": "user", "content": "Hello"}]}


def settings(base_url: str, folder: Path, permits: int) -> dict[str, object]:
    fake = {"kind": "openai", "base_url": base_url, "models": ["mock"], "max_concurrency": permits, "timeouts": {"total": 20}}
    return {"server": {"port": 0}, "state_dir": str(folder), "providers": {"fake": fake}}


async def in_flight(daemon: Daemon) -> int:
    return (await daemon.system.ask("/providers/fake/account", ReportProvider())).status.in_flight


async def test_an_account_that_crashes_counts_the_calls_that_live_on_and_admits_no_more_than_it_may(tmp_path: Path) -> None:
    async with FakeProvider() as fake, Daemon(settings(fake.base_url, tmp_path, 3)) as daemon, aiohttp.ClientSession() as client:
        fake.script("hang", "hang", "hang")

        async def one() -> int:
            async with client.post(f"{daemon.url}/v1/chat/completions", json=CHAT) as answer:
                return answer.status

        calls = [asyncio.create_task(one()) for _ in range(5)]
        await fake.called(3)
        assert await in_flight(daemon) == 3
        daemon.system.tell("/providers/fake/account", Crash())
        assert await in_flight(daemon) == 3
        fake.release()
        assert await asyncio.gather(*calls) == [200] * 5
        assert fake.max_in_flight == 3
        await fake.idle()
        assert await in_flight(daemon) == 0


async def test_attempts_that_are_killed_give_their_permits_back_and_their_requests_are_made_once_more(tmp_path: Path) -> None:
    async with FakeProvider() as fake, Daemon(settings(fake.base_url, tmp_path, 2)) as daemon, aiohttp.ClientSession() as client:
        fake.script("hang", "hang")

        async def one() -> int:
            async with client.post(f"{daemon.url}/v1/chat/completions", json=CHAT) as answer:
                return answer.status

        calls = [asyncio.create_task(one()) for _ in range(2)]
        await fake.called(2)
        daemon.system.tell("/providers/fake/attempts", Crash())
        assert await asyncio.gather(*calls) == [200, 200]
        await fake.idle()
        assert (await in_flight(daemon), len(fake.calls)) == (0, 4)


async def test_whoever_waits_longer_in_line_than_he_may_is_told_that_it_is_busy(tmp_path: Path) -> None:
    async with FakeProvider() as fake, Daemon(settings(fake.base_url, tmp_path, 1)) as daemon, aiohttp.ClientSession() as client:
        fake.always("hang")
        first = asyncio.create_task(client.post(f"{daemon.url}/v1/chat/completions", json=CHAT).__aenter__())
        await fake.called()
        async with client.post(f"{daemon.url}/v1/chat/completions", json=CHAT, headers={"X-Request-Timeout": "0.2"}) as answer:
            assert answer.status in (429, 504)
        fake.release()
        assert (await first).status == 200
        assert len(fake.calls) == 1


@pytest.mark.parametrize("wrong", [{"provider": "other"}, {"base_url": "http://127.0.0.1:9/v1"}])
async def test_what_was_routed_to_another_provider_or_url_is_never_sent(tmp_path: Path, wrong: dict[str, str]) -> None:
    async with FakeProvider() as fake, Daemon(settings(fake.base_url, tmp_path, 1)) as daemon, Port(daemon.system) as owner:
        right = {"provider": "fake", "base_url": fake.base_url}
        rest = {"owner": owner.address, "model": "mock", "rename": False, "stream": False, "include_usage": False, "body": b"{}"}
        with pytest.raises(AskFailed) as failure:
            await daemon.system.ask("/providers/fake/account", BeginAttempt.model_validate({**right, **wrong, **rest}))
        assert isinstance(failure.value.outcome, Refused)
        assert "not sent" in failure.value.outcome.fault.message
        assert fake.calls == [] and await in_flight(daemon) == 0
