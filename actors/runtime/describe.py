"""What is told of an actor: to whoever asks `Describe`, and so to `/status/tree`. Read from its cell, whatever the actor itself is doing."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from messages.supervision import ActorStatus

if TYPE_CHECKING:
    from actors.runtime.cell import Cell


def status_of(cell: Cell, depth: int, limit: int) -> ActorStatus:
    """What is known of this actor now, and of its children down to `depth` levels (-1: all), at most `limit` of them altogether."""
    return _status(cell, depth, [limit])


def _status(cell: Cell, depth: int, room: list[int]) -> ActorStatus:
    """`room` is how many more may be told: those of one actor first, then what is below them."""
    children = tuple(islice(cell.children.values(), room[0])) if depth else ()
    room[0] -= len(children)
    now, instance, oldest = cell.system.now(), cell.instance, cell.mailbox.oldest()
    pid = None if instance is None else instance.pid
    return ActorStatus(
        address=cell.address, actor="" if instance is None else instance.title, state=cell.shown_state,
        incarnation=cell.incarnation, restarts=cell.restarts, restart_type=cell.restart_type,
        strategy="" if instance is None else instance.strategy_name,
        depth=cell.mailbox.depth, oldest_ms=0 if oldest is None else int((now - oldest.at) * 1000), high_water=max(cell.mailbox.high_water, cell.mailbox.depth),
        handled=cell.handled, busy_ms=int(cell.busy * 1000), uptime_ms=0 if instance is None else int((now - cell.started_at) * 1000),
        last_exit=cell.last_exit, last_exit_ms_ago=None if cell.last_exit is None else int((now - cell.last_exit_at) * 1000),
        next_restart_ms=None if cell.restart_at is None else max(0, int((cell.restart_at - now) * 1000)),
        isolation=cell.isolation, pid=pid, memory_kb=None if pid is None else resident_kb(pid),
        bytes=cell.mailbox.size, stashed=cell.mailbox.stashed, crashes=cell.crashes, significant=cell.significant,
        understands=tuple(sorted(cell.accepts)),
        children=tuple(_status(child, depth - 1, room) for child in children), untold=len(cell.children) - len(children) if depth else 0,
    )  # fmt: skip


def resident_kb(pid: int) -> int | None:
    """How much memory a process holds, where /proc tells; None when it is gone."""
    try:
        lines = Path("/proc", str(pid), "status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), None)
