"""A call to come in an actor's turn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from actors.runtime.system import TRACE

if TYPE_CHECKING:
    from actors.runtime.cell import Cell


class Timer:
    """A call to come, in an instance's turn. Once cancelled it is never made, even when its time has come already."""

    __slots__ = ("_alarm", "_cell", "_then", "_trace")

    def __init__(self, cell: Cell, seconds: float, then: Callable[[], None], *, overtake: bool) -> None:
        self._cell = cell
        self._then: Callable[[], None] | None = then
        self._trace = TRACE.get()
        self._alarm = cell.system.alarms.at(cell.system.now() + seconds, partial(self._fire, overtake))
        cell.timers = cell.timers or set()
        cell.timers.add(self)

    def cancel(self) -> None:
        """Nothing will be called."""
        self._alarm.lift()
        self._then = None
        self._cell.timers.discard(self)

    def _fire(self, overtake: bool) -> None:
        self._cell.timers.discard(self)
        self._cell.notice(self._call, overtake=overtake)

    def _call(self) -> None:
        if self._then is not None:
            TRACE.set(self._trace)
            self._then()
