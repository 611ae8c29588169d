"""The decisions are numbered, remembered and followed, and nothing about that is unbounded."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.events import Event, Events, Lost, Reader, Ring
from messages.outcome import Refusal
from messages.supervision import Decision
from supervisors.dynamic import DynamicSupervisor
from supervisors.spec import ChildSpec
from tests.actors.runtime.trees import Slow, Tree, Worker, growing, quiet, workers
from tests.actors.runtime.vocabulary import Break, Echo

pytestmark = pytest.mark.looptime


def decision(address: str = "/a", detail: str = "") -> Decision:
    return Decision(at=0.0, address=address, event="started", incarnation=1, detail=detail)


def following(tree: Tree, wall: Callable[[], float] = lambda: 1.5) -> Events:
    return Events(tree.system, wall)


def told(got: list[Event | Lost]) -> list[str]:
    return [f"lost {one.number}" if isinstance(one, Lost) else f"{one.decision.event} {one.decision.address}" for one in got]


# ---- the ring


@given(st.integers(1, 20), st.integers(0, 50), st.integers(0, 60))
def test_what_is_replayed_and_what_is_lost_is_all_that_came_since(size: int, added: int, since: int) -> None:
    ring = Ring(size)
    for n in range(added):
        assert ring.add(float(n), decision()).n == n + 1
    lost, events = ring.since(since)
    numbers = [event.n for event in events]
    assert numbers == sorted(numbers) and len(numbers) <= size
    if since <= added:
        assert (lost.number if lost else 0) + len(numbers) == added - since
        assert all(n > since for n in numbers)
    else:  # a number of an earlier process: all that is remembered, and word of it
        assert lost is not None and "anew" in lost.why and len(numbers) == min(size, added)


# ---- a reader


async def test_a_reader_waits_for_the_next_event_and_hears_nothing_when_there_is_none() -> None:
    reader = Reader()
    assert await reader.next(15.0) == []
    assert asyncio.get_running_loop().time() >= 15.0
    asyncio.get_running_loop().call_later(1.0, reader.offer, Event(1, 0.0, decision()))
    assert [event.n for event in await reader.next(15.0) if isinstance(event, Event)] == [1]


@pytest.mark.parametrize(
    ("under", "heard"),
    [
        ("/", ["/", "/a", "/a/b", "/ab"]), ("/a", ["/a", "/a/b"]), ("/a/", ["/a", "/a/b"]), ("/a/b", ["/a/b"]), ("/c", []),
    ],
)  # fmt: skip
async def test_a_reader_of_one_branch_hears_of_that_branch_only(under: str, heard: list[str]) -> None:
    reader = Reader(under)
    for address in ("/", "/a", "/a/b", "/ab"):
        reader.offer(Event(1, 0.0, decision(address)))
    reader.end()
    assert [event.decision.address for event in await reader.next(0) if isinstance(event, Event)] == heard


async def test_a_reader_that_is_too_slow_is_told_how_much_it_missed_at_the_place_where_it_is_missing() -> None:
    reader = Reader(limit=3)
    for n in range(1, 11):
        reader.offer(Event(n, 0.0, decision()))
    first = await reader.next(0)
    assert [one.n for one in first if isinstance(one, Event)] == [1, 2, 3]
    assert isinstance(first[3], Lost) and first[3].number == 7 and len(first) == 4
    reader.offer(Event(11, 0.0, decision()))
    assert [one.n for one in await reader.next(0) if isinstance(one, Event)] == [11]


async def test_an_end_wakes_a_reader_that_waits() -> None:
    reader = Reader()
    asyncio.get_running_loop().call_later(1.0, reader.end)
    assert await reader.next(15.0) == [] and reader.ended
    assert asyncio.get_running_loop().time() == pytest.approx(1.0, abs=0.01)


# ---- the tree's decisions


async def test_every_decision_reaches_the_reader_with_its_number_and_the_wall_clock() -> None:
    async with growing(*workers("ab")) as tree:
        clock = itertools.count(100.0)
        events = following(tree, partial(next, clock))
        with events.read(Reader()) as reader:
            tree.system.tell("/a", Break())
            await quiet()
            got = [one for one in await reader.next(1.0) if isinstance(one, Event)]
    assert [(one.n, one.at, one.decision.event) for one in got] == [(1, 100.0, "exited"), (2, 101.0, "started"), (3, 102.0, "restarted")]
    assert got[0].decision.detail == "crashed ValueError broken"


async def test_one_who_comes_late_gets_what_was_before_and_then_what_comes_each_once() -> None:
    async with growing(*workers("ab")) as tree:
        events = following(tree)
        tree.system.tell("/a", Break())
        await quiet()
        with events.read(Reader(), since=1) as reader:
            tree.system.tell("/b", Break())
            await quiet()
            got = told(await reader.next(1.0))
    assert got == ["started /a", "restarted /a", "exited /b", "started /b", "restarted /b"]


async def test_a_full_replay_fits_into_the_readers_queue_with_the_word_of_what_is_lost() -> None:
    async with growing() as tree:
        events = following(tree)
        for n in range(1500):
            tree.system.publish(decision(f"/{n}"))
        await quiet()
        with events.read(Reader(), since=0) as reader:
            got = await reader.next(1.0)
    assert isinstance(got[0], Lost) and got[0].number == 500
    assert [one.n for one in got[1:] if isinstance(one, Event)] == list(range(501, 1501))


def exchanges() -> ChildSpec:
    return ChildSpec("many", lambda: DynamicSupervisor(Slow, Echo, Break))


async def test_what_temporary_actors_do_every_day_costs_not_even_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    async with growing(exchanges()) as tree:
        tree.system.listeners.clear()
        following(tree)
        published: list[Decision] = []
        monkeypatch.setattr(tree.system, "publish", published.append)
        tree.system.tell("/many", Echo(text="x"))
        await quiet()
        assert published == []
        tree.system.tell("/many", Break())
        await quiet()
        assert [one.event for one in published] == ["exited"]


async def test_what_temporary_actors_do_every_day_is_not_remembered_and_told_to_those_who_ask_for_it() -> None:
    async with growing(exchanges()) as tree:
        tree.system.listeners.clear()
        events = following(tree)
        await tree.system.ask("/many", Echo(text="x"))
        await quiet()
        assert events.ring.last == 0
        with events.read(Reader("/many"), since=0) as plain, events.read(Reader("/many", everything=True)) as curious:
            await tree.system.ask("/many", Echo(text="x"))
            await quiet()
            assert await plain.next(0) == []
            got = [one for one in await curious.next(0) if isinstance(one, Event)]
            assert [(one.n, one.decision.event) for one in got] == [(0, "started")]
        assert tree.system.listeners == []


async def test_the_crash_of_a_temporary_actor_is_remembered() -> None:
    async with growing(exchanges()) as tree:
        tree.system.listeners.clear()
        events = following(tree)
        tree.system.tell("/many", Break())
        await quiet()
        _, kept = events.ring.since(0)
    assert [event.decision.event for event in kept] == ["exited"] and "ValueError" in kept[0].decision.detail


async def test_one_more_than_the_most_is_refused_and_told_what_to_do_and_a_place_that_was_left_is_free() -> None:
    async with growing(ChildSpec("a", Worker)) as tree:
        events = Events(tree.system, lambda: 0.0, readers=2)
        with ExitStack() as stack:
            leaving = stack.enter_context(ExitStack())
            stack.enter_context(events.read(Reader()))
            leaving.enter_context(events.read(Reader()))
            with pytest.raises(Refusal, match="2 event streams are open already") as refused, events.read(Reader()):
                raise AssertionError("let in")
            assert refused.value.fault.row.status == 503
            leaving.close()
            with events.read(Reader()):
                assert events.reading == 2
        assert events.reading == 0


async def test_a_close_ends_every_reader_also_one_that_comes_later() -> None:
    async with growing() as tree:
        events = following(tree)
        with events.read(Reader()) as early:
            events.close()
            assert early.ended
            with events.read(Reader()) as late:
                assert late.ended and await late.next(15.0) == []
