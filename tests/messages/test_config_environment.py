"""What the environment may say: overrides by name, and the values of ${NAME}."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from messages.config import ProviderSettings, Settings
from messages.config_environment import expand
from messages.config_file import ConfigError, parse

TWO = "providers:\n  my-kimi: {kind: openai, base_url: 'https://h/v1'}\n  glm.4: {kind: ollama}\n"


def read(text: str, environ: Mapping[str, str]) -> Settings:
    return parse(text, "config.yaml", environ).settings


def lines(text: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        parse(text, "config.yaml", environ)
    return refused.value.lines


def with_key(written: str, environ: Mapping[str, str]) -> ProviderSettings:
    return read(f"providers:\n  it:\n    kind: ollama\n    api_key: {written}\n", environ).providers["it"]


# ----------------------------------------------------------------------------------------------------------------------- overrides


@pytest.mark.parametrize("name", ["UNDYING_SERVER__PORT", "undying_server__port", "Undying_Server__Port"])
def test_two_underscores_go_one_step_down_and_case_does_not_matter(name: str) -> None:
    assert read("server: {port: 1}", {name: "8701"}).server.port == 8701


def test_a_top_level_setting_needs_no_underscores() -> None:
    settings = read("", {"UNDYING_STATE_DIR": "/srv/undying", "UNDYING_WIRE": "edge"})
    assert (str(settings.state_dir), settings.wire) == ("/srv/undying", "edge")


@pytest.mark.parametrize("name", ["UNDYING_HOME", "UNDYING_SERVICE_HOST", "UNDYING_PORT", "UNDYING_PORT_8700_TCP_ADDR", "UNDYING_", "UNDYING", "OTHER__PORT"])
def test_what_others_put_into_the_environment_is_ignored(name: str) -> None:
    assert read("", {name: "tcp://10.0.0.1:8700"}) == Settings()


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_variable_counts_as_not_set(value: str) -> None:
    assert read("server: {port: 1}", {"UNDYING_SERVER__PORT": value, "UNDYING_NO__SUCH": value}).server.port == 1


def test_null_in_a_variable_takes_the_files_value_back_to_the_default() -> None:
    loaded = parse("routing: {default_model: a}", "c", {"UNDYING_ROUTING__DEFAULT_MODEL": "null"})
    assert (loaded.settings.routing.default_model, loaded.origins["routing.default_model"]) == (None, "default")


def test_lists_and_sections_are_written_as_yaml() -> None:
    settings = read(
        "logging: {level: debug, format: json}\nrouting: {fallback_models: [a, b, c]}",
        {
            "UNDYING_LOGGING": "{level: error}",
            "UNDYING_ROUTING__FALLBACK_MODELS": "[x]",
            "UNDYING_ROUTING__FALLBACKS": "{kimi-k2: [glm-4.6]}",
            "UNDYING_ROUTING__ALIASES__FAST": "kimi-k2",
        },
    )
    assert (settings.logging.level, settings.logging.format) == ("error", "auto")
    assert (settings.routing.fallback_models, settings.routing.fallbacks) == (("x",), {"kimi-k2": ("glm-4.6",)})
    assert settings.routing.aliases == {"fast": "kimi-k2"}


def test_a_section_comes_before_what_is_in_it() -> None:
    assert read("", {"UNDYING_SERVER__PORT": "2", "UNDYING_SERVER": "{port: 1, host: localhost}"}).server.port == 2


def test_a_provider_is_found_by_its_name_with_underscores() -> None:
    settings = read(TWO, {"UNDYING_PROVIDERS__MY_KIMI__API_KEY": "k1", "UNDYING_PROVIDERS__GLM_4__TIMEOUTS__TOTAL": "9s"})
    assert settings.providers["my-kimi"].api_key == SecretStr("k1")
    assert settings.providers["glm.4"].timeouts.total == 9
    assert list(settings.providers) == ["my-kimi", "glm.4"]


def test_a_provider_can_be_made_from_the_environment_alone() -> None:
    settings = read("providers:\n", {"UNDYING_PROVIDERS__GROQ__KIND": "openai", "UNDYING_PROVIDERS__GROQ__BASE_URL": "https://api.groq.com/openai/v1"})
    assert settings.providers["groq"].base_url == "https://api.groq.com/openai/v1"


def test_a_name_that_fits_two_providers_is_refused() -> None:
    text = "providers: {a-b: {kind: ollama}, a.b: {kind: anthropic}}"
    (line,) = lines(text, {"UNDYING_PROVIDERS__A_B__API_KEY": "k"})
    assert line == "environment: UNDYING_PROVIDERS__A_B__API_KEY: can mean a-b or a.b, set it in the file"


@pytest.mark.parametrize("key", ["0012", "#k", "[k", "{k}", "k: v", "*k", "!k", "@k", "k#", "true"])
def test_a_key_from_the_environment_may_look_like_anything(key: str) -> None:
    environ = {"UNDYING_PROVIDERS__MY_KIMI__API_KEY": key}
    if " " in key:
        assert "visible ASCII characters without blanks" in lines(TWO, environ)[0]
    else:
        assert read(TWO, environ).providers["my-kimi"].api_key == SecretStr(key)


@pytest.mark.parametrize("value", ["'edge'", '"edge"', " edge ", "edge\n"])
def test_quotes_and_blanks_around_a_value_are_not_part_of_it(value: str) -> None:
    assert read("", {"UNDYING_WIRE": value}).wire == "edge"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("UNDYING_SERVR__PORT", "1", "unknown key, did you mean UNDYING_SERVER__PORT?"),
        ("UNDYING_SERVER__PRT", "1", "unknown key, did you mean UNDYING_SERVER__PORT?"),
        ("UNDYING__WIRE", "edge", "unknown key, did you mean UNDYING_WIRE?"),
        ("UNDYING_LOGGING__COLOUR", "1", "unknown key, allowed are UNDYING_LOGGING__LEVEL, UNDYING_LOGGING__FORMAT"),
        ("UNDYING_SERVER__PORT__X", "1", "unknown key, there is nothing below UNDYING_SERVER__PORT"),
        ("UNDYING_ROUTING__FALLBACK_MODELS__0", "a", "a list is set whole: UNDYING_ROUTING__FALLBACK_MODELS='[a, b]'"),
        ("UNDYING_SERVER__PORT", "99999", "found 99999, wanted a whole number from 0 to 65535"),
        ("UNDYING_WIRE", "egde", 'found "egde", wanted always or edge, did you mean "edge"?'),
        ("UNDYING_SERVER", "8700", "found a text, wanted a mapping with host, port, max_body"),
        ("UNDYING_SERVER", "{prt: 1}", 'server.prt: unknown key, did you mean "port"?'),
        ("UNDYING_SERVER", "{port: 1, port: 2}", "given on line 1 and again on line 1, keep one"),
        ("UNDYING_ROUTING__FALLBACK_MODELS", "a,b", 'found "a,b", wanted a list, such as [a, b]'),
        ("UNDYING_ROUTING__FALLBACK_MODELS", "[a", "cannot be read as YAML: while parsing a flow sequence: expected ',' or ']', but got '<stream end>'"),
        ("UNDYING_ROUTING__FALLBACK_MODELS", "&a [*a]", "cannot be read as YAML: aliases make this more than 20000 values or endless, write it out"),
        ("UNDYING_SERVER__HOST", "0.0.0.0", "listening beyond this machine needs API keys"),
        ("UNDYING_PROVIDERS__NEW__API_KEY", "s3cret", "providers.new.kind: is missing, add one of openai, ollama, anthropic, embedded"),
    ],
)  # fmt: skip
def test_a_problem_names_the_variable(name: str, value: str, said: str) -> None:
    (line,) = lines("", {name: value})
    assert line.startswith(f"environment: {name}: {said}")


def test_the_same_setting_twice_is_refused() -> None:
    (line,) = lines("", {"UNDYING_WIRE": "edge", "undying_wire": "always"})
    assert line == "environment: undying_wire: UNDYING_WIRE sets the same, keep one"


def test_problems_of_the_file_come_before_those_of_the_environment() -> None:
    said = lines("a: 1\nb: 2", {"UNDYING_WIRE": "x", "UNDYING_A__B": "1"})
    assert [line.split(": ")[0] for line in said] == ["config.yaml:1", "config.yaml:2", "environment", "environment"]


def test_an_override_cannot_mend_a_file_that_has_something_else_on_the_way() -> None:
    assert lines("server: hello", {"UNDYING_SERVER__PORT": "1"}) == ("config.yaml:1: server: found a text, wanted a mapping with host, port, max_body",)


# ---------------------------------------------------------------------------------------------------------------------- references


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("${A}", "one"), ("x${A}y${B}z", "xoneytwoz"), ("${NIX:-three}", "three"), ("${A:-three}", "one"), ("${NIX:-}", ""), ("$${A}", "${A}"), ("$A", "$A"),
        ("$", "$"), ("{A}", "{A}"), ("${EMPTY:-three}", "three"),
    ],
)  # fmt: skip
def test_a_reference_is_replaced_by_the_variable_or_its_default(text: str, meant: str) -> None:
    expanded = expand(text, {"A": "one", "B": "two", "EMPTY": ""})
    assert (expanded.text, expanded.missing, expanded.malformed) == (meant, (), False)


@pytest.mark.parametrize("text", ["${", "${}", "${1}", "${A", "${A-b}", "${A:-${B}}", "a ${ b"])
def test_a_reference_of_another_form_is_malformed(text: str) -> None:
    assert expand(text, {"A": "one", "B": "two"}).malformed


@settings(deadline=None)
@given(st.text())
def test_what_a_variable_holds_is_not_looked_at_again(value: str) -> None:
    expanded = expand("${A:-x}", {"A": value})
    assert expanded.text == (value if value.strip() else "x")
    assert not expanded.malformed


@settings(deadline=None)
@given(st.text().filter(lambda text: "${" not in text))
def test_a_text_without_references_stays_as_it_is(text: str) -> None:
    assert expand(text, {}).text == text


def test_a_reference_works_for_settings_of_every_type() -> None:
    environ = {"PORT": "9000", "ON": "true", "BODY": "1MiB", "MODEL": "kimi-k2"}
    text = 'server: {port: "${PORT}", max_body: "${BODY}"}\ninject: {enabled: "${ON}"}\nrouting: {fallback_models: ["${MODEL}", "${NIX:-glm}"]}'
    settings = read(text, environ)
    assert (settings.server.port, settings.server.max_body, settings.inject.enabled) == (9000, 1024**2, True)
    assert settings.routing.fallback_models == ("kimi-k2", "glm")


def test_a_default_of_nothing_leaves_the_setting_out() -> None:
    assert read("routing:\n  default_model: ${NIX:-}\n", {}).routing.default_model is None


def test_references_in_the_values_of_overrides_are_replaced_too() -> None:
    settings = read(TWO, {"UNDYING_PROVIDERS__MY_KIMI__API_KEY": "${MINE}", "MINE": "k"})
    assert settings.providers["my-kimi"].api_key == SecretStr("k")


# ---------------------------------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize("environ", [{}, {"MOONSHOT_API_KEY": ""}, {"MOONSHOT_API_KEY": " \n"}])
def test_a_key_whose_variable_is_not_set_leaves_the_provider_unconfigured(environ: Mapping[str, str]) -> None:
    provider = with_key("${MOONSHOT_API_KEY}", environ)
    assert (provider.state, provider.api_key, provider.missing_env) == ("unconfigured", None, ("MOONSHOT_API_KEY",))


def test_a_key_of_two_variables_names_those_that_are_missing() -> None:
    provider = with_key("${A}.${B}", {"A": "s3cret"})
    assert (provider.state, provider.missing_env) == ("unconfigured", ("B",))
    assert "s3cret" not in repr(provider)


@pytest.mark.parametrize("written", ["", "''", "${NIX:-}", "~"])
def test_a_provider_that_needs_no_key_is_ready_without_one(written: str) -> None:
    provider = with_key(written, {})
    assert (provider.state, provider.api_key, provider.missing_env) == ("ready", None, ())


def test_blanks_and_line_ends_around_a_key_are_not_part_of_it() -> None:
    assert with_key("${K}", {"K": " sk-1\n"}).api_key == SecretStr("sk-1")


@pytest.mark.parametrize("key", ["a b", "a\tb", "a\r\nX-Evil: 1", "“quoted”", "clé"])
def test_a_key_that_cannot_go_into_a_header_is_refused_without_being_shown(key: str) -> None:
    (line,) = lines("providers:\n  it:\n    kind: ollama\n    api_key: ${K}\n", {"K": key})
    assert line == "config.yaml:4: providers.it.api_key: wanted a key of visible ASCII characters without blanks, as its vendor shows it"
