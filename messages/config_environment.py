"""What the environment says about the settings: overrides by name, and the values of ${NAME} in the file.

    UNDYING_SERVER__PORT=8701                            server.port; two underscores go one step down
    UNDYING_STATE_DIR=/var/lib/undying                   state_dir
    UNDYING_PROVIDERS__MY_KIMI__API_KEY=...              providers.my-kimi.api_key: case does not matter, and '-' and '.' are '_'
    UNDYING_ROUTING__FALLBACKS='{kimi-k2: [glm-4.6]}'    lists and sections are set whole, as YAML in one line

A name that does not exist is an error when it has two underscores in a row. Without them it is ignored, unless it is a top-level name:
Kubernetes sets UNDYING_SERVICE_HOST and the like for every pod beside a service called undying. An empty variable counts as not set.
In the file ${NAME} must be set, ${NAME:-default} need not be, and $${ stands for ${ itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from messages.config_errors import ConfigError, Path, Place, Problem, nearest, word
from messages.config_shape import SETTINGS, Shape
from messages.config_yaml import Document, Plain, read

PREFIX = "UNDYING_"

_NULLS = {"null", "Null", "NULL", "~"}
_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}|\$\{")


@dataclass(frozen=True, slots=True)
class Expanded:
    """A text with its references replaced. `variables` were used, `missing` ones are not set; `text` is then of no use."""

    text: str
    variables: tuple[str, ...]
    missing: tuple[str, ...]
    malformed: bool


def expand(text: str, environ: Mapping[str, str]) -> Expanded:
    """`text` with every ${NAME} replaced. What is put in is not looked at again: a value may hold ${ itself."""
    variables: list[str] = []
    missing: list[str] = []
    malformed = False

    def value_of(match: re.Match[str]) -> str:
        nonlocal malformed
        name: str | None = match[1]
        default: str | None = match[2]
        if name is None:
            malformed = malformed or match[0] != "$${"
            return "${"
        value = environ.get(name, "")
        if not value.strip():
            if default is None:
                missing.append(name)
            return default or ""
        variables.append(name)
        return value

    return Expanded(_REFERENCE.sub(value_of, text), tuple(variables), tuple(missing), malformed)


def override(document: Document, environ: Mapping[str, str]) -> None:
    """Puts what the environment says into the document, in place. Names that lead nowhere become problems of it."""
    set_by: dict[Path, str] = {}
    for variable, names in sorted(_overrides(environ), key=lambda pair: (len(pair[1]), pair[0])):  # a section before what is in it
        target = _resolve(variable, names, document.tree)
        if isinstance(target, Problem):
            document.problems.append(target)
            continue
        path, shape = target
        place = Place("", variable=variable, path=path)
        if path in set_by:
            document.problems.append(Problem(path, f"{word(set_by[path])} sets the same, keep one", place))
            continue
        set_by[path] = variable
        value = _value(environ[variable], shape, place)
        if isinstance(value, Problem):
            document.problems.append(value)
        else:
            _put(document, path, value, place)


def _overrides(environ: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """The variables that mean settings, with the steps of their names in lower case."""
    for variable, text in environ.items():
        name = variable.lower()
        if name.startswith(PREFIX.lower()) and text.strip():
            rest = name[len(PREFIX):]
            if "__" in name or rest in SETTINGS.fields:
                yield variable, rest.split("__")


def _resolve(variable: str, names: list[str], tree: Plain) -> tuple[Path, Shape] | Problem:
    """Where in the settings these names lead, by what is in the tree already where names are free."""
    path: tuple[str, ...] = ()
    shape = SETTINGS
    for at, name in enumerate(names):
        place = Place("", variable=variable, path=path)
        if shape.items:
            return Problem(path, f"a list is set whole: {_spelled(names[:at])}='[a, b]'", place)
        if shape.is_scalar:
            return Problem(path, f"unknown key, there is nothing below {_spelled(names[:at])}", place)
        inside = tree if isinstance(tree, dict) else {}
        known = list(inside) if shape.values else list(shape.fields)
        matches = [key for key in known if _flat(key) == _flat(name)]
        if len(matches) > 1:
            return Problem(path, f"can mean {' or '.join(word(key) for key in matches)}, set it in the file", place)
        if not matches and not shape.values:
            guess = nearest(name, known)
            if guess:
                return Problem(path, f"unknown key, did you mean {_spelled([*names[:at], guess, *names[at + 1 :]])}?", place)
            return Problem(path, f"unknown key, allowed are {', '.join(_spelled([*names[:at], other]) for other in known)}", place)
        key = matches[0] if matches else name
        path, tree, shape = (*path, key), inside.get(key), shape.below(key)
    return path, shape


def _value(text: str, shape: Shape, place: Place) -> Plain | Problem:
    """A scalar as it stands, without YAML's quotes around it; lists and sections as YAML.

    A key may begin with what means something else in YAML, so nothing but the quotes and null is understood in a scalar.
    """
    text = text.strip()
    if shape.is_scalar and text[0] not in "'\"":
        return None if text in _NULLS else text
    try:
        document = read(text, place.variable)
    except ConfigError as error:
        return text if shape.is_scalar else Problem(place.path, f"cannot be read as YAML: {error.problems[0].text}", place)
    if document.problems:
        return Problem(place.path, document.problems[0].text, place)
    return document.tree if isinstance(document.tree, str) or not shape.is_scalar else text


def _put(document: Document, path: Path, value: Plain, place: Place) -> None:
    """Sets one value in the tree, making sections on the way; where the file has something else on the way, that is told instead."""
    if document.tree is None:
        document.tree = {}
    inside: Plain = document.tree
    for at, key in enumerate(path):
        if not isinstance(inside, dict) or not isinstance(key, str):
            return
        document.places.setdefault(path[: at + 1], place)
        if at == len(path) - 1:
            inside[key] = value
        else:
            if inside.get(key) is None:
                inside[key] = {}
            inside = inside[key]
    for other in [other for other in document.places if other[: len(path)] == path]:
        del document.places[other]
    document.places[path] = place


def _flat(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


def _spelled(names: list[str]) -> str:
    return word(PREFIX + "__".join(name.upper() for name in names))
