"""YAML text -> plain data that remembers the line of everything in it. No tag makes an object, and every scalar stays the text it was.

Scalars are not read by YAML's own rules, where `no` is false, 1:30 is 90 and a key of digits loses its leading zeros: the settings model
knows what each is meant to be. Only an unquoted null, ~ or nothing at all is None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml
from yaml.reader import ReaderError

from messages.config_errors import ConfigError, Path, Place, Problem, until_colon

Plain = str | None | tuple["Plain", ...] | dict[str, "Plain"]

MOST_DEPTH = 32  # deeper than any setting; PyYAML composes recursively and would run out of stack
MOST_NODES = 20_000  # aliases can make a few lines into billions of values

_CORE = "tag:yaml.org,2002:"
_TAGS = {_CORE + tag for tag in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "seq", "map")}
_NULL = _CORE + "null"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


@dataclass(slots=True)
class Document:
    """What a text says. `places` has every path in `tree`; a setting's place is the line of its key."""

    name: str
    tree: Plain = None
    places: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path) -> Place:
        """Where a path was written, or the nearest thing around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(self.name, 1))


def read(text: str, name: str) -> Document:
    """The document in `text`; repeated keys and foreign tags are among its problems. Raises `ConfigError` for what is not YAML at all."""
    document = Document(name)
    node = _compose(text, name)
    if isinstance(node, Problem):
        raise ConfigError([node])
    if node is not None:
        document.tree = _Converter(document).convert(node, (), node.start_mark.line + 1)
    return document


def _compose(text: str, name: str) -> yaml.Node | Problem | None:
    """The one document's node tree, None for an empty text, a problem for anything else."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MOST_DEPTH:
                return _problem(name, event.start_mark.line if event.start_mark else 0, f"nested more than {MOST_DEPTH} deep, no setting is")
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _problem(name, mark.line if mark else 0, _say(error, text))
    except ReaderError as error:
        return _problem(name, text.count("\n", 0, error.position), "a control character, remove it")
    except (ValueError, OverflowError):  # PyYAML on "\UFFFFFFFF" and on a %YAML version of 5,000 digits; it does not say where
        return _problem(name, 0, "a number or an escape in the file is too large for YAML")
    return node


def _problem(name: str, line: int, text: str) -> Problem:
    return Problem((), text, Place(name, line + 1), subject="(yaml)")


def _say(error: yaml.MarkedYAMLError, text: str) -> str:
    """What the parser found, without words of the text: one may be a secret."""
    said = _QUOTED.sub(_only_punctuation, ": ".join(filter(None, (error.context, error.problem)))) or "not YAML"
    mark, begun = error.problem_mark, error.context_mark
    if mark is not None and begun is not None and begun.line != mark.line:
        said += f", begun on line {begun.line + 1}"
    if "\\t" in said:
        return said + ", indent with spaces"
    lines = text.splitlines()
    if mark is not None and mark.line < len(lines) and "${" in lines[mark.line] and "flow" in said:
        return said + ', inside { } and [ ] write "${NAME}" in quotes'
    return said


def _only_punctuation(quoted: re.Match[str]) -> str:
    """PyYAML quotes single characters and <kinds of tokens>, which help, and names of aliases and tags, which may be misplaced secrets."""
    return quoted[0] if len(quoted[0]) <= 4 or quoted[0][1] == "<" else "..."


class _Converter:
    """Walks the nodes of one document, notes places and problems, and stops at what aliases have blown up."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._nodes = 0

    def convert(self, node: yaml.Node, path: Path, line: int) -> Plain:
        self._nodes += 1
        place = Place(self._document.name, line)
        if self._nodes > MOST_NODES or len(path) > MOST_DEPTH:
            raise ConfigError([Problem(path[:1], f"aliases make this more than {MOST_NODES} values or endless, write it out", place)])
        self._document.places[path] = place
        if node.tag not in _TAGS:
            self._document.problems.append(Problem(path, "a tag (!...) is not taken here, remove it", place))
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self.convert(item, (*path, at), item.start_mark.line + 1) for at, item in enumerate(node.value))
        text: str = node.value
        unquoted = isinstance(node, yaml.ScalarNode) and node.style is None
        return None if node.tag == _NULL and unquoted else text

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Plain:
        found: dict[str, Plain] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            place = Place(self._document.name, line)
            if not isinstance(key, yaml.ScalarNode):
                self._document.problems.append(Problem(path, "a list or mapping as a key is not taken here, write a name", place))
            elif key.value in found:
                text = f"given on line {lines[key.value]} and again on line {line}, keep one"
                self._document.problems.append(Problem((*path, until_colon(key.value)), text, place))
            else:
                lines[key.value] = line
                found[key.value] = self.convert(value, (*path, key.value), line)
        return found
