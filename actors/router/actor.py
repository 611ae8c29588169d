"""Owns the routing table: what each provider announced last. Decides nothing itself, see `decide.py`.

    account --ProviderAnnounced--> router          (at the account's start, and whenever it learns something)
    router --Announce--> every account --ProviderAnnounced--> router    (at the router's start: it has lost what it knew)
    exchange --PlanFor--> router --Planned--> exchange
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import assert_never

from actors.router.decide import Plan, Rules, default_model, listed, plan, table_of
from actors.runtime.supervised import Later, SupervisedActor
from messages.chat import Capability
from messages.faults import Fault
from messages.message import Message
from messages.outcome import AskFailed, Refusal
from messages.provider import Announce, ProviderAnnounced
from messages.routing import ListModels, ModelsListed, PlanFor, Planned

PLANS = 1000  # names that nobody lists can be pinned: what is remembered has an end
LEARN_AGAIN = 1.0  # seconds between two tries to hear what an account serves
LEARN_LIMIT = 1.0  # seconds the router waits for what the accounts say, before it starts without

Inbox = PlanFor | ListModels | ProviderAnnounced


class Router(SupervisedActor[Inbox]):
    """`providers` are the names in the order in which equal ones are tried; `attempts` is the most upstream calls per request."""

    def __init__(self, providers: Sequence[str], rules: Rules, attempts: int) -> None:
        super().__init__()
        self.providers = tuple(providers)
        self.rules = rules
        self.attempts = attempts
        self.table = table_of({})
        self.plans: dict[tuple[str, tuple[Capability, ...], bool], Planned] = {}  # what this table was asked already

    async def on_start(self) -> None:
        """Asks everybody to say again what they serve. Who is down himself will announce himself when he is back."""
        await asyncio.gather(*(self._learn(name) for name in self.providers))

    async def _learn(self, name: str) -> None:
        try:
            self._note(await self.ask(f"/providers/{name}/account", Announce(), timeout=LEARN_LIMIT))
        except AskFailed:
            self.after(LEARN_AGAIN, partial(self._ask_again, name))

    def _ask_again(self, name: str) -> None:
        """Until everybody has been heard: one who is only slow does not announce himself."""
        if name not in self.table.providers:
            self.ask_then(f"/providers/{name}/account", Announce(), partial(self._told, name), timeout=LEARN_LIMIT)

    def _told(self, name: str, answer: ProviderAnnounced | AskFailed) -> None:
        if isinstance(answer, ProviderAnnounced):
            self._note(answer)
        else:
            self.after(LEARN_AGAIN, partial(self._ask_again, name))

    def receive(self, message: Inbox) -> Message | Later | None:
        """See the module."""
        match message:
            case PlanFor():
                return self._plan(message)
            case ListModels():
                default = default_model(self.table, self.rules)
                return ModelsListed(models=listed(self.table, self.rules), default=default[0] if default else "")
            case ProviderAnnounced():
                self._note(message)
                return None
            case _:
                assert_never(message)

    def _note(self, announced: ProviderAnnounced) -> None:
        known = {**self.table.providers, announced.name: announced}
        self.plans.clear()
        self.table = table_of({name: known[name] for name in self.providers if name in known})

    def _plan(self, message: PlanFor) -> Planned:
        wanted = (message.model, message.needs, message.fallback)
        planned = self.plans.get(wanted)
        if planned is None:
            planned = self._decide(message)
            if len(self.plans) < PLANS:
                self.plans[wanted] = planned
        return planned

    def _decide(self, message: PlanFor) -> Planned:
        decided = plan(message.model, message.needs, self.table, self.rules, fallback=message.fallback)
        if isinstance(decided, Plan):
            return Planned(candidates=decided.candidates, attempts=self.attempts, note=decided.note)
        silent = [name for name in self.providers if name not in self.table.providers]
        if silent and decided.cls in ("unknown_model", "no_provider"):  # perhaps it is theirs: not known is not the same as not there
            raise Refusal(Fault(cls="restarting", message=f"{', '.join(silent)} has yet to say what it serves", retry_after_ms=1000))
        unlisted = [told for told in self.table.providers.values() if told.state == "ready" and not told.complete]
        if unlisted and decided.cls == "unknown_model":
            why = "; ".join(f"{told.name}: {told.detail}" for told in unlisted)
            raise Refusal(Fault(cls="no_provider", param="model", message=f"nobody is known to serve {message.model!r}, but not everybody has told ({why})"))
        raise Refusal(decided)
