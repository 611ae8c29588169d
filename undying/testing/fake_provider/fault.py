"""What a fault is: a frozen value with a name and a few numbers, and a little play for one call.

    name + arguments   <->   spec "cut_at/3"   <->   URL http://127.0.0.1:PORT/fault/cut_at/3/v1   and   --fault cut_at/3

A class says its name once and stands in the table from then on; its docstring is its line in the table that is printed.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from undying.testing.fake_provider.stage import Stage

Shows = Literal["never", "later", "by_waiting", "at_once"]
"""When a client can know.

never        it is no fault: an odd but healthy way to answer
later        this call goes well, the next on the same connection may not
by_waiting   only a time limit tells
at_once      an error, an end or a foreign body is there to be seen
"""

TABLE: dict[str, type[Fault]] = {}
"""From name to fault. URL, command line and code share it."""


@dataclass(frozen=True)
class Fault(ABC):
    """One way to fail, or an odd way to succeed. Every argument has a default, so each fault can be named alone."""

    name: ClassVar[str] = ""
    shows: ClassVar[Shows] = "at_once"

    def __init_subclass__(cls, *, name: str = "", shows: Shows = "at_once") -> None:
        """A class without a name is a family of faults, not one."""
        cls.name, cls.shows = name, shows
        if name and TABLE.setdefault(name, cls) is not cls:
            raise TypeError(f"the fault {name!r} is taken by {TABLE[name].__qualname__}: choose another name for {cls.__qualname__}")

    def __post_init__(self) -> None:
        for parameter in fields(self):
            value = getattr(self, parameter.name)
            if not isinstance(value, str) and not value >= 0:
                raise ValueError(f"{self.name}: {parameter.name} is {value!r}; it must be 0 or more")

    @abstractmethod
    async def play(self, stage: Stage) -> None:
        """Answers one call in this way."""

    @property
    def spec(self) -> str:
        """The fault in one word, as URL and command line take it; what stands at its default is left out at the end."""
        given = [(getattr(self, parameter.name), parameter.default) for parameter in fields(self)]
        while given and given[-1][0] == given[-1][1]:
            given.pop()
        return "/".join([self.name, *(quote(str(value), safe="") for value, _ in given)])

    @classmethod
    def form(cls) -> str:
        """How the spec is written: `status/CODE/BODY`."""
        return "/".join([cls.name, *(parameter.name.upper() for parameter in fields(cls))])

    @classmethod
    def meaning(cls) -> str:
        """What it does, in a line."""
        return " ".join((cls.__doc__ or "").split())


def parse(spec: str) -> Fault:
    """The fault of a spec such as `cut_at/3`. What can't be understood is a ValueError that says what could."""
    name, *texts = [unquote(part) for part in spec.strip("/").split("/")]
    if name not in TABLE:
        near = difflib.get_close_matches(name, TABLE, 3) or sorted(TABLE)
        raise ValueError(f"no fault is called {name!r}; there is {', '.join(near)}")
    cls = TABLE[name]
    parameters = fields(cls)
    if len(texts) > len(parameters):
        raise ValueError(f"{spec!r} has {len(texts)} arguments; it is written {cls.form()}")
    values: list[object] = []
    for parameter, text in zip(parameters, texts, strict=False):
        kind = {"int": int, "float": float, "str": str}[str(parameter.type)]
        try:
            values.append(kind(text))
        except ValueError:
            raise ValueError(f"{spec!r}: {parameter.name} is {text!r}, not {kind.__name__}; it is written {cls.form()}") from None
    return cls(*values)
