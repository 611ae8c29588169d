"""What `undying` offers, gathered from where it is made."""

from __future__ import annotations

from actors.runtime.asyncio_actor import AsyncioActor
from actors.runtime.exits import Exit
from actors.runtime.port import Port
from actors.runtime.supervised import Later
from actors.runtime.supervised import SupervisedActor as Actor
from actors.runtime.system import ActorSystem, StartFailed
from messages.config import Settings
from messages.envelope import Address
from messages.faults import Fault
from messages.message import Ask, Message
from messages.outcome import AskFailed, Refusal
from messages.supervision import (
    CountChildren,
    Crash,
    Decision,
    Delay,
    DeleteChild,
    Describe,
    Down,
    Drop,
    ExitReason,
    GetChildSpec,
    RestartChild,
    Resume,
    StartChild,
    Suspend,
    TerminateChild,
    WhichChildren,
)  # fmt: skip
from supervisors.dynamic import DynamicSupervisor
from supervisors.local import start_child
from supervisors.quarantine import Quarantine
from supervisors.restart import Backoff
from supervisors.spec import BadSpec, ChildSpec, Intensity
from supervisors.supervisor import Supervisor
from undying.daemon import Daemon, StateLocked

__all__ = [
    "Actor", "ActorSystem", "Address", "Ask", "AskFailed", "AsyncioActor", "Backoff", "BadSpec", "ChildSpec", "CountChildren", "Crash", "Daemon",
    "Decision", "Delay", "DeleteChild", "Describe", "Down", "Drop", "DynamicSupervisor", "Exit", "ExitReason", "Fault", "GetChildSpec", "Intensity",
    "Later", "Message", "Port", "Quarantine", "Refusal", "RestartChild", "Resume", "Settings", "StartChild", "StartFailed", "StateLocked",
    "Supervisor", "Suspend", "TerminateChild", "WhichChildren", "start_child",
]  # fmt: skip
