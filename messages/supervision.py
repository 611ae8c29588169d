"""What the kernel and the supervisors say.

    child ends --ExitReason--> its supervisor; every monitor gets Down
    anybody --Describe--> any actor --Described--> anybody
    anybody --RestartChild--> a supervisor --ChildRestarted--> anybody
    anybody --WhichChildren--> a supervisor --ChildrenListed--> anybody
    injected: Crash, Delay, Drop, understood by every actor
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from messages.faults import Fault
from messages.message import Ask, Message, Part

ExitHow = Literal["normal", "shutdown", "failed", "crashed", "killed", "start_failed"]
"""normal and shutdown are meant; failed is expected and typed (`fault`); crashed is an exception; killed was done to it."""

State = Literal["starting", "running", "suspended", "stopping", "restarting", "stopped"]


class ExitReason(Part):
    """Why an instance ended. `error` is the exception's type and `detail` its text, `fault` the evidence of an expected failure."""

    how: ExitHow
    error: str = ""
    detail: str = ""
    fault: Fault | None = None


class Down(Message, kind="kernel.down"):
    """An actor that you monitor ended. With how = killed and error = NoSuchAddress it was not there to begin with."""

    address: str
    incarnation: int
    reason: ExitReason


class Crash(Message, kind="kernel.crash"):
    """Injected: the actor raises, as if its own code had. Counts like any crash."""

    detail: str = "injected"


class Delay(Message, kind="kernel.delay"):
    """Injected: the actor handles nothing for this long, in seconds. Its mailbox goes on filling."""

    seconds: float = Field(ge=0)


class Drop(Message, kind="kernel.drop"):
    """Injected: the next `count` messages go to the dead letters instead of the actor; their askers are told."""

    count: int = Field(default=1, ge=0)


class ActorStatus(Part):
    """One actor as it is now. Times are seconds of the loop's clock, `busy_ms` the time spent in its own code."""

    address: str
    actor: str
    state: State
    incarnation: int
    restarts: int
    restart_type: str
    strategy: str = ""
    depth: int
    oldest_ms: int
    high_water: int
    handled: int
    busy_ms: int
    uptime_ms: int
    last_exit: ExitReason | None = None
    last_exit_ms_ago: int | None = None
    next_restart_ms: int | None = None
    understands: tuple[str, ...] = ()
    children: tuple[ActorStatus, ...] = ()


class Described(Message, kind="supervision.described"):
    """An actor's status, its children's below it."""

    status: ActorStatus


class Describe(Ask[Described], kind="supervision.describe"):
    """Asks any actor what it is doing. `depth` levels of children are told, -1 for all."""

    depth: int = -1


class ChildRestarted(Message, kind="supervision.child_restarted"):
    """The child runs again, as this incarnation."""

    address: str
    incarnation: int


class RestartChild(Ask[ChildRestarted], kind="supervision.restart_child"):
    """Asks a supervisor to stop a child and start it afresh. Restarts by hand are free: they do not count towards the intensity."""

    id: str


class ChildrenListed(Message, kind="supervision.children_listed"):
    """The addresses of a supervisor's children, in start order."""

    addresses: tuple[str, ...]


class WhichChildren(Ask[ChildrenListed], kind="supervision.which_children"):
    """Asks a supervisor for its children. Answered in its turn: whatever was sent to it before has been done."""


class Decision(Message, kind="supervision.decision"):
    """Something a supervisor decided, or the kernel saw. Published, never asked for. `at` is the loop's clock in seconds."""

    at: float
    address: str
    event: Literal["started", "exited", "restarting", "restarted", "start_failed", "gave_up", "stopped", "abandoned"]
    incarnation: int
    detail: str = ""
    delay_ms: int = 0
