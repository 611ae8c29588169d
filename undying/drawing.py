"""What `run.py tree` shows, as text and as a picture in colours; pure: from the answers of `/status` and `/status/tree`.

`rich` is loaded by the picture only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

Actor = Mapping[str, Any]

LATEST = 8  # decisions below the tree
TEMPORARY = 5  # children of one dynamic supervisor that are shown one by one

COLOURS = {
    "running": "green", "half_open": "yellow", "starting": "yellow", "restarting": "yellow", "stopping": "yellow",
    "suspended": "blue", "quarantined": "magenta", "stopped": "red",
}  # fmt: skip
LOUD = {"start_failed": "red", "gave_up": "bold red", "abandoned": "red", "blocked": "bold yellow", "quarantined": "magenta"}
"""Decisions that somebody should see; the others are told quietly."""


@dataclass
class View:
    """What is known of the daemon. `waiting` says why nothing new is, empty while all is well."""

    status: Mapping[str, Any] = field(default_factory=dict[str, Any])
    tree: Actor | None = None
    latest: deque[tuple[str, Mapping[str, Any]]] = field(default_factory=lambda: deque(maxlen=LATEST))
    waiting: str = ""


def rows(actor: Actor, stem: str = "", mark: str = "", name: str = "/") -> Iterator[tuple[str, Actor | int]]:
    """Each line's branch and name with its actor; of many temporary children the first ones, and how many more there are."""
    yield f"{stem}{mark}{name}", actor
    below = stem + {"": "", "├── ": "│   ", "└── ": "    "}[mark]
    children = actor["children"]
    temporary = [child for child in children if child["restart_type"] == "temporary"]
    hidden = temporary[TEMPORARY:]
    shown = [child for child in children if child not in hidden] if hidden else children
    for child in shown:
        is_last = child is shown[-1] and not hidden and not actor["untold"]
        yield from rows(child, below, "└── " if is_last else "├── ", child["address"].rpartition("/")[2])
    more = len(hidden) + actor["untold"]
    if more:
        yield f"{below}└── ...", more


def draw(tree: Actor) -> list[str]:
    """The tree as text, one line per actor, in columns."""
    lines = list(rows(tree))
    names = max(len(name) for name, _ in lines)
    kinds = max(len(kind_of(actor)) for _, actor in lines if not isinstance(actor, int))
    drawn: list[str] = []
    for name, actor in lines:
        if isinstance(actor, int):
            drawn.append(f"{name:<{names}}  {actor} more")
            continue
        told = [f"{state_of(actor)}, handled {actor['handled']}"]
        told += [f"{word} {actor[key]}" for word, key in (("waiting", "depth"), ("restarts", "restarts"), ("crashes", "crashes")) if actor[key]]
        told += [f"last exit {exit_of(actor)}"] if actor["last_exit"] else []
        drawn.append(f"{name:<{names}}  {kind_of(actor):<{kinds}}  {', '.join(told)}")
    return drawn


def kind_of(actor: Actor) -> str:
    """What it is: its strategy when it supervises, else its class; where it runs, when that is not on the loop."""
    kind = str(actor["strategy"] or actor["actor"] or "-")
    return kind if actor["isolation"] == "task" else f"{kind} ({actor['isolation']}{f' {pid}' if (pid := actor['pid']) else ''})"


def state_of(actor: Actor) -> str:
    """The state, and when it will change by itself."""
    wait = actor["next_restart_ms"]
    return str(actor["state"]) if wait is None else f"{actor['state']} for {wait / 1000:.1f} s"


def exit_of(actor: Actor) -> str:
    """How it ended last: the word and the error, without the error's text."""
    last = actor["last_exit"]
    return f"{last['how']} {last['error']}".strip() if last else ""


def span(ms: int) -> str:
    """A time in its largest two units."""
    seconds = ms // 1000
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    units = [f"{value}{unit}" for value, unit in ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")) if value]
    return " ".join(units[:2]) or "0s"


# ---- in colours


def picture(view: View) -> Group:
    """One frame."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Text | Table] = []
    if view.status:
        parts += [_head(view.status), Text()]
    if view.tree is not None:
        parts.append(_table(view.tree, dim=bool(view.waiting)))
    if view.latest:
        parts += [Text(), *(_decision(name, told) for name, told in view.latest)]
    if view.waiting:
        parts += [Text(), Text(view.waiting, style="bold yellow")]
    return Group(*parts)


def _head(status: Mapping[str, Any]) -> Text:
    from rich.text import Text

    state = "well" if not status["not_running"] and status["state"] == "running" else f"{len(status['not_running'])} not running"
    head = Text.assemble(("Undying", "bold"), f" {status['version']}  ", (state, "green" if state == "well" else "yellow"), no_wrap=True, overflow="ellipsis")
    facts = [f"up {span(status['uptime_ms'])}", f"{status['actors']} actors", f"{status['restarts']} restarts", f"{status['open_requests']} requests open"]
    lag = status.get("loop_lag_ms")
    facts += [f"lag {lag['p99']:g} ms (max {lag['max']:g})"] if lag else []
    return head.append("  " + " · ".join(facts), style="dim").append(f"  {status['url']}/", style="dim underline")


def _table(tree: Actor, *, dim: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), style="dim" if dim else "", header_style="dim", expand=True)
    table.add_column("actor", no_wrap=True, ratio=5)
    table.add_column("state", no_wrap=True, min_width=9)
    for title in ("handled", "waiting", "restarts"):
        table.add_column(title, no_wrap=True, justify="right")
    table.add_column("last exit", no_wrap=True, ratio=4, style="dim")
    for name, actor in rows(tree):
        stem = len(name) - len(name.lstrip("│├└─ "))
        if isinstance(actor, int):
            table.add_row(Text.assemble((name[:stem], "dim"), (f"... {actor} more", "dim italic")))
            continue
        told = Text.assemble((name[:stem], "dim"), (name[stem:], "bold"), (f"  {kind_of(actor)}", "dim"))
        ago = actor["last_exit_ms_ago"]
        table.add_row(
            told, Text(state_of(actor), style=COLOURS.get(actor["state"], "")), str(actor["handled"]),
            Text(str(actor["depth"]), style="yellow" if actor["oldest_ms"] > 1000 else ""),
            Text(str(actor["restarts"]), style="" if actor["restarts"] else "dim"),
            "" if ago is None else f"{exit_of(actor)}, {span(ago)} ago",
        )  # fmt: skip
    return table


def _decision(name: str, told: Mapping[str, Any]) -> Text:
    from rich.text import Text

    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{told.get('time', '')[11:19]:<8}  ", style="dim").append(f"{name:<12}  ", style=_loudness(name, told))
    count = told.get("count")
    return line.append(told.get("address") or (f"{count} events" if count else "")).append(f"  {told.get('detail') or told.get('why') or ''}", style="dim")


def _loudness(name: str, told: Mapping[str, Any]) -> str:
    unmeant = name == "exited" and told.get("how") not in ("normal", "shutdown")
    return "red" if unmeant else LOUD.get(name, "")
