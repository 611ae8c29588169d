"""What another process can be told to start: an import path, and arguments that msgpack holds; pure.

    Worker                            -> "shop.workers", "Worker", no arguments
    functools.partial(Worker, "a", n=1)  -> the same, with ("a",) and {"n": 1}

A lambda, a class inside a function and whatever stands in `__main__` have no path that another interpreter could import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack

from actors.runtime.origin import found_at, origin_of

REMEDY = "move it to the top level of a module that can be imported, and give arguments with functools.partial"


class NotImportable(ValueError):
    """The text says why, and what to do."""


class Importable(NamedTuple):
    """`arguments` is the msgpack of (positional, keywords)."""

    module: str
    name: str
    arguments: bytes


def importable(start: Callable[[], Any]) -> Importable:
    """How to start it from another process. Raises `NotImportable`."""
    origin = origin_of(start)
    made, positional, keywords = origin
    module, name = getattr(made, "__module__", None), getattr(made, "__qualname__", None)
    if module is None or name is None:
        raise NotImportable(f"{made!r} has no import path: {REMEDY}")
    if module == "__main__":
        raise NotImportable(f"{name} stands in the program itself (__main__), which another process does not import: {REMEDY}")
    if "<" in name:  # <lambda>, <locals>
        raise NotImportable(f"{module}.{name} is a lambda, or local to a function: {REMEDY}")
    if found_at(origin.path) != made:
        raise NotImportable(f"{module}.{name} is something else than {made!r}: {REMEDY}")
    return Importable(module, name, _packed(positional, keywords))


def _packed(positional: tuple[Any, ...], keywords: dict[str, Any]) -> bytes:
    try:
        packed: bytes = msgpack.packb((positional, keywords))
    except (TypeError, ValueError, OverflowError) as error:
        raise NotImportable(f"its arguments {positional!r} {keywords!r} do not fit into msgpack ({error}): give plain data") from error
    if msgpack.unpackb(packed, use_list=False, strict_map_key=False) != (_tuples(positional), _tuples(keywords)):
        raise NotImportable(f"its arguments {positional!r} {keywords!r} come out of msgpack as something else: give plain data")
    return packed


def _tuples(value: Any) -> Any:
    """Lists as tuples, which is how they arrive."""
    if isinstance(value, list | tuple):
        return tuple(map(_tuples, value))
    return {key: _tuples(inner) for key, inner in value.items()} if isinstance(value, dict) else value
