"""What another process can be told to start, and that a spec which can't be told is refused with the remedy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgpack
import pytest

from supervisors.dynamic import DynamicSupervisor
from supervisors.importable import REMEDY, NotImportable, importable
from supervisors.spec import BadSpec, ChildSpec
from supervisors.supervisor import Supervisor
from tests.actors.runtime.housed import Lodger, a_lodger
from tests.actors.runtime.trees import Worker
from tests.actors.runtime.vocabulary import Total

HOUSED = Lodger.__module__


class Outer:
    class Inner(Worker):
        pass

    def method(self) -> Worker:
        return Worker()


renamed = partial(Lodger)
hidden = Lodger


def replaced() -> Worker:
    return Worker()


original = replaced


def replaced() -> Worker:  # type: ignore[no-redef]
    return Worker()


def arguments(start: Callable[[], Any]) -> Any:
    return msgpack.unpackb(importable(start).arguments, use_list=False)


def test_a_class_or_function_at_the_top_of_a_module_is_told_by_its_path() -> None:
    assert importable(Lodger)[:2] == (HOUSED, "Lodger")
    assert importable(a_lodger)[:2] == (HOUSED, "a_lodger")
    assert importable(Outer.Inner)[:2] == (__name__, "Outer.Inner")
    assert arguments(Lodger) == ((), {})


def test_arguments_come_along_also_from_a_partial_of_a_partial() -> None:
    start = partial(partial(anything, "a", x=1), "b", x=2, y=[1, {"k": b"v"}])
    assert importable(start)[:2] == (__name__, "anything")
    assert arguments(start) == (("a", "b"), {"x": 2, "y": (1, {"k": b"v"})})


def anything(*_: Any, **__: Any) -> Worker:
    return Worker()


def in_the_program() -> Worker:
    return Worker()


in_the_program.__module__ = "__main__"


@pytest.mark.parametrize(
    ("start", "why"),
    [
        (lambda: Worker(), "<lambda> is a lambda, or local to a function"),
        (type("Local", (Worker,), {"__qualname__": "f.<locals>.Local"}), "is a lambda, or local to a function"),
        (in_the_program, "stands in the program itself (__main__)"),
        (Outer().method, "is something else than"),
        (original, "is something else than"),
        (type("Nowhere", (Worker,), {"__module__": "no.such.module"}), "is something else than"),
        (partial(anything, object()), "do not fit into msgpack"),
        (partial(anything, 2**70), "do not fit into msgpack"),
        (partial(anything, "\ud800"), "do not fit into msgpack"),
    ],
)
def test_what_has_no_path_or_no_plain_arguments_is_refused_with_the_remedy(start: Callable[[], Any], why: str) -> None:
    with pytest.raises(NotImportable) as refused:
        importable(start)
    assert why in str(refused.value)
    assert REMEDY in str(refused.value) or "give plain data" in str(refused.value)
    with pytest.raises(BadSpec, match="start of 'a': another process can't be told to start it"):
        ChildSpec("a", start, isolation="process")
    ChildSpec("a", start, isolation="thread")


@pytest.mark.parametrize("isolation", ["thread", "process"])
@pytest.mark.parametrize("start", [Supervisor, DynamicSupervisor, partial(DynamicSupervisor, Worker), type("Named", (Supervisor,), {})])
def test_a_supervisor_is_refused_because_supervision_is_local(start: Callable[[], Any], isolation: Any) -> None:
    with pytest.raises(BadSpec, match=r"isolation of 'a': .*must be 'task' for a supervisor: only its children may live elsewhere"):
        ChildSpec("a", start, isolation=isolation)
    ChildSpec("a", start)


def test_what_a_dynamic_supervisor_could_never_start_is_refused_when_it_is_made() -> None:
    with pytest.raises(BadSpec, match="is a lambda, or local to a function"):
        DynamicSupervisor(lambda: Worker(), Total, isolation="process")
