"""Looking at the tree: `/status...` and `/health...`. Answers come from the kernel and the accounts, never from upstream."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web

from actors.gateway.answers import GATE
from actors.gateway.listener import Gate
from actors.runtime.system import Hop
from messages.faults import Fault
from messages.outcome import AskFailed, Refusal, Refused, as_fault
from messages.provider import ReportProvider
from messages.routing import ListModels
from messages.supervision import ActorStatus, Describe, TellHistory

LIMIT = 1.0


def as_json(data: Any, status: int = 200) -> web.Response:
    """Plain data as a JSON answer."""
    return web.Response(body=orjson.dumps(data, option=orjson.OPT_INDENT_2), status=status, content_type="application/json")


async def overview(request: web.Request) -> web.Response:
    """`GET /status`: the whole in a few numbers, and where to look further."""
    gate = request.app[GATE]
    tree = await _describe(gate, "/")
    actors = list(_flat(tree))
    return as_json(
        {
            "name": "undying", "version": gate.version, "url": gate.url, "state": "draining" if gate.draining else tree.state,
            "uptime_ms": int((gate.system.now() - gate.system.began) * 1000), "actors": len(actors), "restarts": sum(actor.restarts for actor in actors),
            "not_running": [actor.address for actor in actors if actor.state != "running"], "open_requests": len(gate.open),
            "dead_letters": gate.system.dead_letter_count, "late_replies": gate.system.late_replies, "tasks_ending": len(gate.system.ending),
            "tasks_abandoned": gate.system.abandoned, "loop_lag_ms": None if gate.watchdog is None else gate.watchdog.figures(),
            "event_streams": gate.events.reading,
            "providers": {name: provider.state for name, provider in gate.settings.providers.items()},
            "more": [
                "/status/tree", "/status/events", "/status/actors/{path}", "/status/providers", "/status/traces/{trace}", "/status/dead-letters",
                "/status/crashes",
            ],
        }
    )  # fmt: skip


async def tree(request: web.Request) -> web.Response:
    """`GET /status/tree`: every actor with its state, nested as they live."""
    return as_json((await _describe(request.app[GATE], "/")).model_dump())


async def actor(request: web.Request) -> web.Response:
    """`GET /status/actors/{path}`: one actor and those below it, what it handled last, and how it ended."""
    gate, address = request.app[GATE], "/" + request.match_info["path"].strip("/")
    told = await _describe(gate, address)
    return as_json({**told.model_dump(), **await _history(gate, address)})


async def providers(request: web.Request) -> web.Response:
    """`GET /status/providers`: each provider as its account sees it, in the order in which they are tried."""
    return as_json({"providers": await _providers(request.app[GATE])})


async def trace(request: web.Request) -> web.Response:
    """`GET /status/traces/{trace}`: the messages of one request, in order, with the ms since the first."""
    gate, wanted = request.app[GATE], request.match_info["trace"]
    hops = [Hop._make(hop) for hop in gate.system.hops if hop[0] == wanted]
    if not hops:
        raise Refusal(Fault(cls="not_found", message=f"no trace {wanted!r} is remembered; the last {gate.system.hops.maxlen} messages are"))
    shown = [{"ms": round((hop.at - hops[0].at) * 1000, 3), "kind": hop.kind, "from": hop.sender, "to": hop.address} for hop in hops]
    return as_json({"trace": wanted, "hops": shown})


async def dead_letters(request: web.Request) -> web.Response:
    """`GET /status/dead-letters`: messages that nobody handled, the latest last, and why."""
    system = request.app[GATE].system
    now = system.now()
    letters = [
        {"ms_ago": int((now - letter.at) * 1000), "to": letter.address, "kind": letter.kind, "from": letter.sender, "trace": letter.trace, "why": letter.why}
        for letter in system.dead_letters
    ]
    return as_json({"count": system.dead_letter_count, "kept": letters})


async def live(request: web.Request) -> web.Response:
    """`GET /health/live`: this process answers."""
    return as_json({"status": "live"})


async def ready(request: web.Request) -> web.Response:
    """`GET /health/ready`: some model can be asked for."""
    gate = request.app[GATE]
    if gate.draining:
        return as_json({"status": "draining"}, 503)
    try:
        listed = await gate.system.ask("/routing/router", ListModels(), timeout=LIMIT)
    except AskFailed as failure:
        return as_json({"status": "not ready", "why": as_fault(failure.outcome).message}, 503)
    return as_json({"status": "ready", "models": len(listed.models)}) if listed.models else as_json({"status": "not ready", "why": "no model is served"}, 503)


async def _describe(gate: Gate, address: str) -> ActorStatus:
    return (await gate.system.ask(address, Describe(), timeout=LIMIT)).status


async def _history(gate: Gate, address: str) -> dict[str, Any]:
    """Nothing for an address that keeps no history."""
    try:
        return (await gate.system.ask(address, TellHistory(), timeout=LIMIT)).model_dump(include={"messages", "exits"})
    except AskFailed as failure:
        if isinstance(failure.outcome, Refused):
            return {}
        raise


async def _providers(gate: Gate) -> dict[str, dict[str, Any]]:
    async def one(name: str) -> dict[str, Any]:
        try:
            return (await gate.system.ask(f"/providers/{name}/account", ReportProvider(), timeout=LIMIT)).status.model_dump()
        except AskFailed as failure:
            return {"name": name, "state": "restarting", "detail": as_fault(failure.outcome).message}

    names = list(gate.settings.providers)
    return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))


def _flat(status: ActorStatus) -> list[ActorStatus]:
    return [status, *(below for child in status.children for below in _flat(child))]
