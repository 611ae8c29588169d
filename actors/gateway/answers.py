"""How a handler says no, and the door around all handlers: whatever they raise becomes an error in OpenAI's shape, with a trace."""

from __future__ import annotations

import random

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from actors.gateway import openai
from actors.gateway.listener import Gate
from messages.faults import Fault, FaultClass, Trial
from messages.outcome import AskFailed, Refusal, as_fault

GATE: web.AppKey[Gate] = web.AppKey("gate", Gate)
TRACE_KEY: web.RequestKey[str] = web.RequestKey("trace", str)

_TRACES = random.Random()  # seeded by the system once; a trace is no secret, and asking the system each time is a call into the kernel
_HTTP: dict[int, FaultClass] = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media"}

logger = structlog.get_logger(actor="/gateway/http")


def refuse(fault: Fault, trace: str, trail: tuple[Trial, ...] = ()) -> web.Response:
    """The fault as an HTTP answer."""
    headers = {**openai.error_headers(fault, trail), "X-Undying-Trace": trace, "X-Undying-Attempts": str(len(trail))}
    if trail:
        headers |= {"X-Undying-Provider": openai.header_safe(trail[-1].provider), "X-Undying-Model": openai.header_safe(trail[-1].model)}
    return web.Response(status=fault.row.status, body=openai.error_body(fault, trace, trail), content_type="application/json", headers=headers)


@web.middleware
async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives the request its trace; turns what a handler raises into an answer. The one broad except of HTTP."""
    trace = request[TRACE_KEY] = f"{_TRACES.getrandbits(128):032x}"
    try:
        return await handler(request)
    except Refusal as refusal:
        return refuse(refusal.fault, trace)
    except AskFailed as failure:
        return refuse(as_fault(failure.outcome), trace)
    except web.HTTPException as problem:
        return refuse(_explained(problem, request), trace)
    except Exception:
        logger.exception("handler crashed", trace=trace, path=request.path)
        return refuse(Fault(cls="internal", message="the gateway failed to handle this request; the trace finds it in the log"), trace)


def _explained(problem: web.HTTPException, request: web.Request) -> Fault:
    cls = _HTTP.get(problem.status, "bad_request" if problem.status < 500 else "internal")
    match cls:
        case "not_found":
            message = f"there is no {request.path} here; GET / shows what there is"
        case "method_not_allowed":
            allowed = ", ".join(sorted(getattr(problem, "allowed_methods", ())))
            message = f"{request.path} takes {allowed}, not {request.method}"
        case "body_too_large":
            message = f"the body is longer than server.max_body, {request.app[GATE].settings.server.max_body} bytes"
        case _:
            message = problem.reason
    return Fault(cls=cls, message=message)
