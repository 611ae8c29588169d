"""Who can serve a request; pure.

    name --alias--> name --resolve--> candidates --capable--> those that can --+ fallbacks--> plan
             configured name, then provider/model, then a name that some provider lists; exact, never guessed

Invariants:
 1. Every candidate is a (provider, base URL, upstream name) that its provider announced as its own.
 2. The capability filter is never relaxed.
 3. An embedded provider never stands in for a model that was named.
 4. No candidate comes twice, and a named model's own candidates come before any fallback's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from heapq import nlargest
from typing import NamedTuple

from messages.chat import Capability
from messages.faults import Fault
from messages.provider import ProviderAnnounced, ServedModel
from messages.routing import Candidate, ListedModel

NEAREST = 3


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's wishes; see the config's `routing`."""

    default_model: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    fallbacks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fallback_models: Sequence[str] = ()
    model_fallback: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """Candidates in the order to try them, never empty; `note` says what was chosen that nobody named."""

    candidates: tuple[Candidate, ...]
    note: str = ""


class Match(NamedTuple):
    """A model at a provider; `candidate` is how the exchange is told of it."""

    provider: ProviderAnnounced
    model: ServedModel
    candidate: Candidate

    def can(self, needs: Sequence[Capability]) -> bool:
        """Whether nothing is known to be missing."""
        return self.model.capabilities is None or set(needs) <= set(self.model.capabilities)


class Table(NamedTuple):
    """What everybody announced, by provider in the order in which they are tried, and by model name, so that no request searches."""

    providers: Mapping[str, ProviderAnnounced]
    configured: Mapping[str, Sequence[Match]]
    listed: Mapping[str, Sequence[Match]]


def table_of(providers: Mapping[str, ProviderAnnounced]) -> Table:
    """The table of these announcements; their order is the order in which equal providers are tried."""
    configured: dict[str, list[Match]] = {}
    every: dict[str, list[Match]] = {}
    for provider in providers.values():
        if provider.provider_kind != "embedded":
            for model in provider.models:
                every.setdefault(model.name, []).append(match(provider, model))
                if model.configured:
                    configured.setdefault(model.name, []).append(match(provider, model))
    return Table(providers, configured, every)


def match(provider: ProviderAnnounced, model: ServedModel) -> Match:
    """A model at a provider."""
    return Match(provider, model, Candidate(provider=provider.name, base_url=provider.base_url, model=model.name, upstream=model.upstream))


def plan(model: str, needs: Sequence[Capability], table: Table, rules: Rules, *, fallback: bool = True) -> Plan | Fault:
    """Who to ask, in order, for this model (empty: the default) with these needs; or why nobody can be asked."""
    note = ""
    if not model:
        chosen = default_model(table, rules)
        if chosen is None:
            return Fault(cls="no_provider", message="no provider is configured that serves any model: see /status/providers")
        model, note = chosen
    matches = resolve(model, table, rules)
    if not matches:
        return _nobody(model, table, rules)
    names = [model]
    if fallback and rules.model_fallback:
        name = rules.aliases.get(model, model)
        names += rules.fallbacks.get(name, rules.fallbacks.get(model, rules.fallback_models))
    every = [found for name in names for found in resolve(name, table, rules)]
    ready = [found for found in every if found.provider.state == "ready"]
    capable = [found for found in ready if found.can(needs)]
    if not ready:
        missing = "; ".join(f"{found.provider.name}: {found.provider.detail}" for found in every)
        return Fault(cls="no_provider", message=f"{model!r} is served by no provider that is set up ({missing})", param="model")
    if not capable:
        lacking = ", ".join(sorted(set(needs)))
        return Fault(cls="unsupported_capability", message=f"no provider of {model!r} has all that the request needs: {lacking}", param="model")
    return Plan(tuple(dict.fromkeys(found.candidate for found in capable)), note)


def resolve(model: str, table: Table, rules: Rules) -> Sequence[Match]:
    """All places where a model of exactly this name is served; see the module for the order of precedence."""
    configured = table.configured.get(model)
    if configured:
        return configured
    if model in rules.aliases:
        return resolve(rules.aliases[model], table, Rules())
    provider_name, slash, rest = model.partition("/")
    provider = table.providers.get(provider_name)
    if slash and provider is not None:
        pinned = [match(provider, served) for served in provider.models if served.name == rest]
        if pinned or (not provider.complete and rest):
            return pinned or [match(provider, ServedModel(name=rest, upstream=rest))]
    return table.listed.get(model, ())


def default_model(table: Table, rules: Rules) -> tuple[str, str] | None:
    """The model for a request that names none, and what to say when that is not the configured one. None: there is no model at all."""
    wished = rules.default_model
    if wished is not None and any(found.provider.state == "ready" for found in resolve(wished, table, rules)):
        return wished, ""
    for provider in table.providers.values():
        talking = next((model for model in provider.models if model.configured or talks(model.name)), None)
        if provider.state == "ready" and talking is not None:
            chosen = f"{provider.name}/{talking.name}"
            return chosen, "" if wished is None else f"default_model {wished} can't be served now, {chosen} answered instead"
    return None


_NO_TALKER = re.compile(
    r"embed|bge-|rerank|whisper|transcri|tts|speech|audio|realtime|dall-e|image|video|sora|ocr|moderation|guard|babbage|davinci|gpt-3.5-turbo-instruct|search-"
)


def talks(model: str) -> bool:
    """Whether a listed model may be chosen where nobody named one. Lists say no more than names; this is a guess, and only ever for that."""
    return _NO_TALKER.search(model.lower()) is None


def listed(table: Table, rules: Rules) -> tuple[ListedModel, ...]:
    """Every name that a request may carry and that is served now, sorted."""
    names = set(rules.aliases)
    for provider in table.providers.values():
        pin = provider.provider_kind == "embedded"
        names |= {f"{provider.name}/{served.name}" if pin else served.name for served in provider.models}
    models = []
    for name in sorted(names):
        matches = [found for found in resolve(name, table, rules) if found.provider.state == "ready"]
        if matches:
            first = matches[0].model
            served_by = tuple(dict.fromkeys(found.provider.name for found in matches))
            models.append(ListedModel(name=name, served_by=served_by, capabilities=first.capabilities, context=first.context))
    return tuple(models)


def nearest(name: str, names: Sequence[str]) -> tuple[str, ...]:
    """The three names most like this one, best first."""
    lowered = name.lower()
    return tuple(nlargest(NEAREST, sorted(set(names)), key=lambda other: SequenceMatcher(None, lowered, other.lower()).ratio()))


def _nobody(model: str, table: Table, rules: Rules) -> Fault:
    known = [entry.name for entry in listed(table, rules)]
    near = nearest(model, known)
    hint = f"the nearest are {', '.join(near)}" if near else "no model is served here at all"
    return Fault(cls="unknown_model", message=f"no provider here serves a model named {model!r}; {hint}", param="model", code="model_not_found", names=near)
