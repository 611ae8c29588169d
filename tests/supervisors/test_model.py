"""A random tree, and random things done to it: in the end everybody who should run does, every ask has ended, and nothing is left over.

Leaves start and stop at once, slowly, or not at every attempt; supervisors have every strategy, and escalate, back off or quarantine. Time is
virtual, and things overlap: what exactly comes of each is foretold in `test_against_the_oracle.py`, where they do not.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

import hypothesis.strategies as st
import looptime
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actors.runtime.cell import Cell
from actors.runtime.system import ActorSystem, Wire
from messages.envelope import Address
from messages.message import Ask, Message
from messages.outcome import AskFailed
from messages.supervision import Crash, Delay, DeleteChild, Describe, Drop, RestartChild, RestartType, Resume, StartChild, Suspend, TerminateChild
from supervisors.quarantine import Quarantine
from supervisors.restart import Backoff
from supervisors.spec import ChildSpec, Intensity, OnExhausted, Strategy
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Worker
from tests.actors.runtime.vocabulary import Add, Break, BreakAsked, Hold, Quit, Release, Total

T = TypeVar("T")

Nature = Literal["quick", "slow to start", "slow to stop", "moody"]

SETTLED = 300.0  # virtual seconds after which nothing is under way any more


@dataclass(frozen=True)
class Leaf:
    restart: RestartType
    nature: Nature


@dataclass(frozen=True)
class Branch:
    strategy: Strategy
    on_exhausted: OnExhausted
    restarts: int
    children: tuple[Leaf | Branch, ...]


leaves = st.builds(
    Leaf, st.sampled_from(("permanent", "permanent", "transient", "temporary")), st.sampled_from(("quick", "slow to start", "slow to stop", "moody")),
)  # fmt: skip


def branches(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Branch]:
    strategies = st.sampled_from(("one_for_one", "one_for_all", "rest_for_one"))
    exhausted = st.sampled_from(("escalate", "backoff", "quarantine"))
    return st.builds(Branch, strategies, exhausted, st.integers(0, 3), st.lists(children, min_size=1, max_size=3).map(tuple))


shapes = branches(leaves | branches(leaves | branches(leaves)))


class Living(Worker):
    """A worker that is seen to live: its task notes it from the first moment to the last."""

    def __init__(self, seen: Counter[str], nature: Nature) -> None:
        super().__init__()
        self.seen = seen
        self.nature = nature

    async def on_start(self) -> None:
        self.spawn(self.live())
        if self.nature == "slow to start":
            await asyncio.sleep(0.5)
        if self.nature == "moody" and self.incarnation % 3 == 2:
            raise OSError("not this time")

    async def on_stop(self) -> None:
        await asyncio.sleep(0.5 if self.nature == "slow to stop" else 0)

    async def live(self) -> None:
        self.seen[self.address] += 1
        try:
            await self.system.loop.create_future()
        finally:
            self.seen[self.address] -= 1


class ATreeUnderFire(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = looptime.new_event_loop()
        self.errors: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self.asks: list[tuple[str, asyncio.Future[Any]]] = []
        self.seen: Counter[str] = Counter()
        self.shape: dict[str, Leaf | Branch] = {}
        self.ordered: set[str] = set()  # addresses that somebody had stopped, deleted or added

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize(shape=shapes, wire=st.sampled_from(("always", "edge")), seed=st.randoms(use_true_random=False))
    def grow(self, shape: Branch, wire: Wire, seed: Any) -> None:
        async def start() -> None:
            self.system = ActorSystem(wire=wire, chance=seed.random)
            self.root = Cell(self.system, Address("/"), self.factory("/", shape), None)
            await self.system.start_root(self.root)

        self.run(start())

    def factory(self, address: str, node: Leaf | Branch) -> Any:
        self.shape[address] = node
        if isinstance(node, Leaf):
            return partial(Living, self.seen, node.nature)
        specs = [self.spec(address, str(n), child) for n, child in enumerate(node.children)]
        return partial(
            Supervisor, *specs, strategy=node.strategy, intensity=Intensity(node.restarts), on_exhausted=node.on_exhausted,
            backoff=Backoff(first=0.1, cap=4.0), quarantine=Quarantine(first=0.3, cap=4.0, trial=1.0),
            makes=[ChildSpec("more", partial(Worker))],
        )  # fmt: skip

    def spec(self, parent: str, id: str, node: Leaf | Branch) -> ChildSpec:
        start = self.factory(f"{parent.rstrip('/')}/{id}", node)
        return ChildSpec(id, start, restart=node.restart) if isinstance(node, Leaf) else ChildSpec(id, start, shutdown=None)

    def pick(self, data: st.DataObject, kind: type[Leaf] | type[Branch] | None = None) -> str:
        return data.draw(st.sampled_from([address for address, node in self.shape.items() if kind is None or isinstance(node, kind)]))

    def tell(self, address: str, message: Message) -> None:
        self.run(self.send(address, message))

    async def send(self, address: str, message: Message) -> None:
        if isinstance(message, Ask):
            self.asks.append((f"{address} {message.kind}", self.system.ask(address, message)))
        else:
            self.system.tell(address, message)

    # ---- what is done to it

    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        self.tell(self.pick(data), Crash())

    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        cell = self.system.directory.get(self.pick(data))

        async def kill() -> None:
            if isinstance(cell, Cell):
                cell.kill("killed by the test")

        self.run(kill())

    @rule(data=st.data(), running=st.sampled_from(("refuse", "restart")))
    def restart_by_hand(self, data: st.DataObject, running: Literal["refuse", "restart"]) -> None:
        supervisor, id = self.pick_child(data)
        self.tell(supervisor, RestartChild(id=id, running=running))

    @rule(data=st.data(), delete=st.booleans())
    def stop_by_hand(self, data: st.DataObject, delete: bool) -> None:
        supervisor, id = self.pick_child(data)
        self.ordered.add(f"{supervisor.rstrip('/')}/{id}")
        self.tell(supervisor, TerminateChild(id=id))
        if delete:
            self.tell(supervisor, DeleteChild(id=id))

    @rule(data=st.data())
    def start_one_more(self, data: st.DataObject) -> None:
        supervisor = self.pick(data, Branch)
        self.ordered.add(f"{supervisor.rstrip('/')}/more")
        self.tell(supervisor, StartChild(id="more", make="more"))

    @rule(data=st.data(), suspend=st.booleans())
    def steer(self, data: st.DataObject, suspend: bool) -> None:
        self.tell(self.pick(data), Suspend() if suspend else Resume())

    def pick_child(self, data: st.DataObject) -> tuple[str, str]:
        supervisor = self.pick(data, Branch)
        node = self.shape[supervisor]
        assert isinstance(node, Branch)
        return supervisor, str(data.draw(st.integers(0, len(node.children) - 1)))

    @rule()
    def restart_the_root_by_hand(self) -> None:
        async def restart() -> None:
            self.system.restart_root()

        self.run(restart())

    @rule(data=st.data(), message=st.sampled_from((Add(n=1), Total(), Hold(), Release(), Quit(), Break(), BreakAsked())))
    def say(self, data: st.DataObject, message: Message) -> None:
        if leaves := [address for address, node in self.shape.items() if isinstance(node, Leaf)]:
            self.tell(data.draw(st.sampled_from(leaves)), message)

    @rule(data=st.data(), message=st.sampled_from((Describe(), Delay(seconds=0.7), Drop(count=1))))
    def inject(self, data: st.DataObject, message: Message) -> None:
        self.tell(self.pick(data), message)

    @rule(seconds=st.sampled_from((0.001, 0.3, 1.0, 6.0)))
    def wait(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    # ---- what holds

    @invariant()
    def nobody_lives_twice(self) -> None:
        self.run(asyncio.sleep(0.0001))
        assert [address for address, count in self.seen.items() if count > 1] == []

    @invariant()
    def the_loop_has_nothing_to_report(self) -> None:
        assert self.errors == []

    def cells(self) -> Iterator[tuple[str, Leaf | Branch, Cell | None]]:
        for address, node in self.shape.items():
            cell = self.system.directory.get(address)
            assert cell is None or isinstance(cell, Cell)
            yield address, node, cell

    def teardown(self) -> None:
        try:
            if self.shape:
                for _ in range(len(self.shape)):  # what was held back may be started only now
                    for address in self.shape:
                        self.tell(address, Resume())
                    self.run(asyncio.sleep(SETTLED))
                self.everybody_who_should_run_does()
                self.every_ask_has_ended()
                self.run(self.stop())
                assert self.errors == []
        finally:
            self.loop.close()

    def everybody_who_should_run_does(self) -> None:
        for address, node, cell in self.cells():
            if self.is_down_by_order(address):
                assert self.seen[address] == 0
                continue
            if isinstance(node, Leaf) and node.restart == "temporary" and cell is None:
                assert self.seen[address] == 0
                continue
            assert cell is not None, f"{address} is gone"
            if isinstance(node, Leaf) and node.restart == "transient" and cell.state == "stopped":
                assert cell.last_exit is not None
                assert cell.last_exit.how in ("normal", "shutdown")
                assert self.seen[address] == 0
                continue
            assert cell.state == "running", f"{address} is {cell.state}: {cell.last_exit}"
            assert (cell.restart_at, cell.slots, cell.mailbox.depth) == (None, set(), 0)
            if isinstance(node, Leaf):
                assert self.seen[address] == 1
            else:
                assert cell.tasks == set()
        assert set(self.system.directory) <= set(self.shape) | self.ordered

    def is_down_by_order(self, address: str) -> bool:
        """Somebody had it stopped or deleted, or one above it, and nobody started that again."""
        while address not in self.ordered or self.lives_or_will(address):
            if address == "/":
                return False
            address = address.rpartition("/")[0] or "/"
        return True

    def lives_or_will(self, address: str) -> bool:
        cell = self.system.directory.get(address)
        return isinstance(cell, Cell) and (cell.state != "stopped" or cell.restart_at is not None)

    def every_ask_has_ended(self) -> None:
        for what, ask in self.asks:
            assert ask.done(), what
            assert ask.exception() is None or isinstance(ask.exception(), AskFailed), what
        assert self.system.asks.slots == {}

    async def stop(self) -> None:
        began = self.loop.time()
        await self.system.stop_root()
        assert self.loop.time() - began < 60.0
        await asyncio.sleep(0)
        assert self.system.directory == {}
        assert self.system.ending == set()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert +self.seen == Counter()


TestATreeUnderFire = ATreeUnderFire.TestCase
TestATreeUnderFire.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
