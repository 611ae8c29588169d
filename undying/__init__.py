"""Undying: a self-healing gateway for language models, with memory. Host apps import from here, and only from here.

    from undying import Daemon
    async with Daemon({"server": {"port": 0}}) as gateway:
        print(gateway.url)

Names are loaded on first use, so that `import undying` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from undying.version import VERSION as __version__

if TYPE_CHECKING:
    from undying.exports import (
        Actor, ActorSystem, Address, Ask, AskFailed, AsyncioActor, ChildSpec, Daemon, Down, DynamicSupervisor, Exit, ExitReason, Fault, Intensity, Later,
        Message, Port, Refusal, Settings, StartFailed, StateLocked, Supervisor,
    )  # fmt: skip

__all__ = [
    "Actor", "ActorSystem", "Address", "Ask", "AskFailed", "AsyncioActor", "ChildSpec", "Daemon", "Down", "DynamicSupervisor", "Exit", "ExitReason",
    "Fault", "Intensity", "Later", "Message", "Port", "Refusal", "Settings", "StartFailed", "StateLocked", "Supervisor", "__version__",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"undying has no {name!r}; it has {', '.join(__all__)}")
    from undying import exports

    return getattr(exports, name)
