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
from messages.message import Ask, Message, Part
from messages.outcome import AskFailed, Crashed, DeadlinePassed, Full, NoSuchAddress, Outcome, Refusal, Refused
from messages.supervision import (
    ActorStatus,
    ChildrenListed,
    ChildStarted,
    CountChildren,
    Crash,
    Decision,
    Delay,
    DeleteChild,
    Describe,
    Described,
    Down,
    Drop,
    ExitReason,
    GetChildSpec,
    History,
    RestartChild,
    Resume,
    StartChild,
    Suspend,
    TellHistory,
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
from undying.standalone import supervise

__all__ = [
    "Actor", "ActorStatus", "ActorSystem", "Address", "Ask", "AskFailed", "AsyncioActor", "Backoff", "BadSpec", "ChildSpec", "ChildStarted",
    "ChildrenListed", "CountChildren", "Crash", "Crashed", "Daemon", "DeadlinePassed", "Decision", "Delay", "DeleteChild", "Describe", "Described",
    "Down", "Drop", "DynamicSupervisor", "Exit", "ExitReason", "Fault", "Full", "GetChildSpec", "History", "Intensity", "Later", "Message",
    "NoSuchAddress", "Outcome", "Part", "Port", "Quarantine", "Refusal", "Refused", "RestartChild", "Resume", "Settings", "StartChild", "StartFailed",
    "StateLocked", "Supervisor", "Suspend", "TellHistory", "TerminateChild", "WhichChildren", "start_child", "supervise",
]  # fmt: skip
