"""Which providers the environment offers without a word in the config: keys that are set, and an Ollama that was found listening.

    environ, ollama_url -> discovered -> {"openai": ProviderSettings, ..., "ollama": ...}
                        -> describe   -> ("openai: OPENAI_API_KEY is set, using https://api.openai.com/v1", ...)

Invariants:
    1. A key goes only to its vendor's own host, or to the one that the vendor's *_BASE_URL names; where that is unusable, nowhere.
    2. Nothing leads back to our own port.
    3. What the config has, by name or by base URL, is not found again; no two findings share a base URL.
    4. Keys come first, in the order of VENDORS, and Ollama last: `ordered` routing prefers what somebody set up on purpose.
    5. No line that describes a finding holds a key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import SecretStr

from messages.config import ProviderSettings, points_at_us
from messages.config_values import clean_base_url, clean_key, host_and_port, is_loopback
from messages.provider import ProviderKind


class Vendor(NamedTuple):
    """A vendor whose key may be in the environment: what the variables are called, and where the key goes."""

    name: str
    kind: ProviderKind
    base_url: str

    @property
    def key_variable(self) -> str:
        """OPENAI_API_KEY and so on."""
        return f"{self.name.upper()}_API_KEY"

    @property
    def url_variable(self) -> str:
        """OPENAI_BASE_URL and so on."""
        return f"{self.name.upper()}_BASE_URL"


VENDORS = (
    Vendor("openai", "openai", "https://api.openai.com/v1"),
    Vendor("moonshot", "openai", "https://api.moonshot.ai/v1"),
    Vendor("zai", "openai", "https://api.z.ai/api/paas/v4"),
    Vendor("openrouter", "openai", "https://openrouter.ai/api/v1"),
    Vendor("anthropic", "anthropic", "https://api.anthropic.com/v1"),
)

OLLAMA = "ollama"


class _Finding(NamedTuple):
    """Something that was found, and one line about it. `settings` is None when it cannot be used."""

    name: str
    settings: ProviderSettings | None
    line: str


def discovered(
    environ: Mapping[str, str], *, ollama_url: str | None, configured: Mapping[str, ProviderSettings], own_port: int
) -> dict[str, ProviderSettings]:
    """The providers to add to the configured ones, by name. `ollama_url` is where an Ollama answered, None for nowhere.

    Nothing in the environment raises: what cannot be used is left out, and `describe` says why. `ollama_url` is the caller's own;
    one that is no URL raises `ValueError`.
    """
    findings = _new_ones(environ, ollama_url, configured, own_port)
    return {finding.name: finding.settings for finding in findings if finding.settings is not None}


def describe(environ: Mapping[str, str], *, ollama_url: str | None, configured: Mapping[str, ProviderSettings], own_port: int) -> tuple[str, ...]:
    """One line for each finding of `discovered`, and for each key that was found and cannot be used."""
    return tuple(finding.line for finding in _new_ones(environ, ollama_url, configured, own_port))


def _new_ones(environ: Mapping[str, str], ollama_url: str | None, configured: Mapping[str, ProviderSettings], own_port: int) -> Iterator[_Finding]:
    """What was found, without what is there already."""
    places = {_place(provider.base_url) for provider in configured.values()}
    for finding in _findings(environ, ollama_url, own_port):
        if finding.name in configured:
            continue
        if finding.settings is not None:
            place = _place(finding.settings.base_url)
            if place in places:
                continue
            places.add(place)
        yield finding


def _findings(environ: Mapping[str, str], ollama_url: str | None, own_port: int) -> Iterator[_Finding]:
    for vendor in VENDORS:
        if environ.get(vendor.key_variable, "").strip():
            yield _vendor(vendor, environ, own_port)
    if ollama_url and not points_at_us(clean_base_url(ollama_url), own_port):
        settings = ProviderSettings(kind="ollama", base_url=ollama_url)
        yield _Finding(OLLAMA, settings, f"{OLLAMA}: found listening, using {settings.base_url}")


def _vendor(vendor: Vendor, environ: Mapping[str, str], own_port: int) -> _Finding:
    """The finding for a vendor whose key is set."""
    said = f"{vendor.name}: {vendor.key_variable} is set"
    try:
        key = clean_key(environ[vendor.key_variable])
    except ValueError as error:
        return _Finding(vendor.name, None, f"{said} but not used: {error}")
    url, why = environ.get(vendor.url_variable, "").strip(), ""
    try:
        ours = points_at_us(clean_base_url(url), own_port) if url else False
    except ValueError as error:  # the key was meant for some other host than the vendor's, and we cannot tell which
        return _Finding(vendor.name, None, f"{said} but not used, because of {vendor.url_variable}: {error}")
    if ours:
        why = f" ({vendor.url_variable} leads back to this gateway and is ignored)"
    elif url:
        why = f" (from {vendor.url_variable})"
    settings = ProviderSettings(kind=vendor.kind, base_url=vendor.base_url if ours or not url else url, api_key=SecretStr(key))
    return _Finding(vendor.name, settings, f"{said}, using {settings.base_url}{why}")


def _place(base_url: str) -> tuple[str, int, str]:
    """What makes two base URLs the same server: localhost is 127.0.0.1, and with or without /v1 is one API."""
    host, port = host_and_port(base_url)
    path = base_url.partition("://")[2].partition("/")[2]
    return "loopback" if is_loopback(host) else host, port, path.removesuffix("v1").rstrip("/")
