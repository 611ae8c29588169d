"""A loop may call a timer early, by as much as its clock can't tell apart: that is rung at once, instead of set again and again."""

from __future__ import annotations

import asyncio

import pytest

from actors.runtime.alarms import Alarms
from messages.outcome import AskFailed
from supervisors.spec import ChildSpec
from tests.actors.runtime.trees import Worker, growing
from tests.actors.runtime.vocabulary import Hold
from undying.testing import settle

pytestmark = pytest.mark.looptime

TOO_SOON_TO_TELL = 1e-13  # seconds; asyncio's clock tells nanoseconds apart


async def test_an_alarm_that_is_nearly_due_rings_and_the_loop_comes_to_rest() -> None:
    loop = asyncio.get_running_loop()
    alarms = Alarms(loop)
    rung: list[str] = []
    alarms.at(loop.time() + TOO_SOON_TO_TELL, lambda: rung.append("rung"))
    await settle()
    assert rung == ["rung"]
    assert len(alarms) == 0


async def test_an_ask_whose_deadline_is_nearly_there_has_failed_when_the_loop_comes_to_rest() -> None:
    async with growing(ChildSpec("a", Worker)) as tree:
        asked = tree.ask("/a", Hold(), timeout=TOO_SOON_TO_TELL)
        await tree.settle()
        assert asked.done()
        with pytest.raises(AskFailed, match="did not answer within"):
            await asked
