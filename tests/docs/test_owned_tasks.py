"""A task nobody owns can't be restarted. Ruff bans `asyncio.create_task` by name; this finds `loop.create_task` and the like."""

from __future__ import annotations

import ast

from tests.docs.sources import places

STARTS_A_TASK = {"create_task", "ensure_future", "run_coroutine_threadsafe"}
MAY = ("actors/runtime/", "run.py", "undying/testing/fake_provider/listener.py")  # the last one plays a foreign server


def test_only_the_runtime_and_the_program_start_tasks() -> None:
    calls = [(file, function, node) for file, function, node in places(ast.Call) if not file.startswith(MAY)]
    started = [f"{file}: {function}" for file, function, node in calls if isinstance(node, ast.Call) and last_name(node.func) in STARTS_A_TASK]
    assert started == [], "use SupervisedActor.spawn: such a task's crash is the actor's crash"


def last_name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
