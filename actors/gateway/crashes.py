"""Looking at crashes: `/status/crashes...`. Told are kinds, reasons and tracebacks, never what a message said."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from actors.gateway.answers import GATE
from actors.gateway.status import as_json
from actors.runtime.crash_file import CrashFile, Damaged, Head
from actors.runtime.crashes import Crashes
from messages.faults import Fault
from messages.outcome import Refusal


async def crashes(request: web.Request) -> web.Response:
    """`GET /status/crashes`: the crash files that are kept, the latest last; of what was not written only the count."""
    journal = _journal(request)
    await journal.written()
    heads = await asyncio.to_thread(journal.heads)
    return as_json({"left_out": journal.left_out, "not_written": journal.failed, "kept": [_line(head) for head in heads]})


async def crash(request: web.Request) -> web.Response:
    """`GET /status/crashes/{id}`: one of them; `run.py replay ID` runs it again."""
    journal = _journal(request)
    try:
        found = await asyncio.to_thread(journal.load, request.match_info["id"])
    except Damaged as error:
        raise Refusal(Fault(cls="not_found", message=str(error))) from error
    return as_json(_whole(found))


def _journal(request: web.Request) -> Crashes:
    journal = request.app[GATE].system.crashes
    if not isinstance(journal, Crashes):
        raise Refusal(Fault(cls="not_found", message="this gateway writes no crash files: its actor system was given no journal"))
    return journal


def _line(head: Head) -> dict[str, Any]:
    return {
        "id": head.id, "at": head.at, "address": head.address, "actor": head.actor, "incarnation": head.incarnation, "how": head.reason.how,
        "error": head.reason.error, "kind": head.kinds[-1] if head.trigger == "message" else None, "left_out": head.left_out,
    }  # fmt: skip


def _whole(found: CrashFile) -> dict[str, Any]:
    trail = [
        {"what": entry.what, "kind": entry.kind, "with": entry.address, "ms_before": entry.ms, "size": entry.size, "note": entry.note}
        for entry in found.entries
    ]
    return _line(found.head) | {"undying": found.head.undying, "traceback": found.head.traceback, "content": found.head.content, "trail": trail}
