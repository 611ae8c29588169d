"""Random trees, random blows and orders, and after each of them: every address is in the state that the oracle says.

The same states, incarnations, restarts and decisions in the same order, the same answers to orders, the same fate of messages. 10,000 steps
in a run. Everything here happens at once or at a known time (see `oracle.py`); what takes its time, or overlaps, is in `test_model.py`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar, cast

import hypothesis.strategies as st
import looptime
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actors.runtime.cell import Cell
from actors.runtime.supervised import Later
from actors.runtime.system import ActorSystem
from messages.envelope import Address
from messages.message import Ask, Message
from messages.outcome import AskFailed, Refused
from messages.supervision import Crash, Decision, DeleteChild, RestartChild, RestartType, Resume, StartChild, Suspend, TerminateChild
from supervisors.dynamic import DynamicSupervisor
from supervisors.family import Family
from supervisors.quarantine import Quarantine
from supervisors.restart import Backoff
from supervisors.spec import AutoShutdown, ChildSpec, Intensity, OnExhausted, Strategy
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Inbox, Worker
from tests.actors.runtime.vocabulary import Add, Quit
from tests.supervisors.oracle import Oracle
from tests.supervisors.oracle_tree import AWAY, AWAY_CAP, CAP, FIRST, HEALTHY, TRIAL, Node, Place

T = TypeVar("T")

SETTLED = 0.00137  # virtual seconds in which everything happens that needs no time
DECISIONS = ("restarted", "restarting", "gave_up", "start_failed", "quarantined", "half_open", "recovered", "auto_shutdown")

restarts = st.sampled_from(("permanent", "permanent", "transient", "temporary"))
leaves = st.builds(lambda restart, significant, moody: Node(restart, significant and restart != "permanent", moody), restarts, st.booleans(), st.booleans())


def branches(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.builds(
        branch, restarts, st.booleans(), st.sampled_from(("one_for_one", "one_for_all", "rest_for_one", "dynamic")), st.integers(0, 3),
        st.sampled_from(("escalate", "backoff", "quarantine")), st.sampled_from(("never", "any_significant", "all_significant")),
        st.lists(children, min_size=1, max_size=4),
    )  # fmt: skip


def branch(
    restart: str, significant: bool, strategy: str, restarts: int, on_exhausted: str, auto_shutdown: str, children: list[Node]
) -> Node:  # fmt: skip
    """A supervisor that no spec contradicts: a dynamic one starts with nobody, and who never shuts down by itself has nobody significant."""
    if auto_shutdown == "never":
        children = [Node(**{**vars(child), "significant": False}) for child in children]
    kids = () if strategy == "dynamic" else tuple(children)
    return Node(restart, significant and restart != "permanent", False, strategy, kids, restarts, 5.0, on_exhausted, auto_shutdown)


trees = branches(leaves | branches(leaves | branches(leaves)))


class Counting(Worker):
    """A worker whose additions are counted by address, over all incarnations; a moody one fails its second start of each three."""

    def __init__(self, added: Counter[str], moody: bool) -> None:
        super().__init__()
        self.added = added
        self.moody = moody

    def on_start(self) -> None:
        if self.moody and self.incarnation % 3 == 2:
            raise OSError("not this time")

    def receive(self, message: Inbox) -> Message | Later | None:
        if isinstance(message, Add):
            self.added[self.address] += message.n
        return super().receive(message)


class ATreeAndItsOracle(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = looptime.new_event_loop()
        self.errors: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self.events: list[str] = []
        self.sent: Counter[str] = Counter()
        self.added: Counter[str] = Counter()
        self.grown = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize(tree=trees)
    def grow(self, tree: Node) -> None:
        async def start() -> None:
            self.system = ActorSystem(wire="edge", chance=lambda: 0.5)
            self.root = Cell(self.system, Address("/"), self.make(tree), None)
            await self.system.start_root(self.root)
            self.system.listeners.append(self.note)

        self.run(start())
        self.oracle = Oracle(tree, self.loop.time())
        self.grown = True

    def note(self, decision: Decision) -> None:
        if decision.event in DECISIONS:
            wait = f" for {decision.delay_ms} ms" if decision.event in ("restarting", "quarantined") else ""
            self.events.append(f"{decision.event} {decision.address}{wait}")

    def make(self, node: Node) -> Any:
        if not node.strategy:
            return partial(Counting, self.added, node.moody)
        keywords: dict[str, Any] = {
            "intensity": Intensity(node.restarts, node.seconds), "on_exhausted": cast(OnExhausted, node.on_exhausted),
            "auto_shutdown": cast(AutoShutdown, node.auto_shutdown), "backoff": Backoff(FIRST, CAP, HEALTHY),
            "quarantine": Quarantine(AWAY, AWAY_CAP, TRIAL, HEALTHY), "makes": [self.spec(str(moody), Node(moody=moody)) for moody in (False, True)],
        }  # fmt: skip
        if node.strategy == "dynamic":
            return partial(DynamicSupervisor, **keywords)
        specs = [self.spec(str(number), child) for number, child in enumerate(node.children)]
        return partial(Supervisor, *specs, strategy=cast(Strategy, node.strategy), **keywords)

    def spec(self, id: str, node: Node) -> ChildSpec:
        return ChildSpec(id, self.make(node), restart=cast(RestartType, node.restart), significant=node.significant, shutdown=None)

    # ---- what is done to both

    def pick(self, data: st.DataObject, which: Any = lambda place: True) -> Place | None:
        places = {place.address: place for place in self.oracle.places() if which(place)}
        return places[data.draw(st.sampled_from(list(places)))] if places else None

    def settle(self, seconds: float = SETTLED) -> None:
        self.run(asyncio.sleep(seconds))
        self.oracle.advance(self.loop.time())

    async def send(self, address: str, message: Message) -> str:
        outcome = self.system.tell(address, message)
        return "taken" if outcome is None else outcome.fault.cls if isinstance(outcome, Refused) else "nobody"

    async def order(self, address: str, message: Ask[Any]) -> str:
        """How it was answered, when everything has happened that needs no time."""
        ask = self.system.ask(address, message)
        await asyncio.sleep(SETTLED)
        assert ask.done(), message
        failed = ask.exception()
        if failed is None:
            return "done"
        assert isinstance(failed, AskFailed) and isinstance(failed.outcome, Refused), failed
        return failed.outcome.fault.code or "no"

    @rule(data=st.data(), meant=st.booleans())
    def end_it(self, data: st.DataObject, meant: bool) -> None:
        place = self.pick(data, lambda place: place.alive and not place.suspended and not (meant and place.node.strategy))
        if place is not None:
            assert self.run(self.send(place.address, Quit() if meant else Crash())) == "taken"
            self.oracle.die(place, meant=meant)
            self.settle()

    @rule(data=st.data())
    def kill_it(self, data: st.DataObject) -> None:
        place = self.pick(data, lambda place: place.alive)

        async def kill(address: str) -> None:
            cell = self.system.directory[address]
            assert isinstance(cell, Cell)
            cell.kill("killed by the test")

        if place is not None:
            self.run(kill(place.address))
            self.oracle.die(place)
            self.settle()

    @rule(data=st.data())
    def tell_it(self, data: st.DataObject) -> None:
        place = self.pick(data, lambda place: place.suspended) or self.pick(data, lambda place: not place.node.strategy)
        if place is not None:
            assert self.run(self.send(place.address, Add(n=1))) == self.oracle.takes(place), place.address
            self.sent[place.address] += 1
            self.settle()

    @rule(data=st.data(), suspend=st.booleans())
    def steer_it(self, data: st.DataObject, suspend: bool) -> None:
        place = self.pick(data, lambda place: not place.node.strategy and place.alive)
        if place is not None:
            self.compare_orders(place, Suspend() if suspend else Resume(), partial(self.oracle.steer, place, suspend=suspend))

    @rule(data=st.data(), id=st.sampled_from("ab0"), moody=st.booleans(), restart=restarts, significant=st.booleans())
    def start_one_more(self, data: st.DataObject, id: str, moody: bool, restart: RestartType, significant: bool) -> None:
        above = self.supervisor(data)
        if above is not None:
            order = StartChild(id=id, make=str(moody), restart=restart, significant=significant)
            self.compare_orders(above, order, partial(self.oracle.start_child, above, id, Node(restart, significant, moody)))

    @rule(data=st.data(), what=st.sampled_from(("terminate", "delete", "refuse", "restart")))
    def order_it(self, data: st.DataObject, what: str) -> None:
        above = self.supervisor(data)
        if above is None:
            return
        id = data.draw(st.sampled_from([*reversed(above.kids), "nobody"]))
        match what:
            case "terminate":
                self.compare_orders(above, TerminateChild(id=id), partial(self.oracle.terminate_child, above, id))
            case "delete":
                self.compare_orders(above, DeleteChild(id=id), partial(self.oracle.delete_child, above, id))
            case "refuse":
                self.compare_orders(above, RestartChild(id=id), partial(self.oracle.restart_child, above, id, "refuse"))
            case _:
                self.compare_orders(above, RestartChild(id=id, running="restart"), partial(self.oracle.restart_child, above, id, "restart"))

    def supervisor(self, data: st.DataObject) -> Place | None:
        return self.pick(data, lambda place: place.node.strategy and place.alive and place.state == "running")

    def compare_orders(self, place: Place, order: Ask[Any], expected: Any) -> None:
        answer = self.run(self.order(place.address, order))
        assert answer == expected(), f"{order!r} to {place.address}"
        self.settle()

    @rule(seconds=st.sampled_from((0.0317, 0.2171, 0.9073, 2.5139, 21.0391)))
    def wait(self, seconds: float) -> None:
        self.settle(seconds)

    # ---- what holds after each step

    @invariant()
    def every_address_is_in_the_state_that_the_oracle_says(self) -> None:
        if not self.grown:
            return
        found = {}
        for address, cell in self.system.directory.items():
            assert isinstance(cell, Cell)
            found[address] = cell.shown_state, cell.incarnation, cell.restarts
        expected = {place.address: (place.state, place.incarnation, place.restarts) for place in self.oracle.places()}
        assert found == expected, f"found, not expected: {dict(found.items() - expected.items())}, expected: {dict(expected.items() - found.items())}"
        assert self.events == self.oracle.events, f"found {self.events[-6:]}, expected {self.oracle.events[-6:]}"

    @invariant()
    def supervisors_know_their_children_in_the_right_order(self) -> None:
        for place in self.oracle.places() if self.grown else ():
            if place.node.strategy and place.alive:
                supervisor = cast(Cell, self.system.directory[place.address]).instance
                assert isinstance(supervisor, Family)
                assert list(supervisor.kids) == list(place.kids), place.address

    @invariant()
    def every_message_was_handled_or_waits_or_is_among_the_dead_letters(self) -> None:
        if not self.grown:
            return
        buried = Counter(letter.address for letter in self.system.dead_letters if letter.kind == Add.kind)
        for address, sent in self.sent.items():
            cell = self.system.directory.get(address)
            waiting = cell.mailbox.depth if isinstance(cell, Cell) else 0
            assert sent == self.added[address] + waiting + buried[address], address

    @invariant()
    def nothing_waits_where_somebody_works_or_where_nobody_comes_back(self) -> None:
        for place in self.oracle.places() if self.grown else ():
            for_good = place.done and place.above is not None and place.above.alive
            if for_good or place.state in ("running", "half_open"):
                assert cast(Cell, self.system.directory[place.address]).mailbox.depth == 0, place.address

    @invariant()
    def the_loop_has_nothing_to_report(self) -> None:
        assert self.errors == []

    def teardown(self) -> None:
        try:
            if self.grown:
                self.run(self.stop())
                assert self.errors == []
        finally:
            self.loop.close()

    async def stop(self) -> None:
        await self.system.stop_root()
        await asyncio.sleep(0)
        assert self.system.directory == {}
        assert self.system.asks.slots == {}
        assert asyncio.all_tasks() == {asyncio.current_task()}


TestATreeAndItsOracle = ATreeAndItsOracle.TestCase
TestATreeAndItsOracle.settings = settings(max_examples=500, stateful_step_count=50, deadline=None)  # some 10,000 steps
