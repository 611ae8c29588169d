"""Which fault a call gets, if its URL names none: the next of the script, else what is always, else none.

`refuse` is a state of the port and not of a call: it is due as soon as its turn has come, and nobody takes it, since a refused call
never arrives to be counted.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from undying.testing.fake_provider.breaks import Refuse
from undying.testing.fake_provider.calls import Kind
from undying.testing.fake_provider.fault import Fault, parse
from undying.testing.fake_provider.oddities import Healthy

On = Literal["calls", "probes", "everything"]
"""What a fault strikes: POSTs, GETs, or both."""

HEALTHY = Healthy()
_KINDS: dict[On, tuple[Kind, ...]] = {"calls": ("call",), "probes": ("probe",), "everything": ("call", "probe")}


def as_fault(fault: Fault | str) -> Fault:
    """A fault may be given by its spec."""
    return parse(fault) if isinstance(fault, str) else fault


class Agenda:
    """What is to come."""

    def __init__(self) -> None:
        self._script: dict[Kind, deque[Fault]] = {"call": deque(), "probe": deque()}
        self._always: dict[Kind, Fault] = {}

    def script(self, faults: list[Fault], on: Literal["calls", "probes"]) -> None:
        """One for each call, after those that were scripted before."""
        queue = self._script[_KINDS[on][0]]
        if any(isinstance(fault, Refuse) for fault in [*queue, *faults][:-1]):
            raise ValueError("refuse must be the last fault of a script: the port stays shut until heal(), and no later call arrives")
        queue.extend(faults)

    def always(self, fault: Fault, on: On) -> None:
        """For every call that finds the script empty."""
        if isinstance(fault, Refuse) and on != "everything":
            raise ValueError(f"refuse shuts the whole port, it can't be for {on} alone")
        self._always |= dict.fromkeys(_KINDS[on], fault)

    def clear(self) -> None:
        """Nothing is to come."""
        self._always.clear()
        for queue in self._script.values():
            queue.clear()

    def take(self, kind: Kind) -> Fault:
        """The fault of the call that is here now."""
        queue = self._script[kind]
        if queue and not isinstance(queue[0], Refuse):
            return queue.popleft()
        return self._always.get(kind, HEALTHY)

    @property
    def refuses(self) -> bool:
        """Whether the port must be shut now."""
        return any(isinstance(fault, Refuse) for fault in [*self._always.values(), *(queue[0] for queue in self._script.values() if queue)])
