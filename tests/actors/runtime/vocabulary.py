"""What the actors of these tests are told and asked. The kinds are unique in the process, so they are named here once."""

from __future__ import annotations

from messages.faults import Fault
from messages.message import Ask, Message


class Add(Message, kind="test.add"):
    n: int


class Totalled(Message, kind="test.totalled"):
    n: int
    incarnation: int


class Total(Ask[Totalled], kind="test.total"):
    pass


class Break(Message, kind="test.break"):
    """The actor raises ValueError."""

    detail: str = "broken"


class BreakAsked(Ask[Totalled], kind="test.break_asked"):
    """The same, when an answer is awaited."""

    detail: str = "broken"


class Hold(Ask[Totalled], kind="test.hold"):
    """Answered at `Release`."""


class Release(Message, kind="test.release"):
    pass


class Fail(Ask[Totalled], kind="test.fail"):
    """The actor ends with this fault."""

    fault: Fault


class SayNo(Ask[Totalled], kind="test.say_no"):
    """The actor refuses with this fault, and lives on."""

    fault: Fault


class Quit(Message, kind="test.quit"):
    """The actor leaves."""


class Blob(Message, kind="test.blob"):
    data: bytes


class Heard(Message, kind="test.heard"):
    text: str


class Echo(Ask[Heard], kind="test.echo"):
    text: str


class Go(Message, kind="test.go"):
    """Do what the test is about."""


class Unknown(Ask[Totalled], kind="test.unknown"):
    """No actor here understands it."""
