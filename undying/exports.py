"""What `undying` offers, gathered from where it is made."""

from __future__ import annotations

from actors.runtime.asyncio_actor import AsyncioActor as AsyncioActor
from actors.runtime.cell import Exit as Exit
from actors.runtime.port import Port as Port
from actors.runtime.supervised import Later as Later
from actors.runtime.supervised import SupervisedActor as Actor
from actors.runtime.system import ActorSystem as ActorSystem
from actors.runtime.system import StartFailed as StartFailed
from messages.config import Settings as Settings
from messages.envelope import Address as Address
from messages.faults import Fault as Fault
from messages.message import Ask as Ask
from messages.message import Message as Message
from messages.outcome import AskFailed as AskFailed
from messages.outcome import Refusal as Refusal
from messages.supervision import Down as Down
from messages.supervision import ExitReason as ExitReason
from supervisors.spec import ChildSpec as ChildSpec
from supervisors.spec import Intensity as Intensity
from supervisors.supervisor import DynamicSupervisor as DynamicSupervisor
from supervisors.supervisor import Supervisor as Supervisor
from undying.daemon import Daemon as Daemon
from undying.daemon import StateLocked as StateLocked

