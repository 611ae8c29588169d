"""What holds for any text, any mapping and any environment: settings or a well-formed ConfigError, and never a secret."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.config_file import ConfigError, Loaded, parse

SECRET = "s3cret-0123456789"
FROM_ENV = "fr0m-3nv"
ENVIRON = {"KEY": FROM_ENV, "CLAUDE": SECRET}
FILE_LINE = re.compile(r"c\.yaml:[1-9][0-9]*: \S.*?: \S.*")
ENV_LINE = re.compile(r"environment: \S.*?: \S.*")

NAMES = [
    "server", "host", "port", "max_body", "inject", "enabled", "state_dir", "wire", "providers", "moonshot", "kind", "base_url", "api_key", "max_concurrency",
    "timeouts", "connect", "first_token", "silence", "total", "models", "name", "upstream", "capabilities", "context", "continuation", "routing", "strategy",
    "request_timeout", "default_model", "aliases", "fallbacks", "fallback_models", "max_fallback_attempts", "enable_model_fallback", "logging", "level",
    "format", "crashes", "keep_content", "missing_env", "embedded", "[key]", "<<", "1", "timout",
]

WORDS = [
    "127.0.0.1", "0.0.0.0", "localhost", "8700", "-1", "0", "1e9", "20MiB", "5m", ".inf", "true", "no", "always", "edge", "openai", "ollama", "anthropic",
    "embedded", "https://h/v1", "http://localhost:8700", "chat", "tools", "none", "ordered", "kimi-k2", "info", "json", "${KEY}", "${NIX}", "${NIX:-x}", "${",
    "$${", "~", "~/x", "''", "0x_", "0b_", "1:30", "2024-01-01", "a/b",
]

MARKS = [": ", ":", "\n", "\n  ", "- ", "[", "]", "{", "}", ", ", "&a ", "*a", "!!str ", "|", ">", '"', "'", "#", "\t", "? ", "%", "---\n"]

WHOLE: dict[str, Any] = {
    "server": {"host": "127.0.0.1", "port": 8700, "max_body": "20MiB"},
    "inject": {"enabled": False},
    "crashes": {"keep_content": False},
    "state_dir": "./state",
    "wire": "always",
    "providers": {
        "moonshot": {
            "kind": "openai", "base_url": "https://api.moonshot.ai/v1", "api_key": SECRET, "max_concurrency": 25,
            "timeouts": {"connect": 5, "first_token": 30, "silence": 30, "total": 300},
            "models": ["kimi-k2", {"name": "my-kimi", "upstream": "k", "capabilities": ["chat", "tools"], "context": 262144, "continuation": "none"}],
        },
        "claude": {"kind": "anthropic", "api_key": "${CLAUDE}"},
    },
    "routing": {"strategy": "ordered", "aliases": {"fast": "kimi-k2"}, "fallbacks": {"kimi-k2": ["glm-4.6"]}, "fallback_models": []},
    "logging": {"level": "info", "format": "auto"},
}

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(WORDS), st.text(max_size=40), st.dates(), st.binary(max_size=5),
)
keys = st.one_of(st.sampled_from(NAMES), st.text(max_size=12), st.integers(), st.booleans(), st.none())
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5), max_leaves=25)
yaml_like = st.lists(st.sampled_from([*NAMES, *WORDS, *MARKS]))


def outcome(text: str, environ: Mapping[str, str]) -> Loaded | ConfigError:
    """What parse gives; any other exception fails the test. Every line of an error is well formed and no secret is in anything.

    FROM_ENV may be in settings, where a file asks for it, and never in an error.
    """
    result: Loaded | ConfigError
    try:
        result = parse(text, "c.yaml", environ)
    except ConfigError as refused:
        result = refused
    if isinstance(result, ConfigError):
        assert result.lines
        assert FROM_ENV not in str(result)
        for line in result.lines:
            assert line.isprintable()
            assert FILE_LINE.fullmatch(line) or ENV_LINE.fullmatch(line)
    assert SECRET not in repr(result)
    assert SECRET not in str(result)
    return result


@settings(deadline=None)
@given(st.text())
def test_any_text_gives_settings_or_a_config_error(text: str) -> None:
    outcome(text, {})


@settings(max_examples=400, deadline=None)
@given(yaml_like)
def test_anything_that_looks_like_yaml_gives_settings_or_a_config_error(tokens: list[str]) -> None:
    outcome("".join(tokens), ENVIRON)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(keys, anything))
def test_any_mapping_gives_settings_or_a_config_error(mapping: dict[Any, Any]) -> None:
    outcome(yaml.safe_dump(mapping, sort_keys=False), ENVIRON)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path in nested data."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, item in inside for place in places(item, (*path, key))]


def damaged(whole: Any, path: tuple[Any, ...], how: str, value: Any) -> Any:
    """A copy with one place replaced, removed, or under another key."""
    whole = copy.deepcopy(whole)
    *way, last = path
    inside = whole
    for key in way:
        inside = inside[key]
    if how == "replace" or isinstance(inside, list):
        inside[last] = value
    elif how == "remove":
        del inside[last]
    else:
        inside[f"{last}x"] = inside.pop(last)
    return whole


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(places(WHOLE)), st.sampled_from(["replace", "remove", "rename"]), anything)
def test_damage_anywhere_gives_settings_or_a_config_error_and_shows_no_secret(path: tuple[Any, ...], how: str, value: Any) -> None:
    outcome(yaml.safe_dump(damaged(WHOLE, path, how, value), sort_keys=False), ENVIRON)


def is_setting(path: tuple[Any, ...]) -> bool:
    """Whether the last step is a setting's name, rather than a place in a list or a name that is free."""
    free = (path[0] == "providers" and len(path) == 2) or (path[:2] in {("routing", "aliases"), ("routing", "fallbacks")} and len(path) > 2)
    return isinstance(path[-1], str) and not free


@settings(deadline=None)
@given(st.sampled_from([path for path in places(WHOLE) if is_setting(path)]))
def test_a_misspelt_key_is_told_with_its_own_line(path: tuple[Any, ...]) -> None:
    text = yaml.safe_dump(damaged(WHOLE, path, "rename", None), sort_keys=False)
    result = outcome(text, ENVIRON)
    assert isinstance(result, ConfigError)
    (line,) = [line for line in result.lines if "unknown key, did you mean" in line]
    assert text.splitlines()[int(line.split(":")[1]) - 1].lstrip(" -").startswith(f"{path[-1]}x:")


names = st.lists(st.sampled_from([*NAMES, "my_kimi", "x", "", "0"]), max_size=4).map(lambda parts: "UNDYING_" + "__".join(parts).upper())
variables = st.dictionaries(
    st.one_of(names, st.text(max_size=8).map(lambda rest: f"UNDYING_{rest}__"), st.sampled_from(["UNDYING_PROVIDERS__MOONSHOT__API_KEY"])),
    st.one_of(st.sampled_from([*WORDS, "[a, b]", "{a: b}", "{port: 1", "'", "!x", "*a"]), st.text(max_size=20)),
    max_size=5,
)


@settings(max_examples=400, deadline=None)
@given(variables)
def test_any_environment_gives_settings_or_a_config_error(environ: dict[str, str]) -> None:
    outcome(yaml.safe_dump(WHOLE), environ | ENVIRON)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10), st.text(max_size=10))
def test_a_key_in_an_override_is_used_or_refused_and_never_shown(before: str, after: str) -> None:
    result = outcome(yaml.safe_dump(WHOLE), {**ENVIRON, "UNDYING_PROVIDERS__MOONSHOT__API_KEY": f"{before}{SECRET}{after}"})
    if isinstance(result, ConfigError):
        (line,) = result.lines
        assert line.startswith("environment: UNDYING_PROVIDERS__MOONSHOT__API_KEY: ")
    else:
        key = result.settings.providers["moonshot"].api_key
        assert key is not None
        assert SECRET in key.get_secret_value()
