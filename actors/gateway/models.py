"""`GET /v1/models` and `/v1/models/{id}`: what can be named, and who serves it."""

from __future__ import annotations

from aiohttp import web

from actors.gateway import openai
from actors.gateway.answers import GATE
from messages.faults import Fault
from messages.outcome import Refusal
from messages.routing import ListModels

ROUTER = "/routing/router"
LIMIT = 5.0


async def list_models(request: web.Request) -> web.Response:
    """All models that can be named now."""
    listed = await request.app[GATE].system.ask(ROUTER, ListModels(), timeout=LIMIT)
    return web.Response(body=openai.models_body(listed), content_type="application/json")


async def one_model(request: web.Request) -> web.Response:
    """One of them; its id may hold slashes."""
    id = request.match_info["id"]
    listed = await request.app[GATE].system.ask(ROUTER, ListModels(), timeout=LIMIT)
    for model in listed.models:
        if model.name == id:
            return web.Response(body=openai.model_body(model), content_type="application/json")
    raise Refusal(Fault(cls="unknown_model", param="model", code="model_not_found", message=f"no model here is named {id!r}; GET /v1/models lists them"))
