"""What is said to and by a provider.

    exchange --BeginAttempt--> account (admits or refuses) --the same--> attempts, which starts an attempt
    attempt --AttemptAnswered--> exchange                                               (plain)
    attempt --AttemptOpened--> exchange, then AttemptChunk..., AttemptEnded             (streaming)
    attempt fails: it exits; the ask fails with the fault, or, once the stream is open, the exchange gets Down with it
    exchange --GrantCredit--> attempt
    account --ProviderAnnounced--> router, whenever it starts or learns something
    router --Announce--> account --ProviderAnnounced--> router, when the router starts
"""

from __future__ import annotations

from typing import Literal

from messages.chat import Capability
from messages.message import Ask, Message, Part

ProviderKind = Literal["openai", "ollama", "anthropic", "embedded"]

ProviderState = Literal["ready", "unconfigured"]
"""unconfigured: its key names an environment variable that is not set; it is shown, and never asked."""


class AttemptAnswered(Message, kind="provider.attempt_answered"):
    """The whole, checked answer of a plain attempt."""

    content_type: str
    body: bytes


class AttemptOpened(Message, kind="provider.attempt_opened"):
    """A stream has begun: `data` holds its first `count` events, the first token among them. The rest comes from `attempt`."""

    attempt: str
    data: bytes
    count: int


class BeginAttempt(Ask[AttemptAnswered | AttemptOpened], kind="provider.begin_attempt"):
    """Call the provider once. `base_url` is what the router believes; the attempt refuses when it is not its provider's own.

    `owner` is who wants it: when that ends, so does the attempt, and it gets the stream. `model` is the upstream's name for the model;
    when `rename` is set the body says another and is rewritten.
    """

    owner: str
    provider: str
    base_url: str
    model: str
    rename: bool
    stream: bool
    include_usage: bool
    body: bytes


class AttemptChunk(Message, kind="provider.attempt_chunk"):
    """`count` whole server-sent events as bytes, no error among them. `n` is 2, 3 ...: what AttemptOpened held was number 1."""

    n: int
    data: bytes
    count: int = 1


class AttemptEnded(Message, kind="provider.attempt_ended"):
    """The stream ended as it should: with a finish reason. Chunk `n` was its last."""

    n: int


class GrantCredit(Message, kind="provider.grant_credit"):
    """The client has taken this much; as much again may be read from upstream."""

    chunks: int
    size: int


class ServedModel(Part):
    """A model as a provider serves it: `name` to us, `upstream` to the provider.

    `capabilities` None: nobody said, so it is tried. `context` is in tokens. `configured`: named in the config, not just listed.
    """

    name: str
    upstream: str
    capabilities: tuple[Capability, ...] | None = None
    context: int | None = None
    configured: bool = False


class ProviderAnnounced(Message, kind="provider.announced"):
    """What a provider is and serves now. `detail` says what is missing, or where the list of models comes from.

    `complete` False: the provider has not told its models yet; one may be asked for by `provider/model` all the same.
    """

    name: str
    provider_kind: ProviderKind
    base_url: str
    state: ProviderState
    models: tuple[ServedModel, ...]
    complete: bool = True
    detail: str = ""


class Announce(Ask[ProviderAnnounced], kind="provider.announce"):
    """Asks an account who it is and what it serves."""


class ProviderStatus(Part):
    """A provider as `/status/providers` shows it."""

    name: str
    provider_kind: ProviderKind
    base_url: str
    state: ProviderState
    detail: str
    models: tuple[str, ...]
    in_flight: int
    waiting: int
    max_concurrency: int
    calls: int
    failures: dict[str, int]
    last_fault: str = ""
    last_fault_ms_ago: int | None = None


class ProviderReported(Message, kind="provider.reported"):
    """A provider's status."""

    status: ProviderStatus


class ReportProvider(Ask[ProviderReported], kind="provider.report"):
    """Asks an account how it is doing."""
