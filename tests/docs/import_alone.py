"""Imports each of the named modules in a process of its own: `python -P import_alone.py MODULE...`; exit code 1 if one fails.

A fork for each module, one per processor at a time, from a process that has read the third parties but nothing of ours: what a
module forgot to import itself, and every circle of imports, shows, and reading the third parties is paid for once.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Iterator

import pydantic

THIRD_PARTIES = ("aiohttp.web", "msgpack", "orjson", "pykka", "structlog", "yaml")


def start(module: str) -> int:
    """Forks a child that imports the module, and returns its id. A failing child says why on stderr and exits with 1."""
    child = os.fork()
    if child == 0:
        importlib.import_module(module)
        sys.stdout.flush()
        os._exit(0)
    return child


def alone(modules: list[str]) -> Iterator[tuple[str, bool]]:
    """Each module, and whether it can be imported with nothing of ours imported before; one child per processor at a time."""
    waiting, running = list(reversed(modules)), dict[int, str]()
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            module = waiting.pop()
            running[start(module)] = module
        child, status = os.wait()
        yield running.pop(child), status == 0


def main(modules: list[str]) -> int:
    """Imports all of them and names those that failed."""
    for name in THIRD_PARTIES:
        importlib.import_module(name)
    pydantic.create_model("Any", field=(int, 1))  # most of pydantic is read when it makes the first model
    warnings.simplefilter("error")
    failed = sorted(module for module, came in alone(modules) if not came)
    if failed:
        sys.stderr.write(f"can't be imported alone: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
