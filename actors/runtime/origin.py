"""What is behind the thing that makes an actor, and what it is called; pure.

    functools.partial(Worker, 3, name="a")  -->  Worker, (3,), {"name": "a"}  -->  "app.workers:Worker"

A path is module:name. It is told to people, written into crash files, and given to another process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple


class Origin(NamedTuple):
    """`made` is what is called in the end, with these arguments."""

    made: Any
    args: tuple[Any, ...]
    keywords: dict[str, Any]

    @property
    def path(self) -> str:
        """Its path, whether it can be imported or not."""
        return path_of(self.made)


def origin_of(start: Callable[[], Any]) -> Origin:
    """What is under the partials, with their arguments put together as the call would."""
    args: tuple[Any, ...] = ()
    keywords: dict[str, Any] = {}
    made: Any = start
    while isinstance(made, partial):
        args, keywords, made = (*made.args, *args), {**made.keywords, **keywords}, made.func
    return Origin(made, args, keywords)


def path_of(thing: Any) -> str:
    """A class or a function as module:name; of anything else its type's name."""
    return f"{getattr(thing, '__module__', '?')}:{getattr(thing, '__qualname__', type(thing).__qualname__)}"


def found_at(path: str) -> Any:
    """What is at that path in a module that is loaded; None when nothing is, and in `__main__`, which is another thing in another process."""
    module, _, name = path.partition(":")
    thing: Any = None if module == "__main__" else sys.modules.get(module)
    for part in name.split("."):
        thing = getattr(thing, part, None)
    return thing
