"""How what is wrong in the settings is told: one line per problem, with the place, the path, what was found and what is allowed.

    config.yaml:6: providers.moonshot.timout: unknown key, did you mean "timeouts"?
    environment: UNDYING_SERVER__PORT: found 99999, wanted a whole number from 0 to 65535

No line holds a secret: values of secret settings, values that came by ${NAME}, URLs and long texts are described, not repeated.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Where a setting is: ("providers", "moonshot", "models", 1)."""

LONGEST_QUOTE = 32  # enums, numbers and names are shorter, keys are longer

_WORD = re.compile(r"[A-Za-z0-9_.:/@+-]+")
_NUMBER = re.compile(r"[+-]?[0-9.]+")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of the file, or an environment variable and the path that it sets. Files sort before the environment."""

    file: str
    line: int = 0
    variable: str = ""
    path: Path = ()

    @property
    def from_file(self) -> bool:
        """Whether it is in the file rather than the environment."""
        return not self.variable


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the setting at `path`, written at `place`. `subject` is shown where there is no path."""

    path: Path
    text: str
    place: Place
    subject: str = ""

    def __str__(self) -> str:
        subject = self.subject or dotted(self.path) or "(top)"
        if self.place.from_file:
            return f"{self.place.file}:{self.place.line}: {subject}: {self.text}"
        nested = "" if self.path == self.place.path else f"{subject}: "
        return f"environment: {word(self.place.variable)}: {nested}{self.text}"


class ConfigError(Exception):
    """The settings are not usable. Its text has one line per problem, in the order of the file, then the environment's."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        ordered = sorted(problems, key=lambda problem: (not problem.place.from_file, problem.place.line, problem.place.variable))
        self.problems = tuple(ordered)
        self.lines = tuple(dict.fromkeys(str(problem) for problem in ordered))
        super().__init__("\n".join(self.lines))


def dotted(path: Path) -> str:
    """A path as it is written for people: providers.moonshot.models[1].name; empty for the top."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{_named(part)}" if text else _named(part)
    return text


def found(value: object, *, secret: bool = False, variables: tuple[str, ...] = ()) -> str:
    """What stood there, described; repeated only when it is short and no secret. `variables` were put into it by ${NAME}."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case str() if not value:
            return "empty text"
        case str() if variables:
            return f"the value of {' and '.join(variables)}"
        case str() if secret or len(value) > LONGEST_QUOTE:
            return f"a text of {len(value)} characters" if not secret else "a text"
        case str():
            return value if _NUMBER.fullmatch(value) else _quoted(value)
    return f"a value of type {type(value).__name__}"


def unknown_key(key: str, known: Iterable[str]) -> str:
    """What to say of a key that is none of the known ones: the nearest, or all."""
    guess = nearest(key, known)
    if ":" in key:
        return "unknown key, a space is missing after the colon"
    return f'unknown key, did you mean "{guess}"?' if guess else f"unknown key, allowed are {', '.join(sorted(known))}"


def unwanted(value: str, allowed: Iterable[str], description: str) -> str:
    """What to say of a word that is none of the two or more allowed ones: all of them, and the nearest if there is one."""
    words = list(allowed)
    guess = nearest(value, words)
    choice = f"{', '.join(words[:-1])} or {words[-1]}"
    return f"found {description}, wanted {choice}" + (f', did you mean "{guess}"?' if guess else "")


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, "" for none. Case and the kind of dash do not matter."""
    plain = word.lower().replace("-", "_")
    words = list(known)
    close = difflib.get_close_matches(plain[:100], words, n=1, cutoff=0.6)
    return close[0] if close else next((other for other in words if len(plain) > 2 and (plain in other or other in plain)), "")


def until_colon(key: str) -> str:
    """A key that may be repeated: in {api_key:sk-...} the forgotten blank makes the secret a part of the key."""
    name, colon, _ = key.partition(":")
    return f"{name}{colon}..." if colon else key


def word(text: str) -> str:
    """A name as it stands, or in quotes and escaped when it is not one plain word."""
    return text if _WORD.fullmatch(text) else _quoted(text)


def _named(part: str) -> str:
    short = part if len(part) <= 2 * LONGEST_QUOTE else part[:8] + "..."
    return word(short)


def _quoted(text: str) -> str:
    return '"' + repr(text)[1:-1] + '"'
