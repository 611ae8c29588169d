"""Frames over a stream socket, however they are cut on the way. On a real loop, over a real pair of sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from actors.runtime.frame_stream import MAX_FRAME, FrameStream


class End:
    """One end, and what came out of it."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.bursts = 0
        self.ends: list[str] = []
        self.news = asyncio.Event()
        self.stream = FrameStream(self.heard, self.lost)

    def heard(self, frames: list[bytes]) -> None:
        self.frames += frames
        self.bursts += 1
        self.news.set()

    def lost(self, why: str) -> None:
        self.ends.append(why)
        self.news.set()

    async def until(self, frames: int = 0, ends: int = 0) -> None:
        async with asyncio.timeout(10):
            while len(self.frames) < frames or len(self.ends) < ends:
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[End, socket.socket]]:
    """An end, and the bare socket at the other one."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    end = End()
    with theirs:
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: end.stream, sock=ours)
        yield end, theirs
        transport.abort()
        await end.until(ends=1)


def framed(*frames: bytes) -> bytes:
    return b"".join(len(frame).to_bytes(4) + frame for frame in frames)


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5, 7, 1000])
async def test_frames_arrive_whole_and_in_order_wherever_the_stream_is_cut(cut: int) -> None:
    frames = [b"one", b"", b"three" * 20, b"4"]
    data = framed(*frames)
    async with pair() as (end, theirs):
        for at in range(0, len(data), cut):
            await asyncio.get_running_loop().sock_sendall(theirs, data[at : at + cut])
            await asyncio.sleep(0)
        await end.until(frames=4)
        assert end.frames == frames


async def test_frames_of_one_turn_are_written_together_and_flush_writes_them_at_once() -> None:
    async with pair() as (end, theirs):
        end.stream.send(b"a")
        end.stream.send(b"b")
        with pytest.raises(BlockingIOError):
            theirs.recv(100)
        end.stream.flush()
        assert theirs.recv(100) == framed(b"a", b"b")
        end.stream.send(b"c")
        await asyncio.sleep(0)
        assert theirs.recv(100) == framed(b"c")


async def test_a_large_frame_arrives_whole() -> None:
    frame = bytes(range(256)) * 40_000
    async with pair() as (end, theirs):
        await asyncio.get_running_loop().sock_sendall(theirs, framed(frame, b"next"))
        await end.until(frames=2)
        assert end.frames == [frame, b"next"]


async def test_the_end_of_the_other_side_is_told_once_and_without_a_reason() -> None:
    async with pair() as (end, theirs):
        theirs.close()
        await end.until(ends=1)
        end.stream.send(b"nobody hears it")
        end.stream.flush()
        end.stream.close()
    assert end.ends == [""]


async def test_a_frame_longer_than_any_is_rubbish_and_ends_the_connection() -> None:
    async with pair() as (end, theirs):
        await asyncio.get_running_loop().sock_sendall(theirs, framed(b"good") + (MAX_FRAME + 1).to_bytes(4) + b"x")
        await end.until(frames=1, ends=1)
        assert theirs.recv(1) == b""
        assert end.frames == [b"good"]
    assert end.ends == [f"a frame of {MAX_FRAME + 1} bytes, at most {MAX_FRAME} are"]


async def test_closing_writes_what_is_there() -> None:
    async with pair() as (end, theirs):
        end.stream.send(b"last words")
        end.stream.close()
        await end.until(ends=1)
        assert theirs.recv(100) == framed(b"last words")
        assert theirs.recv(100) == b""
