"""Undying: a self-healing gateway for language models, with memory. Host apps import from here, and only from here.

    from undying import Daemon
    async with Daemon({"server": {"port": 0}}) as gateway:
        print(gateway.url)

Names are loaded on first use, so that `import undying` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from undying.version import VERSION as __version__

if TYPE_CHECKING:
    from undying.exports import *  # noqa: F403

__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    exports = import_module("undying.exports")
    if name not in exports.__all__:
        raise AttributeError(f"undying has no {name!r}; it has {', '.join(exports.__all__)}")
    return getattr(exports, name)
