"""Filler of the same shape in place of content, so that a crash file says how a message was built and not what it said; pure.

    "My name is Ann"            ->  "aaaaaaaaaaaaaa"         as many characters, and as many bytes in UTF-8
    {"role": "user", "n": 2500} ->  {"role": "user", "n": 1111}
    b"\\x00\\xffPNG..."           ->  as many bytes, which are UTF-8 if and only if they were

Kept are kinds, Literals, enums, true, false, null, single numbers of less than four characters, addresses, ids, the words that a protocol knows
(`"role": "user"`) and map keys that look like identifiers, all but what looks like a key or the number of a card.
Bytes that hold a JSON object or array stay one.

Invariants, for all that is filled together:
 1. No four characters in a row of anything that was replaced are in anything that replaces: the letters, digits and wide characters
    to fill with are chosen after looking at all of it.
 2. What is put in has the type and, but for JSON's spaces and escapes, the length of what was there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from enum import EnumMeta
from itertools import chain, product
from string import ascii_letters
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

import msgpack
import orjson

from messages.envelope import Address
from messages.message import Message, Part, Unreadable, class_of, unpack

GRAM = 4  # so many characters in a row of any content must not survive
DEEPEST = 100  # levels of JSON; what is below becomes null
ALIKE = 50  # keys of one length in one map that stay as many
LARGEST = 2 * 1024 * 1024  # bytes; larger ones are not looked into for JSON, that would take seconds

WORDS = frozenset((
    "role", "type", "object", "model", "finish_reason", "stop_reason", "encoding_format", "tool_choice", "kind", "event", "format",
))  # fmt: skip
"""Keys whose values are words of a protocol."""

OUR_WORDS = WORDS | {"name", "provider", "upstream", "default", "content_type", "error"}
"""In our own messages, these as well: they name configured things."""

PLACES = frozenset(("address", "owner", "sender", "exchange", "attempt", "reply_to"))
IDS = frozenset(("id", "tool_call_id"))

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./:+-]{0,79}")
_PLACE = re.compile(r"(/[A-Za-z0-9_.-]{1,64})+|/")
_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_URL = re.compile(r"https?://[A-Za-z0-9_.\[\]:-]+(/[A-Za-z0-9_.-]{1,20})*/?")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
_SECRET = re.compile(r"(\b|_)(sk|pk|rk|ghp|gho|github_pat|xox[a-z])[-_]|AKIA|AIza|eyJ|\d[-.]?(\d[-.]?){11}")  # keys, tokens, and numbers of cards

Leaf = Callable[[Any], Any]
"""Told every str, bytes, int or float that is content; what it returns takes its place."""


class Filled(NamedTuple):
    """A packed message with its content replaced; `note` says what that may have changed, empty when nothing."""

    payload: bytes
    note: str = ""


class Filler:
    """Fills packed messages that belong together. `payloads` are all of them: no fragment of one may turn up in another."""

    def __init__(self, payloads: Iterable[bytes]) -> None:
        self._found: list[bytes] = []
        for payload in payloads:
            walk_payload(payload, self._collect)
        self._content = b"\0".join(self._found)
        self._letters = self._unused(ascii_letters, lambda word: (word * GRAM,)) or "\N{REPLACEMENT CHARACTER}"
        self._digit = self._unused("123456789", _number_grams)
        self._byte = next((bytes((value,)) for value in range(0x80, 0xC0) if bytes((value,)) * GRAM not in self._content), self._letters.encode())
        text = self._content.decode(errors="replace")
        self._wide = {width: next((char for char in map(chr, some) if char not in text), self._letters[0]) for width, some in _WIDE.items()}

    def fill(self, payload: bytes) -> Filled:
        """The packed message with filler for content."""
        filled = walk_payload(payload, self._leaf)
        if len(payload) > LARGEST:
            return Filled(filled, "it is too large to look for JSON in it, so JSON was not kept")
        try:
            unpack(payload)
        except Unreadable:
            return Filled(filled)  # what could not be read need not be readable now
        try:
            unpack(filled)
        except Unreadable as error:
            return Filled(filled, f"filled, it is no valid message any more: {error}")
        return Filled(filled)

    def _collect(self, value: Any) -> Any:
        self._found.append(value if isinstance(value, bytes) else str(value).encode(errors="replace"))
        return value

    def _leaf(self, value: Any) -> Any:
        match value:
            case str():
                return self._text(value)
            case bytes():
                return self._bytes(value)
            case int():
                return self._int(value)
            case _:
                return self._float(value)

    def _text(self, text: str) -> str:
        if text.isascii():
            return self._run(len(text))
        letters = self._run(len(text))
        return "".join(self._wide.get(len(char.encode(errors="replace")), letters[place]) for place, char in enumerate(text))

    def _bytes(self, data: bytes) -> bytes:
        try:
            data.decode()
        except UnicodeDecodeError:
            return self._byte * len(data) if len(self._byte) == 1 else self._run(len(data)).encode()
        return self._run(len(data)).encode()

    def _int(self, value: int) -> int:
        digits = min(len(str(abs(value))), 18)  # nineteen may not fit in a word, whatever the digit
        filled = int(self._digit * digits) if self._digit else 1
        return -filled if value < 0 else filled

    def _float(self, value: float) -> float:
        mantissa = repr(abs(value)).partition("e")[0]
        whole, _, part = mantissa.partition(".")
        if self._digit is None:
            return -1.1 if value < 0 else 1.1
        before = min(len(whole), 14)
        filled = float(f"{self._digit * before}.{self._digit * max(1, min(len(part), 15 - before))}")
        return -filled if value < 0 else filled

    def _run(self, length: int) -> str:
        return (self._letters * (length // len(self._letters) + 1))[:length]

    def _unused(self, alphabet: str, grams: Callable[[str], Sequence[str]]) -> str | None:
        """The first of the alphabet, or else the first few in a row, of which no repetition is anywhere in the content."""
        if alphabet is not ascii_letters:
            words: Iterable[str] = alphabet
        else:
            words = chain(alphabet, map("".join, product(alphabet, repeat=2)))
        for word in words:
            runs = [run[place : place + GRAM] for run in grams(word) for place in range(len(run) - GRAM + 1)]
            if not any(run.encode() in self._content for run in runs):
                return word
        return None


_WIDE = {2: range(0xE0, 0x800), 3: range(0x4E00, 0xA000), 4: range(0x1F600, 0x20000)}


def _number_grams(digit: str) -> tuple[str, ...]:
    """Every way in which four characters of a filled number can look."""
    return (digit * 4, f"-{digit * 3}", f"{digit * 3}.{digit * 3}", f"-{digit * 2}.{digit * 2}", f"-{digit}.{digit * 2}")


# ---- the walk


def walk_payload(payload: bytes, leaf: Leaf) -> bytes:
    """A packed message with `leaf` called for all content in it; what is no packed message is content as a whole."""
    try:
        parts = msgpack.unpackb(payload, use_list=False)
        kind, version, fields = parts
    except (ValueError, TypeError):
        return bytes(leaf(payload))
    if not (isinstance(parts, tuple) and isinstance(kind, str) and type(version) is int and isinstance(fields, dict)):
        return bytes(leaf(payload))
    try:
        cls: type[Part] | None = class_of(kind, version)
    except Unreadable:
        cls = None
    packed: bytes = msgpack.packb((kind, version, _walk_map(fields, cls, None, leaf, 0)))
    return packed


def _walk(value: Any, annotation: Any, key: str, words: frozenset[str], leaf: Leaf, depth: int, *, row: bool = False) -> Any:
    """`row`: one number of several, which are content together even when each is short."""
    match value:
        case None | bool():
            return value
        case str():
            return value if value in _choices(annotation) or _is_kept(key, value, annotation, words) else leaf(value)
        case bytes():
            return _walk_bytes(value, leaf)
        case int() | float():
            return value if (len(repr(value)) < GRAM and not row) or value in _choices(annotation) else leaf(value)
        case dict():
            return _walk_map(value, _part_of(annotation, value), annotation, leaf, depth, words)
        case tuple() | list():
            items = _items(annotation, len(value))
            row = all(isinstance(item, int | float) for item in value)
            return None if depth > DEEPEST else [_walk(item, of, key, words, leaf, depth + 1, row=row) for item, of in zip(value, items, strict=True)]
        case _:
            return None


def _walk_map(
    value: dict[Any, Any], cls: type[Part] | None, annotation: Any, leaf: Leaf, depth: int, words: frozenset[str] = WORDS
) -> dict[Any, Any] | None:
    if depth > DEEPEST:
        return None
    if cls is not None and _is_ours(cls):
        words = OUR_WORDS
    filled: dict[Any, Any] = {}
    for key, inner in value.items():
        if cls is not None and key in cls.model_fields:
            of: Any = cls.model_fields[key].annotation
        else:
            of = _value_type(annotation)
        name = key if isinstance(key, str) and _IDENTIFIER.fullmatch(key) and not _SECRET.search(key) else leaf(key)
        longest = len(name) + ALIKE
        while name != key and len(name) < longest and (name in filled or name in value):
            name += name[:1]  # two keys of one length must stay two
        filled[name] = _walk(inner, of, key if isinstance(key, str) else "", words, leaf, depth + 1)
    return filled


def _walk_bytes(value: bytes, leaf: Leaf) -> bytes:
    if (value[:1] not in (b"{", b"[") and value.lstrip()[:1] not in (b"{", b"[")) or len(value) > LARGEST:
        return bytes(leaf(value))
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        return bytes(leaf(value))
    return orjson.dumps(_walk(parsed, None, "", WORDS, leaf, 0))


def _is_kept(key: str, value: str, annotation: Any, words: frozenset[str]) -> bool:
    if _SECRET.search(value):
        return False
    if annotation is Address or Address in get_args(annotation) or key in PLACES:
        return value == "" or _PLACE.fullmatch(value) is not None
    if key in words:
        return _WORD.fullmatch(value) is not None
    if key in IDS:
        return _ID.fullmatch(value) is not None
    return key == "base_url" and words is OUR_WORDS and _URL.fullmatch(value) is not None


def _is_ours(cls: type[Part]) -> bool:
    return cls.__module__.rpartition(".")[0] == Message.__module__.rpartition(".")[0]


# ---- what the types say


def _members(annotation: Any) -> tuple[Any, ...]:
    """The annotation, or what it is a union of."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Literal, tuple, dict, list) or isinstance(annotation, type):
        return (annotation,)
    return tuple(member for inner in get_args(annotation) for member in _members(inner)) or (annotation,)


def _choices(annotation: Any) -> frozenset[Any]:
    """The values that the type names one by one."""
    named: set[Any] = set()
    for member in _members(annotation):
        if get_origin(member) is Literal:
            named.update(get_args(member))
        elif isinstance(member, EnumMeta):
            named.update(choice.value for choice in member)  # type: ignore[var-annotated]
    return frozenset(named)


def _part_of(annotation: Any, value: dict[Any, Any]) -> type[Part] | None:
    """Which part this map is: of several, the one with these fields."""
    parts = [member for member in _members(annotation) if isinstance(member, type) and issubclass(member, Part)]
    return next((part for part in parts if value.keys() <= part.model_fields.keys()), None)


def _value_type(annotation: Any) -> Any:
    return next((get_args(member)[1] for member in _members(annotation) if get_origin(member) is dict), NoneType)


def _items(annotation: Any, count: int) -> Sequence[Any]:
    for member in _members(annotation):
        if get_origin(member) in (tuple, list):
            inner = [one for one in get_args(member) if one is not ...]
            return inner if len(inner) == count and ... not in get_args(member) else inner[:1] * count
    return (NoneType,) * count
