"""Nobody catches what he can't mend: a broad `except` stands at four borders only, and every one of them is named here."""

from __future__ import annotations

import ast
from collections import Counter

from tests.docs.sources import places

BORDERS: dict[str, tuple[str, ...]] = {
    "the actor loop": ("actors/runtime/",),
    "a supervisor starting a child": ("supervisors/supervisor.py",),
    "the HTTP door": ("actors/gateway/",),
    "the program": ("run.py",),
}

ALLOWED: dict[tuple[str, str], int] = {
    # (file, function): how many broad excepts stand in it
    ("actors/runtime/asyncio_actor.py", "AsyncioActor._handle"): 2,  # pykka's loop: one for what an actor raises, one for what ends them all
    ("actors/runtime/asyncio_actor.py", "AsyncioActor._turn"): 1,  # the same: what it raises is dealt with by _handle
    ("actors/runtime/asyncio_actor.py", "AsyncioActor._guarded"): 1,  # pykka's hooks
    ("actors/runtime/cell.py", "Cell.start"): 1,
    ("actors/runtime/cell.py", "Cell.turn"): 1,
    ("actors/gateway/answers.py", "door"): 1,
}


def names(caught: ast.expr | None) -> set[str]:
    """What an except clause catches, by the last part of each name; a bare one catches `BaseException`."""
    match caught:
        case None:
            return {"BaseException"}
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return {name}
        case ast.Tuple(elts=several):
            return set().union(*(names(one) for one in several))
    return set()


def broad(handler: ast.AST) -> bool:
    return isinstance(handler, ast.ExceptHandler) and bool(names(handler.type) & {"Exception", "BaseException", "BaseExceptionGroup", "ExceptionGroup"})


def suppresses(call: ast.AST) -> bool:
    """`contextlib.suppress(Exception)` is the same in other words."""
    return isinstance(call, ast.Call) and "suppress" in names(call.func) and any(names(one) & {"Exception", "BaseException"} for one in call.args)


def found() -> Counter[tuple[str, str]]:
    """How many broad excepts stand in which function of which file."""
    handlers = Counter((file, function) for file, function, node in places(ast.ExceptHandler) if broad(node))
    return handlers + Counter((file, function) for file, function, node in places(ast.Call) if suppresses(node))


def test_every_broad_except_is_one_that_was_allowed_by_name() -> None:
    new = {place: count for place, count in found().items() if count > ALLOWED.get(place, 0)}
    assert new == {}, "let it crash, or catch what you can mend; at one of the four borders: add it to ALLOWED in this file"


def test_what_is_allowed_is_still_there() -> None:
    gone = {place: count for place, count in ALLOWED.items() if found()[place] < count}
    assert gone == {}, "take it off ALLOWED in this file"


def test_what_is_allowed_stands_at_a_border() -> None:
    prefixes = tuple(prefix for border in BORDERS.values() for prefix in border)
    assert [file for file, _ in ALLOWED if not file.startswith(prefixes)] == []


def test_the_count_sees_every_way_to_catch_everything() -> None:
    ways = ["except:", "except Exception:", "except BaseException as e:", "except (ValueError, Exception):", "except builtins.Exception:", "except* Exception:"]
    for way in ways:
        assert any(broad(node) for node in ast.walk(ast.parse(f"try: pass\n{way} pass"))), way
    assert not any(broad(node) for node in ast.walk(ast.parse("try: pass\nexcept (OSError, errors.Unreadable): pass")))
    assert suppresses(ast.parse("contextlib.suppress(Exception)", mode="eval").body)
    assert not suppresses(ast.parse("contextlib.suppress(OSError)", mode="eval").body)
