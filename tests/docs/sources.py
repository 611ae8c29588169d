"""The source files that the tests of this folder read, parsed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("messages", "actors", "supervisors", "undying")


def files() -> list[Path]:
    """Every source file of ours, tests and tools apart."""
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))] + [ROOT / "run.py"]


def modules() -> list[str]:
    """Every module of ours by its name in the checkout."""
    parts = (file.relative_to(ROOT).with_suffix("").parts for file in files())
    return [".".join(part[:-1] if part[-1] == "__init__" else part) for part in parts]


def within(tree: ast.AST, function: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Every node with the name of the function it stands in: `Class.method`, `outer.inner`, empty at the top."""
    for node in ast.iter_child_nodes(tree):
        yield function, node
        inner = function
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{function}.{node.name}".lstrip(".")
        yield from within(node, inner)


def places(node_is: type[ast.AST]) -> Iterator[tuple[str, str, ast.AST]]:
    """Every node of a kind, as (file, function, node)."""
    for file in files():
        for function, node in within(ast.parse(file.read_bytes(), str(file))):
            if isinstance(node, node_is):
                yield str(file.relative_to(ROOT)), function, node
