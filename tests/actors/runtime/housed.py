"""Actors that tests put into threads and processes, so they stand at the top level of a module; and what they are told.

Nothing here waits for a time: what blocks, blocks at a pipe in the file system that the test opens.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import zlib
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Literal, assert_never

from actors.runtime.supervised import Later, SupervisedActor
from actors.runtime.system import TRACE
from messages.message import Ask, Message
from messages.outcome import AskFailed
from messages.supervision import Down
from tests.actors.runtime.vocabulary import Add, Heard, Quit, Total, Totalled


class Place(Message, kind="test.place"):
    """Where an actor lives, and what it was told of the message that asked."""

    pid: int
    thread: str
    ident: int
    stdin: str
    trace: str
    sender: str
    remaining_ms: int


class TellPlace(Ask[Place], kind="test.tell_place"):
    pass


class Weighed(Message, kind="test.weighed"):
    size: int
    crc: int
    back: bytes


class Weigh(Ask[Weighed], kind="test.weigh"):
    data: bytes


class Note(Message, kind="test.note"):
    """To be noted."""

    n: int


class Noted(Message, kind="test.noted"):
    numbers: tuple[int, ...]


class Recite(Ask[Noted], kind="test.recite"):
    """What was noted, in order."""


class PassOn(Ask[Totalled], kind="test.pass_on"):
    """To be forwarded."""

    to: str


class Inquire(Ask[Heard], kind="test.inquire"):
    """Ask that one for its total, and answer how that ended."""

    of: str
    by: Literal["future", "callback"]


class Send(Message, kind="test.send"):
    """Tell that one to add `n`."""

    to: str
    n: int


class Watch(Message, kind="test.watch"):
    """Monitor that one; its Down is told to whoever said so."""

    whom: str


class Ended(Message, kind="test.ended"):
    address: str
    incarnation: int
    how: str
    error: str


class ReportTo(Message, kind="test.report_to"):
    """Report your end to that one."""

    whom: str


class Block(Message, kind="test.block"):
    """Handle nothing until somebody writes to this pipe. Writes to `begun` when it has begun."""

    begun: str
    pipe: str


class BlockAsked(Ask[Totalled], kind="test.block_asked"):
    """The same, when an answer is awaited."""

    begun: str
    pipe: str


class Die(Message, kind="test.die"):
    """End in a way that no code can mend."""

    how: Literal["exit", "kill", "spin", "sleep", "close", "rubbish", "long", "lie"]


class NotSo(Message, kind="test.not_so"):
    """Said to whoever does not understand it."""


HousedInbox = TellPlace | Weigh | Note | Recite | PassOn | Inquire | Send | Watch | ReportTo | Block | BlockAsked | Die | Add | Total | Quit


class Lodger(SupervisedActor[HousedInbox]):
    """Does all of this. `diary` is a file to which each note is added before anything else happens."""

    def __init__(self, diary: str = "") -> None:
        super().__init__()
        self.diary = diary
        self.total = 0
        self.numbers: list[int] = []
        self.told: dict[str, str] = {}

    def receive(self, message: HousedInbox) -> Message | Later | None:
        match message:
            case Add():
                self.total += message.n
            case Total():
                return Totalled(n=self.total, incarnation=self.incarnation)
            case TellPlace():
                return self.place()
            case Weigh():
                return Weighed(size=len(message.data), crc=zlib.crc32(message.data), back=message.data)
            case Note():
                self.note(message.n)
            case Recite():
                return Noted(numbers=tuple(self.numbers))
            case PassOn():
                return self.forward(message.to)
            case Inquire():
                return self.inquire(message)
            case Send():
                self.tell(message.to, Add(n=message.n))
            case Watch():
                self.told[message.whom] = self.sender
                self.monitor(message.whom)
            case ReportTo():
                self.report_end_to(message.whom)
            case Block() | BlockAsked():
                block(message.begun, message.pipe)
                return Totalled(n=self.total, incarnation=self.incarnation)
            case Die():
                die(message.how)
            case Quit():
                self.leave()
            case _:
                assert_never(message)
        return None

    def down(self, down: Down) -> None:
        to = self.told.get(down.address, "")
        self.tell(to, Ended(address=down.address, incarnation=down.incarnation, how=down.reason.how, error=down.reason.error))

    def place(self) -> Place:
        stdin = os.readlink("/proc/self/fd/0") if sys.platform == "linux" else ""
        remaining = int(((self.deadline or self.now) - self.now) * 1000)
        thread = threading.current_thread()
        return Place(
            pid=os.getpid(), thread=thread.name, ident=thread.native_id or 0, stdin=stdin, trace=TRACE.get(), sender=self.sender, remaining_ms=remaining
        )

    def note(self, n: int) -> None:
        self.numbers.append(n)
        if self.diary:
            with Path(self.diary).open("a") as file:
                file.write(f"{n}\n")

    def inquire(self, message: Inquire) -> Later:
        later = self.later()

        def told(answer: Totalled | AskFailed) -> None:
            later.answer(Heard(text=answer.outcome.kind if isinstance(answer, AskFailed) else f"{answer.n}"))

        async def ask() -> None:
            try:
                told(await self.ask(message.of, Total(), timeout=5.0))
            except AskFailed as failed:
                told(failed)

        if message.by == "future":
            self.spawn(ask())
        else:
            self.ask_then(message.of, Total(), told, timeout=5.0)
        return later


def block(begun: str, pipe: str) -> None:
    with Path(begun).open("w") as file:
        file.write("begun")
    Path(pipe).read_bytes()


def die(how: str) -> None:
    match how:
        case "exit":
            sys.exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "spin":
            while True:
                pass
        case "close":
            connection().shutdown(socket.SHUT_WR)
            threading.Event().wait()
        case "rubbish":
            connection().sendall(b"\x00\x00\x00\x03\xc1\xc1\xc1")
        case "long":
            connection().sendall(b"\xff\xff\xff\xff")
        case "lie":
            connection().sendall(b"\x00\x00\x00\x0b\x93\xa6answer\x07\xc4\x00")


def connection() -> socket.socket:
    """The process's own end of its socket, as if its code had found it by accident."""
    for fd in range(3, 64):
        try:
            found = socket.socket(fileno=os.dup(fd))
        except OSError:
            continue
        if found.family == socket.AF_UNIX and is_the_hosts(found):
            found.setblocking(True)
            return found
        found.close()
    raise AssertionError("no socket")


def is_the_hosts(found: socket.socket) -> bool:
    """asyncio's own self-pipe is a pair of which both ends are here."""
    peer = found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(peer[:4], sys.byteorder) != os.getpid()


class Unlucky(Lodger):
    """Does not start."""

    def on_start(self) -> None:
        raise OSError("no such device")


class UnluckyLater(Lodger):
    async def on_start(self) -> None:
        await asyncio.sleep(0)
        raise OSError("no such device, later")


class Loud(Lodger):
    def on_start(self) -> None:
        self.log.warning("here I am")


class NeverReady(Lodger):
    start_limit = 0.05

    async def on_start(self) -> None:
        await asyncio.Event().wait()


class Spinner(Lodger):
    """Says so, and never gives the loop back."""

    def on_start(self) -> None:
        sys.stdout.write("spinning\n")
        sys.stdout.flush()
        die("spin")


class Stubborn(Lodger):
    """Never done with stopping."""

    async def on_stop(self) -> None:
        await asyncio.Event().wait()


class Tidy(Lodger):
    """Says goodbye to `/here`."""

    def on_stop(self) -> Coroutine[Any, Any, None] | None:
        self.tell("/here", Add(n=1000))
        return None


class BadEnd(Lodger):
    def on_stop(self) -> None:
        raise ValueError("will not stop")


def no_actor() -> int:
    return 7


def a_lodger() -> Lodger:
    """A function that makes one: nobody can see of what class."""
    return Lodger()
