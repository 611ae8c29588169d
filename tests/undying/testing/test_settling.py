"""Settled: what can happen without time passing has happened, and no time has passed."""

from __future__ import annotations

import asyncio
from itertools import count

import aiohttp
import pytest

from undying.testing import FakeProvider, settle

pytestmark = pytest.mark.looptime


async def test_a_long_chain_of_callbacks_and_tasks_comes_to_its_end() -> None:
    loop = asyncio.get_running_loop()
    links: list[int] = []

    async def link(n: int) -> None:
        links.append(n)
        if n < 1000:
            loop.call_soon(lambda: tasks.append(loop.create_task(link(n + 1))))

    tasks = [loop.create_task(link(1))]
    await settle()
    assert len(links) == 1000


async def test_a_timer_that_is_due_has_rung_and_one_that_is_not_has_not() -> None:
    loop = asyncio.get_running_loop()
    rung: list[str] = []
    began = loop.time()
    loop.call_at(began, rung.append, "due")
    waiting = loop.call_later(0.001, rung.append, "not due")
    await settle()
    assert (rung, loop.time()) == (["due"], began)
    waiting.cancel()


async def test_sockets_that_have_something_to_say_have_said_it() -> None:
    async with FakeProvider() as fake, aiohttp.ClientSession() as client:
        async with client.post(f"{fake.base_url}/chat/completions", json={"model": "mock", "messages": []}) as first:
            assert first.status == 200
        asked = asyncio.get_running_loop().create_task(client.get(f"{fake.base_url}/models").__aenter__())
        await settle()
        assert asked.done()
        asked.result().release()


async def test_what_never_comes_to_rest_is_named_instead_of_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("undying.testing.settling.TURNS", 100)

    async def restless() -> None:
        for _ in count():
            await asyncio.sleep(0)

    task = asyncio.get_running_loop().create_task(restless(), name="the restless one")
    with pytest.raises(AssertionError, match=r"after 100 turns of the loop .* tasks that never wait: \['the restless one'\]"):
        await settle()
    task.cancel()


def test_a_loop_that_cannot_be_looked_into_is_refused_with_what_is_needed() -> None:
    class Foreign:
        """A loop of another make."""

    asyncio._set_running_loop(Foreign())  # type: ignore[arg-type]
    try:
        with pytest.raises(RuntimeError, match=r"needs asyncio's own event loop, and this is .*Foreign"):
            settle().send(None)
    finally:
        asyncio._set_running_loop(None)


async def test_several_can_wait_for_the_same_loop_to_settle() -> None:
    loop = asyncio.get_running_loop()
    links: list[int] = []

    def link(n: int) -> None:
        links.append(n)
        if n < 100:
            loop.call_soon(link, n + 1)

    link(1)
    await asyncio.gather(settle(), settle(), settle())
    assert len(links) == 100
