"""What a supervisor is told about its children, checked field by field; pure.

OTP's vocabulary: a child spec says how to start a child and what to do when it ends, an intensity how many restarts are too many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, get_args

from actors.runtime.origin import origin_of
from messages.message import Ask
from messages.supervision import Isolation, RestartType
from supervisors.importable import NotImportable, importable

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]

StopOrder = Literal["reverse", "together"]

OnExhausted = Literal["escalate", "backoff", "quarantine"]
"""What follows when restarts come faster than the intensity allows: end (and let the supervisor above decide), go on ever slower, or shut
the child away and try it again with one instance on trial."""

AutoShutdown = Literal["never", "any_significant", "all_significant"]
"""When a supervisor ends because its significant children ended by themselves: never, with the first of them, or with the last."""


class BadSpec(ValueError):
    """A spec that can't be right. The text names the field, what was found, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Intensity:
    """At most `restarts` within `seconds`; one more is too many. OTP's default is 1 in 5, ours 3 in 5."""

    restarts: int = 3
    seconds: float = 5.0

    def __post_init__(self) -> None:
        """Refuses what can't be counted."""
        if type(self.restarts) is not int or self.restarts < 0:
            raise BadSpec(f"intensity.restarts: {self.restarts!r}, must be a whole number >= 0")
        if not isinstance(self.seconds, int | float) or not self.seconds > 0:
            raise BadSpec(f"intensity.seconds: {self.seconds!r}, must be > 0")


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child: `id` is the last part of its address, `start` makes an instance.

    `shutdown` is how many seconds its `on_stop` may take, None for ever, 0 for none (a brutal kill). `mailbox` bounds what may wait
    for it: messages, bytes; None for the defaults. A `significant` child may end its supervisor, see `AutoShutdown`. `isolation` says
    where it runs; a thread or process that gives no sign of life for `hung_after` seconds (None: for ever) counts as dead. `probe` is what
    an instance on trial has to answer before it is let out of quarantine.
    """

    id: str
    start: Callable[[], Any]
    restart: RestartType = "permanent"
    shutdown: float | None = 5.0
    mailbox: tuple[int, int] | None = None
    significant: bool = False
    isolation: Isolation = "task"
    hung_after: float | None = 30.0
    probe: Ask[Any] | None = None

    def __post_init__(self) -> None:
        """Refuses a spec that can't be right."""
        if not isinstance(self.id, str) or not self.id or "/" in self.id:
            raise BadSpec(f"id: {self.id!r}, must be a non-empty string without '/'")
        if not callable(self.start):
            raise BadSpec(f"start of {self.id!r}: {self.start!r}, must be callable without arguments and return an actor")
        one_of(RestartType, f"restart of {self.id!r}", self.restart)
        if self.shutdown is not None and not (isinstance(self.shutdown, int | float) and 0 <= self.shutdown < inf):
            raise BadSpec(f"shutdown of {self.id!r}: {self.shutdown!r}, must be seconds >= 0, or None for ever")
        match self.mailbox:
            case None:
                pass
            case (int(messages), int(size)) if messages >= 1 and size >= 1:
                pass
            case _:
                raise BadSpec(f"mailbox of {self.id!r}: {self.mailbox!r}, must be (messages >= 1, bytes >= 1)")
        if type(self.significant) is not bool:
            raise BadSpec(f"significant of {self.id!r}: {self.significant!r}, must be True or False")
        if self.significant and self.restart == "permanent":
            raise BadSpec(f"significant of {self.id!r}: True, must be False for a permanent child: it never ends for good; or make it transient or temporary")
        one_of(Isolation, f"isolation of {self.id!r}", self.isolation)
        self._check_isolation()
        if self.hung_after is not None and not (isinstance(self.hung_after, int | float) and 0 < self.hung_after < inf):
            raise BadSpec(f"hung_after of {self.id!r}: {self.hung_after!r}, must be seconds > 0, or None for ever")
        if self.probe is not None and not isinstance(self.probe, Ask):
            raise BadSpec(f"probe of {self.id!r}: {self.probe!r}, must be an Ask that the child answers when it is well, or None")

    def _check_isolation(self) -> None:
        """Whether the actor can live there."""
        if self.isolation == "task":
            return
        made = origin_of(self.start).made
        if isinstance(made, type) and any(vars(base).get("strategy_name") for base in made.__mro__):
            raise BadSpec(f"isolation of {self.id!r}: {self.isolation!r}, must be 'task' for a supervisor: only its children may live elsewhere")
        if self.isolation == "process":
            try:
                importable(self.start)
            except NotImportable as error:
                raise BadSpec(f"start of {self.id!r}: another process can't be told to start it: {error}") from error


def fitting(spec: ChildSpec, auto_shutdown: AutoShutdown) -> ChildSpec:
    """The spec, if it can live under a supervisor with this setting. Raises `BadSpec`."""
    if spec.significant and auto_shutdown == "never":
        raise BadSpec(f"significant of {spec.id!r}: True, but its supervisor's auto_shutdown is 'never': give that any_significant or all_significant")
    return spec


def not_negative(name: str, found: object) -> None:
    """Refuses what is no number of seconds. Raises `BadSpec`."""
    if not isinstance(found, int | float) or not found >= 0:
        raise BadSpec(f"{name}: {found!r}, must be seconds >= 0")


def one_of(allowed: Any, name: str, found: object) -> None:
    """Refuses what is not among a Literal's values. Raises `BadSpec`."""
    if found not in get_args(allowed):
        raise BadSpec(f"{name}: {found!r}, must be one of {', '.join(get_args(allowed))}")


def checked(specs: tuple[ChildSpec, ...]) -> tuple[ChildSpec, ...]:
    """The specs, if they can live under one supervisor. Raises `BadSpec`."""
    seen: set[str] = set()
    for spec in specs:
        if not isinstance(spec, ChildSpec):
            raise BadSpec(f"{spec!r} is not a ChildSpec")
        if spec.id in seen:
            raise BadSpec(f"id: {spec.id!r} is there twice; ids must differ under one supervisor")
        seen.add(spec.id)
    return specs
