"""What the oracle knows of a tree: what it is told to start, and what is at each address; pure."""

from __future__ import annotations

from dataclasses import dataclass, field

FIRST, CAP, HEALTHY = 0.1003, 4.0, 20.01  # of a back-off, seconds; the random part is always one half. Odd numbers: nothing ends just when a step does
AWAY, AWAY_CAP, TRIAL = 1.0007, 8.0, 2.3009  # of a quarantine, whose random part is always nothing
ROOT_RETRY, ROOT_FREE, ROOT_WINDOW, ROOT_FIRST, ROOT_CAP = 0.25, 3, 5.0, 0.05, 1.0  # of the root, which never gives up
SOON = 1.0  # a message waits for a restart that is so near


@dataclass(frozen=True)
class Node:
    """A leaf, or a supervisor with `strategy` and `children`. A moody leaf fails its second start of each three."""

    restart: str = "permanent"
    significant: bool = False
    moody: bool = False
    strategy: str = ""
    children: tuple[Node, ...] = ()
    restarts: int = 3
    seconds: float = 5.0
    on_exhausted: str = "escalate"
    auto_shutdown: str = "never"


@dataclass(eq=False)
class Place:
    """One address: what stays when an instance goes, and what its supervisor knows of it."""

    node: Node
    address: str
    above: Place | None
    alive: bool = False
    suspended: bool = False
    incarnation: int = 0
    restarts: int = 0
    started_at: float = 0.0
    back_at: float | None = None
    trial: bool = False
    done: bool = False  # nobody starts it by himself
    waits: int = 0
    step: int = 0
    timer: int = 0
    history: list[float] = field(default_factory=list)  # of a supervisor's instance, like `kids`
    kids: dict[str, Place] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """As it is shown to people."""
        if self.alive:
            return "suspended" if self.suspended else "half_open" if self.trial else "running"
        if self.back_at is not None:
            return "quarantined" if self.trial else "restarting"
        return "stopped"

    @property
    def id(self) -> str:
        """The last part of the address."""
        return self.address.rpartition("/")[2]
