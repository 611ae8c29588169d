"""What a cell remembers of its messages, answers and ends."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.cell import Cell
from actors.runtime.crashes import Crashes
from actors.runtime.ring import BYTES, EXITS, MESSAGES, SMALL, Heard, Ring, make_room, ring_of, weight
from actors.runtime.system import ActorSystem
from messages.envelope import Address, Envelope
from messages.supervision import History, TellHistory
from supervisors.spec import ChildSpec, Intensity
from tests.actors.runtime.trees import Slow, Tree, Worker, growing, quiet, workers

from tests.actors.runtime.vocabulary import Add, Blob, Break, Heard as Told, Hold, Quit, Total  # isort: skip

OFTEN = Intensity(1000, 1.0)


def envelope(id: int, size: int = 10) -> Envelope:
    return Envelope(id, Blob.kind, b"x" * min(size, 10), size, float(id), Address("/from"))


def heard(after: int, size: int = 10) -> Heard:
    return Heard(after, float(after), "/b", Total.kind, Told(text=str(after)), size)


def filled(sizes: list[int]) -> Ring:
    """A ring as the cell fills it."""
    ring = ring_of(1, 0)
    for number, size in enumerate(sizes, 1):
        ring.append(envelope(number, size))
        if size > SMALL:
            ring.make_room()
    return ring


def held(ring: Ring) -> int:
    """How many bytes a ring really holds on to: a hollow message holds none."""
    return sum(one.size for one in ring if one.payload)


# ---- the ring by itself


@given(st.lists(st.integers(0, 2 * BYTES) | st.integers(0, 2 * SMALL), max_size=60))
def test_a_ring_never_holds_more_than_its_bytes_nor_more_than_its_messages(sizes: list[int]) -> None:
    ring = filled(sizes)
    assert held(ring) <= BYTES and len(ring) <= MESSAGES


@given(st.lists(st.integers(0, 2 * BYTES), min_size=1, max_size=40))
def test_a_ring_holds_the_latest_in_order_without_a_hole(sizes: list[int]) -> None:
    ids = [one.id for one in filled(sizes)]
    assert ids == list(range(len(sizes) - len(ids) + 1, len(sizes) + 1)) and ids


def test_small_messages_push_each_other_out_one_by_one() -> None:
    assert [one.id for one in filled([SMALL] * (MESSAGES + 3))] == list(range(4, MESSAGES + 4))


def test_a_message_larger_than_its_share_keeps_its_place_and_loses_its_content() -> None:
    ring = filled([10, BYTES, 10])
    assert [(one.id, bool(one.payload), one.size) for one in ring] == [(1, True, 10), (2, False, BYTES), (3, True, 10)]


@given(st.lists(st.integers(1, BYTES), max_size=30))
def test_what_was_heard_is_bounded_like_the_messages(sizes: list[int]) -> None:
    ring = ring_of(1, 0)
    for number, size in enumerate(sizes):
        ring.hear(heard(number, size), starting=False)
    kept = ring.heard or deque()
    assert sum(one.size for one in kept) <= BYTES and len(kept) <= MESSAGES


def test_an_answer_too_large_to_be_kept_leaves_the_others_alone() -> None:
    ring = ring_of(1, 0)
    ring.hear(heard(1), starting=False)
    ring.hear(heard(2, BYTES), starting=False)
    assert [one.after for one in ring.heard or ()] == [1]


def test_room_is_made_by_letting_the_oldest_go() -> None:
    items = deque([envelope(1, BYTES // 4), envelope(2, 10), envelope(3, BYTES // 4), envelope(4, BYTES // 4)])
    assert make_room(items)
    assert [one.id for one in items] == [2, 3, 4]


def test_an_incarnation_has_only_what_it_began_and_heard_itself() -> None:
    ring = ring_of(1, 0)
    ring.hear(heard(0), starting=True)
    ring.append(envelope(1))
    ring.hear(heard(1), starting=False)
    ring.incarnate(2, 1)
    ring.hear(heard(1), starting=True)
    ring.append(envelope(2))
    ring.hear(heard(2), starting=False)
    messages, answers = ring.of_incarnation(begun=2)
    assert [one.id for one in messages] == [2]
    assert [one.after for one in answers] == [1, 2]
    assert [ring.incarnation_of(number) for number in (1, 2)] == [1, 2]


def test_an_incarnation_that_has_begun_nothing_has_nothing() -> None:
    ring = filled([10, 10])
    ring.incarnate(2, 2)
    assert ring.of_incarnation(begun=2) == ((), ())


def test_the_answers_of_the_start_are_not_pushed_out_by_later_ones() -> None:
    ring = ring_of(1, 0)
    ring.hear(heard(0), starting=True)
    for number in range(1, 100):
        ring.hear(heard(number), starting=False)
    assert [one.after for one in ring.of_incarnation(begun=0)[1]][:2] == [0, 84]


@given(st.lists(st.integers(0, 20) | st.just(0), min_size=1, max_size=30))
def test_a_ring_knows_who_began_each_message_it_holds_after_any_number_of_restarts(handled: list[int]) -> None:
    ring, begun, truth = ring_of(1, 0), 0, []
    for incarnation, count in enumerate(handled, 1):
        if incarnation > 1:
            ring.incarnate(incarnation, begun)
        for _ in range(count):
            begun += 1
            ring.append(envelope(begun))
            truth.append(incarnation)
    assert [ring.incarnation_of(one.id) for one in ring] == truth[-len(ring) :] * bool(ring)
    assert [one.id for one in ring.of_incarnation(begun)[0]] == [one.id for one in ring if truth[one.id - 1] == len(handled)]
    assert len(ring.starts) <= MESSAGES + 1


def test_a_ring_remembers_no_more_starts_than_it_has_messages_of() -> None:
    ring = ring_of(1, 0)
    for incarnation in range(1, 200):
        ring.append(envelope(incarnation))
        ring.incarnate(incarnation + 1, incarnation)
    assert len(ring.starts) <= MESSAGES + 1 and [ring.incarnation_of(one.id) for one in ring] == [one.id for one in ring]


def test_the_weight_of_a_message_counts_what_is_long() -> None:
    assert weight(Blob(data=b"x" * 1000)) >= 1000 > weight(Add(n=10**9))


# ---- in a cell


async def history(tree: Tree, address: str) -> History:
    return await tree.system.ask(address, TellHistory())


@pytest.mark.looptime
async def test_an_actor_that_has_handled_nothing_has_no_ring() -> None:
    async with growing(*workers("a")) as tree:
        told = await history(tree, "/a")
        assert (told.messages, told.exits, tree.cell("/a").ring) == ((), (), None)


@pytest.mark.looptime
async def test_an_actor_tells_the_kinds_of_its_last_messages_the_latest_last() -> None:
    async with growing(*workers("a")) as tree:
        for number in range(20):
            tree.system.tell("/a", Add(n=number), trace="t1")
        await tree.total("/a")
        told = await history(tree, "/a")
    assert [one.kind for one in told.messages] == [Add.kind] * (MESSAGES - 1) + [Total.kind]
    assert {one.trace for one in told.messages} == {"t1", ""} and told.address == "/a"
    assert [one.id for one in told.messages] == sorted(one.id for one in told.messages)


@pytest.mark.looptime
async def test_a_history_holds_no_content() -> None:
    async with growing(*workers("a")) as tree:
        tree.system.tell("/a", Break(detail="canary"))
        await quiet()
        told = await history(tree, "/a")
    assert "canary" not in str(told.messages)


@pytest.mark.looptime
async def test_a_history_is_told_at_once_whatever_the_actor_is_at() -> None:
    async with growing(ChildSpec("a", lambda: Slow(start=5.0))) as tree:
        tree.cell("/a").kill()
        await quiet()
        before = tree.system.now()
        assert (await history(tree, "/a")).exits[0].reason.how == "killed"
        assert tree.system.now() == before and tree.cell("/a").state == "starting"


@pytest.mark.looptime
async def test_the_history_survives_a_restart_and_says_which_incarnation_began_what() -> None:
    async with growing(*workers("a"), intensity=OFTEN) as tree:
        for message in (Add(n=1), Break(), Add(n=2), Break(), Add(n=3)):
            tree.system.tell("/a", message)
        await quiet()
        told = await history(tree, "/a")
    assert [one.incarnation for one in told.messages] == [1, 1, 2, 2, 3]
    assert [(end.incarnation, end.reason.error, end.crash) for end in told.exits] == [(1, "ValueError", ""), (2, "ValueError", "")]


@pytest.mark.looptime
async def test_only_the_last_ends_are_remembered_and_all_crashes_are_counted() -> None:
    async with growing(*workers("a"), intensity=OFTEN) as tree:
        for _ in range(EXITS + 5):
            tree.system.tell("/a", Break())
        await quiet()
        told = await history(tree, "/a")
        assert [end.incarnation for end in told.exits] == list(range(6, EXITS + 6))
        assert (await tree.describe("/a")).status.crashes == EXITS + 5


@pytest.mark.looptime
async def test_an_end_that_was_meant_is_in_the_history_and_is_no_crash() -> None:
    async with growing(*workers("a")) as tree:
        tree.system.tell("/a", Quit())
        await quiet()
        assert [end.reason.how for end in (await history(tree, "/a")).exits] == ["normal"]
        assert (await tree.describe("/a")).status.crashes == 0


@pytest.mark.looptime
async def test_a_dropped_or_late_message_was_not_begun_and_is_not_in_the_history() -> None:
    async with growing(*workers("a")) as tree:
        tree.cell("/a").suspend()
        tree.system.tell("/a", Add(n=1), timeout=1.0)
        await asyncio.sleep(2.0)
        tree.cell("/a").resume()
        await tree.total("/a")
        assert [one.kind for one in (await history(tree, "/a")).messages] == [Total.kind]


@pytest.mark.looptime
async def test_a_large_message_in_a_cell_makes_room_in_its_ring() -> None:
    async with growing(ChildSpec("a", Blobs)) as tree:
        for _ in range(4):
            tree.system.tell("/a", Blob(data=b"x" * (BYTES // 5)))
        await quiet()
        ring = tree.cell("/a").ring
        assert ring is not None and [one.size > BYTES // 5 for one in ring] == [True, True]


class Blobs(Worker):
    understands = Worker.understands | {Blob.kind}

    def receive(self, message: object) -> None:
        assert isinstance(message, Blob)


@pytest.mark.looptime
async def test_answers_are_not_kept_when_nobody_writes_crash_files() -> None:
    async with growing(*workers("ab")) as tree:
        tree.cell("/a").hear("/b", Hold.kind, Told(text="x"))
        assert tree.cell("/a").ring is None


@pytest.mark.looptime
async def test_an_answer_to_an_instance_that_has_ended_is_not_the_next_ones(tmp_path: Path) -> None:
    async with growing(*workers("a")) as tree:
        tree.system.crashes = Crashes(tmp_path, version="", wall=lambda: 0.0)
        answer: asyncio.Future[Told] = tree.system.loop.create_future()
        answer.set_result(Told(text="late"))
        for incarnation, heard in ((7, 0), (1, 1)):
            tree.cell("/a").hear_future("/b", Total.kind, incarnation, answer)
            ring = tree.cell("/a").ring
            assert len(ring.heard or () if ring is not None else ()) == heard


async def test_a_port_is_no_actor_and_has_no_history() -> None:
    system = ActorSystem()
    cell = Cell(system, Address("/a"), Worker, None)
    assert cell.ring is None
