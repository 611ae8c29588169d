"""Every URL of the gateway, on one screen."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from actors.gateway import chat, control, crashes, events, models, status
from actors.gateway.answers import GATE, door
from actors.gateway.listener import Gate

PAGE = Path(__file__).parent / "pages" / "tree.html"


async def page(request: web.Request) -> web.Response:
    """`GET /`: the live tree."""
    return web.Response(body=PAGE.read_bytes(), content_type="text/html", charset="utf-8", headers={"Content-Security-Policy": POLICY})


POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'"

ROUTES = (
    web.get("/", page),
    web.post("/v1/chat/completions", chat.completions),
    web.get("/v1/models", models.list_models),
    web.get("/v1/models/{id:.+}", models.one_model),
    web.get("/health/live", status.live),
    web.get("/health/ready", status.ready),
    web.get("/status", status.overview),
    web.get("/status/tree", status.tree),
    web.get("/status/events", events.stream),
    web.get("/status/actors/{path:.*}", status.actor),
    web.get("/status/providers", status.providers),
    web.get("/status/traces/{trace}", status.trace),
    web.get("/status/dead-letters", status.dead_letters),
    web.get("/status/crashes", crashes.crashes),
    web.get("/status/crashes/{id}", crashes.crash),
    web.post("/supervision/{path:.*}/{verb}", control.steer),
    web.post("/supervision/{verb}", control.steer),
    web.post("/inject/{path:.*}", control.inject),
)


def application(gate: Gate) -> web.Application:
    """aiohttp's application over the table."""
    app = web.Application(middlewares=[door], client_max_size=gate.settings.server.max_body)
    app[GATE] = gate
    app.add_routes(ROUTES)
    return app
