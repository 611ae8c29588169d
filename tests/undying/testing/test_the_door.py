"""What `undying.testing` offers, and what it costs to have it there unused."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import undying.testing
from undying import testing

HEAVY = {"aiohttp", "msgpack", "orjson", "pydantic", "pykka", "structlog", "yaml"}


def python(program: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    return subprocess.run([sys.executable, "-W", "error", "-c", program], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def test_the_names_are_few_and_each_of_them_is_explained() -> None:
    assert testing.__all__ == sorted(testing.__all__, key=lambda name: (name.islower(), name))
    for name in testing.__all__:
        assert getattr(testing, name).__doc__
        assert name in (testing.__doc__ or "")


def test_a_name_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match=r"undying\.testing has no 'mock'; it has .*tree"):
        undying.testing.mock  # noqa: B018


def test_neither_the_package_nor_its_plugin_brings_anything_heavy_along() -> None:
    done = python("import undying.testing.plugin, sys; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()
    assert {name for name in loaded if name.startswith("undying.")} == {"undying.version", "undying.testing", "undying.testing.plugin"}


def test_undying_itself_does_not_load_its_test_kit() -> None:
    done = python("import sys; from undying import Daemon; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert [name for name in done.stdout.split() if name.startswith("undying.testing") or name == "_pytest"] == []


def test_the_fake_provider_needs_no_pytest() -> None:
    done = python("import sys; from undying.testing import FakeProvider, tree; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert {"pytest", "_pytest", "looptime", "pytest_asyncio"} & set(done.stdout.split()) == set()
