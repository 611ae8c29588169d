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
from messages.supervision import Down, ExitReason
from supervisors.dynamic import DynamicSupervisor
from supervisors.spec import ChildSpec, Intensity
from supervisors.supervisor import Supervisor
from undying.daemon import Daemon, StateLocked

__all__ = [
    "Actor", "ActorSystem", "Address", "Ask", "AskFailed", "AsyncioActor", "ChildSpec", "Daemon", "Down", "DynamicSupervisor", "Exit", "ExitReason",
    "Fault", "Intensity", "Later", "Message", "Port", "Refusal", "Settings", "StartFailed", "StateLocked", "Supervisor",
]  # fmt: skip
