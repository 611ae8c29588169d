"""Filler says how a message was built, and nothing of what it said."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal

import hypothesis.strategies as st
import msgpack
import orjson
import pytest
from hypothesis import example, given
from pydantic import Field, field_validator

from actors.runtime.filler import GRAM, LARGEST, Filler
from messages.chat import ChatHead, ServeChat
from messages.envelope import Address
from messages.message import Message, Part, pack, unpack
from messages.provider import BeginAttempt, ProviderAnnounced, ServedModel
from tests.messages.arbitrary import instances, our_messages


class Colour(Enum):
    RED = "crimson red"


class Inner(Part):
    text: str
    colour: Literal["deep blue", "light green"]


class Note(Message, kind="test.filler_note"):
    text: str = ""
    data: bytes = b""
    number: int = 0
    ratio: float = 0.0
    mode: Literal["as it was", "as it is"] = "as it is"
    maybe: Literal["one day", "never"] | None = None
    flag: bool = True
    address: str = ""
    home: Address = Address("")
    id: str = ""
    name: str = ""
    inner: tuple[Inner, ...] = ()
    both: Inner | str = ""
    pair: tuple[str, int] = ("", 0)
    map: dict[str, Inner] = Field(default={})
    marked: Annotated[str, Field(max_length=10**6)] = ""


class Picky(Message, kind="test.filler_picky"):
    text: str

    @field_validator("text")
    @classmethod
    def _begins_well(cls, value: str) -> str:
        if not value.startswith("well"):
            raise ValueError("must begin with well")
        return value


def fill(message: Message) -> Any:
    payload = pack(message)
    return unpack(Filler([payload]).fill(payload).payload)


def fill_json(data: Any) -> Any:
    return orjson.loads(fill(Note(data=orjson.dumps(data))).data)


def leaves(value: Any) -> Iterator[Any]:
    """Everything in msgpack or JSON that is no collection, in order; bytes that hold JSON are looked into."""
    match value:
        case dict():
            for key, inner in value.items():
                yield key
                yield from leaves(inner)
        case list() | tuple():
            for inner in value:
                yield from leaves(inner)
        case bytes() if value.lstrip()[:1] in (b"{", b"["):
            try:
                parsed = orjson.loads(value)
            except orjson.JSONDecodeError:
                yield value
            else:
                yield from leaves(parsed)
        case _:
            yield value


def as_text(leaf: Any) -> str:
    """The characters of a leaf; of bytes that are no text, each byte as a character of its own."""
    if isinstance(leaf, bytes):
        return leaf.decode() if is_text(leaf) else "".join(chr(0xF0000 + byte) for byte in leaf)
    return str(leaf)


def pairs(payloads: list[bytes]) -> list[tuple[Any, Any]]:
    """Each leaf that was replaced, and what replaced it."""
    filler = Filler(payloads)
    together = [(msgpack.unpackb(payload), msgpack.unpackb(filler.fill(payload).payload)) for payload in payloads]
    both = [(old, new) for before, after in together for old, new in zip(leaves(before), leaves(after), strict=True)]
    return [(old, new) for old, new in both if (type(old), old) != (type(new), new)]


def survivors(payloads: list[bytes]) -> set[str]:
    """The fragments of replaced content that are in what replaced it."""
    replaced = pairs(payloads)
    grams = {old[at : at + GRAM] for old, _ in ((as_text(old), new) for old, new in replaced) for at in range(len(old) - GRAM + 1)}
    return {gram for gram in grams for _, new in replaced if gram in as_text(new)}


TEXTS = st.text(max_size=30) | st.text("ab", max_size=30) | st.text("a1.-é文😀", max_size=20) | st.from_regex(r"[a-e]{4}[0-9]{4}", fullmatch=True)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-20_000, 20_000)
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.decimals(-10_000, 10_000, places=2).map(float)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | FLOATS | TEXTS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)
DATA = st.binary(max_size=40) | TEXTS.map(str.encode) | JSON.map(orjson.dumps)
NOTES = st.builds(Note, text=TEXTS, data=DATA, number=NUMBERS, ratio=FLOATS, name=TEXTS, marked=TEXTS, pair=st.tuples(TEXTS, NUMBERS))
ANY = st.sampled_from(list(our_messages().values())).flatmap(instances) | NOTES


# ---- nothing survives


@given(st.lists(ANY, min_size=1, max_size=3))
@example([Note(text="aaaa"), Note(text="bbbb cccc AAAA")])
@example([Note(text="1111 22.2 -33"), Note(number=4444, ratio=55.55)])
@example([Note(text="éàéà aéaé", data="éééé".encode()), Note(text="文文文文")])
@example([Note(data=b"\x80\x80\x80\x80\x81\x81\x81\x81")])
@example([Note(data=b'{"a b c d": 1, "e f g h": 2, "aaaaaaa": 3}')])
def test_no_four_characters_of_any_content_survive(messages: list[Message]) -> None:
    assert survivors([pack(message) for message in messages]) == set()


@given(st.lists(ANY, min_size=1, max_size=3))
def test_what_is_filled_unpacks_as_the_same_class(messages: list[Message]) -> None:
    payloads = [pack(message) for message in messages]
    filler = Filler(payloads)
    for message, payload in zip(messages, payloads, strict=True):
        done = filler.fill(payload)
        assert done.note == "" and type(unpack(done.payload)) is type(message)


@given(NOTES)
def test_all_that_a_foreign_message_says_is_replaced(note: Note) -> None:
    filled = fill(note)
    for name in ("text", "marked"):
        before, after = getattr(note, name), getattr(filled, name)
        assert len(before) < GRAM or before != after
    assert not note.text or all(char not in filled.text for char in note.text if not char.isascii())


@given(TEXTS)
def test_text_keeps_its_length_in_characters_and_in_bytes(text: str) -> None:
    filled = fill(Note(text=text)).text
    assert (len(filled), len(filled.encode())) == (len(text), len(text.encode()))


@given(st.binary(max_size=60))
def test_bytes_keep_their_length_and_stay_text_or_no_text(data: bytes) -> None:
    if data.lstrip()[:1] in (b"{", b"["):
        return
    filled = fill(Note(data=data)).data
    assert len(filled) == len(data) and is_text(filled) == is_text(data)


def is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def shape(value: Any) -> Any:
    match value:
        case dict():
            return {"keys": [shape(inner) for inner in value.values()]}
        case list():
            return [shape(inner) for inner in value]
        case str():
            return ("text", len(value))
        case bool() | None:
            return value
        case int():
            return ("int", min(len(str(abs(value))), 18), value < 0)
        case _:
            return type(value)


@given(st.dictionaries(TEXTS, JSON, max_size=5) | st.lists(JSON, max_size=5))
def test_json_keeps_its_structure_its_lengths_and_its_digits(data: Any) -> None:
    before = orjson.loads(orjson.dumps(data))
    assert shape(fill_json(before)) == shape(before)


@given(st.binary(max_size=60))
def test_what_is_no_packed_message_is_replaced_as_a_whole(junk: bytes) -> None:
    filled = Filler([junk]).fill(junk).payload
    assert len(filled) == len(junk) or msgpack.unpackb(filled) is not None
    assert len(junk) < GRAM or filled != junk or all(len(as_text(leaf)) < GRAM for leaf in leaves(msgpack.unpackb(junk)))


# ---- what is kept


def test_what_the_type_names_and_what_is_no_content_is_kept() -> None:
    note = Note(mode="as it was", maybe="one day", flag=False, address="/providers/a", home=Address("/b"), id="call-17", number=999, ratio=0.5)
    assert fill(note) == note


def test_parts_are_filled_field_by_field_wherever_they_are() -> None:
    inner = Inner(text="my own", colour="deep blue")
    filled = fill(Note(inner=(inner, inner), both=inner, map={"some_key": inner}))
    wanted = Inner(text="aaaaaa", colour="deep blue")
    assert (filled.inner, filled.both, filled.map) == ((wanted, wanted), wanted, {"some_key": wanted})


def test_a_literals_word_is_content_in_another_field() -> None:
    assert fill(Note(text="deep blue", both="deep blue")).text == "a" * 9 and fill(Note(both="deep blue")).both == "a" * 9


def test_a_name_is_kept_in_our_own_messages_only() -> None:
    models = (ServedModel(name="k2", upstream="k2"),)
    ours = ProviderAnnounced(name="moonshot", provider_kind="openai", base_url="https://api.x.ai/v1", state="ready", models=models)
    assert fill(ours) == ours
    assert fill(Note(name="Smith")).name == "aaaaa"


@pytest.mark.parametrize("address", ["not/absolute", "/with space/here", "/ä", "//", "/a/" + "x" * 65])
def test_what_only_stands_where_an_address_would_is_content(address: str) -> None:
    assert fill(Note(address=address)).address != address


@pytest.mark.parametrize("url", ["https://user:pass@host/v1", "https://host/v1?key=abcdef", "https://host/" + "s3cr3t" * 10, "ftp://host/v1"])
def test_a_url_that_may_hold_a_secret_is_content(url: str) -> None:
    begin = BeginAttempt(owner="/a", provider="p", base_url=url, model="m", rename=False, stream=False, include_usage=False, body=b"")
    assert fill(begin).base_url != url


def test_a_chat_body_keeps_its_protocol_and_loses_what_was_said() -> None:
    body = {
        "model": "kimi-k2", "temperature": 0.7, "max_tokens": 4096, "stream": True, "stop": None,
        "messages": [{"role": "user", "content": "My name is Ann"}, {"role": "tool", "tool_call_id": "call_1", "content": "42, or 4200"}],
        "tools": [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "my key": 1}}}],
    }  # fmt: skip
    assert fill_json(body) == {
        "model": "kimi-k2", "temperature": 0.7, "max_tokens": 1111, "stream": True, "stop": None,
        "messages": [{"role": "user", "content": "aaaaaaaaaaaaaa"}, {"role": "tool", "tool_call_id": "call_1", "content": "aaaaaaaaaaa"}],
        "tools": [{"type": "function", "function": {"name": "aaaaaaa", "parameters": {"type": "object", "aaaaaa": 1}}}],
    }  # fmt: skip


def test_a_protocols_word_is_kept_only_where_it_looks_like_one() -> None:
    assert fill_json({"role": "I am a user"}) == {"role": "a" * 11}


def test_two_keys_of_one_length_stay_two() -> None:
    assert list(fill_json({"a b": 1, "c d": 2, "aaa": 3}).values()) == [1, 2, 3]


def test_json_that_is_broken_stays_broken() -> None:
    filled = fill(Note(data=b'{"role": "user", ')).data
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(filled)
    assert filled == b"a" * 17


def test_json_too_deep_to_be_worth_it_is_cut() -> None:
    deep = orjson.loads(b"[" * 200 + b"]" * 200)
    filled, levels = fill_json(deep), 0
    while filled:
        filled, levels = filled[0], levels + 1
    assert 90 < levels < 110


def test_a_very_large_body_is_not_looked_into_and_the_file_says_so() -> None:
    body = orjson.dumps({"content": "x" * LARGEST})
    payload = pack(Note(data=body))
    done = Filler([payload]).fill(payload)
    assert "too large" in done.note and unpack(done.payload) == Note(data=b"a" * len(body))


def test_a_message_whose_validators_object_to_filler_says_so() -> None:
    payload = pack(Picky(text="well then"))
    done = Filler([payload]).fill(payload)
    assert "no valid message" in done.note and "must begin with well" in done.note


def test_a_message_of_an_unknown_kind_is_filled_by_its_values() -> None:
    payload = msgpack.packb(("test.nobody_knows", 1, {"text": "secret", "role": "user", "n": 12345}))
    assert msgpack.unpackb(Filler([payload]).fill(payload).payload) == ["test.nobody_knows", 1, {"text": "aaaaaa", "role": "user", "n": 11111}]


def test_a_real_request_still_is_one() -> None:
    body = orjson.dumps({"messages": [{"role": "user", "content": "Hello"}]})
    filled = fill(ServeChat(head=ChatHead(model="kimi-k2", needs=("tools",)), body=body))
    assert filled.head == ChatHead(model="kimi-k2", needs=("tools",)) and orjson.loads(filled.body) == {"messages": [{"role": "user", "content": "aaaaa"}]}


# ---- what looks like something else


def test_numbers_in_a_row_are_content_however_short_each_is() -> None:
    assert fill_json({"card": [4, 1, 11, 111], "text": list(b"Hi"), "n": 7}) == {"card": [1, 1, 11, 111], "text": [11, 111], "n": 7}


@pytest.mark.parametrize("secret", ["sk-proj-abcdefgh", "AKIAIOSFODNN7EXAMPLE", "eyJhbGciOiJIUzI1NiJ9", "4111111111111111", "4111-1111-1111-1111", "xoxb-1234"])
def test_a_key_or_the_number_of_a_card_is_content_wherever_it_stands(secret: str) -> None:
    for body in ({"id": secret}, {"model": secret}, {"type": secret}, {f"_{secret}": 1}):
        assert secret not in orjson.dumps(fill_json(body)).decode()


def test_very_many_keys_of_one_length_take_no_more_room_than_they_had() -> None:
    body = {f"{number:09d}": 1 for number in range(3000)}
    assert len(orjson.dumps(fill_json(body))) < len(orjson.dumps(body))
