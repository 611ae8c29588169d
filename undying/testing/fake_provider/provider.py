"""A provider that does what it is told: a real HTTP server in OpenAI's dialect, with scripted faults.

    async with FakeProvider(answer="Good morning") as fake:
        fake.script(CutAt(3), "status/500")      # the next two calls; after them it is healthy
        ...  a client calls fake.base_url ...
        await fake.called(3)
        assert [call.outcome for call in fake.calls] == ["faulted", "faulted", "completed"]

Three ways to order a fault, one table (`FAULTS` in `faults.py`):

    fake.script("cut_at/3")              the next call
    fake.always("hang"); fake.heal()     every call until healed
    fake.url_for("cut_at/3")             every call through this base URL: a config file alone can order it

Which fault a call gets: the one in its URL, else the next of the script, else `always`, else none. A call that is the caller's own
mistake (unknown path or model, wrong key, no JSON) is rejected first and uses nothing up. GETs are probes: they are kept apart from
calls and take nothing from a script, so that a health check in the background upsets no test.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Literal, Self

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from undying.testing.fake_provider.agenda import Agenda, On, as_fault
from undying.testing.fake_provider.breaks import Refuse
from undying.testing.fake_provider.calls import Call, Kind, Ledger, Outcome
from undying.testing.fake_provider.dialect import Rejected, What, parsed, split, understand
from undying.testing.fake_provider.fault import Fault
from undying.testing.fake_provider.listener import HOST, Connection, Listener, bound
from undying.testing.fake_provider.payloads import Answering, Completion, Listing, Payload, ToolCall, as_answer, embeddings, models
from undying.testing.fake_provider.refusals import send
from undying.testing.fake_provider.stage import Pace, Stage

ANSWER = "The quick brown fox jumps over the lazy dog."
LIMIT = 5.0


class FakeProvider:
    """See the module. `models` empty serves any model; `key` set demands it; `port` 0 takes a free one.

    `answer` is a text, a ToolCall, an Answer, or a function from the request's body to one of them. Times are in seconds;
    `settle` is explained at `Pace`.
    """

    def __init__(
        self, *, models: Sequence[str] = ("mock",), answer: Answering = ANSWER,
        token_delay: float = 0.0, settle: float = Pace.settle, key: str = "", port: int = 0,
    ) -> None:  # fmt: skip
        self.models = tuple(models)
        self.answer: Answering = answer
        self.pace = Pace(token_delay, settle)
        self.key = key
        self._wanted_port = port
        self._ledger = Ledger()
        self._answers: deque[Answering] = deque()
        self._agenda = Agenda()
        self._released = asyncio.Event()
        self._listener: Listener | None = None
        self._refusing: socket.socket | None = None

    async def __aenter__(self) -> Self:
        server = web.Server(self._handle, request_factory=_request, handler_cancellation=True)
        self._listener = Listener(server, self._wanted_port)
        await self._listener.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends everything at once; nothing is left: no task, no socket. What it has seen can still be read."""
        self._released.set()
        if self._refusing is not None:
            self._refusing.close()
            self._refusing = None
        await self._running.close()

    # ------------------------------------------------------------------------------------------------------------------ where

    @property
    def port(self) -> int:
        return self._running.port

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.port}/v1"

    def url_for(self, fault: Fault | str) -> str:
        """A base URL through which every call suffers this fault. For `refuse` it names a port of its own, at which nobody listens."""
        fault = as_fault(fault)
        if not isinstance(fault, Refuse):
            return f"http://{HOST}:{self.port}/fault/{fault.spec}/v1"
        if self._refusing is None:
            self._refusing = bound(0)
        return f"http://{HOST}:{self._refusing.getsockname()[1]}/v1"

    @property
    def _running(self) -> Listener:
        if self._listener is None:
            raise RuntimeError("the fake provider does not run yet: use `async with FakeProvider() as fake`")
        return self._listener

    # ------------------------------------------------------------------------------------------------------------ what to do

    def script(self, *faults: Fault | str, on: Literal["calls", "probes"] = "calls") -> None:
        """The next calls get these faults, one each and in order, after those that were scripted before.

        `refuse` shuts the port when its turn comes. It stays shut until `heal()`, since a refused call never arrives to be counted;
        so it must be the last.
        """
        self._agenda.script([as_fault(fault) for fault in faults], on)
        self._shut_if_refusing()

    def always(self, fault: Fault | str, on: On = "everything") -> None:
        """Every call gets this fault, from now until `heal()`, whenever the script is empty."""
        self._agenda.always(as_fault(fault), on)
        self._shut_if_refusing()

    def heal(self) -> None:
        """No more faults: script and `always` are forgotten, a port that was shut or killed listens again."""
        self._agenda.clear()
        self._running.reopen()

    def release(self) -> None:
        """Whoever hangs or is slow now goes on at once, and gives the rest of the healthy answer."""
        self._released.set()
        self._released = asyncio.Event()

    def kill(self) -> None:
        """Dies while running: every connection is reset, the port refuses. `heal()` starts it again on the same port."""
        self._running.kill()

    def say(self, *answers: Answering) -> None:
        """The next chat calls get these answers, one each and in order, whether a fault strikes them or not; then it is `answer` again."""
        self._answers.extend(answers)

    def tool_call(self, name: str, arguments: str) -> None:
        """The next chat call is answered with this tool call; `arguments` is JSON text and may be as broken as a model's."""
        self.say(ToolCall(name, arguments))

    def _shut_if_refusing(self) -> None:
        if self._agenda.refuses:
            self._running.shut()

    # -------------------------------------------------------------------------------------------------------- what was seen

    @property
    def calls(self) -> list[Call]:
        """Every POST, in order of arrival."""
        return self._ledger.calls

    @property
    def probes(self) -> list[Call]:
        """Every GET, in order of arrival."""
        return self._ledger.probes

    @property
    def in_flight(self) -> int:
        """Calls (POSTs) that are being answered now."""
        return self._ledger.in_flight

    @property
    def max_in_flight(self) -> int:
        return self._ledger.max_in_flight

    @property
    def connections(self) -> int:
        """Open connections, idle ones included."""
        return len(self._running.connections)

    async def until(self, holds: Callable[[], bool], limit: float = LIMIT, what: str = "a condition") -> None:
        """Waits until it holds; looked at whenever a call begins, gets a token, or ends. TimeoutError tells what was seen instead."""
        await self._ledger.until(holds, limit, what)

    async def called(self, times: int = 1, limit: float = LIMIT) -> Call:
        """Waits for that many calls in total; the last of them."""
        await self.until(lambda: len(self.calls) >= times, limit, f"call {times}")
        return self.calls[times - 1]

    async def probed(self, times: int = 1, limit: float = LIMIT) -> Call:
        """Waits for that many probes in total; the last of them."""
        await self.until(lambda: len(self.probes) >= times, limit, f"probe {times}")
        return self.probes[times - 1]

    async def told(self, tokens: int, limit: float = LIMIT) -> Call:
        """Waits until some running call has been sent that many tokens; that call."""
        await self.until(lambda: bool(self._told(tokens)), limit, f"{tokens} tokens of a running call")
        return self._told(tokens)[0]

    async def client_gone(self, times: int = 1, limit: float = LIMIT) -> Call:
        """Waits until that many clients in total have gone away before their answer's end; the last such call."""
        await self.until(lambda: len(self._ended("client_gone")) >= times, limit, f"client {times} to go away")
        return self._ended("client_gone")[times - 1]

    async def completed(self, times: int = 1, limit: float = LIMIT) -> Call:
        """Waits until that many calls in total were answered in full; the last of them."""
        await self.until(lambda: len(self._ended("completed")) >= times, limit, f"completed call {times}")
        return self._ended("completed")[times - 1]

    async def idle(self, limit: float = LIMIT) -> None:
        """Waits until no call is being answered."""
        await self.until(lambda: self.in_flight == 0, limit, "all calls to end")

    def _told(self, tokens: int) -> list[Call]:
        return [call for call in self.calls if call.tokens >= tokens and call.outcome == "running"]

    def _ended(self, outcome: Outcome) -> list[Call]:
        return [call for call in self.calls if call.outcome == outcome]

    # -------------------------------------------------------------------------------------------------------------- answering

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        connection.served += 1
        connection.busy = True
        try:
            raw = await request.read()  # whoever leaves in the midst of his own request has not called
            return await self._serve(request, connection, raw)
        finally:
            connection.busy = False

    async def _serve(self, request: web.BaseRequest, connection: Connection, raw: bytes) -> web.StreamResponse:
        now = asyncio.get_running_loop().time
        kind: Kind = "probe" if request.method in ("GET", "HEAD") else "call"
        spec, path = split(request.rel_url.raw_path)
        call = Call(len(self._seen(kind)) + 1, kind, request.method, path, request.headers, raw, parsed(raw), now())
        stage = Stage(request, connection, call, Listing(()), self._ledger, self.pace, self._released)
        self._ledger.begin(call)
        try:
            self._ledger.end(call, await self._play(call, spec, stage), now())
        except Rejected as no:
            await send(stage, no.reply)
            self._ledger.end(call, "rejected", now())
        except ConnectionError:  # written in the moment between the loss of the connection and the news of it
            self._ledger.end(call, "stopped" if connection.stopped else "client_gone", now())
        except asyncio.CancelledError:  # the connection is lost: by a fault, which has said so, by ourselves, or by the client
            self._ledger.end(call, "stopped" if connection.stopped else "client_gone", now())
            raise
        return stage.response

    async def _play(self, call: Call, spec: str, stage: Stage) -> Outcome:
        asked = understand(call.method, spec, call.path, call.headers, call.body, self.models, self.key)
        fault = asked.fault or self._agenda.take(call.kind)
        self._shut_if_refusing()
        call.fault = fault.spec
        stage.payload = self._payload(asked.what, call)
        await fault.play(stage)
        return "completed" if stage.whole and fault.shows != "at_once" else "faulted"

    def _payload(self, what: What, call: Call) -> Payload:
        match what:
            case "models":
                return models(self.models)
            case "embeddings":
                return embeddings(call.body)
            case "chat":
                answering = self._answers.popleft() if self._answers else self.answer
                return Completion.to(call.body, as_answer(answering, call.body), call.number)

    def _seen(self, kind: Kind) -> list[Call]:
        return self.probes if kind == "probe" else self.calls


def _request(
    message: RawRequestMessage, payload: StreamReader, protocol: web.RequestHandler, writer: AbstractStreamWriter, task: asyncio.Task[None],
) -> web.BaseRequest:  # fmt: skip
    """aiohttp's own refuses bodies over 1 MiB; a provider's prompt may be longer."""
    return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=0)


# ------------------------------------------------------------------------------------------------------- as a process of its own
