"""What crosses a mailbox: it comes out as it went in, and what is no message of ours is refused with the reason and never worse."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, get_args

import hypothesis.strategies as st
import msgpack
import pytest
from hypothesis import given
from pydantic import ValidationError

from messages.message import Ask, Message, Part, Unreadable, class_of, known_kinds, pack, unpack, unpack_json
from messages.supervision import Delay, Drop
from tests.messages.arbitrary import instances, our_messages

OURS = our_messages()


class Inner(Part):
    n: int


class Sample(Message, kind="test.sample"):
    n: int
    share: float = 0.0
    data: bytes = b""
    inner: tuple[Inner, ...] = ()


def packed(kind: Any = "test.sample", version: Any = 1, **fields: Any) -> bytes:
    data: bytes = msgpack.packb((kind, version, fields))
    return data


@pytest.mark.parametrize("kind", OURS)
@given(data=st.data())
def test_every_message_comes_out_as_it_went_in(kind: str, data: st.DataObject) -> None:
    message = data.draw(instances(OURS[kind]))
    assert unpack(pack(message)) == message
    assert type(unpack(pack(message))) is OURS[kind]


@pytest.mark.parametrize("kind", OURS)
@given(data=st.data())
def test_every_message_can_be_written_by_hand_as_json(kind: str, data: st.DataObject) -> None:
    message = data.draw(instances(OURS[kind]))
    assert unpack_json(kind, message.version, message.model_dump_json().encode()) == message


@pytest.mark.parametrize("kind", OURS)
@given(data=st.data())
def test_every_message_is_an_array_of_kind_version_and_a_map_of_named_fields(kind: str, data: st.DataObject) -> None:
    message = data.draw(instances(OURS[kind]))
    found = msgpack.unpackb(pack(message))
    assert found[:2] == [kind, message.version]
    assert set(found[2]) == set(OURS[kind].model_fields)


@pytest.mark.parametrize("kind", [kind for kind, cls in OURS.items() if issubclass(cls, Ask)])
def test_every_ask_names_the_message_that_answers_it(kind: str) -> None:
    [base] = (base for base in OURS[kind].__bases__ if issubclass(base, Ask))
    [answer] = base.__pydantic_generic_metadata__["args"]
    for one in get_args(answer) or (answer,):
        assert issubclass(one, Message)
        assert one.kind in OURS


def test_the_vocabulary_is_sorted_and_every_kind_has_its_area() -> None:
    assert list(known_kinds()) == sorted(known_kinds())
    assert all(kind.count(".") == 1 and kind.replace(".", "").replace("_", "").isalpha() and kind.islower() for kind in OURS)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "not msgpack"),
        (b"\xc1", "not msgpack"),
        (packed() + b"\x00", "ExtraData"),
        (packed()[:-1], "not msgpack"),
        (msgpack.packb(7), "a int of another shape; a message is (kind: str, version: int, fields: map)"),
        (msgpack.packb(["test.sample", 1]), "of another shape"),
        (msgpack.packb(["test.sample", 1, {}, 4]), "of another shape"),
        (packed(kind=b"test.sample", n=1), "of another shape"),
        (packed(version="1", n=1), "of another shape"),
        (packed(version=True, n=1), "of another shape"),
        (packed(version=1.0, n=1), "of another shape"),
        (msgpack.packb(["test.sample", 1, [1]]), "of another shape"),
        (packed(kind="test.nowhere"), "unknown kind 'test.nowhere'"),
        (packed(kind=""), "unknown kind ''"),
        (packed(version=2, n=1), "test.sample: version 2 is not spoken here, version 1 is"),
        (packed(version=0, n=1), "version 0 is not spoken here"),
        (packed(), "test.sample: n: Field required"),
        (packed(n="1"), "test.sample: n: Input should be a valid integer"),
        (packed(n=1.0), "test.sample: n: Input should be a valid integer"),
        (packed(n=True), "test.sample: n: Input should be a valid integer"),
        (packed(n=None), "test.sample: n: Input should be a valid integer"),
        (packed(n=1, data="text"), "test.sample: data: Input should be a valid bytes"),
        (packed(n=1, share=float("nan")), "test.sample: share: Input should be a finite number"),
        (packed(n=1, share=float("inf")), "test.sample: share: Input should be a finite number"),
        (packed(n=1, m=2), "test.sample: m: Extra inputs are not permitted"),
        (packed(n="1", m=2), "(and 1 more)"),
        (packed(n=1, inner=[{"n": "1"}]), "test.sample: inner.0.n: Input should be a valid integer"),
        (msgpack.packb(("test.sample", 1, {b"n": 1})), "test.sample:"),
        (msgpack.packb((0,) * 3, default=str), "of another shape"),
    ],
)
def test_what_is_no_message_of_ours_is_refused_with_what_was_found_and_what_is_right(data: bytes, text: str) -> None:
    with pytest.raises(Unreadable) as refused:
        unpack(data)
    assert text in str(refused.value)


def test_an_int_passes_for_a_float_and_for_nothing_else() -> None:
    message = unpack(packed(n=1, share=3))
    assert message == Sample(n=1, share=3.0)
    assert isinstance(message, Sample)
    assert type(message.share) is float


def test_a_message_can_not_be_made_wrong_either() -> None:
    wrong: tuple[dict[str, Any], ...] = ({"n": "1"}, {"n": 1.5}, {"n": 1, "share": float("nan")}, {"n": 1, "m": 2}, {})
    for fields in wrong:
        with pytest.raises(ValidationError):
            Sample(**fields)


def test_a_message_is_frozen() -> None:
    message = Sample(n=1, inner=(Inner(n=2),))
    with pytest.raises(ValidationError):
        message.n = 2
    with pytest.raises(ValidationError):
        message.inner[0].n = 3


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5) | st.binary(max_size=5) | st.sampled_from(list(OURS)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.binary(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_refused_and_never_raise_anything_else(data: bytes) -> None:
    with pytest.raises(Unreadable):
        unpack(data)


@given(anything)
def test_arbitrary_msgpack_is_a_message_or_refused(found: Any) -> None:
    with suppress(Unreadable):
        assert isinstance(unpack(msgpack.packb(found)), Message)


@given(st.sampled_from(list(OURS)), st.integers(0, 2) | st.integers(), st.dictionaries(st.sampled_from([*Sample.model_fields, "address", "body"]), anything))
def test_arbitrary_fields_are_a_message_or_refused(kind: str, version: int, fields: dict[str, Any]) -> None:
    with suppress(Unreadable):
        assert unpack(packed(kind, version if abs(version) < 2**63 else 1, **fields)).kind == kind


@given(st.data(), st.integers(0, 255), st.integers(0))
def test_a_message_with_one_byte_changed_is_a_message_or_refused(data: st.DataObject, byte: int, where: int) -> None:
    good = bytearray(pack(data.draw(instances(OURS[data.draw(st.sampled_from(list(OURS)))]))))
    good[where % len(good)] = byte
    with suppress(Unreadable):
        assert isinstance(unpack(bytes(good)), Message)


json_or_not = st.binary(max_size=30) | anything.map(lambda found: json.dumps(found, default=str, skipkeys=True).encode())


@given(st.text(max_size=10) | st.sampled_from(list(OURS)), st.integers(0, 3), json_or_not)
def test_arbitrary_json_is_a_message_or_refused(kind: str, version: int, fields: bytes) -> None:
    with suppress(Unreadable):
        assert unpack_json(kind, version, fields).kind == kind


def test_a_nesting_deeper_than_anybody_needs_is_refused() -> None:
    for depth in (100, 1000, 100_000):
        with pytest.raises(Unreadable):
            unpack(b"\x91" * depth + b"\xc0")
    status: dict[str, Any] = {}
    for _ in range(400):
        status = {"children": (status,)}
    with pytest.raises(Unreadable):
        unpack(msgpack.packb(("supervision.described", 1, {"status": status})))


def test_a_kind_belongs_to_one_class() -> None:
    with pytest.raises(TypeError, match=r"kind 'test\.sample' is taken by .*\.Sample: choose another for .*\.Thief"):

        class Thief(Message, kind="test.sample"):
            pass

    assert class_of("test.sample", 1) is Sample


def test_a_class_that_is_defined_again_takes_its_own_kind_over() -> None:
    def define() -> type[Message]:
        class Again(Message, kind="test.again", version=3):
            pass

        return Again

    first, second = define(), define()
    assert first is not second
    assert class_of("test.again", 3) is second


def test_a_class_without_a_kind_can_not_be_received_and_a_subclass_does_not_inherit_one() -> None:
    class Nameless(Sample):
        pass

    assert (Nameless.kind, Sample.kind) == ("", "test.sample")
    with pytest.raises(Unreadable, match="unknown kind ''"):
        unpack(pack(Nameless(n=1)))


def test_a_new_version_is_another_message() -> None:
    class Grown(Message, kind="test.grown", version=2):
        n: int

    assert unpack(pack(Grown(n=1))) == Grown(n=1)
    with pytest.raises(Unreadable, match="version 1 is not spoken here, version 2 is"):
        unpack(packed("test.grown", 1, n=1))


def test_bytes_are_written_in_json_as_base64_both_ways() -> None:
    message = Sample(n=1, data=b"\xff\x00\xfe")
    assert json.loads(message.model_dump_json())["data"] == "_wD-"
    assert unpack_json("test.sample", 1, b'{"n": 1, "data": "_wD-"}') == message


@given(st.integers(0, 5), st.floats(0, 10))
def test_a_message_of_plain_fields_is_packed_from_its_own_dict(count: int, seconds: float) -> None:
    assert Drop.flat
    assert Delay.flat
    assert not Sample.flat
    assert unpack(pack(Drop(count=count))) == Drop(count=count)
    assert unpack(pack(Delay(seconds=seconds))) == Delay(seconds=seconds)
