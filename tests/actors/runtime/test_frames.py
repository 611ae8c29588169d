"""The shapes of what crosses a border, and that nothing else gets through."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import hypothesis.strategies as st
import msgpack
import pytest
from hypothesis import given

from actors.runtime.frames import pack_frame, read_frame
from messages.message import Unreadable
from tests.messages.test_message import anything

GOOD: list[tuple[Any, ...]] = [
    ("deliver", "/a", b"envelope"), ("answer", 7, b""), ("forward", "/a", 7, b"envelope"), ("monitor", "/w", 1, "/a"), ("demonitor", "/w", "/a"),
    ("down", "/w", 1, b"down"), ("start", 3, "/a", 1, "t1", "shop", "Worker", b"", 7.5), ("stop",), ("resume",), ("told_down", b"down"),
    ("started", ("a", "b"), "Worker"), ("ended", b"down"), ("begun",), ("buried", "/a", "kind", "/s", "t1", "why"), ("watch", "/a"), ("report", "/a"),
    ("stashed", 7, 0, b"envelope"), ("resumed", 7), ("unwatch", "/a"), ("link", "/a"), ("unlink", "/a"),
]  # fmt: skip


@pytest.mark.parametrize("frame", GOOD, ids=lambda frame: frame[0])
def test_a_frame_arrives_as_it_went(frame: tuple[Any, ...]) -> None:
    assert read_frame(pack_frame(*frame)) == frame


@pytest.mark.parametrize("frame", GOOD, ids=lambda frame: frame[0])
def test_a_frame_with_a_part_more_less_or_of_another_type_is_refused_and_says_what_it_holds(frame: tuple[Any, ...]) -> None:
    wrong = [(*frame, 1), *([frame[:-1]] if len(frame) > 1 else [])]
    wrong += [(*frame[:at], None, *frame[at + 1 :]) for at in range(1, len(frame))]
    for parts in wrong:
        with pytest.raises(Unreadable, match=f"a frame '{frame[0]}' holds"):
            read_frame(msgpack.packb(parts))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a frame"), (b"\xc1", "not a frame"), (msgpack.packb(7), "no frame begins with 'int'"), (msgpack.packb([]), "no frame begins with"),
        (msgpack.packb([7]), "no frame begins with '7'"), (msgpack.packb(["steal"]), "no frame begins with 'steal'; there are deliver, answer"),
        (msgpack.packb([["deliver"]]), "no frame begins with"),
    ],
)  # fmt: skip
def test_what_is_no_frame_is_refused_with_what_was_found(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read_frame(data)


@given(st.binary(max_size=60) | anything.map(msgpack.packb) | st.tuples(st.sampled_from([frame[0] for frame in GOOD]), anything).map(msgpack.packb))
def test_whatever_arrives_is_a_frame_or_refused_and_never_raises_anything_else(data: bytes) -> None:
    with suppress(Unreadable):
        assert read_frame(data)[0] in {frame[0] for frame in GOOD}
