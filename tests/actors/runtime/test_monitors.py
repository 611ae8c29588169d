"""Down: who watches whom, what he is told, and in which order."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from actors.runtime.port import Port
from actors.runtime.supervised import SupervisedActor
from actors.runtime.system import Wire
from messages.faults import Fault
from messages.message import Message
from messages.supervision import Delay, Down, ExitReason
from supervisors.dynamic import DynamicSupervisor
from supervisors.restart import Backoff
from supervisors.spec import ChildSpec, Intensity
from tests.actors.runtime.trees import Worker, bare, crashed, growing, quiet
from tests.actors.runtime.vocabulary import Add, Break, Fail, Go, Heard, Quit

pytestmark = pytest.mark.looptime


class Watcher(SupervisedActor[Go | Heard | Break]):
    """Monitors its addresses at `Go`, and notes what it hears and is told."""

    def __init__(self, diary: list[str], *addresses: str) -> None:
        super().__init__()
        self.diary = diary
        self.addresses = addresses

    def receive(self, message: Go | Heard | Break) -> None:
        match message:
            case Go():
                for address in self.addresses:
                    self.monitor(address)
            case Heard():
                self.diary.append(message.text)
            case Break():
                raise ValueError("broken")

    def down(self, down: Down) -> None:
        self.diary.append(f"{down.address} {down.incarnation} {down.reason.how} {down.reason.error}".strip())


async def test_a_monitor_is_told_once_how_and_which_instance_ended(wire: Wire) -> None:
    diary: list[str] = []
    async with growing(ChildSpec("w", partial(Watcher, diary, "/a")), ChildSpec("a", Worker), wire=wire) as tree:
        tree.system.tell("/w", Go())
        await quiet()
        tree.system.tell("/a", Break())
        await quiet()
        tree.system.tell("/a", Break())  # nobody monitors the second instance
        await quiet()
        assert diary == ["/a 1 crashed ValueError"]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (Break(), "/a 1 crashed ValueError"),
        (Quit(), "/a 1 normal"),
        (Fail(fault=Fault(cls="timeout", message="too slow")), "/a 1 failed timeout"),
    ],
)
async def test_every_way_to_end_has_its_word(message: Message, told: str) -> None:
    diary: list[str] = []
    async with growing(ChildSpec("w", partial(Watcher, diary, "/a")), ChildSpec("a", Worker)) as tree:
        tree.system.tell("/w", Go())
        await quiet()
        tree.system.tell("/a", message)
        await quiet()
        assert diary == [told]


async def test_monitoring_whom_nobody_knows_or_who_is_down_is_answered_at_once() -> None:
    diary: list[str] = []
    specs = ChildSpec("w", partial(Watcher, diary, "/nobody", "/gone")), ChildSpec("gone", Worker, restart="transient")
    async with growing(*specs) as tree:
        tree.system.tell("/gone", Quit())
        await quiet()
        tree.system.tell("/w", Go())
        await quiet()
        assert diary == ["/nobody 0 killed NoSuchAddress", "/gone 0 killed NoSuchAddress"]


async def test_down_comes_after_what_the_same_actor_sent_before() -> None:
    diary: list[str] = []

    class Speaker(SupervisedActor[Go]):
        def receive(self, message: Go) -> None:
            for n in range(100):
                self.tell("/w", Heard(text=str(n)))
            raise ValueError("broken")

    async with growing(ChildSpec("w", partial(Watcher, diary, "/a")), ChildSpec("a", Speaker)) as tree:
        tree.system.tell("/w", Go())
        await quiet()
        tree.system.tell("/w", Delay(seconds=1.0))
        tree.system.tell("/a", Go())
        await quiet()
        assert diary == []
        await asyncio.sleep(1.0)
        assert diary == [*map(str, range(100)), "/a 1 crashed ValueError"]


async def test_down_is_for_the_instance_that_monitored_and_for_no_later_one() -> None:
    diary: list[str] = []
    async with growing(ChildSpec("w", partial(Watcher, diary, "/a")), ChildSpec("a", Worker)) as tree:
        tree.system.tell("/w", Go())
        tree.system.tell("/w", Break())
        await quiet()
        assert tree.cell("/w").incarnation == 2
        assert tree.cell("/a").watchers == {}
        tree.system.tell("/a", Break())
        await quiet()
        assert diary == []


async def test_an_end_reported_to_an_actor_that_is_down_is_not_told_to_its_next_instance() -> None:
    diary: list[str] = []

    class Reporter(Worker):
        def on_start(self) -> None:
            self.after(1.0, self.report)

        def report(self) -> None:
            self.report_end_to("/w")

    specs = ChildSpec("w", partial(Watcher, diary)), ChildSpec("a", Reporter)
    async with growing(*specs, intensity=Intensity(0), on_exhausted="backoff", backoff=Backoff(first=4.0)) as tree:
        tree.system.tell("/w", Break())
        await asyncio.sleep(1.5)  # reported while /w waits for its restart
        assert tree.cell("/w").state == "stopped"
        await asyncio.sleep(1.5)
        assert tree.cell("/w").incarnation == 2
        tree.system.tell("/a", Break())
        await quiet()
        assert diary == []


async def test_two_that_monitor_each_other_and_one_that_monitors_itself_are_told_what_they_live_to_hear() -> None:
    first: list[str] = []
    second: list[str] = []
    specs = ChildSpec("a", partial(Watcher, first, "/b", "/a")), ChildSpec("b", partial(Watcher, second, "/a"))
    async with growing(*specs) as tree:
        tree.system.tell("/a", Go())
        tree.system.tell("/b", Go())
        await quiet()
        tree.system.tell("/a", Break())
        await quiet()
        assert (first, second) == ([], ["/a 1 crashed ValueError"])
        assert (tree.cell("/a").watching, tree.cell("/b").watchers) == (set(), {})


async def test_a_port_is_told_of_an_end_and_an_actor_of_a_ports_closing() -> None:
    diary: list[str] = []

    class Host(SupervisedActor[Add | Break]):
        def receive(self, message: Add | Break) -> None:
            if isinstance(message, Break):
                raise ValueError("broken")
            self.monitor(self.sender)
            self.report_end_to(self.sender)

        def down(self, down: Down) -> None:
            diary.append(f"{down.address} {down.reason.how}")

    async with growing(ChildSpec("a", Host)) as tree:
        async with Port(tree.system) as port:
            async with Port(tree.system) as other:
                port.tell("/a", Add(n=1))
                other.tell("/a", Add(n=1))
                await quiet()
            await quiet()
            assert diary == [f"{other.address} normal"]
            port.tell("/a", Break())
            assert await port.receive(1.0) == Down(address="/a", incarnation=1, reason=crashed())
        assert tree.cell("/a").watchers == {}


async def test_an_actor_can_have_its_end_reported_to_another() -> None:
    diary: list[str] = []

    class Reporter(SupervisedActor[Go | Break]):
        def receive(self, message: Go | Break) -> None:
            if isinstance(message, Break):
                raise ValueError("broken")
            self.report_end_to("/w")
            self.report_end_to("/nobody")

    async with growing(ChildSpec("w", partial(Watcher, diary)), ChildSpec("a", Reporter)) as tree:
        tree.system.tell("/a", Go())
        tree.system.tell("/a", Break())
        await quiet()
        assert diary == ["/a 1 crashed ValueError"]


async def test_whoever_has_a_temporary_actor_started_gets_its_down_also_when_it_never_started() -> None:
    class Unlucky(Worker):
        async def on_start(self) -> None:
            raise OSError("no such device")

    async with growing(
        ChildSpec("good", lambda: DynamicSupervisor(Worker, Break)), ChildSpec("bad", lambda: DynamicSupervisor(Unlucky, Break))
    ) as tree, Port(tree.system) as port:  # fmt: skip
        port.tell("/good", Break())
        down = await port.receive(1.0)
        assert isinstance(down, Down)
        assert down.reason == crashed()
        port.tell("/bad", Break())
        down = await port.receive(1.0)
        assert isinstance(down, Down)
        assert bare(down.reason) == ExitReason(how="start_failed", error="OSError", detail="no such device")
        assert down.address.startswith("/bad/")
