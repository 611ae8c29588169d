"""What is asked of the router.

    exchange --PlanFor--> router --Planned--> exchange, or Refused with unknown_model or no_provider
    gateway --ListModels--> router --ModelsListed--> gateway
"""

from __future__ import annotations

from messages.chat import Capability
from messages.message import Ask, Message, Part


class Candidate(Part):
    """One way to serve a request: `upstream` is what the provider calls the model; the attempt checks that `base_url` is its provider's own."""

    provider: str
    base_url: str
    model: str
    upstream: str


class Planned(Message, kind="routing.planned"):
    """The candidates in the order to try them, never empty. `note` says what was chosen that the client did not name."""

    candidates: tuple[Candidate, ...]
    attempts: int
    note: str = ""


class PlanFor(Ask[Planned], kind="routing.plan"):
    """Who can serve this? `model` is as the client wrote it, empty for the default."""

    model: str
    needs: tuple[Capability, ...]
    fallback: bool = True


class ListedModel(Part):
    """A model that can be named, and the providers that serve it. `served_by` is in the order in which they would be tried."""

    name: str
    served_by: tuple[str, ...]
    capabilities: tuple[Capability, ...] | None = None
    context: int | None = None


class ModelsListed(Message, kind="routing.models_listed"):
    """All models that can be named now, sorted by name. `default` is what a request without a model gets, empty for none."""

    models: tuple[ListedModel, ...]
    default: str


class ListModels(Ask[ModelsListed], kind="routing.list_models"):
    """Which models can be named?"""
