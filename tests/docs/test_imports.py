"""Every module can be imported alone, and the door of the library opens without the heavy things behind it. No timings: names."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.docs.sources import ROOT, modules

HEAVY = {"faiss", "numpy", "onnxruntime", "openai", "pandas", "rich", "scipy", "sentence_transformers", "sklearn", "tokenizers", "torch", "transformers"}
"""Loaded on first use only: each costs tenths of a second or tens of megabytes."""

MACHINERY = {"aiohttp", "asyncio", "pykka", "structlog"}
"""What plain data has no use for."""

SPARED = {
    "undying": HEAVY | MACHINERY | {"msgpack", "orjson", "pydantic", "yaml"},  # its names are loaded on first use
    "undying.exports": HEAVY - {"rich"},  # structlog brings it along, where it is installed
    "run": HEAVY,
    "messages.chat": HEAVY | MACHINERY,
}


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def test_every_module_can_be_imported_alone() -> None:
    done = python("-P", str(ROOT / "tests" / "docs" / "import_alone.py"), *modules())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", SPARED)
def test_an_import_brings_nothing_heavy_along(module: str) -> None:
    done = python("-c", f"import {module}, sys; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert {name.partition(".")[0] for name in done.stdout.split()} & SPARED[module] == set()
