"""Faults that only a time limit can tell. `release()` lets them go on to the rest of the healthy answer.

A fault "at n" strikes after n tokens of a stream. A document has no tokens: there it strikes after the first half.
"""

from __future__ import annotations

from dataclasses import dataclass

from undying.testing.fake_provider.fault import Fault
from undying.testing.fake_provider.stage import Stage


class Hang(Fault, name="hang", shows="by_waiting"):
    """The request is read and never answered."""

    async def play(self, stage: Stage) -> None:
        await stage.hang()
        await stage.answer()


class HangHeaders(Fault, name="hang_headers", shows="by_waiting"):
    """Status and headers come, then nothing."""

    async def play(self, stage: Stage) -> None:
        await stage.begin()
        await stage.hang()
        await stage.part(0)
        await stage.rest()
        await stage.end()


@dataclass(frozen=True)
class HangAt(Fault, name="hang_at", shows="by_waiting"):
    """The stream stalls after n tokens."""

    tokens: int = 3

    async def play(self, stage: Stage) -> None:
        await stage.part(self.tokens)
        await stage.hang()
        await stage.rest()
        await stage.end()


class HangEnd(Fault, name="hang_end", shows="by_waiting"):
    """Everything is said, [DONE] included, but the body never ends: who waits for its end waits for ever."""

    async def play(self, stage: Stage) -> None:
        await stage.part(0)
        await stage.rest()
        await stage.hang()
        await stage.end()


@dataclass(frozen=True)
class OnlyComments(Fault, name="only_comments", shows="by_waiting"):
    """Comments keep the connection alive, and no token ever comes (in a document: white space)."""

    seconds: float = 0.05

    async def play(self, stage: Stage) -> None:
        await stage.begin()
        while not stage.released:
            await stage.write(b": keep-alive\n\n" if stage.streaming else b"\n")
            await stage.pause(self.seconds)
        await stage.part(0)
        await stage.rest()
        await stage.end()


@dataclass(frozen=True)
class Endless(Fault, name="endless", shows="by_waiting"):
    """Tokens that never stop; only a limit for the whole attempt ends it (in a document: digits)."""

    seconds: float = 0.01

    async def play(self, stage: Stage) -> None:
        await stage.part(0)
        token = (stage.payload.tokens() or [b": nothing\n\n"])[0] if stage.streaming else b"0"
        while not stage.released:
            await stage.token(token)
            await stage.pause(self.seconds)
        await stage.rest()
        await stage.end()


@dataclass(frozen=True)
class SlowFirst(Fault, name="slow_first", shows="by_waiting"):
    """Nothing at all for so many seconds, then the whole answer."""

    seconds: float = 1.0

    async def play(self, stage: Stage) -> None:
        await stage.pause(self.seconds)
        await stage.answer()


@dataclass(frozen=True)
class SlowDrip(Fault, name="slow_drip", shows="by_waiting"):
    """So many seconds before each token."""

    seconds: float = 0.1

    async def play(self, stage: Stage) -> None:
        stage.token_delay = self.seconds
        await stage.answer()
