"""What the kernel and the supervisors say.

    child ends --ExitReason--> its supervisor; every monitor gets Down
    anybody --Describe--> any actor --Described--> anybody
    anybody --Suspend, Resume--> any actor --Steered--> anybody
    anybody --TellHistory--> any actor --History--> anybody
    anybody --StartChild, TerminateChild, RestartChild, DeleteChild--> a supervisor --ChildStarted, ... --> anybody
    anybody --WhichChildren, CountChildren, GetChildSpec--> a supervisor --ChildrenListed, ... --> anybody
    injected: Crash, Delay, Drop, understood by every actor
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from messages.faults import Fault
from messages.message import Ask, Message, Part

ExitHow = Literal["normal", "shutdown", "failed", "crashed", "killed", "start_failed"]
"""normal and shutdown are meant; failed is expected and typed (`fault`); crashed is an exception; killed was done to it."""

State = Literal["starting", "running", "half_open", "suspended", "stopping", "restarting", "quarantined", "stopped"]
"""restarting and quarantined: nothing lives there, and its supervisor will start it again at a set time; half_open: it lives on trial."""

Isolation = Literal["task", "thread", "process"]
"""Where an actor runs: on its system's loop, on a loop of its own in a thread, or in a process of its own."""

RestartType = Literal["permanent", "transient", "temporary"]
"""permanent: always started again; transient: unless it ended normally; temporary: never."""


class ExitReason(Part):
    """Why an instance ended. `error` is the exception's type and `detail` its text, `fault` the evidence of an expected failure.

    `traceback` is told where no crash file will hold it: of a start that failed, and of what ended in another process.
    """

    how: ExitHow
    error: str = ""
    detail: str = ""
    fault: Fault | None = None
    traceback: str = ""


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


class Steered(Message, kind="kernel.steered"):
    """The actor is in this state now."""

    address: str
    state: State


class Suspend(Ask[Steered], kind="kernel.suspend"):
    """The actor handles nothing from now on, until `Resume` or its end; its mailbox goes on filling. Answered at once."""


class Resume(Ask[Steered], kind="kernel.resume"):
    """The actor goes on where it was suspended."""


class ActorStatus(Part):
    """One actor as it is now. Times are in ms, `busy_ms` the time spent in its own code, `bytes` what waits in its mailbox.

    `pid` and `memory_kb` (resident) are those of its own process, when it has one. `stashed` messages wait for the actor's own wish.
    Of its children, `untold` had no room in the answer.
    """

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
    isolation: Isolation = "task"
    pid: int | None = None
    memory_kb: int | None = None
    bytes: int = 0
    stashed: int = 0
    crashes: int = 0
    significant: bool = False
    understands: tuple[str, ...] = ()
    children: tuple[ActorStatus, ...] = ()
    untold: int = 0


class Described(Message, kind="supervision.described"):
    """An actor's status, its children's below it."""

    status: ActorStatus


class Describe(Ask[Described], kind="supervision.describe"):
    """Asks any actor what it is doing. `depth` levels of children are told, -1 for all, and `limit` of them altogether:
    a loop that describes a hundred thousand does nothing else for seconds.
    """

    depth: int = -1
    limit: int = Field(default=1000, ge=0)


class Handled(Part):
    """One message that an actor took out of its mailbox: what it was and whence, not what it said. `ms_ago` is when it was sent."""

    id: int
    kind: str
    sender: str
    trace: str
    size: int
    ms_ago: int
    incarnation: int


class PastExit(Part):
    """One end of an instance. `crash` is the id of its crash file, empty when there is none."""

    incarnation: int
    ms_ago: int
    reason: ExitReason
    crash: str = ""


class History(Message, kind="supervision.history"):
    """What an actor handled last, and how its instances ended, each the latest last."""

    address: str
    messages: tuple[Handled, ...]
    exits: tuple[PastExit, ...]


class TellHistory(Ask[History], kind="supervision.tell_history"):
    """Asks any actor what it has been through. Answered at once, whatever the actor is at."""


class ChildRestarted(Message, kind="supervision.child_restarted"):
    """The child runs again, as this incarnation."""

    address: str
    incarnation: int


class RestartChild(Ask[ChildRestarted], kind="supervision.restart_child"):
    """Asks a supervisor to start a child that is down. What runs is refused, as OTP does it, unless `running` says to stop it first.

    Restarts by hand are free: they do not count towards the intensity.
    """

    id: str
    running: Literal["refuse", "restart"] = "refuse"


class ChildStarted(Message, kind="supervision.child_started"):
    """The new child runs."""

    address: str
    incarnation: int


class StartChild(Ask[ChildStarted], kind="supervision.start_child"):
    """Asks a supervisor for one more child: of a make that it names itself, or of a spec handed to it inside this process.

    A message carries no code: `make` is a name in the supervisor's own `makes`, `handed` the number of a spec that
    `supervisors.local.start_child` left with the system. What is None is as the make says.
    """

    id: str
    make: str = ""
    handed: int = 0
    restart: RestartType | None = None
    significant: bool | None = None


class ChildTerminated(Message, kind="supervision.child_terminated"):
    """The child is down, and stays so until somebody starts it; its spec is kept, unless it was temporary."""

    address: str


class TerminateChild(Ask[ChildTerminated], kind="supervision.terminate_child"):
    """Asks a supervisor to stop a child in order."""

    id: str


class ChildDeleted(Message, kind="supervision.child_deleted"):
    """The child's spec and its address are gone."""

    address: str


class DeleteChild(Ask[ChildDeleted], kind="supervision.delete_child"):
    """Asks a supervisor to forget a child that is down. One that runs, or waits to be restarted, is refused."""

    id: str


class ChildEntry(Part):
    """One child in a supervisor's list."""

    id: str
    address: str
    state: State
    incarnation: int
    type: Literal["worker", "supervisor"]


class ChildrenListed(Message, kind="supervision.children_listed"):
    """A supervisor's children, in start order; `addresses` are theirs. `untold` are those for which the answer has no room."""

    addresses: tuple[str, ...]
    children: tuple[ChildEntry, ...] = ()
    untold: int = 0


class WhichChildren(Ask[ChildrenListed], kind="supervision.which_children"):
    """Asks a supervisor for its first `limit` children. Answered in its turn: whatever was sent to it before has at least begun."""

    limit: int = Field(default=10_000, ge=0)


class ChildrenCounted(Message, kind="supervision.children_counted"):
    """How many children a supervisor has specs of, how many of them live, and how many of all are supervisors and workers."""

    specs: int
    active: int
    supervisors: int
    workers: int


class CountChildren(Ask[ChildrenCounted], kind="supervision.count_children"):
    """Asks a supervisor how many children it has."""


class ChildSpecTold(Message, kind="supervision.child_spec"):
    """A child's spec, but for the code: `make` is the name of what is started. `shutdown_ms` None is for ever, 0 a brutal kill."""

    id: str
    make: str
    restart: RestartType
    shutdown_ms: int | None
    significant: bool
    isolation: Isolation
    max_messages: int
    max_bytes: int


class GetChildSpec(Ask[ChildSpecTold], kind="supervision.get_childspec"):
    """Asks a supervisor how it was told to run a child."""

    id: str


class Decision(Message, kind="supervision.decision"):
    """Something a supervisor decided, or the kernel saw. Published, never asked for. `at` is the loop's clock in seconds.

    `delay_ms` is the wait before a restart, or how long the loop was blocked. `everyday`: a temporary actor came, or went as it should.
    `how` and `error` are those of the end that this is about; `detail` is for people, and may hold an exception's text.
    """

    at: float
    address: str
    event: Literal[
        "started", "exited", "restarting", "restarted", "start_failed", "gave_up", "stopped", "abandoned",
        "suspended", "resumed", "quarantined", "half_open", "recovered", "auto_shutdown", "deleted", "blocked",
    ]  # fmt: skip
    incarnation: int
    detail: str = ""
    how: ExitHow | None = None
    error: str = ""
    delay_ms: int = 0
    everyday: bool = False
