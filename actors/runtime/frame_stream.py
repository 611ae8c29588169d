"""Frames over a stream socket: four bytes of length, then the frame. Both ends of a process host speak it.

Frames of one turn of the loop are written together: a system call costs more than most messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from struct import Struct

_LENGTH = Struct(">I")
MAX_FRAME = 256 * 1024 * 1024  # what is longer is no frame of ours: a mailbox holds less

Lost = Callable[[str], None]


class FrameStream(asyncio.Protocol):
    """One end. `heard` gets the frames, `lost` is told once why there will be no more: closed, or rubbish."""

    def __init__(self, heard: Callable[[list[bytes]], None], lost: Lost) -> None:
        self._heard = heard
        self._lost = lost
        self._transport: asyncio.WriteTransport | None = None
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []
        self._rest = bytearray()
        self._told = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """For the loop."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """For the loop."""
        self._rest += data
        frames, at = [], 0
        while len(self._rest) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._rest, at)
            if length > MAX_FRAME:
                self._give_up(f"a frame of {length} bytes, at most {MAX_FRAME} are")
                break
            end = at + _LENGTH.size + length
            if len(self._rest) < end:
                break
            frames.append(bytes(self._rest[at + _LENGTH.size : end]))
            at = end
        del self._rest[:at]
        if frames:
            self._heard(frames)

    def connection_lost(self, error: Exception | None) -> None:
        """For the loop."""
        self._transport = None
        if not self._told:
            self._lost("")

    def _give_up(self, why: str) -> None:
        self._told = True
        self._rest.clear()
        self.close()
        self._lost(why)

    def send(self, frame: bytes) -> None:
        """Sends a frame, at the end of this turn. What nobody can hear any more is dropped."""
        if self._transport is None:
            return
        if not self._out:
            self._loop.call_soon(self.flush)
        self._out += (_LENGTH.pack(len(frame)), frame)

    def flush(self) -> None:
        """Writes what is there."""
        out, self._out = self._out, []
        if out and self._transport is not None:
            self._transport.write(b"".join(out))

    def close(self) -> None:
        """Writes what is there and ends the connection."""
        self.flush()
        if self._transport is not None:
            self._transport.close()
