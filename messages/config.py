"""The settings model: every name that may stand in config.yaml, its default, and what must fit together.

    Settings
    ├── server      where we listen
    ├── inject      whether messages may be injected by hand
    ├── crashes     what crash files hold
    ├── state_dir, wire
    ├── providers   NAME -> kind, base_url, api_key, limits, models
    ├── routing     which model goes where, and what instead
    └── logging

`messages.config_file` reads them from a file and the environment; a host app may also build them in code, under the same rules. The
embedded provider is always there and needs no entry. What does not fit together is told by the latest field it concerns, so that one
mistake never hides another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from messages.chat import Capability
from messages.config_values import (
    ApiKey,
    Attempts,
    Complaint,
    Concurrency,
    Folder,
    Host,
    ModelName,
    Port,
    ProviderName,
    Seconds,
    Size,
    Switch,
    Tokens,
    clean_base_url,
    host_and_port,
    is_loopback,
    told,
    wanted,
)
from messages.provider import ProviderKind, ProviderState

Wire = Literal["always", "edge"]
Strategy = Literal["ordered", "weighted", "least_latency", "least_busy"]
Continuation = Literal["assistant_prefix", "instruction", "none"]
Level = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "json", "console"]

EMBEDDED = "embedded"

DEFAULT_BASE_URLS: dict[ProviderKind, str] = {"ollama": "http://127.0.0.1:11434/v1", "anthropic": "https://api.anthropic.com/v1"}

FIRST_TOKEN_S = 30.0
FIRST_TOKEN_LOCAL_S = 120.0  # a local model may first have to be loaded from disk


class Section(BaseModel):
    """Frozen settings that belong together. An unknown name is an error; values are never repeated in errors, they may be secrets."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, protected_namespaces=())


class ServerSettings(Section):
    """Where the gateway listens: loopback only. Port 0 picks a free one. `max_body` in bytes."""

    host: Host = "127.0.0.1"
    port: Port = 8700
    max_body: Size = 20 * 1024**2


class InjectSettings(Section):
    """Whether `POST /inject` takes messages."""

    enabled: Switch = False


class CrashSettings(Section):
    """What is written into crash files: filler of the same shape, or with `keep_content` what the messages held."""

    keep_content: Switch = False


class Timeouts(Section):
    """Limits of one upstream call, in seconds. `first_token` and `silence` govern streams, `total` bounds every attempt.

    A provider on this machine that sets no `first_token` has 120.
    """

    connect: Seconds = 5.0
    first_token: Seconds = FIRST_TOKEN_S
    silence: Seconds = 30.0
    total: Seconds = 300.0


class ModelSettings(Section):
    """A model that a provider serves: `name` to clients, `upstream` to the provider (the same when not given).

    `capabilities` None means not declared: ask the provider, or take what is usual for its kind. `context` is the window in tokens.
    """

    name: ModelName
    upstream: ModelName = Field(default="", validate_default=True)
    capabilities: tuple[Capability, ...] | None = None
    context: Tokens | None = None
    continuation: Continuation = "none"

    @field_validator("upstream", mode="before")
    @classmethod
    def _same_as_name(cls, value: object, info: ValidationInfo) -> object:
        return value or info.data.get("name", "unnamed")


def _model_from_name(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class ProviderSettings(Section):
    """One account at one provider. `models` None: asked from the provider. An api_key of None means that none is needed or none was found;
    `missing_env` names the environment variables that should have held it, and is never written by hand.

    `base_url` is always set, but for the kind embedded, where it is empty. Of the kinds ollama and anthropic it always ends in /v1:
    their own tools are given it without.
    """

    kind: ProviderKind
    base_url: str = Field(default="", validate_default=True)
    api_key: ApiKey = Field(default=None, validate_default=True)
    missing_env: tuple[str, ...] = Field(default=(), json_schema_extra={"readOnly": True})
    max_concurrency: Concurrency = 25
    timeouts: Timeouts = Field(default=Timeouts(), validate_default=True)
    models: tuple[Annotated[ModelSettings, BeforeValidator(_model_from_name)], ...] | None = None

    @property
    def state(self) -> ProviderState:
        """unconfigured while the variable with its key is not set."""
        return "unconfigured" if self.missing_env else "ready"

    @field_validator("base_url", mode="before")
    @classmethod
    def _fits_the_kind(cls, value: object, info: ValidationInfo) -> str:
        kind: ProviderKind | None = info.data.get("kind")
        if not isinstance(value, str):
            raise wanted("a URL as text, such as https://api.moonshot.ai/v1")
        if kind == "embedded" and value:
            raise told(Complaint((), "kind embedded runs inside this process and takes no base_url, remove it"))
        if kind == "openai" and not value:
            raise told(Complaint((), "kind openai needs it, add one such as base_url: https://api.moonshot.ai/v1"))
        if not value:
            return DEFAULT_BASE_URLS.get(kind, "") if kind else ""
        try:
            url = clean_base_url(value)
        except ValueError as error:
            raise told(Complaint((), str(error))) from None
        return f"{url}/v1" if kind in DEFAULT_BASE_URLS and not url.endswith("/v1") else url

    @field_validator("api_key")
    @classmethod
    def _embedded_takes_no_key(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and info.data.get("kind") == "embedded":
            raise told(Complaint((), "kind embedded runs inside this process and takes no api_key, remove it"))
        return value

    @field_validator("timeouts")
    @classmethod
    def _patient_with_local_ones(cls, value: Timeouts, info: ValidationInfo) -> Timeouts:
        host, _ = host_and_port(info.data.get("base_url", ""))
        if "first_token" in value.model_fields_set or (host and not is_loopback(host)):
            return value
        return value.model_copy(update={"first_token": FIRST_TOKEN_LOCAL_S})

    @field_validator("models")
    @classmethod
    def _each_name_once(cls, value: tuple[ModelSettings, ...] | None) -> tuple[ModelSettings, ...] | None:
        if value == ():
            raise told(Complaint((), "an empty list serves nothing, leave models out to ask the provider"))
        names = [model.name for model in value or ()]
        firsts = [(at, names.index(name)) for at, name in enumerate(names)]
        twice = [Complaint((at,), f"is named like models[{first}], give it another name") for at, first in firsts if first < at]
        if twice:
            raise told(*twice)
        return value


class RoutingSettings(Section):
    """Which provider serves a model. `request_timeout` in seconds bounds a client's request, `max_fallback_attempts` its upstream calls.

    `default_model` None: the first provider that is able. `fallbacks` names, per model, what is tried instead, else `fallback_models`.
    """

    request_timeout: Seconds = 600.0
    default_model: ModelName | None = None
    strategy: Strategy = "ordered"
    aliases: dict[ModelName, ModelName] = {}
    fallbacks: dict[ModelName, tuple[ModelName, ...]] = {}
    fallback_models: tuple[ModelName, ...] = ()
    max_fallback_attempts: Attempts = 3
    enable_model_fallback: Switch = True

    @field_validator("aliases")
    @classmethod
    def _aliases_name_models(cls, value: dict[str, str]) -> dict[str, str]:
        chained = [
            Complaint((alias,), "points at itself, name a model" if alias == model else "points at another alias, name the model itself")
            for alias, model in value.items() if model in value
        ]
        if chained:
            raise told(*chained)
        return value

    @field_validator("fallbacks")
    @classmethod
    def _nothing_falls_back_to_itself(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        circular = [Complaint((model,), "falls back to itself, name other models") for model, others in value.items() if model in others]
        if circular:
            raise told(*circular)
        return value


class LoggingSettings(Section):
    """What is logged, and how: auto is console on a terminal, else JSON lines."""

    level: Level = "info"
    format: LogFormat = "auto"


class Settings(Section):
    """Everything that can be set. A relative `state_dir` is relative to the file that sets it, see `config_file.load`."""

    server: ServerSettings = ServerSettings()
    inject: InjectSettings = InjectSettings()
    crashes: CrashSettings = CrashSettings()
    state_dir: Folder = Path("state")
    wire: Wire = "always"
    providers: dict[ProviderName, ProviderSettings] = {}
    routing: RoutingSettings = RoutingSettings()
    logging: LoggingSettings = LoggingSettings()

    @field_validator("providers")
    @classmethod
    def _providers_are_elsewhere(cls, value: dict[str, ProviderSettings], info: ValidationInfo) -> dict[str, ProviderSettings]:
        complaints = []
        if EMBEDDED in value and value[EMBEDDED].kind != "embedded":
            complaints.append(Complaint((EMBEDDED, "kind"), "the name embedded belongs to the embedded provider, choose another name"))
        server: ServerSettings | None = info.data.get("server")
        for name, provider in value.items():
            if server is not None and points_at_us(provider.base_url, server.port):
                complaints.append(Complaint((name, "base_url"), f"leads back to this gateway, which listens on port {server.port} itself"))
        if complaints:
            raise told(*complaints)
        return value

    @field_validator("routing")
    @classmethod
    def _aliases_shadow_nothing(cls, value: RoutingSettings, info: ValidationInfo) -> RoutingSettings:
        providers: dict[str, ProviderSettings] = info.data.get("providers", {})
        served = {model.name: name for name, provider in reversed(providers.items()) for model in provider.models or ()}
        complaints = []
        for alias in value.aliases:
            if alias in served:
                complaints.append(Complaint(("aliases", alias), f"provider {served[alias]} has a model of this name, choose another alias"))
            elif alias.partition("/")[0] in {*providers, EMBEDDED} and "/" in alias:
                complaints.append(Complaint(("aliases", alias), "this form, provider/model, asks for that provider, choose another alias"))
        if complaints:
            raise told(*complaints)
        return value


def points_at_us(base_url: str, own_port: int) -> bool:
    """Whether a clean base URL leads to `own_port` of this machine's loopback, where we listen: a loop. Port 0 is nobody's."""
    host, port = host_and_port(base_url)
    return port == own_port != 0 and (is_loopback(host) or host in {"0.0.0.0", "::"})  # connecting there reaches loopback
