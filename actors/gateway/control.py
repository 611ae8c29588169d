"""The buttons: `POST /supervision/{path}/{verb}` and `POST /inject/{path}`. From this machine only, and never from a foreign page.

Every use is logged as what it is: somebody's hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from itertools import accumulate
from urllib.parse import urlsplit

import orjson
import structlog
from aiohttp import web

from actors.gateway.answers import GATE, TRACE_KEY
from actors.gateway.chat import read_body
from actors.gateway.listener import Gate
from actors.gateway.status import as_json
from actors.runtime.cell import KERNEL_KINDS, Cell
from actors.runtime.system import ActorSystem
from messages.faults import Fault
from messages.message import Ask, Message, Unreadable, unpack, unpack_json
from messages.outcome import AskFailed, Refusal, as_fault
from messages.supervision import RestartChild, Resume, Suspend, TerminateChild

LIMIT = 15.0

logger = structlog.get_logger(actor="/gateway/http")


VERBS = ("restart", "stop", "start", "suspend", "resume")


async def steer(request: web.Request) -> web.Response:
    """`POST /supervision/{path}/{verb}`: restarts, stops, starts, suspends or resumes an actor, and answers when that is done."""
    check_control(request)
    verb, address = request.match_info["verb"], "/" + request.match_info.get("path", "").strip("/")
    if verb not in VERBS:
        raise Refusal(Fault(cls="not_found", message=f"no verb {verb!r}: POST /supervision/{{path}}/VERB with one of {', '.join(VERBS)}", names=VERBS))
    system = request.app[GATE].system
    cell = system.directory.get(address)
    if not isinstance(cell, Cell):
        raise Refusal(Fault(cls="not_found", message=f"no actor lives at {address}; GET /status/tree shows who lives where"))
    logger.info("steered by hand", verb=verb, target=address, trace=request[TRACE_KEY])
    match verb:
        case "suspend":
            return as_json((await system.ask(address, Suspend(), timeout=LIMIT)).model_dump())
        case "resume":
            return as_json((await system.ask(address, Resume(), timeout=LIMIT)).model_dump())
        case _ if address == "/":
            return _steer_root(system, verb)
        case "restart" | "start" if cell.restart_type == "temporary":
            message = f"{address} is temporary, it comes and goes with its work: it can be stopped, suspended and resumed"
            raise Refusal(Fault(cls="conflict", message=message, names=("stop", "suspend", "resume")))
        case _:
            return await _steer_child(system, verb, address)


async def _steer_child(system: ActorSystem, verb: str, address: str) -> web.Response:
    """Asks the supervisor above. It answers in its turn, so it has to have turns."""
    above, _, id = address.rpartition("/")
    for supervisor in accumulate(above.split("/")[1:], "{}/{}".format, initial=""):
        cell = system.directory.get(supervisor or "/")
        state = cell.shown_state if isinstance(cell, Cell) else ""
        if state == "stopped" or (state == "suspended" and supervisor == above):
            remedy = "start" if state == "stopped" else "resume"
            message = f"{supervisor or '/'} above {address} is {state}: POST /supervision{supervisor}/{remedy} first"
            raise Refusal(Fault(cls="conflict", code=state, message=message))
    if verb == "stop":
        terminated = await system.ask(above or "/", TerminateChild(id=id), timeout=LIMIT)
        return as_json({**terminated.model_dump(), "state": "stopped"})
    started = await system.ask(above or "/", RestartChild(id=id, running="restart" if verb == "restart" else "refuse"), timeout=LIMIT)
    return as_json({**started.model_dump(), "state": "running"})


def _steer_root(system: ActorSystem, verb: str) -> web.Response:
    """The root has nobody above it: it is started again whenever it ends, and who could say when it runs again is not there meanwhile."""
    match verb:
        case "restart":
            system.restart_root()
            return as_json({"address": "/", "restarting": True}, 202)
        case "stop":
            message = "the root stops with the daemon: Ctrl-C, or SIGTERM, or `await daemon.stop()`; POST /supervision/restart starts the whole tree anew"
        case _:
            message = "the root runs as long as the daemon does; POST /supervision/restart starts the whole tree anew"
    raise Refusal(Fault(cls="conflict", message=message, names=("restart", "suspend", "resume")))


async def inject(request: web.Request) -> web.Response:
    """`POST /inject/{path}`: a typed message into a live actor. JSON `{kind, version, fields}` or a packed message. An ask is answered."""
    gate = request.app[GATE]
    if not gate.settings.inject.enabled:
        raise Refusal(Fault(cls="forbidden", message="injection is off: set inject.enabled to true in config.yaml, or UNDYING_INJECT__ENABLED=true"))
    check_control(request)
    address = "/" + request.match_info["path"].strip("/")
    message = _read(request.content_type, await read_body(request), address, gate)
    logger.warning("injected by hand", target=address, kind=message.kind, trace=request[TRACE_KEY])
    if not isinstance(message, Ask):
        outcome = gate.system.tell(address, message, trace=request[TRACE_KEY])
        if outcome is not None:
            raise Refusal(as_fault(outcome))
        return as_json({"delivered": True, "to": address, "kind": message.kind}, 202)
    try:
        answer: Message = await gate.system.ask(address, message, timeout=LIMIT, trace=request[TRACE_KEY])
    except AskFailed as failure:
        raise Refusal(as_fault(failure.outcome)) from failure
    return as_json({"to": address, "answer": {"kind": answer.kind, "version": answer.version, "fields": orjson.loads(answer.model_dump_json())}})


def _read(content_type: str, body: bytes, address: str, gate: Gate) -> Message:
    cell = gate.system.directory.get(address)
    if not isinstance(cell, Cell):
        raise Refusal(Fault(cls="not_found", message=f"nobody lives at {address}; GET /status/tree shows who lives where"))
    try:
        if content_type in ("application/msgpack", "application/x-msgpack"):
            return unpack(body)
        parts = orjson.loads(body)
        if not isinstance(parts, dict) or not isinstance(parts.get("kind"), str) or set(parts) - {"kind", "version", "fields"}:
            raise Unreadable('the body is {"kind": "...", "version": 1, "fields": {...}}')
        return unpack_json(parts["kind"], parts.get("version", 1), orjson.dumps(parts.get("fields", {})))
    except (Unreadable, orjson.JSONDecodeError) as error:
        understood = (*sorted(cell.accepts), *KERNEL_KINDS)
        raise Refusal(Fault(cls="not_understood", message=f"{error}; {address} understands {', '.join(understood)}", names=understood)) from error


def check_control(request: web.Request) -> None:
    """Refuses a control request that is not from this machine, or that a foreign page may have made."""
    fault = foreign(request.headers, request.remote or "", request.app[GATE].port)
    if fault is not None:
        raise Refusal(fault)


def foreign(headers: Mapping[str, str], remote: str, port: int) -> Fault | None:
    """Why a control request is refused, None when it is not; pure. `port` is our own."""
    if not _loopback(remote):
        return Fault(cls="forbidden", message="control is answered on this machine only while no keys are configured")
    if headers.get("X-Undying-Control") != "1":
        return Fault(cls="forbidden", message="a control request carries the header X-Undying-Control: 1")
    for name in ("Host", "Origin"):
        told = headers.get(name)
        if told is None and name == "Origin":
            continue
        parts = urlsplit(told if told and "//" in told else f"//{told or ''}")
        if not _loopback(parts.hostname or "") or _port(parts.netloc) != port:
            return Fault(cls="forbidden", message=f"the {name} {told!r} is not this gateway's own: localhost or a loopback address, port {port}")
    return None


def _port(netloc: str) -> int | None:
    digits = netloc.rpartition(":")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 5 else 80


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
