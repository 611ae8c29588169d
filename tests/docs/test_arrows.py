"""The arrows are import-linter's to hold (`lint-imports`, in pyproject.toml); here is held that its list of pure modules is whole."""

from __future__ import annotations

import ast
import re
import tomllib

from tests.docs.sources import ROOT, files, modules


def test_a_module_that_calls_itself_pure_is_held_to_it() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [held] = [contract["source_modules"] for contract in contracts if contract["name"].startswith("pure modules")]
    claims = [module for module, file in zip(modules(), files(), strict=True) if says_pure(file.read_text())]
    free = [module for module in claims if not any(f"{module}.".startswith(f"{name}.") for name in held)]
    assert free == [], "add it to the contract's source_modules in pyproject.toml"


def says_pure(source: str) -> bool:
    """Whether the docstring's first paragraph calls the module pure."""
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return re.search(r"\bpure\b", docstring.partition("\n\n")[0]) is not None
