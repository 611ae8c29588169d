"""Reads the settings: the file, then the environment's overrides, then ${NAME}, then the model; every problem is told at once.

    load -> parse: text -> Document (config_yaml) -> + overrides (config_environment) -> plain data -> Settings (config)

`parse` is pure: the same text and environment give the same settings or the same error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Literal, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from messages.config import Settings
from messages.config_environment import expand, override
from messages.config_errors import ConfigError, Path, Place, Problem, dotted, found, unknown_key, until_colon, unwanted
from messages.config_shape import SETTINGS, Shape
from messages.config_yaml import Document, Plain, read
from messages.provider import ProviderKind

__all__ = ["ConfigError", "Loaded", "Origin", "load", "parse"]

Origin = Literal["default", "file", "env"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and where each comes from by its dotted path, such as `providers.moonshot.timeouts.connect`. A list is one setting."""

    settings: Settings
    origins: dict[str, Origin]


def load(path: FilePath | None, environ: Mapping[str, str]) -> Loaded:
    """The settings from a file (None: no file) and the environment. Raises `ConfigError`, also for a file that cannot be read.

    A relative `state_dir` in the file, or by default, is relative to the file's folder: it must not move with the folder one happens
    to start from. One from the environment, or without a file, is left relative to the working directory.
    """
    if path is None:
        return parse("", "config.yaml", environ)
    text = _text_of(path)
    if isinstance(text, Problem):
        raise ConfigError([text])
    loaded = parse(text, str(path), environ)
    if loaded.origins["state_dir"] == "env":
        return loaded
    return replace(loaded, settings=loaded.settings.model_copy(update={"state_dir": path.parent / loaded.settings.state_dir}))


def parse(text: str, filename: str, environ: Mapping[str, str]) -> Loaded:
    """The settings that a file's text and the environment give. Raises `ConfigError` with one line per problem."""
    document = read(text, filename)
    override(document, environ)
    settling = _Settling(document, environ)
    data = settling.settle(document.tree, SETTINGS, ()) if document.tree is not None else {}
    settings = _validated(data)
    if isinstance(settings, ValidationError):
        settling.problems += [problem for details in settings.errors(include_url=False) for problem in settling.translate(details)]
    if settling.problems or isinstance(settings, ValidationError):
        raise ConfigError(settling.problems)
    origins = {dotted(path): _origin(path, settling) for path in _leaves(settings, SETTINGS, ())}
    return Loaded(settings, origins)


def _text_of(path: FilePath) -> str | Problem:
    try:
        data = path.read_bytes()
    except OSError as error:
        return Problem((), f"cannot be read: {error.strerror}", Place(str(path), 1), subject="(file)")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Problem((), "is not UTF-8 text, save it as UTF-8", Place(str(path), line), subject="(file)")


def _validated(data: object) -> Settings | ValidationError:
    # Returned, not raised from: the ConfigError must not drag along an exception that holds the input, secrets included.
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        return error


def _leaves(value: object, shape: Shape, path: Path) -> Iterator[Path]:
    if shape.fields:
        for name, inner in shape.fields.items():
            yield from _leaves(getattr(value, name), inner, (*path, name))
    elif shape.values and isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _leaves(item, shape.values, (*path, name))
    else:
        yield path


def _origin(path: Path, settling: _Settling) -> Origin:
    if path not in settling.given:
        return "default"
    return "file" if settling.place(path).from_file else "env"


class _Settling:
    """Makes a document into what the model takes: drops what is unknown or empty, replaces ${NAME}, and remembers for the errors."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.place = document.place
        self.problems = list(document.problems)
        self.given: set[Path] = set()
        self._typos: set[Path] = set()  # what an unknown key was probably meant to be: not told as missing, too
        self._told: set[Path] = set()
        self._variables: dict[Path, tuple[str, ...]] = {}
        self._missing: dict[Path, tuple[str, ...]] = {}

    def settle(self, value: Plain, shape: Shape, path: Path) -> object:
        """Plain data for the model. A setting of a section that is empty is left out, so that it gets its default."""
        if value is not None:
            self.given.add(path)
        match value:
            case dict() if shape.fields:
                return self._section(value, shape, path)
            case dict():
                return {key: self.settle(item, shape.below(key), (*path, key)) for key, item in value.items()}
            case tuple():
                return tuple(self.settle(item, shape.below(at), (*path, at)) for at, item in enumerate(value))
            case str():
                return self._text(value, shape, path)
        return None

    def _section(self, value: dict[str, Plain], shape: Shape, path: Path) -> dict[str, object]:
        data: dict[str, object] = {}
        for key, item in value.items():
            if key not in shape.fields:
                text = unknown_key(key, shape.fields)
                self.problems.append(Problem((*path, until_colon(key)), text, self.place((*path, key))))
                self._typos.update((*path, name) for name in shape.fields if f'"{name}"' in text)
                continue
            settled = self.settle(item, shape.fields[key], (*path, key))
            if settled is not None:
                data[key] = settled
            if missing := self._missing.get((*path, key)):
                data["missing_env"] = missing
        return data

    def _text(self, text: str, shape: Shape, path: Path) -> str | None:
        expanded = expand(text, self._environ)
        if expanded.malformed:
            self._tell(path, 'holds a "${" that is not understood, write ${NAME}, ${NAME:-default}, or $${ for the characters themselves')
        elif expanded.missing and shape.secret:
            self._missing[path] = expanded.missing
        elif expanded.missing:
            names = " and ".join(expanded.missing)
            self._tell(path, f"{names} is not set in the environment, set it or write ${{{expanded.missing[0]}:-default}}")
        elif expanded.variables:
            self._variables[path] = expanded.variables
        if expanded.malformed or expanded.missing:
            return None
        return expanded.text if expanded.text or expanded.text == text else None

    def _tell(self, path: Path, text: str) -> None:
        self.problems.append(Problem(path, text, self.place(path)))
        self._told.add(path)

    def translate(self, details: ErrorDetails) -> Iterator[Problem]:
        """A validation error in our words. Errors that only follow from another one are left out."""
        path = details["loc"]
        is_key = path[-1:] == ("[key]",)
        path = path[:-1] if is_key else path
        if details["type"] == "told":
            for complaint in details["ctx"]["complaints"]:
                yield from self._problem((*path, *complaint.path), complaint.text)
        else:
            yield from self._problem(path, self._words(details, path))

    def _problem(self, path: Path, text: str) -> Iterator[Problem]:
        if path not in self._told and (path not in self._typos or path in self.given):
            yield Problem(path, text, self.place(path))

    def _words(self, details: ErrorDetails, path: Path) -> str:
        shape = SETTINGS
        for key in path:
            shape = shape.below(key)
        value = details["input"]
        # a model named by a text alone fails at its name, one step below that text
        variables = next((self._variables[path[:at]] for at in range(len(path), 0, -1) if path[:at] in self._variables), ())
        description = found(value, secret=shape.secret, variables=variables)
        match details["type"]:
            case "missing":
                return f"is missing, add one of {', '.join(get_args(ProviderKind))}" if path[-1] == "kind" else "is missing, add it"
            case "literal_error":
                # pydantic writes the allowed words as 'a', 'b' or 'c'
                words = re.findall(r"'([^']*)'", details["ctx"]["expected"])
                return unwanted(value if isinstance(value, str) and not variables else "", words, description)
            case "model_type" | "dict_type":
                # never repeated: {moonshot: sk-...} is an obvious thing to try
                names = f" with {', '.join(shape.fields)}" if shape.fields else ""
                return f"found {found(value, secret=True)}, wanted a mapping{names}"
            case "tuple_type":
                return f"found {description}, wanted a list, such as [a, b]"
            case "wanted":
                return f"found {description}, {details['msg']}"
        return f"found {description}: {details['msg']}"
