"""What the environment offers by itself, and where its keys may go."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from actors.provider.discovery import VENDORS, Vendor, describe, discovered
from messages.config import ProviderSettings

ALL_KEYS = {vendor.key_variable: f"s3cret-{vendor.name}" for vendor in VENDORS}
OLLAMA = "http://127.0.0.1:11434"


def found(
    environ: Mapping[str, str], *, ollama_url: str | None = None, configured: Mapping[str, ProviderSettings] | None = None, own_port: int = 8700
) -> dict[str, ProviderSettings]:
    return discovered(environ, ollama_url=ollama_url, configured=configured or {}, own_port=own_port)


def told(
    environ: Mapping[str, str], *, ollama_url: str | None = None, configured: Mapping[str, ProviderSettings] | None = None, own_port: int = 8700
) -> tuple[str, ...]:
    return describe(environ, ollama_url=ollama_url, configured=configured or {}, own_port=own_port)


def openai(base_url: str) -> ProviderSettings:
    return ProviderSettings(kind="openai", base_url=base_url)


def test_nothing_set_and_nobody_listening_is_nothing_found() -> None:
    assert found({}) == {}
    assert told({}) == ()


def test_every_vendors_key_is_found_and_goes_to_the_vendors_own_host() -> None:
    assert {name: (it.kind, it.base_url, it.api_key) for name, it in found(ALL_KEYS).items()} == {
        "openai": ("openai", "https://api.openai.com/v1", SecretStr("s3cret-openai")),
        "moonshot": ("openai", "https://api.moonshot.ai/v1", SecretStr("s3cret-moonshot")),
        "zai": ("openai", "https://api.z.ai/api/paas/v4", SecretStr("s3cret-zai")),
        "openrouter": ("openai", "https://openrouter.ai/api/v1", SecretStr("s3cret-openrouter")),
        "anthropic": ("anthropic", "https://api.anthropic.com/v1", SecretStr("s3cret-anthropic")),
    }


def test_keys_come_first_in_the_vendors_order_and_ollama_last() -> None:
    assert list(found(dict(reversed(ALL_KEYS.items())), ollama_url=OLLAMA)) == ["openai", "moonshot", "zai", "openrouter", "anthropic", "ollama"]


@pytest.mark.parametrize("value", ["", " ", "\n"])
def test_an_empty_key_counts_as_not_set(value: str) -> None:
    assert found({"OPENAI_API_KEY": value}) == {}


def test_blanks_around_a_key_are_not_part_of_it() -> None:
    assert found({"OPENAI_API_KEY": " k\n"})["openai"].api_key == SecretStr("k")


def test_a_key_that_cannot_be_a_key_is_left_out_and_told_without_being_shown() -> None:
    environ = {"OPENAI_API_KEY": "s3cret\r\nX-Evil: 1"}
    assert found(environ) == {}
    assert told(environ) == ("openai: OPENAI_API_KEY is set but not used: wanted a key of visible ASCII characters without blanks, as its vendor shows it",)


def test_a_local_ollama_needs_no_key_and_is_given_time() -> None:
    ollama = found({}, ollama_url=OLLAMA)["ollama"]
    assert (ollama.kind, ollama.base_url, ollama.api_key, ollama.timeouts.first_token) == ("ollama", "http://127.0.0.1:11434/v1", None, 120)
    assert told({}, ollama_url=OLLAMA) == ("ollama: found listening, using http://127.0.0.1:11434/v1",)


# --------------------------------------------------------------------------------------------------------------- where a key may go


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_the_vendors_base_url_variable_wins(vendor: Vendor) -> None:
    name = vendor.name
    environ = {f"{name.upper()}_API_KEY": "k", f"{name.upper()}_BASE_URL": "https://proxy.example/v1/"}
    assert found(environ)[name].base_url == "https://proxy.example/v1"
    assert told(environ) == (f"{name}: {name.upper()}_API_KEY is set, using https://proxy.example/v1 (from {name.upper()}_BASE_URL)",)


@pytest.mark.parametrize("url", ["https://proxy.example", "https://proxy.example/", "https://proxy.example/v1", "https://proxy.example/v1/"])
def test_anthropics_base_url_gets_the_v1_that_it_usually_lacks(url: str) -> None:
    assert found({"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": url})["anthropic"].base_url == "https://proxy.example/v1"


def test_an_empty_base_url_variable_counts_as_not_set() -> None:
    assert found({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": " "})["openai"].base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8700", "http://localhost:8700/v1", "http://[::1]:8700/v1/", "http://0.0.0.0:8700/v1", "HTTP://LOCALHOST:8700"])
def test_a_base_url_that_leads_back_to_us_is_ignored(url: str) -> None:
    environ = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": url}
    assert found(environ)["anthropic"].base_url == "https://api.anthropic.com/v1"
    (line,) = told(environ)
    assert line.endswith("using https://api.anthropic.com/v1 (ANTHROPIC_BASE_URL leads back to this gateway and is ignored)")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8701/v1", "http://10.0.0.5:8700/v1"])
def test_another_port_or_another_machine_is_no_loop(url: str) -> None:
    assert found({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": url})["openai"].base_url == url


@pytest.mark.parametrize("url", ["proxy.example", "ftp://proxy", "https://me:s3cret@proxy/v1", "https://proxy/v1?key=s3cret", "https://"])
def test_a_key_meant_for_a_host_we_cannot_read_goes_nowhere(url: str) -> None:
    environ = {"OPENAI_API_KEY": "s3cret", "OPENAI_BASE_URL": url}
    assert found(environ) == {}
    (line,) = told(environ)
    assert line.startswith("openai: OPENAI_API_KEY is set but not used, because of OPENAI_BASE_URL: ")
    assert "s3cret" not in line


def test_an_ollama_on_our_own_port_is_ourselves() -> None:
    assert found({}, ollama_url="http://localhost:8700") == {}


# ------------------------------------------------------------------------------------------------------------ what is there already


def test_a_provider_that_the_config_has_by_name_is_not_found_again() -> None:
    configured = {"openai": openai("https://proxy.example/v1"), "ollama": ProviderSettings(kind="ollama", base_url="http://gpu:11434")}
    assert list(found(ALL_KEYS, ollama_url=OLLAMA, configured=configured)) == ["moonshot", "zai", "openrouter", "anthropic"]
    assert not any(line.startswith(("openai", "ollama")) for line in told(ALL_KEYS, ollama_url=OLLAMA, configured=configured))


@pytest.mark.parametrize("url", ["https://api.moonshot.ai/v1", "https://API.moonshot.ai:443/v1/"])
def test_a_provider_that_the_config_has_by_base_url_is_not_found_again(url: str) -> None:
    assert found({"MOONSHOT_API_KEY": "k"}, configured={"kimi": openai(url)}) == {}


@pytest.mark.parametrize("url", ["http://localhost:11434/v1", "http://127.0.0.1:11434", "http://[::1]:11434/v1"])
def test_the_same_local_server_under_another_name_is_the_same(url: str) -> None:
    assert found({}, ollama_url=OLLAMA, configured={"mine": openai(url)}) == {}


def test_two_findings_with_one_base_url_are_one() -> None:
    environ = {**ALL_KEYS, "OPENAI_BASE_URL": "https://openrouter.ai/api/v1"}
    assert "openrouter" not in found(environ)


def test_a_provider_in_the_config_elsewhere_hides_nothing() -> None:
    configured = {"other": openai("https://elsewhere.example/v1"), "embedded": ProviderSettings(kind="embedded")}
    assert len(found(ALL_KEYS, ollama_url=OLLAMA, configured=configured)) == 6


# ----------------------------------------------------------------------------------------------------------------------- for any


urls = st.one_of(
    st.sampled_from(["", "http://127.0.0.1:8700", "https://proxy.example", "http://localhost:11434/v1", "https://me:s3cret@h", "nonsense", "https://h?s3cret"]),
    st.text(max_size=20),
)
secrets = st.one_of(st.just(""), st.text(max_size=5).map(lambda rest: f"s3cret{rest}"), st.text(max_size=5))
environments = st.fixed_dictionaries(
    {}, optional={name: values for vendor in VENDORS for name, values in ((vendor.key_variable, secrets), (vendor.url_variable, urls))},
)


@settings(deadline=None)
@given(environments, st.sampled_from([None, OLLAMA, "http://localhost:8700"]))
def test_no_environment_raises_shows_a_key_or_makes_a_loop(environ: dict[str, str], ollama_url: str | None) -> None:
    providers = found(environ, ollama_url=ollama_url)
    lines = told(environ, ollama_url=ollama_url)
    assert set(providers) <= {line.partition(":")[0] for line in lines}
    assert len({line.partition(":")[0] for line in lines}) == len(lines)
    assert all(line.isprintable() and "s3cret" not in line for line in lines)
    assert "s3cret" not in repr(providers)
    assert not any(":8700" in provider.base_url for provider in providers.values())
    assert len({provider.base_url for provider in providers.values()}) == len(providers)


@settings(deadline=None)
@given(environments)
def test_a_key_goes_to_its_vendor_or_to_where_its_own_variable_says(environ: dict[str, str]) -> None:
    providers = found(environ)
    for vendor in VENDORS:
        if vendor.name in providers:
            told_to = environ.get(vendor.url_variable, "").strip()
            base_url = providers[vendor.name].base_url
            assert base_url == vendor.base_url or base_url.removesuffix("/v1") in told_to.lower()
