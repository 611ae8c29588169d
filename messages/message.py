"""What crosses a mailbox: frozen, typed, versioned data that packs to msgpack.

A message class names its kind once and is registered under it; the kind is a string that stays when modules move, because it is
what the wire, a crash file and an injected message carry::

    class Recall(Ask[Recalled], kind="memory.recall"):
        query: str

    unpack(pack(Recall(query="tea"))) == Recall(query="tea")

An ask names its answer in its type, so type checkers infer the reply. Bytes that are no message of ours are refused with
`Unreadable`, which says what was wrong; nothing is coerced (3.0 is not 3, "1" is not 1) and nothing unknown is ignored.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

import msgpack
from pydantic import BaseModel, ConfigDict, ValidationError

R = TypeVar("R", covariant=True)

_SHAPE = "a message is (kind: str, version: int, fields: map)"


class Part(BaseModel):
    """Frozen data inside a message: checked like one, but never sent alone."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, ser_json_bytes="base64", val_json_bytes="base64", protected_namespaces=(),
    )  # fmt: skip


class Message(Part):
    """One typed thing that can be said to an actor. Subclasses name a `kind`, and raise `version` when their fields change."""

    kind: ClassVar[str] = ""
    version: ClassVar[int] = 1
    flat: ClassVar[bool] = False  # no nested parts: the instance's own dict is what gets packed

    def __init_subclass__(cls, *, kind: str = "", version: int = 1) -> None:
        """Takes the class keywords; what they do needs the finished fields, see below."""
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(cls, *, kind: str = "", version: int = 1, **_: Any) -> None:
        cls.version = version
        cls.kind = kind
        cls.flat = not any(_holds_parts(field.annotation) for field in cls.model_fields.values())
        if kind:
            _register(cls)


class Ask(Message, Generic[R]):
    """A message that wants an answer of type R; see `Message`."""


class Unreadable(Exception):
    """These bytes, or this kind, version or field, are no message of our vocabulary. The text says what is, and what was found."""


_LEAVES = frozenset((str, bytes, int, float, bool, type(None)))  # looked up first: isinstance of a pydantic class is a slow question
_REGISTRY: dict[str, type[Message]] = {}


def _holds_parts(annotation: Any) -> bool:
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return issubclass(annotation, BaseModel)
    return any(_holds_parts(inner) for inner in getattr(annotation, "__args__", ()))


def _register(cls: type[Message]) -> None:
    other = _REGISTRY.setdefault(cls.kind, cls)
    if other is cls:
        return
    if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
        raise TypeError(f"kind {cls.kind!r} is taken by {other.__module__}.{other.__qualname__}: choose another for {cls.__module__}.{cls.__qualname__}")
    _REGISTRY[cls.kind] = cls  # the same class defined again: a reloaded module, a class local to a test


def known_kinds() -> dict[str, type[Message]]:
    """Every registered kind with its class, sorted by kind."""
    return dict(sorted(_REGISTRY.items()))


def fields_of(message: Message) -> dict[str, Any]:
    """The message's fields as msgpack can hold them: str, bytes, int, float, bool, None, and maps and arrays of them."""
    return message.__dict__ if message.flat else {name: _plain(value) for name, value in message.__dict__.items()}


def _plain(value: Any) -> Any:
    """A field with its parts as maps; twice as fast as pydantic's `model_dump`, because it looks at nothing else."""
    if type(value) in _LEAVES:
        return value
    if isinstance(value, Part):
        return {name: _plain(inner) for name, inner in value.__dict__.items()}
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return value


def pack(message: Message) -> bytes:
    """The message as msgpack: an array of kind, version and a map of fields."""
    packed: bytes = msgpack.packb((message.kind, message.version, fields_of(message)))
    return packed


def unpack(data: bytes) -> Message:
    """The message that `pack` made these bytes from. Raises `Unreadable` for anything else."""
    try:
        parts = msgpack.unpackb(data, use_list=False)
    except ValueError as error:  # every exception of msgpack's is one
        raise Unreadable(f"not msgpack ({type(error).__name__}: {error}); {_SHAPE}") from error
    if not (isinstance(parts, tuple) and len(parts) == 3 and isinstance(parts[0], str) and type(parts[1]) is int and isinstance(parts[2], dict)):
        raise Unreadable(f"a {type(parts).__name__} of another shape; {_SHAPE}")
    kind, version, fields = parts
    cls = class_of(kind, version)
    try:
        message: Message = cls.__pydantic_validator__.validate_python(fields)
    except ValidationError as error:
        raise Unreadable(f"{kind}: {_first_error(error)}") from error
    return message


def unpack_json(kind: str, version: int, fields: bytes) -> Message:
    """A message from its kind, its version and its fields as a JSON object (bytes in base64), for injection by hand. Raises `Unreadable`."""
    cls = class_of(kind, version)
    try:
        return cls.model_validate_json(fields)
    except ValidationError as error:
        raise Unreadable(f"{kind}: {_first_error(error)}") from error


def class_of(kind: str, version: int) -> type[Message]:
    """The class registered for a kind, when this process speaks that version. Raises `Unreadable`."""
    cls = _REGISTRY.get(kind)
    if cls is None:
        raise Unreadable(f"unknown kind {kind!r}")
    if version != cls.version:
        raise Unreadable(f"{kind}: version {version} is not spoken here, version {cls.version} is")
    return cls


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "fields"
    more = error.error_count() - 1
    return f"{where}: {first['msg']}" + (f" (and {more} more)" if more else "")
