"""The whole gateway inside a host app: `async with Daemon(...) as gateway`.

A daemon reads no environment and discovers nothing by itself; `run.py` does that. It owns its state directory while it runs.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from contextlib import AsyncExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import orjson

from actors.runtime.crashes import Crashes
from actors.runtime.decision_log import log_decision
from actors.runtime.log import configure_library
from actors.runtime.system import ActorSystem
from actors.runtime.watchdog import Watchdog
from messages.config import EMBEDDED, ProviderSettings, Settings
from supervisors.tree import Tree
from undying.version import VERSION

LOCK = "lock"
RUNNING = "running.json"
CRASHES = "crashes"


class StateLocked(Exception):
    """The state directory is not to be had: another daemon owns it, or it can't be used. The text says which, and the remedy."""


class Daemon:
    """A gateway with its actors, started and stopped with `async with`, on the loop it is entered on.

    `settings` as in config.yaml; `Settings.model_validate({...})` takes the same names. After the start `url` says where it listens
    (`server.port` 0 picks a free port) and `system` takes messages: `daemon.system.ask("/routing/router", ListModels())`.
    """

    def __init__(self, settings: Settings | dict[str, Any] | None = None) -> None:
        given = settings if isinstance(settings, Settings) else Settings.model_validate(settings or {})
        self.settings = given.model_copy(update={"providers": with_embedded(given.providers)})
        self._undo = AsyncExitStack()
        self._tree: Tree | None = None

    @property
    def tree(self) -> Tree:
        """The running tree."""
        assert self._tree is not None, "the daemon does not run"
        return self._tree

    @property
    def system(self) -> ActorSystem:
        """The actor system: tell, ask, inject."""
        return self.tree.system

    @property
    def url(self) -> str:
        """Where it listens, such as http://127.0.0.1:8700."""
        return self.tree.gate.url

    async def start(self) -> None:
        """Starts it. Raises `StateLocked`, or `StartFailed` with the actor and the reason."""
        configure_library()
        state = Path(self.settings.state_dir)
        async with AsyncExitStack() as undo:
            undo.enter_context(closing(lock_state(state)))
            crashes = Crashes(state / CRASHES, version=VERSION, wall=time.time, keep_content=self.settings.crashes.keep_content)
            undo.push_async_callback(crashes.close)
            tree = Tree(ActorSystem(wire=self.settings.wire, crashes=crashes), self.settings, VERSION, time.time)
            undo.push_async_callback(tree.close)
            tree.system.recorders.append(log_decision)
            await tree.start()
            tree.gate.watchdog = Watchdog(tree.system)  # after the start, which reads many modules and may take its time
            undo.callback(tree.gate.watchdog.stop)
            self._tree = tree
            running = state / RUNNING
            write_private(running, orjson.dumps({"pid": os.getpid(), "url": self.url, "version": VERSION}))
            undo.callback(running.unlink, missing_ok=True)
            undo.push_async_callback(self.system.stop_root)
            self._undo = undo.pop_all()

    async def stop(self) -> None:
        """Drains for up to 10 s, then stops everything in reverse order."""
        await self._undo.aclose()
        await asyncio.sleep(0)  # connections that were closed get the turn in which they go

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self.stop()


def with_embedded(providers: dict[str, ProviderSettings]) -> dict[str, ProviderSettings]:
    """The providers with the embedded one, which is always there, last."""
    return {**providers, EMBEDDED: providers.get(EMBEDDED) or ProviderSettings(kind="embedded")}


def lock_state(state: Path) -> IO[str]:
    """Makes the directory (for its owner only) and takes it; held until the file is closed, or the process dies. Raises `StateLocked`."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.fdopen(os.open(state / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    except OSError as error:
        raise StateLocked(f"the state directory {state} can't be used ({error.strerror}): choose another with --state DIR or state_dir") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip() or "another process"
        lock.close()
        raise StateLocked(f"the state directory {state} belongs to {owner}, which is running: stop it, or choose another with --state DIR") from None
    lock.truncate(0)
    lock.write(f"process {os.getpid()}")
    lock.flush()
    return lock


def write_private(path: Path, data: bytes) -> None:
    """Writes a file for its owner only, whole or not at all."""
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(data)
    fresh.replace(path)
