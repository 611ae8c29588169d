"""Arbitrary instances of every message there is, built from the types of its fields."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import hypothesis.strategies as st
from annotated_types import Ge
from pydantic.fields import FieldInfo

from messages.message import Message, Part, known_kinds

_PACKAGE = Message.__module__.rpartition(".")[0]

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    int: st.integers(-(2**63), 2**64 - 1),  # what msgpack can hold
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=40),
    NoneType: st.none(),
}


def our_messages() -> dict[str, type[Message]]:
    """Every kind of the service's vocabulary; kinds of tests left out."""
    for module in iter_modules(import_module(_PACKAGE).__path__):
        import_module(f"{_PACKAGE}.{module.name}")
    return {kind: cls for kind, cls in known_kinds().items() if cls.__module__.rpartition(".")[0] == _PACKAGE}


def instances(cls: type[Part], depth: int = 2) -> st.SearchStrategy[Any]:
    """Instances of a message or a part; parts inside parts down to this depth, below it only where they must be."""
    fields = {name: _above(least(field), values(field.annotation, depth)) for name, field in cls.model_fields.items()}
    return st.builds(cls, **fields)


def least(field: FieldInfo) -> float | None:
    """The least value that a field allows, where it says one."""
    return next((float(bound.ge) for bound in field.metadata if isinstance(bound, Ge) and isinstance(bound.ge, int | float)), None)


def _above(bound: float | None, some: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return some if bound is None else some.map(abs).filter(lambda value: value >= bound)


def values(kind: Any, depth: int) -> st.SearchStrategy[Any]:
    """Values of a type as message fields have them."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, Part):
        return instances(kind, depth - 1)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of([values(argument, depth) for argument in arguments])
    if origin is tuple and arguments[1:] == (...,):
        return st.just(()) if depth <= 0 else st.lists(values(arguments[0], depth), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*(values(argument, depth) for argument in arguments))
    if origin is dict:
        return st.dictionaries(values(arguments[0], depth), values(arguments[1], depth), max_size=2)
    raise TypeError(f"teach me to make a {kind}")
