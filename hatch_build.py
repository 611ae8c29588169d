"""Builds the wheel: everything moves under `undying/`, and the import lines that name it move along.

    checkout                         wheel
    messages/chat.py            ->   undying/messages/chat.py
    actors/router/decide.py     ->   undying/actors/router/decide.py
    supervisors/ run.py         ->   undying/supervisors/ undying/run.py
    config.yaml                 ->   undying/config.yaml
    undying/                    ->   undying/
    from messages.chat import X ->   from undying.messages.chat import X

In the checkout the folders are plain top-level packages. Installed beside a host app they can't be: the app's own `messages`, or
the one another distribution ships, would hide ours, or ours theirs.

A module is renamed at the places where the parser sees a `from` import, never by searching the text, so strings, docstrings and
comments stay as they are; the result is parsed again and has to be the same program but for those names. What can't be renamed
that way stops the build with the file, the line and what to write instead. An editable install moves nothing: it is the checkout.
"""

from __future__ import annotations

import ast
import re
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DOOR = "undying"
FOLDERS = ("messages", "actors", "supervisors")
MODULES = ("run",)
DATA = ("config.yaml",)
MOVED = frozenset((*FOLDERS, *MODULES))

_FROM = re.compile(rb"from(?:\s|\\)+")
_LEFT_BEHIND = ("__pycache__", "*.py[cod]", ".*")


class CannotMove(Exception):
    """Something in the sources does not survive the move under `undying/`. The text says where, what, and what to write instead."""


class UndyingBuildHook(BuildHookInterface[Any]):
    """Hands hatchling the moved tree; for an editable install, only the command's other name."""

    PLUGIN_NAME = "custom"
    _scratch: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it writes the wheel; `version` is standard or editable."""
        if version == "editable":
            self.metadata.core.scripts[DOOR] = "run:main"
            return
        self._scratch = tempfile.TemporaryDirectory(prefix="undying-wheel-")
        moved = Path(self._scratch.name, DOOR)
        lay_out(Path(self.root), moved)
        build_data["force_include"][str(moved)] = DOOR

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called by hatchling when the wheel is written."""
        if self._scratch is not None:
            self._scratch.cleanup()


def lay_out(root: Path, target: Path) -> None:
    """Copies the package in the checkout `root` to `target` as it is in the wheel. Raises `CannotMove`."""
    for name in sorted(MOVED):
        for squatter in (root / DOOR / name, root / DOOR / f"{name}.py"):
            if squatter.exists():
                raise CannotMove(f"{squatter.relative_to(root)}: this is where {name} goes in the wheel; {DOOR}/ holds no module of that name, choose another")
    copy_renamed(root / DOOR, target)
    for folder in FOLDERS:
        copy_renamed(root / folder, target / folder)
    for module in MODULES:
        (target / f"{module}.py").write_bytes(renamed((root / f"{module}.py").read_bytes(), f"{module}.py"))
    for name in DATA:
        shutil.copyfile(root / name, target / name)


def copy_renamed(source: Path, target: Path, *, without: tuple[str, ...] = ()) -> None:
    """Copies a folder with all that is in it, the Python files with their import lines renamed.

    Caches and hidden files stay behind, and what is named in `without`. Raises `CannotMove`.
    """
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_LEFT_BEHIND, *without))
    for file in sorted(target.rglob("*.py")):
        shown = Path(source.name, file.relative_to(target))
        file.write_bytes(renamed(file.read_bytes(), str(shown)))


def renamed(source: bytes, file: str) -> bytes:
    """The Python source with `from messages.x import y` as `from undying.messages.x import y`, and nothing else changed. Raises `CannotMove`."""
    tree = ast.parse(source, file)
    imports = [node for node in ast.walk(tree) if _names_what_moves(node, file)]
    at = _offsets(source)
    places = sorted(_module_at(source, at[node.lineno - 1] + node.col_offset, file, node.lineno) for node in imports)
    result = _with_insertions(source, places, f"{DOOR}.".encode())
    for node in imports:
        node.module = f"{DOOR}.{node.module}"
    if ast.dump(ast.parse(result, file)) != ast.dump(tree):
        raise CannotMove(f"{file}: renaming its imports changed more than their names; keep imports on lines of their own, in UTF-8")
    return result


def _names_what_moves(node: ast.AST, file: str) -> TypeGuard[ast.ImportFrom]:
    match node:
        case ast.ImportFrom(module=str(module), level=0):
            return _top(module) in MOVED
        case ast.Import(names=names):
            for alias in names:
                if _top(alias.name) in MOVED:
                    raise CannotMove(f"{file}:{node.lineno}: `import {alias.name}` binds a name that moves; write `from {alias.name} import ...`")
    return False


def _top(module: str) -> str:
    return module.partition(".")[0]


def _offsets(source: bytes) -> list[int]:
    """Where each line begins, in bytes, as the parser counts lines and columns."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _module_at(source: bytes, offset: int, file: str, line: int) -> int:
    found = _FROM.match(source, offset)
    if found is None:
        raise CannotMove(f"{file}:{line}: no `from` where the parser sees one; keep imports on lines of their own, in UTF-8")
    return found.end()


def _with_insertions(source: bytes, places: list[int], what: bytes) -> bytes:
    bounds = [0, *places, len(source)]
    return what.join(source[start:end] for start, end in pairwise(bounds))
