"""How to make an actor again, elsewhere and later: the import path of its class, and plain arguments, as text.

    partial(Worker, 3, name="a")  --recipe_of-->  Recipe("app.workers:Worker", "((3,), {'name': 'a'})")  --factory_of-->  a factory

What can't be said so has no recipe: a function, a local class, an argument that is an object, or one that looks like a secret. And what
is read from a file is trusted no further than that: a recipe makes instances of the wanted class, and calls nothing else.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

from actors.runtime.origin import found_at, origin_of

T = TypeVar("T")

LONGEST = 64 * 1024  # characters of arguments

_PATH = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")
_PLAIN = frozenset((str, bytes, int, float, bool, type(None)))
_SECRET_NAME = re.compile(r"key|token|secret|passw|credential|auth", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    r"\b(sk|pk|ghp|gho|xox[a-z])[-_]|AKIA|eyJ|bearer |://[^/\s]*@|[?&]\w*(key|token|secret|auth)\w*=|\d[- .]?(\d[- .]?){11}|[A-Za-z0-9+_-]{24,}", re.IGNORECASE
)


class Recipe(NamedTuple):
    """`path` is module:name, `arguments` the repr of (args, keywords)."""

    path: str
    arguments: str


class NoRecipe(Exception):
    """This can't be made again from its name. The text says why."""


def recipe_of(factory: Callable[[], Any]) -> Recipe:
    """The recipe of a factory. Raises `NoRecipe`."""
    origin = origin_of(factory)
    made, args, keywords = origin
    if not isinstance(made, type) or found_at(origin.path) is not made:
        raise NoRecipe(f"{origin.path} is no class that can be imported: make it one at the top of a module, or a functools.partial of one")
    for name, value in (*enumerate(args), *keywords.items()):
        if not _plain(value):
            raise NoRecipe(f"argument {name} is a {type(value).__name__}: only text, bytes, numbers, True, False, None and collections of them are noted")
        if _SECRET_NAME.search(str(name)) or _looks_secret(value):
            raise NoRecipe(f"argument {name} looks like a secret")
    arguments = repr((args, keywords))
    if len(arguments) > LONGEST:
        raise NoRecipe(f"its arguments are longer than {LONGEST} characters")
    return Recipe(origin.path, arguments)


def factory_of(recipe: Recipe, wanted: type[T]) -> Callable[[], T]:
    """The factory that the recipe describes. Raises `NoRecipe` when it isn't there any more, or makes something else than what is wanted."""
    module = recipe.path.partition(":")[0]
    if not _PATH.fullmatch(recipe.path):
        raise NoRecipe(f"{recipe.path!r} is no path of a class, such as app.workers:Worker")
    try:
        import_module(module)
    except ImportError as error:
        raise NoRecipe(f"{recipe.path} can't be imported ({error}): run this from where your app runs, with its folder in PYTHONPATH") from error
    made = found_at(recipe.path)
    if made is None:
        raise NoRecipe(f"{module} has no {recipe.path.partition(':')[2]} any more")
    if not isinstance(made, type) or not issubclass(made, wanted):
        raise NoRecipe(f"{recipe.path} is no {wanted.__name__}")
    try:
        args, keywords = ast.literal_eval(recipe.arguments)
        return partial(made, *args, **keywords)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:  # the last two when it is nested too deeply
        raise NoRecipe(f"the arguments of {recipe.path} can't be read ({error})") from error


def _plain(value: Any) -> bool:
    if type(value) in (tuple, list, set):
        return all(map(_plain, value)) and value != set()
    if type(value) is dict:
        return all(_plain(key) and _plain(inner) for key, inner in value.items())
    return type(value) in _PLAIN and (type(value) is not float or value - value == 0)


def _looks_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_looks_secret(inner) or _SECRET_NAME.search(str(key)) for key, inner in value.items())
    if isinstance(value, tuple | list | set):
        return any(map(_looks_secret, value))
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    return isinstance(text, str) and _SECRET_VALUE.search(text) is not None
