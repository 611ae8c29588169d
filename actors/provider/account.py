"""Owns what one provider allows: its permits, the queue for them, its list of models, its counters.

    exchange --BeginAttempt--> account --(a permit is free)--> the same, handed on unread to `attempts`
                                  |----(none is free)--> waits in line, then the same
                                  `----(line full)--> Refused
    attempt ends --Down--> account: the permit is free again
    account --ProviderAnnounced--> router

A new instance counts the attempts that live on before it admits any; attempts outlive the account.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from functools import partial
from typing import NamedTuple, assert_never

import aiohttp

from actors.provider.attempt import told_of
from actors.provider.classify import classify
from actors.provider.pool import Pool, read_whole
from actors.provider.wire import embedded, openai
from actors.runtime.supervised import Later, SupervisedActor
from actors.runtime.timer import Timer
from messages.config import ModelSettings
from messages.config_values import host_and_port, is_loopback
from messages.envelope import Envelope
from messages.faults import Fault
from messages.message import Message
from messages.outcome import Refusal
from messages.provider import Announce, BeginAttempt, ProviderAnnounced, ProviderReported, ProviderStatus, ReportProvider, ServedModel
from messages.supervision import Down, WhichChildren

Inbox = BeginAttempt | Announce | ReportProvider

LINE = 100  # attempts that may wait for a permit
LINE_LIMIT = 10.0  # seconds
LIST_LIMIT = 10.0  # seconds for the provider to tell its models
LIST_AGAIN = (1.0, 2.0, 5.0, 10.0)  # seconds between tries to learn them; then as the last
RELIST, RELIST_LOCAL = 600.0, 30.0  # seconds between looks for new ones; a local server's user waits for the one just pulled
MAX_LIST = 8 * 1024 * 1024


class Waiting(NamedTuple):
    """An attempt in line for a permit: who wants it, and the end of its patience."""

    owner: str
    later: Later
    patience: Timer


class Account(SupervisedActor[Inbox]):
    """See the module. `pool` holds what outlives it."""

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool
        self.settings = pool.settings
        self.attempts = f"/providers/{pool.name}/attempts"
        self.permits: set[str] = set()  # the addresses of the attempts under way
        self.line: deque[Waiting] = deque()
        self.calls = 0
        self.failures: Counter[str] = Counter()
        self.last_fault: Fault | None = None
        self.last_fault_at = 0.0
        self.models: tuple[ServedModel, ...] | None = self._configured_models()
        self.list_problem = ""
        self._relist = RELIST_LOCAL if is_loopback(host_and_port(self.settings.base_url)[0]) else RELIST

    def _configured_models(self) -> tuple[ServedModel, ...] | None:
        if self.settings.models is not None:
            return tuple(served(model) for model in self.settings.models)
        if self.settings.kind == "embedded":
            return tuple(ServedModel(name=name, upstream=name, capabilities=("chat", "streaming")) for name in embedded.MODELS)
        return None

    async def on_start(self) -> None:
        """Counts the attempts of an earlier instance that live on, then admits."""
        living = await self.ask(self.attempts, WhichChildren())
        self.permits |= set(living.addresses)
        for attempt in living.addresses:
            self.monitor(attempt)
        if self.incarnation > 1:  # at its first start nobody routes yet; the router will ask
            self._announce()
        if self.models is None and self.settings.state == "ready":
            self.spawn(self._learn_models(), "models")

    def handle(self, envelope: Envelope) -> None:
        """An attempt is admitted unread: what it is to do is the attempt's business, and its body may be long."""
        if envelope.kind != BeginAttempt.kind:
            super().handle(envelope)
            return
        fault = self._begin()
        if fault is not None:
            self._cell.respond(envelope, Refusal(fault))

    def receive(self, message: Inbox) -> Message | Later | None:
        """See the module."""
        match message:
            case Announce():
                return self._announcement()
            case ReportProvider():
                return ProviderReported(status=self._status())
            case BeginAttempt():
                raise AssertionError("handled unread")
            case _:
                assert_never(message)

    # ---- permits

    def _begin(self) -> Fault | None:
        """Admits the attempt being handled, or lets it wait in line; or says why not."""
        if self.settings.state == "unconfigured":
            return Fault(cls="no_provider", provider=self.pool.name, message=f"{self.pool.name} is not set up: {self._detail()}")
        if not self.line and len(self.permits) < self.settings.max_concurrency:
            self._admit(self.later())
        elif len(self.line) >= LINE:
            return self._busy(f"{LINE} requests are in line for {self.pool.name} already")
        else:
            patience = self.after(LINE_LIMIT, partial(self._give_up, self.sender))
            self.line.append(Waiting(self.sender, self.later(), patience))
            self.monitor(self.sender)
        return None

    def _admit(self, later: Later) -> None:
        self.calls += 1
        id = self.system.unique()
        if later.forward(self.attempts, id) is None:
            self.permits.add(f"{self.attempts}/{id}")

    def _give_up(self, owner: str) -> None:
        for waiting in self._leave_line(owner):
            waiting.later.refuse(self._busy(f"no call to {self.pool.name} ended within {LINE_LIMIT:g} s, {len(self.permits)} are under way"))

    def _leave_line(self, owner: str) -> list[Waiting]:
        left = [waiting for waiting in self.line if waiting.owner == owner]
        for waiting in left:
            waiting.patience.cancel()
            self.line.remove(waiting)
        return left

    def _busy(self, message: str) -> Fault:
        return Fault(cls="busy", provider=self.pool.name, message=message, retry_after_ms=1000)

    def down(self, down: Down) -> None:
        """An attempt has ended: its permit goes to the first in line, its fault into the counters. Or somebody in line has left."""
        if down.address not in self.permits:
            self._leave_line(down.address)
            return
        self.permits.discard(down.address)
        fault = down.reason.fault
        if fault is not None and fault.cls != "cancelled":
            self.failures[fault.cls] += 1
            self.last_fault, self.last_fault_at = fault, self.now
        while self.line and len(self.permits) < self.settings.max_concurrency:
            first = self.line.popleft()
            first.patience.cancel()
            self._admit(first.later)

    # ---- models

    async def _learn_models(self) -> None:
        """Asks the provider what it serves, and again from time to time: models come and go."""
        pauses = iter(LIST_AGAIN)
        while True:
            listed = await self._list_models()
            if listed:
                pauses = iter(LIST_AGAIN)
            await asyncio.sleep(self._relist if listed else next(pauses, LIST_AGAIN[-1]))

    async def _list_models(self) -> bool:
        request = openai.models_request(self.settings.base_url, self.pool.key, self.settings.kind)
        told: tuple[str, ...] | Fault
        try:
            async with asyncio.timeout(LIST_LIMIT), self.pool.session.request(
                request.method, request.url, headers=request.headers, allow_redirects=False
            ) as response:
                body = await read_whole(response, MAX_LIST) or b""
                told = openai.read_models(body) if response.status == 200 else classify(response.status, response.headers, body)
        except (aiohttp.ClientError, OSError) as error:
            told = Fault(cls="connection", message=told_of(error, self.pool.name))
        except TimeoutError:
            told = Fault(cls="timeout", message=f"no list of models within {LIST_LIMIT:g} s")
        if isinstance(told, Fault):
            self.list_problem = f"its list of models could not be read ({told.cls}: {told.message[:200]})"
            self.log.warning("models not listed", fault=told.cls, detail=told.message[:200])
        else:
            before, self.models = self.models, tuple(ServedModel(name=name, upstream=name) for name in told)
            self.list_problem = ""
            if before == self.models:
                return True
            self.log.info("models listed", count=len(told))
        self._announce()
        return not isinstance(told, Fault)

    # ---- what is told

    def _announce(self) -> None:
        self.tell("/routing/router", self._announcement())

    def _announcement(self) -> ProviderAnnounced:
        return ProviderAnnounced(
            name=self.pool.name, provider_kind=self.settings.kind, base_url=self.settings.base_url, state=self.settings.state,
            models=self.models or (), complete=self.models is not None, detail=self._detail(),
        )  # fmt: skip

    def _detail(self) -> str:
        if self.settings.missing_env:
            return f"set {', '.join(self.settings.missing_env)}"
        if self.models is None:
            return self.list_problem or "its list of models has not come yet"
        return "models from the config" if self.settings.models is not None else "models as the provider lists them"

    def _status(self) -> ProviderStatus:
        last = self.last_fault
        return ProviderStatus(
            name=self.pool.name, provider_kind=self.settings.kind, base_url=self.settings.base_url, state=self.settings.state,
            detail=self._detail(), models=tuple(model.name for model in self.models or ()), in_flight=len(self.permits), waiting=len(self.line),
            max_concurrency=self.settings.max_concurrency, calls=self.calls, failures=dict(self.failures),
            last_fault="" if last is None else f"{last.cls}: {last.message[:200]}",
            last_fault_ms_ago=None if last is None else int((self.now - self.last_fault_at) * 1000),
        )  # fmt: skip


def served(model: ModelSettings) -> ServedModel:
    """A model of the config as the router knows it."""
    return ServedModel(name=model.name, upstream=model.upstream, capabilities=model.capabilities, context=model.context, configured=True)
