"""Where a child lives, as its spec says: on this loop, in a thread, or in a process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from actors.runtime.cell import Cell
from actors.runtime.host import Host, Hosted
from actors.runtime.lending import LendingMailbox
from actors.runtime.origin import origin_of
from actors.runtime.process_host import ProcessHost
from actors.runtime.supervised import SupervisedActor
from actors.runtime.thread_host import ThreadHost
from messages.supervision import Isolation
from supervisors.importable import importable

HUNG_AFTER = 30.0


def house(cell: Cell, start: Callable[[], Any], isolation: Isolation, hung_after: float | None = HUNG_AFTER) -> None:
    """From its next start on, the cell's actor lives there."""
    cell.isolation = isolation
    if isolation == "task":
        cell.factory = start
        return
    if not isinstance(cell.mailbox, LendingMailbox):
        cell.mailbox = LendingMailbox(cell.mailbox)
    host: Callable[[], Host] = partial(ThreadHost, start) if isolation == "thread" else partial(ProcessHost, *importable(start))
    cell.factory = partial(_hosted, host, start, actor_class(start), hung_after)


def _hosted(host: Callable[[], Host], start: Callable[[], Any], make: type[SupervisedActor[Any]] | None, hung_after: float | None) -> Hosted:
    return Hosted(host(), start, make, hung_after)


def actor_class(start: Callable[[], Any]) -> type[SupervisedActor[Any]] | None:
    """The class of actor that this makes, where one can see it without calling it."""
    made = origin_of(start).made
    return made if isinstance(made, type) and issubclass(made, SupervisedActor) else None
