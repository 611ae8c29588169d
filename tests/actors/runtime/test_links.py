"""Links tie two lives together; monitors only tell, and can be taken back."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from actors.runtime.supervised import SupervisedActor
from messages.faults import Fault
from messages.supervision import Down, ExitReason
from supervisors.spec import ChildSpec, Intensity
from tests.actors.runtime.trees import Worker, growing, quiet, workers
from tests.actors.runtime.vocabulary import Add, Break, Fail, Go, Quit

pytestmark = pytest.mark.looptime


class Tied(Worker):
    """Linked to /b from its start."""

    def on_start(self) -> None:
        self.link("/b")


async def test_when_one_of_two_linked_actors_crashes_the_other_ends_with_it_and_both_come_back() -> None:
    async with growing(*workers("b"), ChildSpec("a", Tied)) as tree:
        tree.system.tell("/b", Break())
        await quiet()
        assert [tree.cell(f"/{id}").incarnation for id in "ab"] == [2, 2]
        ended = tree.cell("/a").last_exit
        assert ended == ExitReason(how="crashed", error="LinkedExit", detail="linked to /b, which ended: crashed ValueError broken")


async def test_a_link_works_in_both_directions() -> None:
    async with growing(*workers("b"), ChildSpec("a", Tied)) as tree:
        tree.system.tell("/a", Break())
        await quiet()
        assert tree.cell("/b").incarnation == 2
        assert [tree.cell(f"/{id}").state for id in "ab"] == ["running", "running"]


async def test_a_normal_end_ends_nobody() -> None:
    async with growing(*workers("b", "transient"), ChildSpec("a", Tied)) as tree:
        tree.system.tell("/b", Quit())
        await quiet()
        assert (tree.cell("/a").incarnation, tree.cell("/b").state) == (1, "stopped")


async def test_an_expected_failure_is_handed_on_with_its_evidence() -> None:
    fault = Fault(cls="quota", message="no credit")
    async with growing(*workers("b"), ChildSpec("a", Tied, restart="transient")) as tree:
        await tree.failure("/b", Fail(fault=fault))
        await quiet()
        ended = tree.cell("/a").last_exit
        assert ended is not None
        assert (ended.how, ended.fault) == ("failed", fault)


async def test_a_link_to_nobody_ends_the_actor_that_wanted_it() -> None:
    class Lonely(Worker):
        def on_start(self) -> None:
            if self.incarnation == 1:
                self.link("/nobody")

    async with growing(ChildSpec("a", Lonely)) as tree:
        await quiet()
        ended = tree.cell("/a").last_exit
        assert tree.cell("/a").incarnation == 2
        assert ended is not None
        assert ended.detail == "linked to /nobody, which ended: killed NoSuchAddress nobody lives at /nobody"


async def test_an_untied_link_ends_nobody() -> None:
    class Untied(Worker):
        def on_start(self) -> None:
            self.link("/b")
            self.link("/b")
            self.unlink("/b")

    async with growing(*workers("b"), ChildSpec("a", Untied)) as tree:
        tree.system.tell("/b", Break())
        await quiet()
        assert [tree.cell(f"/{id}").incarnation for id in "ab"] == [1, 2]
        assert tree.cell("/a").links is tree.cell("/b").links is None


async def test_what_was_sent_before_the_end_is_handled_before_it() -> None:
    class Parting(SupervisedActor[Go]):
        def receive(self, message: Go) -> None:
            self.tell("/a", Add(n=1))
            raise ValueError("and now I go")

    seen: list[int] = []

    class Follower(SupervisedActor[Add]):
        def on_start(self) -> None:
            self.link("/b")

        def receive(self, message: Add) -> None:
            seen.append(self.incarnation)

    async with growing(ChildSpec("b", Parting), ChildSpec("a", Follower)) as tree:
        tree.system.tell("/b", Go())
        await quiet()
        assert seen == [1]
        assert tree.cell("/a").incarnation == 2


async def test_a_ring_of_linked_actors_ends_as_one() -> None:
    class InARing(Worker):
        following: ClassVar = {"/a": "/b", "/b": "/c", "/c": "/a"}

        def receive(self, message: Any) -> Any:
            if isinstance(message, Add):
                self.link(self.following[self.address])
                return None
            return super().receive(message)

    async with growing(*(ChildSpec(id, InARing) for id in "abc"), intensity=Intensity(10)) as tree:
        for id in "abc":
            tree.system.tell(f"/{id}", Add(n=1))
        await quiet()
        tree.system.tell("/b", Break())
        await quiet()
        assert [tree.cell(f"/{id}").incarnation for id in "abc"] == [2, 2, 2]
        tree.system.tell("/b", Break())  # the new ones are not tied
        await quiet()
        assert [tree.cell(f"/{id}").incarnation for id in "abc"] == [2, 3, 2]


class Watcher(SupervisedActor[Go | Add]):
    """Watches /b; at Go it wants to know no more. Add holds it up for as long as it likes."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self.seen = seen

    def on_start(self) -> None:
        self.monitor("/b")
        self.monitor("/c")

    def receive(self, message: Go | Add) -> None:
        if isinstance(message, Go):
            self.demonitor("/b")
        else:
            self.system.tell("/b", Break())
            self.system.tell("/c", Break())

    def down(self, down: Down) -> None:
        self.seen.append(down.address)


async def test_a_monitor_that_was_taken_back_tells_nothing() -> None:
    seen: list[str] = []
    async with growing(*workers("bc"), ChildSpec("a", lambda: Watcher(seen))) as tree:
        tree.system.tell("/a", Go())
        tree.system.tell("/a", Add(n=1))
        await quiet()
        assert seen == ["/c"]
        assert tree.cell("/b").watchers == {}


async def test_not_even_when_the_end_was_there_already_and_waited_to_be_told() -> None:
    seen: list[str] = []
    async with growing(*workers("bc"), ChildSpec("a", lambda: Watcher(seen))) as tree:
        cell = tree.cell("/a")
        cell.suspend()
        for id in "bc":
            tree.system.tell(f"/{id}", Break())
        await quiet()
        assert cell.instance is not None
        cell.demonitor("/b")
        cell.resume()
        await quiet()
        assert seen == ["/c"]


@pytest.mark.parametrize("gone", [False, True])
async def test_nor_does_one_that_was_untied_when_the_end_was_there_already(gone: bool) -> None:
    async with growing(*workers("ab")) as tree:
        cell = tree.cell("/a")
        cell.suspend()
        cell.link("/nobody" if gone else "/b")
        tree.system.tell("/b", Break())
        await quiet()
        cell.unlink("/nobody" if gone else "/b")
        cell.resume()
        await quiet()
        assert (cell.incarnation, cell.mailbox.signals) == (1, 0)


async def test_the_other_ends_that_wait_keep_their_effect() -> None:
    async with growing(*workers("abc")) as tree:
        cell = tree.cell("/a")
        cell.suspend()
        for id in "bc":
            cell.link(f"/{id}")
            tree.system.tell(f"/{id}", Break())
        await quiet()
        cell.unlink("/b")
        cell.resume()
        await quiet()
        assert cell.last_exit == ExitReason(how="crashed", error="LinkedExit", detail="linked to /c, which ended: crashed ValueError broken")
