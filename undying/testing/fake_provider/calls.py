"""What the fake provider was asked, how each call ended, and how a test waits for it without sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from undying.testing.fake_provider.payloads import Body

Outcome = Literal["running", "completed", "faulted", "rejected", "client_gone", "stopped"]
"""How a call ended.

completed     answered in full
faulted       the fault was played to its end
rejected      the caller's mistake: unknown path or model, wrong key, no JSON
client_gone   the client went away before the end
stopped       the fake was closed or killed meanwhile
"""

Kind = Literal["call", "probe"]
"""A call is a POST and costs money; a probe is a GET, as health checks and discovery send it."""


@dataclass(eq=False)
class Call:
    """One request. `path` is without the fault in it, `started` and `ended` are seconds of the loop's clock, `tokens` were sent so far."""

    number: int
    kind: Kind
    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    body: Body
    started: float
    fault: str = "healthy"
    ended: float | None = None
    outcome: Outcome = "running"
    tokens: int = 0

    def __str__(self) -> str:
        return f"{self.method} {self.path} ({self.fault}): {self.outcome}, {self.tokens} tokens"


@dataclass
class Ledger:
    """Every call, and whoever waits for one."""

    calls: list[Call] = field(default_factory=list)
    probes: list[Call] = field(default_factory=list)
    in_flight: int = 0
    max_in_flight: int = 0
    _pulse: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, call: Call) -> None:
        """A request is here, whole."""
        if call.kind == "probe":
            self.probes.append(call)
        else:
            self.calls.append(call)
            self.in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self.in_flight)
        self.changed()

    def end(self, call: Call, outcome: Outcome, now: float) -> None:
        """The first verdict stands: whoever cuts a connection says so before the loss of it is noticed."""
        if call.outcome != "running":
            return
        call.outcome = outcome
        call.ended = now
        if call.kind == "call":
            self.in_flight -= 1
        self.changed()

    def changed(self) -> None:
        """Wakes everyone who waits; each looks for himself."""
        self._pulse.set()
        self._pulse.clear()

    async def until(self, holds: Callable[[], bool], limit: float, what: str) -> None:
        """Waits until it holds, at most `limit` seconds. The error tells what did happen."""
        try:
            async with asyncio.timeout(limit):
                while not holds():
                    await self._pulse.wait()
        except TimeoutError:
            seen = "".join(f"\n  {call}" for call in [*self.calls, *self.probes]) or " nothing at all"
            raise TimeoutError(f"waited {limit:g} s for {what}; what was seen:{seen}") from None
