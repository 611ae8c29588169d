"""What an actor puts aside, and what is too late to be handled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.runtime.supervised import Later, SupervisedActor
from messages.message import Message
from messages.outcome import DeadlinePassed, Full
from messages.supervision import Delay, TerminateChild
from supervisors.spec import ChildSpec
from tests.actors.runtime.trees import Worker, growing, quiet
from tests.actors.runtime.vocabulary import Add, Break, Go, Heard, Total, Totalled

pytestmark = pytest.mark.looptime

Inbox = Add | Total | Go | Break


class Shy(SupervisedActor[Inbox]):
    """Puts everything aside until it is told to go."""

    def __init__(self) -> None:
        super().__init__()
        self.open = False
        self.seen: list[int] = []

    def receive(self, message: Inbox) -> Message | Later | None:
        if isinstance(message, Go):
            self.open = True
            self.unstash()
        elif isinstance(message, Break):
            raise ValueError(message.detail)
        elif not self.open:
            return self.stash()
        elif isinstance(message, Add):
            self.seen.append(message.n)
        else:
            return Totalled(n=int("".join(map(str, self.seen)) or 0), incarnation=self.incarnation)
        return None


async def test_what_is_put_aside_comes_back_before_what_came_later_in_its_order_and_asks_are_answered_then() -> None:
    async with growing(ChildSpec("a", Shy)) as tree:
        for n in (1, 2):
            tree.system.tell("/a", Add(n=n))
        asked = tree.system.ask("/a", Total())
        await quiet()
        status = (await tree.describe("/a")).status
        assert (status.stashed, status.depth, asked.done()) == (3, 3, False)
        tree.system.tell("/a", Go())
        tree.system.tell("/a", Add(n=3))
        assert (await asked).n == 12
        assert (await tree.total("/a")).n == 123


async def test_what_is_put_aside_has_not_begun_and_the_next_incarnation_gets_it() -> None:
    async with growing(ChildSpec("a", Shy)) as tree:
        tree.system.tell("/a", Add(n=7))
        asked = tree.system.ask("/a", Total())
        tree.system.tell("/a", Break())
        tree.system.tell("/a", Go())
        assert await asked == Totalled(n=7, incarnation=2)


async def test_what_is_put_aside_keeps_its_deadline() -> None:
    async with growing(ChildSpec("a", Shy)) as tree:
        outcome = await tree.failure("/a", Total(), timeout=3.0)
        assert outcome == DeadlinePassed(address="/a", seconds=3.0)
        tree.system.tell("/a", Go())
        await quiet()
        assert tree.system.late_replies == 0
        assert tree.system.dead_letter_count == 1


async def test_who_waits_for_what_is_put_aside_is_told_when_the_actor_is_stopped_for_good() -> None:
    async with growing(ChildSpec("a", Shy)) as tree:
        asked = asyncio.ensure_future(tree.failure("/a", Total()))
        await quiet()
        await tree.system.ask("/", TerminateChild(id="a"))
        assert (await asked).kind == "ask.no_such_address"


async def test_what_is_put_aside_counts_towards_the_bound() -> None:
    async with growing(ChildSpec("a", Shy, mailbox=(3, 10_000))) as tree:
        for n in range(3):
            assert tree.system.tell("/a", Add(n=n)) is None
            await quiet()
        assert isinstance(tree.system.tell("/a", Add(n=3)), Full)


async def test_a_full_mailbox_makes_room_by_dropping_what_has_waited_past_its_deadline() -> None:
    async with growing(ChildSpec("a", Worker, mailbox=(3, 10_000))) as tree:
        tree.system.tell("/a", Delay(seconds=10.0))
        await quiet()
        tree.system.tell("/a", Add(n=1))
        late = asyncio.ensure_future(tree.failure("/a", Total(), timeout=2.0))
        await quiet()
        tree.system.tell("/a", Add(n=2), timeout=3.0)
        assert isinstance(tree.system.tell("/a", Add(n=100)), Full)
        await asyncio.sleep(5.0)
        assert await late == DeadlinePassed(address="/a", seconds=2.0)
        for n in (10, 20):
            assert tree.system.tell("/a", Add(n=n)) is None
        assert isinstance(tree.system.tell("/a", Add(n=100)), Full)
        assert [letter.why for letter in tree.system.dead_letters if "did not answer" in letter.why] != []
        await asyncio.sleep(6.0)
        assert (await tree.total("/a")).n == 31


class Waiting(SupervisedActor[Go | Heard]):
    """A message of another kind than it was made for is put aside by `receive` returning it; nothing else puts anything aside."""

    def receive(self, message: Any) -> Any:
        self.stash()  # not returned: it counts as handled


async def test_only_what_receive_returns_is_put_aside() -> None:
    async with growing(ChildSpec("a", Waiting)) as tree:
        tree.system.tell("/a", Go())
        await quiet()
        status = (await tree.describe("/a")).status
        assert (status.stashed, status.handled, status.depth) == (0, 1, 0)


async def test_a_full_mailbox_drops_what_is_put_aside_and_past_its_deadline_as_well() -> None:
    async with growing(ChildSpec("a", Shy, mailbox=(2, 10_000))) as tree:
        late = asyncio.ensure_future(tree.failure("/a", Total(), timeout=2.0))
        await quiet()
        tree.system.tell("/a", Add(n=1))
        await quiet()
        assert isinstance(tree.system.tell("/a", Add(n=100)), Full)
        assert await late == DeadlinePassed(address="/a", seconds=2.0)
        assert tree.system.tell("/a", Go()) is None
        await quiet()
        assert (await tree.total("/a")).n == 1
        assert (tree.cell("/a").mailbox.depth, tree.cell("/a").mailbox.size, tree.cell("/a").mailbox.stashed) == (0, 0, 0)
