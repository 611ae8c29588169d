"""What the terminal shows, without a terminal."""

from __future__ import annotations

from io import StringIO
from typing import Any, get_args

import pytest
from rich.console import Console

from messages.supervision import ActorStatus, Decision, ExitReason, State
from undying.drawing import COLOURS, LATEST, LOUD, View, draw, picture, rows, span


def actor(address: str, *children: ActorStatus, **more: Any) -> ActorStatus:
    told = {"actor": "Thing", "state": "running", "incarnation": 1, "restarts": 0, "restart_type": "permanent", "depth": 0, "oldest_ms": 0}
    return ActorStatus.model_validate({**told, "high_water": 0, "handled": 1, "busy_ms": 0, "uptime_ms": 0, "address": address, "children": children, **more})


CRASHED = {"restarts": 2, "crashes": 1, "last_exit": ExitReason(how="crashed", error="Oops", detail="private"), "last_exit_ms_ago": 65_000}

STATUS = {
    "version": "0.1.0", "state": "running", "uptime_ms": 3_723_000, "actors": 4, "restarts": 2, "open_requests": 1, "url": "http://127.0.0.1:8700",
    "not_running": [], "loop_lag_ms": {"max": 12.5, "p99": 0.5},
}  # fmt: skip


def shown(view: View, width: int = 140, height: int = 50, *, colours: bool = False) -> str:
    out = StringIO()
    Console(file=out, width=width, height=height, force_terminal=colours, color_system="standard" if colours else None).print(picture(view))
    return out.getvalue()


def drawn(*children: ActorStatus) -> list[str]:
    return draw(actor("/", *children, strategy="one_for_one").model_dump())


# ---- as text


def test_the_tree_is_drawn_with_its_branches_in_columns() -> None:
    lines = drawn(actor("/a", actor("/a/b")), actor("/c", **CRASHED))
    assert lines == [
        "/          one_for_one  running, handled 1",
        "├── a      Thing        running, handled 1",
        "│   └── b  Thing        running, handled 1",
        "└── c      Thing        running, handled 1, restarts 2, crashes 1, last exit crashed Oops",
    ]


def test_what_waits_and_where_it_runs_are_told() -> None:
    lines = drawn(
        actor("/a", state="restarting", next_restart_ms=1500, depth=3), actor("/b", isolation="process", pid=4711), actor("/c", isolation="thread")
    )
    assert lines[1].endswith("restarting for 1.5 s, handled 1, waiting 3")
    assert "Thing (process 4711)" in lines[2] and "Thing (thread)" in lines[3]


def test_of_many_temporary_children_the_first_are_shown_and_the_others_counted() -> None:
    children = [actor(f"/a/{n}", restart_type="temporary") for n in range(300)]
    lines = drawn(actor("/a", *children), actor("/b"))
    assert [line[: len("│   └── ...")].rstrip() for line in lines[2:9]] == [
        "│   ├── 0", "│   ├── 1", "│   ├── 2", "│   ├── 3", "│   ├── 4", "│   └── ...", "└── b",
    ]  # fmt: skip
    assert lines[7].endswith("295 more") and len(lines) == 9


def test_permanent_children_are_never_left_out() -> None:
    tree = actor("/", *(actor(f"/{n}") for n in range(50)))
    assert len(list(rows(tree.model_dump()))) == 51


@pytest.mark.parametrize(("ms", "told"), [(0, "0s"), (999, "0s"), (59_000, "59s"), (3_723_000, "1h 2m"), (90_061_000, "1d 1h"), (86_400_000, "1d")])
def test_a_time_is_told_in_its_largest_units(ms: int, told: str) -> None:
    assert span(ms) == told


# ---- as a picture


def test_every_state_has_its_colour_and_every_loud_decision_exists() -> None:
    assert set(COLOURS) == set(get_args(State))
    assert set(LOUD) <= set(get_args(Decision.model_fields["event"].annotation))


@pytest.mark.parametrize(("state", "code"), [("running", "32"), ("suspended", "34"), ("quarantined", "35"), ("stopped", "31"), ("restarting", "33")])
def test_a_state_is_seen_by_its_colour(state: str, code: str) -> None:
    view = View(status=STATUS, tree=actor("/", actor("/a", state=state)).model_dump())
    assert f"\x1b[{code}m{state}" in shown(view, colours=True)


def test_a_frame_tells_the_whole_the_tree_and_the_latest_decisions() -> None:
    view = View(status=STATUS, tree=actor("/", actor("/a", **CRASHED)).model_dump())
    view.latest.append(("exited", {"time": "2026-01-02T03:04:05.678+00:00", "address": "/a", "detail": "crashed Oops", "how": "crashed"}))
    view.latest.append(("lost", {"count": 7, "why": "only the last 1000 events are remembered"}))
    told = shown(view)
    assert "Undying 0.1.0  well  up 1h 2m · 4 actors · 2 restarts · 1 requests open · lag 0.5 ms (max 12.5)" in told
    assert "└── a  Thing" in told and "crashed Oops, 1m 5s ago" in told and "private" not in told
    assert "03:04:05  exited        /a  crashed Oops" in told and "lost          7 events  only the last" in told


def test_only_the_latest_decisions_are_kept() -> None:
    view = View()
    for n in range(100):
        view.latest.append(("started", {"address": f"/{n}", "time": ""}))
    assert len(shown(view).strip().splitlines()) == LATEST and "/99" in shown(view)


def test_what_is_waited_for_is_told_below_the_last_frame() -> None:
    view = View(status=STATUS, tree=actor("/", actor("/a")).model_dump(), waiting="waiting for a daemon on ./state ...")
    lines = shown(view).splitlines()
    assert lines[-1] == "waiting for a daemon on ./state ..." and any("└── a" in line for line in lines)
    assert shown(View(waiting="waiting ...")).strip() == "waiting ..."


def test_what_does_not_run_is_counted_on_top() -> None:
    view = View(status={**STATUS, "not_running": ["/a", "/b"], "loop_lag_ms": None})
    assert "2 not running" in shown(view) and "lag" not in shown(view)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wrapped_in_a_narrow_window(width: int) -> None:
    tree = actor("/", actor("/a", actor("/a/a-rather-long-name-of-an-actor", **CRASHED)), actor("/c", state="quarantined", next_restart_ms=12_345))
    view = View(status=STATUS, tree=tree.model_dump())
    view.latest.append(("exited", {"time": "2026-01-02T03:04:05+00:00", "address": "/a/a-rather-long-name", "detail": "x" * 200}))
    lines = shown(view, width).splitlines()
    assert len(lines) == 2 + 1 + 4 + 2 and all(len(line) <= width for line in lines)


def test_words_of_ours_are_no_markup() -> None:
    view = View(status=STATUS, tree=actor("/", actor("/[red]a")).model_dump())
    view.latest.append(("exited", {"time": "", "address": "/[bold]x", "detail": "[link=http://x]y[/link]"}))
    assert "[red]a" in shown(view) and "[bold]x" in shown(view) and "[link=http://x]y[/link]" in shown(view)
