"""Supervision from code of the same process: what carries code itself, and so can be no message."""

from __future__ import annotations

from actors.runtime.system import ActorSystem
from messages.supervision import ChildStarted, StartChild
from supervisors.spec import ChildSpec


async def start_child(system: ActorSystem, address: str, spec: ChildSpec, *, timeout: float = 30.0) -> ChildStarted:
    """Has the supervisor at that address start one more child. Raises `AskFailed`: already_started, already_present, bad_spec, start_failed.

    The message carries only a number; the spec waits for it with the system, and never leaves the process.
    """
    ticket = system.unique()
    system.handed[ticket] = spec
    try:
        return await system.ask(address, StartChild(id=spec.id, handed=ticket), timeout=timeout)
    finally:
        system.handed.pop(ticket, None)
