"""Telling and asking from outside the loop. Real threads, so real time: everything here awaits events."""

from __future__ import annotations

import asyncio
import threading

import pytest

from actors.runtime import system
from actors.runtime.cell import Cell
from actors.runtime.supervised import Later, SupervisedActor
from actors.runtime.system import ActorSystem
from messages.envelope import Address
from messages.outcome import AskFailed, Crashed, DeadlinePassed, NoSuchAddress, Outcome
from supervisors.spec import ChildSpec
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Worker, growing
from tests.actors.runtime.vocabulary import Add, BreakAsked, Heard, Hold, Total, Totalled


async def test_other_threads_can_tell_and_the_messages_of_each_stay_in_order() -> None:
    done = asyncio.Event()
    got: list[str] = []

    class Listener(SupervisedActor[Heard]):
        def receive(self, message: Heard) -> None:
            got.append(message.text)
            if len(got) == 4 * 200:
                done.set()

    async with growing(ChildSpec("a", Listener)) as tree:
        tree.system.loop.set_debug(True)  # complains of whatever is not safe to do from another thread

        def talk(name: str) -> None:
            for n in range(200):
                assert tree.system.tell("/a", Heard(text=f"{name}{n}")) is None

        threads = [threading.Thread(target=talk, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        await done.wait()
        for thread in threads:
            thread.join()
        for name in "abcd":
            assert [text for text in got if text[0] == name] == [f"{name}{n}" for n in range(200)]


async def test_another_thread_can_ask_and_gets_the_answer_or_the_failure() -> None:
    async with growing(ChildSpec("a", Worker)) as tree:
        tree.system.loop.set_debug(True)
        tree.system.tell("/a", Add(n=7))
        assert await asyncio.to_thread(tree.system.ask_from_thread, "/a", Total()) == Totalled(n=7, incarnation=1)
        with pytest.raises(AskFailed) as failed:
            await asyncio.to_thread(tree.system.ask_from_thread, "/a", BreakAsked())
        assert isinstance(failed.value.outcome, Crashed)


async def test_asking_from_the_loops_own_thread_as_if_from_another_is_refused_with_the_remedy() -> None:
    async with growing(ChildSpec("a", Worker)) as tree:
        with pytest.raises(RuntimeError, match=r"await system\.ask\(\.\.\.\) instead"):
            tree.system.ask_from_thread("/a", Total())


async def test_a_message_told_from_another_thread_to_nobody_is_a_dead_letter() -> None:
    async with growing(ChildSpec("a", Worker)) as tree:
        assert await asyncio.to_thread(tree.system.tell, "/nobody", Add(n=1)) is None
        await tree.total("/a")
        assert [letter.address for letter in tree.system.dead_letters] == ["/nobody"]


async def test_a_thread_that_asks_is_let_go_when_the_loop_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "LOOP_GRACE", 0.0)
    async with growing(ChildSpec("a", Worker)) as tree:
        outcomes: list[Outcome] = []

        def ask() -> None:
            with pytest.raises(AskFailed) as failed:
                tree.system.ask_from_thread("/a", Total(), timeout=0.01)
            outcomes.append(failed.value.outcome)

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()  # on purpose: the loop does nothing meanwhile
        assert outcomes == [DeadlinePassed(address="/a", seconds=0.01)]
        await tree.total("/a")


def test_a_thread_that_asks_is_told_so_when_the_loop_ends_under_it_or_has_ended_before() -> None:
    outcomes: list[Outcome] = []
    systems: list[ActorSystem] = []

    def ask() -> None:
        with pytest.raises(AskFailed) as failed:
            systems[0].ask_from_thread("/a", Hold())
        outcomes.append(failed.value.outcome)

    class Silent(SupervisedActor[Hold]):
        def receive(self, message: Hold) -> Later:
            asked.set()
            return self.later()

    asked = asyncio.Event()

    async def run() -> threading.Thread:
        systems.append(ActorSystem())
        root = Cell(systems[0], Address("/"), lambda: Supervisor(ChildSpec("a", Silent)), None)
        await systems[0].start_root(root)
        thread = threading.Thread(target=ask)
        thread.start()
        await asked.wait()
        return thread  # nobody stops the tree

    asyncio.run(run()).join()
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert outcomes == [NoSuchAddress(address="/a")] * 2
