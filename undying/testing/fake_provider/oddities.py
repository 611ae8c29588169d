"""Odd but healthy ways to answer: a client that takes one of these for a fault is wrong.

The two at the end spoil the connection for whoever comes next.
"""

from __future__ import annotations

from dataclasses import dataclass

from undying.testing.fake_provider.fault import Fault
from undying.testing.fake_provider.stage import Stage


class Healthy(Fault, name="healthy", shows="never"):
    """No fault: the answer, as it should be."""

    async def play(self, stage: Stage) -> None:
        await stage.answer()


class Crlf(Fault, name="crlf", shows="never"):
    """Events end in CR LF and comments stand between them; both are right."""

    async def play(self, stage: Stage) -> None:
        stage.newline, stage.comment = b"\r\n", b": keep-alive\n\n"
        await stage.answer()


class DripBytes(Fault, name="drip_bytes", shows="never"):
    """Each byte of the body comes in a write of its own: events and UTF-8 characters are split across reads."""

    async def play(self, stage: Stage) -> None:
        stage.drip = True
        await stage.answer()


class Bom(Fault, name="bom", shows="never"):
    """A stream begins with a byte order mark, which the SSE standard says to ignore."""

    async def play(self, stage: Stage) -> None:
        if stage.streaming:
            await stage.begin()
            await stage.write("\ufeff".encode())
        await stage.answer()


class NoDone(Fault, name="no_done", shows="never"):
    """A stream has its finish reason and ends, without [DONE]: some servers never send it."""

    async def play(self, stage: Stage) -> None:
        await stage.part(0)
        await stage.rest(done=False)
        await stage.end()


@dataclass(frozen=True)
class Finish(Fault, name="finish", shows="never"):
    """The answer ends for another reason than stop: length, content_filter. It is whole as far as the provider is concerned."""

    reason: str = "length"

    async def play(self, stage: Stage) -> None:
        if stage.streaming:
            await stage.part(0)
            await stage.rest(reason=self.reason)
            await stage.end()
        else:
            await stage.reply(200, stage.payload.document(self.reason))
            stage.whole = True


class DropKeepalive(Fault, name="drop_keepalive", shows="later"):
    """The answer is whole, then the kept-alive connection is closed without a word: whoever pooled it finds it dead."""

    async def play(self, stage: Stage) -> None:
        await stage.answer()
        stage.connection.hang_up()


class StaleConnection(Fault, name="stale_connection", shows="later"):
    """The first request of a connection is answered; any other over the same connection is met with a reset."""

    async def play(self, stage: Stage) -> None:
        if stage.connection.served > 1:
            await stage.rst()
        await stage.answer()
