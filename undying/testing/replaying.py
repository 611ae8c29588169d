"""A crash in production as a test, in one line: `await replay("0mh2k1x8q-7f3a")`.

It fails with the actor's own exception as long as the bug is there, and passes once it is mended.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors.runtime.crash_file import load
from actors.runtime.recipe import NoRecipe
from actors.runtime.replay import LIMIT, Replayed, given
from actors.runtime.replay import replay as run
from actors.runtime.supervised import SupervisedActor
from messages.config import Settings
from supervisors.factory import source_of
from undying.daemon import CRASHES, with_embedded
from undying.version import VERSION


async def replay(
    crash: str | os.PathLike[str],
    factory: Callable[[], SupervisedActor[Any]] | None = None,
    *,
    state_dir: str | os.PathLike[str] = "state",
    settings: Settings | None = None,
    limit: float = LIMIT,
) -> Replayed:
    """Gives the recorded messages to a fresh instance, in a sandbox, and raises what it raises.

    `crash` is an id below `state_dir`, or the path of a crash file, which may lie beside the test. `factory` makes the actor; None makes
    it as the file says, or as the gateway's own tree has it at that address (with `settings`). `limit` is in seconds of real time.

    Returns when the instance survives. Raises `AssertionError` when the messages did not get as far as the instance, so that a pass would
    prove nothing, and `Damaged` when there is no such file. Run `run.py replay ID` first: a crash that does not come back before anything
    is mended (its doubts say why) would pass here as well.
    """
    found = await asyncio.to_thread(load, os.fspath(crash), Path(state_dir, CRASHES))
    try:
        source = given(factory) if factory is not None else source_of(found.head, _with_embedded(settings), VERSION)
        replayed = await asyncio.to_thread(run, found, source, limit)
    except NoRecipe as error:
        raise AssertionError(f"{found.head.id} can't be replayed: {error}") from None
    which = f"crash {found.head.id}: {found.head.reason.error} of {found.head.address} ({found.head.actor})"
    if replayed.error is not None:
        replayed.error.add_note(which if replayed.verdict == "same" else f"another end than that of {which}\n{found.head.traceback}")
        raise replayed.error
    if replayed.verdict in ("same", "another"):
        raise AssertionError(f"it crashed again: {replayed.reason}; {which}")
    if replayed.verdict == "impossible":
        raise AssertionError(f"{which} can't be replayed: {'; '.join(replayed.doubts)}")
    return replayed


def _with_embedded(settings: Settings | None) -> Settings:
    given = settings or Settings()
    return given.model_copy(update={"providers": with_embedded(given.providers)})
