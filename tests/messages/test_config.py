"""What the settings are: defaults, how values are written, what a provider gets without asking, where each value comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from messages.config import ProviderSettings, RoutingSettings, ServerSettings, Settings, Timeouts, points_at_us
from messages.config_file import ConfigError, Loaded, load, parse
from messages.config_values import clean_base_url, host_and_port, is_loopback
from run import main

SHIPPED = Path(main.__code__.co_filename).parent / "config.yaml"  # beside the program, in the checkout and in the wheel

EVERYTHING = """
server: {host: "::1", port: 9000, max_body: 1MiB}
inject: {enabled: true}
crashes: {keep_content: true}
state_dir: /var/lib/undying
wire: edge
providers:
  moonshot:
    kind: openai
    base_url: https://api.moonshot.ai/v1
    api_key: ${MOONSHOT_API_KEY}
    max_concurrency: 10
    timeouts: {connect: 2, first_token: 20s, silence: 500ms, total: 5m}
    models:
      - kimi-k2
      - {name: my-kimi, upstream: kimi-k2-0905-preview, capabilities: [chat, tools], context: 262144, continuation: assistant_prefix}
routing:
  request_timeout: 600
  default_model: kimi-k2
  strategy: least_busy
  aliases: {fast: kimi-k2}
  fallbacks: {kimi-k2: [glm-4.6, llama3]}
  fallback_models: [llama3]
  max_fallback_attempts: 5
  enable_model_fallback: false
logging: {level: debug, format: json}
"""


def read(text: str, environ: Mapping[str, str] | None = None) -> Settings:
    return parse(text, "config.yaml", environ or {}).settings


def provider(text: str, environ: Mapping[str, str] | None = None) -> ProviderSettings:
    return read(f"providers: {{it: {{{text}}}}}", environ).providers["it"]


def lines(text: str, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        parse(text, "config.yaml", environ or {})
    return refused.value.lines


# ------------------------------------------------------------------------------------------------------------------------- the whole


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "~", "---\n", "providers:\n", "server:\nrouting:\n", "server: {port: }"])
def test_a_file_that_says_nothing_is_all_defaults(text: str) -> None:
    assert read(text) == Settings()


def test_every_setting_is_read() -> None:
    settings = read(EVERYTHING, {"MOONSHOT_API_KEY": "sk-1"})
    moonshot = settings.providers["moonshot"]
    plain, detailed = moonshot.models or ()
    assert settings.server == ServerSettings(host="::1", port=9000, max_body=1024**2)
    assert (settings.inject.enabled, settings.wire, settings.state_dir) == (True, "edge", Path("/var/lib/undying"))
    assert settings.crashes.keep_content and not Settings().crashes.keep_content
    assert (moonshot.kind, moonshot.base_url, moonshot.max_concurrency) == ("openai", "https://api.moonshot.ai/v1", 10)
    assert moonshot.api_key == SecretStr("sk-1")
    assert moonshot.timeouts == Timeouts(connect=2, first_token=20, silence=0.5, total=300)
    assert (plain.name, plain.upstream, plain.capabilities, plain.context, plain.continuation) == ("kimi-k2", "kimi-k2", None, None, "none")
    assert (detailed.name, detailed.upstream, detailed.capabilities) == ("my-kimi", "kimi-k2-0905-preview", ("chat", "tools"))
    assert (detailed.context, detailed.continuation) == (262144, "assistant_prefix")
    assert settings.routing == RoutingSettings(
        request_timeout=600, default_model="kimi-k2", strategy="least_busy", aliases={"fast": "kimi-k2"}, fallbacks={"kimi-k2": ("glm-4.6", "llama3")},
        fallback_models=("llama3",), max_fallback_attempts=5, enable_model_fallback=False,
    )
    assert (settings.logging.level, settings.logging.format) == ("debug", "json")


def test_the_shipped_file_needs_nothing_and_says_the_defaults() -> None:
    assert read(SHIPPED.read_text()) == Settings()


def test_the_shipped_file_works_with_its_examples_switched_on() -> None:
    text = re.sub(r"(?m)^#(?! \S)", "", SHIPPED.read_text())
    settings = read(text)
    assert settings.providers["moonshot"].state == "unconfigured"
    assert settings.providers["workstation"].base_url == "http://192.168.1.20:11434/v1"
    assert settings.routing.fallbacks == {"kimi-k2": ("glm-4.6", "llama3")}


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().server.port = 1


def test_the_same_rules_hold_for_settings_built_in_code() -> None:
    with pytest.raises(ValidationError, match="needs API keys"):
        ServerSettings(host="0.0.0.0")
    with pytest.raises(ValidationError, match="kind openai needs it"):
        ProviderSettings(kind="openai")


def test_an_alias_of_yaml_repeats_what_was_anchored() -> None:
    text = "providers:\n  a: {kind: ollama, timeouts: &slow {total: 10m}}\n  b: {kind: anthropic, timeouts: *slow}"
    assert {p.timeouts.total for p in read(text).providers.values()} == {600}


# ------------------------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30", 30), ("0.5", 0.5), (".5", 0.5), ("30s", 30), ("5m", 300), ("500ms", 0.5), ("1h", 3600), ("1.5 m", 90), ("'30'", 30), ("1_000", 1000)],
)
def test_a_duration_is_a_number_of_seconds_or_has_a_unit(written: str, seconds: float) -> None:
    assert read(f"routing: {{request_timeout: {written}}}").routing.request_timeout == pytest.approx(seconds)


@pytest.mark.parametrize("written", ["0", "-1", "25h", "5 minutes", "s", "1:30", "5M", ".nan", ".inf", "true", "[5]", "1e400", "5s5"])
def test_what_is_no_duration_is_refused_with_the_range(written: str) -> None:
    (line,) = lines(f"routing: {{request_timeout: {written}}}")
    assert line.endswith("wanted 0.001 to 86400 seconds, such as 30, 30s, 5m or 500ms")


@settings(deadline=None)
@given(st.integers(1, 86_400_000))
def test_a_duration_means_the_same_in_every_unit(ms: int) -> None:
    found = [Timeouts.model_validate({"total": text}).total for text in (f"{ms}ms", f"{ms / 1000:.3f}", f"{ms / 1000:.3f}s", f"{ms / 60_000:.9f}m")]
    assert found == pytest.approx([ms / 1000] * 4, abs=1e-6)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("20MiB", 20 * 2**20), ("64KiB", 65536), ("1GiB", 2**30), ("500kB", 500_000), ("500KB", 500_000), ("2 MB", 2_000_000), ("4096", 4096),
        ("1.5kib", 1536), ("2048B", 2048),
    ],
)
def test_a_size_is_a_number_of_bytes_or_has_a_unit(written: str, size: int) -> None:
    assert read(f"server: {{max_body: {written}}}").server.max_body == size


@pytest.mark.parametrize("written", ["1023", "2GiB", "20M", "20 megabytes", "-5MiB", "~1", "[1]"])
def test_what_is_no_size_is_refused_with_the_range(written: str) -> None:
    (line,) = lines(f"server: {{max_body: {written}}}")
    assert "wanted a size from 1KiB to 1GiB" in line


@pytest.mark.parametrize(("written", "meant"), [("true", True), ("yes", True), ("On", True), ("'true'", True), ("false", False), ("NO", False), ("off", False)])
def test_a_switch_takes_the_words_of_yaml(written: str, meant: bool) -> None:
    assert read(f"inject: {{enabled: {written}}}").inject.enabled is meant


@pytest.mark.parametrize("name", ["no", "123", "1.10", "2024-01-01", "010", "1e3", "null-model", "llama3:8b", "moonshotai/kimi-k2"])
def test_a_model_name_stays_the_text_it_was(name: str) -> None:
    (model,) = provider(f"kind: ollama, models: [{name}]").models or ()
    assert model.name == name


def test_a_key_of_digits_keeps_its_leading_zeros() -> None:
    assert provider("kind: ollama, api_key: 0012").api_key == SecretStr("0012")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST"])
def test_the_server_listens_on_loopback(host: str) -> None:
    assert read(f"server: {{host: '{host}'}}").server.host == host.lower()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.com", "127.1", "localhost.example.com", "::ffff:8.8.8.8"])
def test_listening_beyond_this_machine_is_refused_with_the_reason_and_the_remedy(host: str) -> None:
    (line,) = lines(f"server: {{host: '{host}'}}")
    assert line.startswith("config.yaml:1: server.host: listening beyond this machine needs API keys")
    assert "reverse proxy on this machine" in line


@pytest.mark.parametrize("port", [0, 1, 65535])
def test_a_port_may_be_anything_up_to_65535_and_0_picks_one(port: int) -> None:
    assert read(f"server: {{port: {port}}}").server.port == port


# ---------------------------------------------------------------------------------------------------------------------- providers


@pytest.mark.parametrize(
    ("kind", "url"), [("ollama", "http://127.0.0.1:11434/v1"), ("anthropic", "https://api.anthropic.com/v1"), ("embedded", "")],
)
def test_a_kind_that_has_a_usual_place_needs_no_base_url(kind: str, url: str) -> None:
    assert provider(f"kind: {kind}").base_url == url


@pytest.mark.parametrize(
    ("written", "clean"),
    [
        ("https://api.moonshot.ai/v1/", "https://api.moonshot.ai/v1"),
        ("HTTPS://API.Example.com:443/V1//", "https://api.example.com/V1"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://10.0.0.1:80/", "http://10.0.0.1"),
        ("http://[::1]:1234/v1", "http://[::1]:1234/v1"),
        (" https://openrouter.ai/api/v1\n", "https://openrouter.ai/api/v1"),
    ],
)
def test_a_base_url_gets_one_form(written: str, clean: str) -> None:
    assert clean_base_url(written) == clean


@pytest.mark.parametrize(
    "url",
    [
        "", "api.openai.com", "ftp://h/v1", "https://", "https:///v1", "https://h:0/v1", "https://h:99999", "https://h:x", "https://a b/v1", "https://h\\@evil",
        "https://h/v1?key=s3cret", "https://h/v1#s3cret", "https://me:s3cret@h/v1", "https://me:s3cret", "https://[::1", "https://[1.2.3.4]", "https://a..b",
        "https://exämple.com", "https://h/\n/v1", "file:///etc/passwd", "https://%68/v1", "https://-/v1",
    ],
)  # fmt: skip
def test_what_is_no_plain_http_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(wanted|a user|a query)") as refused:
        clean_base_url(url)
    assert "s3cret" not in str(refused.value)


@settings(deadline=None)
@given(st.one_of(st.text(), st.from_regex(r"https?://[a-zA-Z0-9.:@\[\]_-]{1,20}(/[!-~]{0,9})?", fullmatch=True)))
def test_a_clean_base_url_is_clean_already_and_names_a_host(text: str) -> None:
    try:
        url = clean_base_url(text)
    except ValueError:
        return
    host, port = host_and_port(url)
    assert clean_base_url(url) == url
    assert host
    assert 0 < port < 65536
    assert not url.endswith("/")


@pytest.mark.parametrize("kind", ["ollama", "anthropic"])
@pytest.mark.parametrize("written", ["http://gpu:11434", "http://gpu:11434/", "http://gpu:11434/v1", "http://gpu:11434/v1/"])
def test_the_v1_that_these_vendors_tools_leave_out_is_added(kind: str, written: str) -> None:
    assert provider(f"kind: {kind}, base_url: '{written}'").base_url == "http://gpu:11434/v1"


def test_an_openai_base_url_is_taken_as_it_is() -> None:
    assert provider("kind: openai, base_url: 'https://api.z.ai/api/paas/v4'").base_url == "https://api.z.ai/api/paas/v4"


@pytest.mark.parametrize(
    ("settings", "first_token"),
    [
        ("kind: ollama", 120),
        ("kind: embedded", 120),
        ("kind: openai, base_url: 'http://localhost:1234/v1'", 120),
        ("kind: openai, base_url: 'http://[::1]/v1', timeouts: {connect: 1}", 120),
        ("kind: openai, base_url: 'http://127.0.0.2/v1', timeouts: {first_token: 30}", 30),
        ("kind: openai, base_url: 'https://api.openai.com/v1'", 30),
        ("kind: openai, base_url: 'http://192.168.1.5/v1', timeouts: {connect: 1}", 30),
    ],
)
def test_a_local_provider_has_longer_for_its_first_token(settings: str, first_token: float) -> None:
    assert provider(settings).timeouts.first_token == first_token


def test_the_embedded_provider_may_be_tuned_under_its_own_name_only() -> None:
    assert read("providers: {embedded: {kind: embedded, max_concurrency: 2}}").providers["embedded"].max_concurrency == 2
    assert lines("providers: {embedded: {kind: ollama}}") == (
        "config.yaml:1: providers.embedded.kind: the name embedded belongs to the embedded provider, choose another name",
    )


def test_the_embedded_provider_takes_no_address_and_no_key() -> None:
    url, key = lines("providers:\n  it:\n    kind: embedded\n    base_url: http://h\n    api_key: k")
    assert url == "config.yaml:4: providers.it.base_url: kind embedded runs inside this process and takes no base_url, remove it"
    assert key == "config.yaml:5: providers.it.api_key: kind embedded runs inside this process and takes no api_key, remove it"


@pytest.mark.parametrize(
    ("url", "port", "ours"),
    [
        ("http://127.0.0.1:8700/v1", 8700, True),
        ("http://localhost:8700", 8700, True),
        ("http://[::1]:8700/v1", 8700, True),
        ("http://0.0.0.0:8700/v1", 8700, True),
        ("http://localhost/v1", 80, True),
        ("http://127.0.0.1:8701/v1", 8700, False),
        ("http://10.0.0.1:8700/v1", 8700, False),
        ("", 0, False),
    ],
)
def test_a_url_points_at_us_when_it_is_our_port_on_loopback(url: str, port: int, ours: bool) -> None:
    assert points_at_us(url, port) is ours


def test_loopback_is_the_whole_of_127_and_two_names() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.255.0.3", "::1", "localhost", "Localhost"))
    assert not any(is_loopback(host) for host in ("", "128.0.0.1", "::2", "localhost.evil.com", "10.0.0.1"))


# ------------------------------------------------------------------------------------------------------------------------ origins


def test_every_value_knows_whether_it_is_a_default_or_from_the_file_or_from_the_environment() -> None:
    loaded = parse("server: {port: 9000, host: }\nproviders: {a.b: {kind: ollama, timeouts: {total: 9}, models: [x]}}", "c", {"UNDYING_WIRE": "edge"})
    assert {path: origin for path, origin in loaded.origins.items() if origin != "default"} == {
        "server.port": "file", "wire": "env", "providers.a.b.kind": "file", "providers.a.b.timeouts.total": "file", "providers.a.b.models": "file",
    }
    assert {"server.host", "state_dir", "routing.aliases", "providers.a.b.timeouts.connect", "logging.level"} <= set(loaded.origins)
    assert "providers.a.b.missing_env" not in loaded.origins


def test_a_mapping_of_free_names_has_an_origin_for_each() -> None:
    loaded = parse("routing: {fallbacks: {a: [b]}, aliases: {}}", "c", {"UNDYING_ROUTING__FALLBACKS__C": "[d]"})
    assert (loaded.origins["routing.fallbacks.a"], loaded.origins["routing.fallbacks.c"], loaded.origins["routing.aliases"]) == ("file", "env", "file")


# --------------------------------------------------------------------------------------------------------------------- from a file


def written(folder: Path, text: str) -> Path:
    file = folder / "config.yaml"
    file.write_text(text)
    return file


def test_without_a_file_there_are_the_defaults_and_the_environment() -> None:
    assert load(None, {"UNDYING_WIRE": "edge"}).settings == Settings(wire="edge")


@pytest.mark.parametrize("text", ["", "state_dir: ./state"])
def test_a_relative_state_dir_is_relative_to_the_file(tmp_path: Path, text: str) -> None:
    assert load(written(tmp_path, text), {}).settings.state_dir == tmp_path / "state"


def test_an_absolute_state_dir_or_one_from_the_environment_is_left_alone(tmp_path: Path) -> None:
    assert load(written(tmp_path, "state_dir: /srv/x"), {}).settings.state_dir == Path("/srv/x")
    assert load(written(tmp_path, ""), {"UNDYING_STATE_DIR": "here"}).settings.state_dir == Path("here")


def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "latin1.yaml").write_bytes(b"wire: edge\n# caf\xe9\n")
    said = {}
    for name in ("absent.yaml", "", "latin1.yaml"):
        with pytest.raises(ConfigError) as refused:
            load(tmp_path / name, {})
        said[name] = str(refused.value).removeprefix(str(tmp_path / name))
    assert said == {
        "absent.yaml": ":1: (file): cannot be read: No such file or directory",
        "": ":1: (file): cannot be read: Is a directory",
        "latin1.yaml": ":2: (file): is not UTF-8 text, save it as UTF-8",
    }


def test_errors_in_a_file_name_it_as_it_was_given(tmp_path: Path) -> None:
    file = written(tmp_path, "wire: edge\nprot: 1\n")
    with pytest.raises(ConfigError, match=f"^{re.escape(str(file))}:2: prot: unknown key"):
        load(file, {})


def test_reading_is_repeatable() -> None:
    def once() -> Loaded:
        return parse(EVERYTHING, "config.yaml", {"MOONSHOT_API_KEY": "sk-1", "UNDYING_SERVER__PORT": "1"})

    assert once() == once()
