"""Faults that break the connection, or HTTP itself.

A fault "at n" strikes after n tokens of a stream. A document has no tokens: there it strikes after the first half.
"""

from __future__ import annotations

from dataclasses import dataclass

from undying.testing.fake_provider.fault import Fault
from undying.testing.fake_provider.stage import Stage

GARBAGE = b"\x15\x03\x01\x00\x02\x02\x50 this is not HTTP\r\n\r\n"  # what a TLS port says to a plain client


class Refuse(Fault, name="refuse"):
    """The socket does not listen: connection refused, for everyone, until heal()."""

    async def play(self, stage: Stage) -> None:
        await stage.rst()  # a request that was under way when the port was shut


class Reset(Fault, name="reset"):
    """RST before any byte of an answer."""

    async def play(self, stage: Stage) -> None:
        await stage.rst()


@dataclass(frozen=True)
class ResetAt(Fault, name="reset_at"):
    """RST after n tokens."""

    tokens: int = 3

    async def play(self, stage: Stage) -> None:
        await stage.part(self.tokens)
        await stage.rst()


class Close(Fault, name="close"):
    """FIN without an answer."""

    async def play(self, stage: Stage) -> None:
        await stage.fin()


@dataclass(frozen=True)
class CutAt(Fault, name="cut_at"):
    """FIN after n tokens, without the terminating chunk of HTTP."""

    tokens: int = 3

    async def play(self, stage: Stage) -> None:
        await stage.part(self.tokens)
        await stage.fin()


@dataclass(frozen=True)
class TruncatedLength(Fault, name="truncated_length"):
    """Content-Length promises more than comes before FIN."""

    tokens: int = 3

    async def play(self, stage: Stage) -> None:
        await stage.begin(length=len(stage.payload.document()) + 100_000)
        await stage.part(self.tokens)
        await stage.fin()


class Garbage(Fault, name="garbage"):
    """Bytes that are no HTTP, then FIN."""

    async def play(self, stage: Stage) -> None:
        await stage.raw(GARBAGE)
        await stage.fin()


@dataclass(frozen=True)
class BadChunking(Fault, name="bad_chunking"):
    """After n tokens a chunk begins with a size that is none."""

    tokens: int = 3

    async def play(self, stage: Stage) -> None:
        await stage.part(self.tokens)
        await stage.raw(b"zz\r\nno size\r\n")
        await stage.fin()


class BadGzip(Fault, name="bad_gzip"):
    """Content-Encoding says gzip, the body is not."""

    async def play(self, stage: Stage) -> None:
        await stage.reply(200, stage.everything(), stage.content_type, {"Content-Encoding": "gzip"})


@dataclass(frozen=True)
class HugeHeader(Fault, name="huge_header"):
    """A header so long that clients refuse to read on."""

    size: int = 1_000_000

    async def play(self, stage: Stage) -> None:
        await stage.reply(200, stage.everything(), stage.content_type, {"X-Padding": "x" * self.size})
