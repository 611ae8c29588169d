"""What surrounds a message on its way: over a border and back, with another clock, and whatever comes from there."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, get_args

import hypothesis.strategies as st
import msgpack
import pytest
from hypothesis import given

from messages.envelope import ENVELOPE_VERSION, Address, Envelope, Priority, from_bytes, to_bytes
from messages.message import Unreadable, pack
from messages.supervision import Drop
from tests.messages.test_message import anything

texts = st.text(max_size=10)
ids = st.integers(0, 2**63)

envelopes = st.builds(
    Envelope, ids, texts, st.binary(max_size=20), st.integers(0, 100),
    at=st.floats(0, 1e9), sender=texts, trace=texts, reply_to=st.none() | texts, slot=ids, deadline=st.none() | st.floats(0, 1e9),
    priority=st.sampled_from(get_args(Priority)),
)  # fmt: skip

GOOD: list[Any] = [ENVELOPE_VERSION, 1, "test.kind", "t1", "/a", "/b", 7, 1500, "normal", b"payload"]


def changed(**parts: Any) -> bytes:
    data: bytes = msgpack.packb([parts.get(f"p{index}", part) for index, part in enumerate(GOOD)])
    return data


@given(envelopes)
def test_an_envelope_comes_over_a_border_as_it_went(envelope: Envelope) -> None:
    arrived = from_bytes(to_bytes(envelope, now=0.0), now=0.0)
    for field in ("id", "kind", "payload", "trace", "sender", "reply_to", "slot", "priority"):
        assert getattr(arrived, field) == getattr(envelope, field)
    assert arrived.size == len(arrived.payload)  # type: ignore[arg-type]
    assert (arrived.deadline is None) == (envelope.deadline is None)
    if envelope.deadline is not None and arrived.deadline is not None:
        assert envelope.deadline - 0.002 <= arrived.deadline <= envelope.deadline


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(-1e3, 1e3))
def test_a_deadline_travels_as_what_remains_because_two_processes_share_no_clock(here: float, there: float, remaining: float) -> None:
    envelope = Envelope(1, "test.kind", b"", 0, at=here, sender=Address("/a"), deadline=here + remaining)
    arrived = from_bytes(to_bytes(envelope, now=here), now=there)
    assert arrived.at == there
    assert arrived.deadline == pytest.approx(there + max(0.0, remaining), abs=0.002)


def test_a_message_that_is_not_packed_yet_is_packed_at_the_border() -> None:
    envelope = Envelope(1, "kernel.drop", Drop(count=2), 256, at=0.0, sender=Address("/a"))
    arrived = from_bytes(to_bytes(envelope, now=0.0), now=0.0)
    assert (arrived.payload, arrived.size) == (pack(Drop(count=2)), len(pack(Drop(count=2))))


def test_an_envelope_says_what_it_is() -> None:
    assert repr(Envelope(7, "test.kind", b"", 0, at=0.0, sender=Address("/a"))) == "<Envelope 7 test.kind from /a>"
    assert repr(Envelope(7, "test.kind", b"", 0, at=0.0, sender=Address(""))) == "<Envelope 7 test.kind from outside>"


def test_what_is_right_is_taken_and_may_have_no_deadline_and_no_asker() -> None:
    assert from_bytes(changed(), now=10.0).deadline == 11.5
    plain = from_bytes(changed(p5=None, p6=0, p7=None, p8="system"), now=10.0)
    assert (plain.reply_to, plain.slot, plain.deadline, plain.priority) == (None, 0, None, "system")


@pytest.mark.parametrize("version", [0, 2, True, 1.0, "1", None])
def test_another_version_is_refused_and_says_which_is_spoken(version: Any) -> None:
    with pytest.raises(Unreadable, match=r"envelope version .* is not spoken here, version 1 is"):
        from_bytes(changed(p0=version), now=0.0)


@pytest.mark.parametrize(
    "data",
    [
        *(changed(**{f"p{index}": wrong}) for index in range(1, 10) for wrong in (True, 1.5, [1], {"a": 1})),
        *(changed(**{f"p{index}": 7}) for index in (2, 3, 4, 5, 8, 9)),
        *(changed(**{f"p{index}": "7"}) for index in (1, 6, 7, 9)),
        *(changed(**{f"p{index}": None}) for index in (1, 2, 3, 4, 6, 8, 9)),
        changed(p8="urgent"),
        msgpack.packb(GOOD[:-1]),
        msgpack.packb([*GOOD, 1]),
    ],
)
def test_a_part_of_the_wrong_type_is_refused_with_the_right_shape(data: bytes) -> None:
    with pytest.raises(Unreadable, match=r"an envelope is \(version, id, kind, trace, sender, reply_to, slot, remaining ms, priority, payload\)"):
        from_bytes(data, now=0.0)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_refused_and_never_raise_anything_else(data: bytes) -> None:
    with pytest.raises(Unreadable):
        from_bytes(data, now=0.0)


@given(st.lists(anything, max_size=10).map(lambda parts: [ENVELOPE_VERSION, *parts]) | anything)
def test_arbitrary_msgpack_is_an_envelope_or_refused(found: Any) -> None:
    with suppress(Unreadable):
        assert isinstance(from_bytes(msgpack.packb(found), now=0.0), Envelope)


@given(envelopes, st.integers(0, 255), st.integers(0))
def test_an_envelope_with_one_byte_changed_is_an_envelope_or_refused(envelope: Envelope, byte: int, where: int) -> None:
    good = bytearray(to_bytes(envelope, now=0.0))
    good[where % len(good)] = byte
    with suppress(Unreadable):
        assert isinstance(from_bytes(bytes(good), now=0.0), Envelope)
