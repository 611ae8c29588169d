"""Actors in threads and processes that crash in the midst of a message: what their files hold, and that they come back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from actors.runtime.crash_file import CrashFile
from actors.runtime.replay import Replayed, replay
from actors.runtime.ring import MESSAGES
from actors.runtime.supervised import SupervisedActor
from messages.config import Settings
from messages.message import Message
from messages.supervision import Isolation, TellHistory
from supervisors.factory import source_of
from supervisors.spec import ChildSpec
from tests.actors.runtime.housed import Die, Lodger, Note
from tests.actors.runtime.victims import scene
from tests.actors.runtime.vocabulary import Add, Break, Total, Totalled


class Breakable(SupervisedActor[Note | Add | Total | Break]):
    """Crashes when it is told to."""

    def receive(self, message: Note | Add | Total | Break) -> Totalled | None:
        if isinstance(message, Break):
            raise ValueError("broken")
        return Totalled(n=0, incarnation=self.incarnation) if isinstance(message, Total) else None


async def crash_in(isolation: Isolation, folder: Path, poison: Message, *, before: int = 3, behind: int = 3) -> CrashFile:
    """The crash file of an actor that lives there and is told all this at once."""
    async with scene(folder, ChildSpec("a", Lodger if isinstance(poison, Die) else Breakable, isolation=isolation, hung_after=1.0)) as set_up:
        set_up.tell("/a", *(Note(n=n) for n in range(before)), poison, *(Add(n=n) for n in range(behind)))
        await set_up.until(lambda: set_up.cell("/a").incarnation == 2 and set_up.cell("/a").state == "running")
        [crash] = await set_up.written()
    return crash


async def again(crash: CrashFile, limit: float = 10.0) -> Replayed:
    return await asyncio.to_thread(replay, crash, source_of(crash.head, Settings(), ""), limit)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize(("poison", "error"), [(Break(), "ValueError"), (Die(how="exit"), "")])
async def test_what_crashes_an_actor_elsewhere_is_written_with_what_made_it_and_comes_back(
    tmp_path: Path, isolation: Isolation, poison: Message, error: str
) -> None:  # fmt: skip
    crash = await crash_in(isolation, tmp_path, poison)
    assert crash.head.kinds == (Note.kind,) * 3 + (poison.kind,) and crash.head.trigger == "message"
    assert crash.head.actor.endswith((":Lodger", ":Breakable")) and crash.head.recipe is not None
    assert error in crash.head.traceback
    assert (await again(crash)).verdict == "same"


@pytest.mark.parametrize(("how", "limit"), [("kill", 10.0), ("spin", 0.5), ("sleep", 0.5)])
async def test_a_process_that_was_killed_or_hung_comes_back_within_the_limit(tmp_path: Path, how: str, limit: float) -> None:
    crash = await crash_in("process", tmp_path, Die(how=how))  # type: ignore[arg-type]
    assert crash.head.kinds[-1] == Die.kind and crash.head.reason.how == "killed"
    assert (await again(crash, limit)).verdict == "same"


@pytest.mark.parametrize("isolation", ["thread", "process"])
async def test_what_was_handed_over_behind_the_poison_is_no_predecessor_however_much_it_is(tmp_path: Path, isolation: Isolation) -> None:
    crash = await crash_in(isolation, tmp_path, Break(), before=2 * MESSAGES, behind=3 * MESSAGES)
    assert crash.head.kinds == (Note.kind,) * (MESSAGES - 1) + (Break.kind,)


async def test_the_history_of_an_actor_elsewhere_has_what_was_begun_and_counts_each_message_once(tmp_path: Path) -> None:
    async with scene(tmp_path, ChildSpec("a", Breakable, isolation="thread")) as set_up:
        cell = set_up.cell("/a")
        set_up.tell("/a", Note(n=0), Break(), Add(n=1), Add(n=2))
        await set_up.until(lambda: cell.incarnation == 2 and cell.state == "running")
        await set_up.system.ask("/a", Total())
        history = await set_up.system.ask("/a", TellHistory())
        assert cell.handled == 5
    assert [message.kind for message in history.messages] == [Note.kind, Break.kind, Add.kind, Add.kind, Total.kind]
    assert [message.incarnation for message in history.messages] == [1, 1, 2, 2, 2]
