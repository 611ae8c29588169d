"""What is said of settings that are not usable: every problem at once, each in one line with its place and its remedy."""

from __future__ import annotations

import pytest

from messages.config_errors import dotted, found, nearest, unknown_key
from messages.config_file import ConfigError, parse

MOONSHOT = "https://api.moonshot.ai/v1"


def lines(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        parse(text, "config.yaml", {})
    assert str(refused.value) == "\n".join(refused.value.lines)
    return refused.value.lines


def test_a_typo_in_a_key_is_told_with_its_line_its_path_and_the_nearest_key() -> None:
    text = f"# top\n\nproviders:\n  moonshot:\n    kind: openai\n    timout: {{connect: 5}}\n    base_url: {MOONSHOT}\n"
    assert lines(text) == ('config.yaml:6: providers.moonshot.timout: unknown key, did you mean "timeouts"?',)


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = """
server: {port: 99999}
wire: alwyas
providers:
  moonshot:
    kind: openai
    models:
      - kimi-k2
      - {name: my-kimi, context: huge, continuation: prefix}
  Glm:
    kind: opnai
routing:
  max_fallback_attempts: 0
  aliases: {fast: slow, slow: kimi-k2}
  fallback_models: llama3
inject: true
"""
    said = """
config.yaml:2: server.port: found 99999, wanted a whole number from 0 to 65535
config.yaml:3: wire: found "alwyas", wanted always or edge, did you mean "always"?
config.yaml:5: providers.moonshot.base_url: kind openai needs it, add one such as base_url: https://api.moonshot.ai/v1
config.yaml:9: providers.moonshot.models[1].context: found "huge", wanted a whole number from 1 to 100000000
config.yaml:9: providers.moonshot.models[1].continuation: found "prefix", wanted assistant_prefix, instruction or none, did you mean "assistant_prefix"?
config.yaml:10: providers.Glm: found "Glm", wanted a provider's name: up to 64 lower case letters, digits, '.', '_' and '-', beginning with a letter or digit
config.yaml:11: providers.Glm.kind: found "opnai", wanted openai, ollama, anthropic or embedded, did you mean "openai"?
config.yaml:13: routing.max_fallback_attempts: found 0, wanted a whole number from 1 to 20
config.yaml:14: routing.aliases.fast: points at another alias, name the model itself
config.yaml:15: routing.fallback_models: found "llama3", wanted a list, such as [a, b]
config.yaml:16: inject: found a text, wanted a mapping with enabled
"""
    assert lines(text) == tuple(said.strip().splitlines())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "(top): found a list, wanted a mapping with server, inject, crashes, state_dir, wire, providers, routing, logging"),
        ("server: {port: [1]}", "server.port: found a list, wanted a whole number from 0 to 65535"),
        ("server: {port: {a: 1}}", "server.port: found a mapping, wanted a whole number from 0 to 65535"),
        ("server: {port: true}", 'server.port: found "true", wanted a whole number from 0 to 65535'),
        ("inject: {enabled: 1}", "inject.enabled: found 1, wanted true or false"),
        ("routing: {aliases: [a]}", "routing.aliases: found a list, wanted a mapping"),
        ("routing: {aliases: {a: }}", "routing.aliases.a: found nothing, wanted a model's name: text of up to 200 characters in one line"),
        (
            "routing: {fallback_models: [a, {b: c}]}",
            "routing.fallback_models[1]: found a mapping, wanted a model's name: text of up to 200 characters in one line",
        ),
        ("routing: {default_model: ''}", "routing.default_model: found empty text, wanted a model's name: text of up to 200 characters in one line"),
        ("logging: {level: [x]}", "logging.level: found a list, wanted debug, info, warning or error"),
        (
            "providers: {a: {kind: ollama, models: [{name: b, capabilities: [chat, tool]}]}}",
            "providers.a.models[0].capabilities[1]: found \"tool\", wanted chat, embeddings, tools, json_schema, vision or streaming, did you mean \"tools\"?",
        ),
        ("state_dir: ~/x", "state_dir: ~ stands for nothing here, write ${HOME}/..."),
        ("state_dir: [x]", "state_dir: found a list, wanted the path of a folder"),
        ("providers: {a: {}}", "providers.a.kind: is missing, add one of openai, ollama, anthropic, embedded"),
        ("providers: {a: {kind: ollama, models: [{upstream: b}]}}", "providers.a.models[0].name: is missing, add it"),
        ("providers: {a: {kind: ollama, models: []}}", "providers.a.models: an empty list serves nothing, leave models out to ask the provider"),
        ("providers: {a: {kind: ollama, models: [b, c, b]}}", "providers.a.models[2]: is named like models[0], give it another name"),
        ("providers: {a: {kind: ollama, base_url: [b]}}", "providers.a.base_url: found a list, wanted a URL as text, such as https://api.moonshot.ai/v1"),
        ("providers: {a: {kind: ollama, api_key: [b]}}", "providers.a.api_key: found a list, wanted a key as text, such as ${MOONSHOT_API_KEY}"),
        (
            "providers: {a: {kind: ollama, missing_env: [b]}}",
            "providers.a.missing_env: unknown key, allowed are api_key, base_url, kind, max_concurrency, models, timeouts",
        ),
        ("routing: {aliases: {a: a}}", "routing.aliases.a: points at itself, name a model"),
        ("routing: {fallbacks: {a: [b, a]}}", "routing.fallbacks.a: falls back to itself, name other models"),
        (
            "providers: {p: {kind: ollama, models: [m]}}\nrouting:\n  aliases: {m: x}",
            "routing.aliases.m: provider p has a model of this name, choose another alias",
        ),
        (
            "providers: {p: {kind: ollama}}\nrouting:\n  aliases: {p/x: y}",
            "routing.aliases.p/x: this form, provider/model, asks for that provider, choose another alias",
        ),
        (
            "providers: {p: {kind: openai, base_url: 'http://localhost:8700/v1'}}",
            "providers.p.base_url: leads back to this gateway, which listens on port 8700 itself",
        ),
        ("a: !!python/object/apply:os.system [x]", "a: a tag (!...) is not taken here, remove it"),
        ("? [a]\n: 1", "(top): a list or mapping as a key is not taken here, write a name"),
        ("a: &a [*a]", "a: aliases make this more than 20000 values or endless, write it out"),
        ("wire: ${", 'wire: holds a "${" that is not understood, write ${NAME}, ${NAME:-default}, or $${ for the characters themselves'),
        ("wire: ${NIX}", "wire: NIX is not set in the environment, set it or write ${NIX:-default}"),
    ],
)  # fmt: skip
def test_a_problem_says_what_was_found_and_what_is_right(text: str, said: str) -> None:
    assert said in [line.split(": ", 1)[1] for line in lines(text)]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: [c", 2, "expected ',' or ']'"),
        ("a: 1\nb: c: d", 2, "mapping values are not allowed here"),
        ("a:\n\tb: 1", 2, "indent with spaces"),
        ('a: "b\n\nc', 3, "unexpected end of stream, begun on line 1"),
        ("a: 1\n---\nb: 2", 2, "expected a single document"),
        ("a: 1\nb: \x01", 2, "a control character, remove it"),
        ("a: {b: ${C}}", 1, 'inside { } and [ ] write "${NAME}" in quotes'),
        ("a: &x 1\nb: &x 2", 2, "duplicate anchor"),
        ('a: "\\UFFFFFFFF"', 1, "too large for YAML"),
        (f"%YAML {'9' * 5000}.1\n---\na: 1", 1, "too large for YAML"),
        ("[" * 40, 1, "nested more than 32 deep"),
        ("- " * 5000, 1, "nested more than 32 deep"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text: str, line: int, said: str) -> None:
    (told,) = lines(text)
    assert told.startswith(f"config.yaml:{line}: (yaml): ")
    assert said in told


def test_a_repeated_key_names_both_lines() -> None:
    assert lines("server:\n  port: 1\n  host: localhost\n  port: 2\n") == ("config.yaml:4: server.port: given on line 2 and again on line 4, keep one",)


def test_a_repeated_provider_names_both_lines() -> None:
    text = "providers:\n  a: {kind: ollama}\n  b: {kind: ollama}\n  a: {kind: anthropic}\n"
    assert lines(text) == ("config.yaml:4: providers.a: given on line 2 and again on line 4, keep one",)


def test_aliases_that_blow_up_are_stopped_early() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (line,) = lines("\n".join(rows))
    assert "more than 20000 values" in line


def test_a_misspelt_key_is_not_told_a_second_time_as_missing() -> None:
    assert lines("providers: {a: {knd: ollama}}") == ('config.yaml:1: providers.a.knd: unknown key, did you mean "kind"?',)
    assert lines(f"providers: {{a: {{kind: openai, base_ulr: '{MOONSHOT}'}}}}") == (
        'config.yaml:1: providers.a.base_ulr: unknown key, did you mean "base_url"?',
    )


def test_a_misspelt_key_hides_no_error_of_the_right_one() -> None:
    assert len(lines("server: {prt: 1, port: x}")) == 2


@pytest.mark.parametrize(
    ("word", "meant"),
    [("timout", "timeouts"), ("Base-URL", "base_url"), ("url", "base_url"), ("key", "api_key"), ("concurrency", "max_concurrency"), ("zzz", ""), ("", "")],
)
def test_the_nearest_name_is_the_one_that_was_probably_meant(word: str, meant: str) -> None:
    assert nearest(word, ["kind", "base_url", "api_key", "max_concurrency", "timeouts", "models"]) == meant


def test_a_key_that_is_near_to_nothing_gets_the_whole_list() -> None:
    assert unknown_key("colour", ["level", "format"]) == "unknown key, allowed are format, level"


def test_a_path_is_one_line_whatever_is_in_it() -> None:
    assert dotted(("providers", "moonshot", "models", 1, "name")) == "providers.moonshot.models[1].name"
    assert dotted(("a\nb", "c d")) == '"a\\nb"."c d"'
    assert dotted(("x" * 100,)) == "xxxxxxxx..."


# ------------------------------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "text",
    [
        "providers: {a: {kind: openai, api_key: s3cret, base_url: x}}",
        "providers: {a: {kind: embedded, api_key: s3cret}}",
        "providers: {a: {kind: ollama, api_key: 's3cret with blanks'}}",
        "providers: {a: {kind: ollama, api_ky: s3cret}}",
        "providers: {a: {api_key:s3cret, kind: ollama}}",
        "providers: {a: {api_key:s3cret, api_key:s3cret, kind: ollama}}",
        "providers: {a: s3cret}",
        "providers: s3cret",
        "s3cret",
        "providers: {a: {kind: ollama, api_key: {b: s3cret}}}",
        "providers: {a: {kind: ollama, api_key: [s3cret]}}",
        "providers: {a: {kind: openai, base_url: 'https://me:s3cret@h/v1'}}",
        "providers: {a: {kind: openai, base_url: 'https://me:s3cret'}}",
        "providers: {a: {kind: openai, base_url: 'https://h/v1?key=s3cret'}}",
        "providers: {a: {kind: openai, api_key: *s3cret}}",
        "providers: {a: {kind: openai, api_key: !s3cret x}}",
        "providers: {a: {kind: openai, api_key: !s3cret!x y}}",
        "providers: {a: {kind: openai, api_key: @s3cret}}",
        "providers: {a: {kind: openai, api_key: s3cret: x}}",
        "a: &s3cret 1\nb: &s3cret 2",
        "wire: a-key-that-landed-in-the-wrong-place-s3cret",
    ],
)
def test_no_error_repeats_what_may_be_a_secret(text: str) -> None:
    for line in lines(text):
        assert "s3cret" not in line


@pytest.mark.parametrize(
    "setting",
    [
        "wire: ${KEY}", "server: {port: '${KEY}'}", "state_dir: '~${KEY}'", "routing: {request_timeout: 'x${KEY}'}", "logging: '${KEY}'",
        "providers: {a: {kind: ollama, models: ['${KEY}']}}",
    ],
)
def test_no_error_repeats_what_came_from_the_environment(setting: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(setting, "config.yaml", {"KEY": "s3cret\n"})
    assert "s3cret" not in str(refused.value)


def test_a_config_error_drags_no_exception_along_that_knows_the_secret() -> None:
    with pytest.raises(ConfigError) as refused:
        parse("providers: {a: {kind: ollama, api_key: 's3 cret', timeouts: 5}}", "config.yaml", {})
    assert refused.value.__context__ is None
    assert refused.value.__cause__ is None


def test_what_was_found_is_repeated_only_when_it_is_short_and_no_secret() -> None:
    values: tuple[object, ...] = (None, {}, [], (), "", "5", "1.5", "word", "a\nb", "x" * 33, 5)
    assert [found(value) for value in values] == [
        "nothing", "a mapping", "a list", "a list", "empty text", "5", "1.5", '"word"', '"a\\nb"', "a text of 33 characters", "a value of type int",
    ]
    assert found("word", secret=True) == "a text"
    assert found("word", variables=("A", "B")) == "the value of A and B"
