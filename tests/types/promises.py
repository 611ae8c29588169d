"""What a type checker infers of every ask; never run, only read, by mypy and by pyright (see test_promises.py).

Each line is a promise: the checker fails when it infers anything else. A line that must be refused says so in a comment; a checker
that does not refuse it complains of that comment.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar, assert_type

from messages.envelope import Address
from messages.message import Message
from messages.outcome import AskFailed, Outcome
from messages.supervision import ChildrenListed, ChildStarted, Describe, Described, StartChild, WhichChildren
from undying import Actor, ActorSystem, Ask, ChildSpec, Exit, Later, Port, Supervisor

R = TypeVar("R", bound=Message)


class Weight(Message, kind="tests.types.weight"):
    """An answer of a host app's own."""

    grams: int


class Weigh(Ask[Weight], kind="tests.types.weigh"):
    """And its ask."""

    name: str


class Drop(Message, kind="tests.types.drop"):
    """What wants no answer."""


Inbox = Weigh | Drop


class Scales(Actor[Inbox]):
    """Asks in every way there is."""

    def receive(self, message: Inbox) -> Message | Later | None:
        match message:
            case Weigh():
                assert_type(message, Weigh)
                return Weight(grams=len(message.name))
            case Drop():
                assert_type(message, Drop)
                return None

    async def asks(self) -> None:
        """`self.ask`: a future of the answer."""
        assert_type(self.ask("/scales", Weigh(name="tea")), asyncio.Future[Weight])
        assert_type(await self.ask("/scales", Weigh(name="tea")), Weight)
        assert_type((await self.ask("/scales", Weigh(name="tea"), timeout=1.0)).grams, int)
        assert_type(await self.ask("/", WhichChildren()), ChildrenListed)
        self.ask("/scales", Drop())  # type: ignore[arg-type]

    def asks_and_goes_on(self) -> None:
        """`ask_then`: the answer, or how the ask failed, in the actor's own turn."""
        self.ask_then("/scales", Weigh(name="tea"), self.weighed)
        self.ask_then("/scales", Weigh(name="tea"), self.listed)  # type: ignore[arg-type]

    def weighed(self, answer: Weight | AskFailed) -> None:
        """Takes what `ask_then` gives."""
        if isinstance(answer, AskFailed):
            assert_type(answer.outcome, Outcome)
        else:
            assert_type(answer.grams, int)

    def listed(self, answer: ChildrenListed | AskFailed) -> None:
        """Takes another answer."""

    def tells(self) -> None:
        """`tell`: None, or why not."""
        assert_type(self.tell("/scales", Drop()), Outcome | None)
        assert_type(self.address, Address)
        assert_type(self.later(), Later)


async def from_outside(system: ActorSystem) -> None:
    """`system.ask`."""
    assert_type(system.ask("/scales", Weigh(name="tea")), asyncio.Future[Weight])
    assert_type(await system.ask("/scales", Weigh(name="tea"), timeout=1.0), Weight)
    assert_type(await system.ask("/", Describe()), Described)
    assert_type(await system.ask("/", StartChild(id="a")), ChildStarted)
    other: ChildStarted = await system.ask("/scales", Weigh(name="tea"))  # type: ignore[arg-type]
    assert_type(other, ChildStarted)
    await system.ask("/scales", Drop())  # type: ignore[arg-type]


def from_a_thread(system: ActorSystem) -> None:
    """`ask_from_thread`: the answer itself."""
    assert_type(system.ask_from_thread("/scales", Weigh(name="tea")), Weight)
    assert_type(system.ask_from_thread("/", WhichChildren()).addresses, tuple[str, ...])
    system.ask_from_thread("/scales", Drop())  # type: ignore[arg-type]


async def through_a_port(system: ActorSystem) -> None:
    """`Port`: it is told things, whatever they are."""
    async with Port(system) as port:
        assert_type(port, Port)
        assert_type(port.tell("/scales", Weigh(name="tea")), Outcome | None)
        message = await port.receive(timeout=1.0)
        assert_type(message, Message)
        if isinstance(message, Weight):
            assert_type(message.grams, int)


def an_ask_of_any_kind(system: ActorSystem, ask: Ask[R]) -> asyncio.Future[R]:
    """A host's own function keeps the type."""
    return system.ask("/scales", ask)


def kept(system: ActorSystem) -> None:
    """What that function infers."""
    assert_type(an_ask_of_any_kind(system, Weigh(name="tea")), asyncio.Future[Weight])
    assert_type(an_ask_of_any_kind(system, WhichChildren()), asyncio.Future[ChildrenListed])


def a_tree() -> Supervisor:
    """A spec takes whatever makes an actor."""
    assert_type(Exit, type[Exit])
    return Supervisor(ChildSpec("scales", Scales, restart="transient"), strategy="rest_for_one", on_exhausted="backoff")
