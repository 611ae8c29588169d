"""Who is asked for a model: exact names only, in the operator's order, and never somebody who can't."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.router.decide import Plan, Rules, Table, default_model, listed, nearest, plan, resolve, table_of
from messages.faults import Fault
from messages.provider import ProviderAnnounced, ProviderKind, ProviderState, ServedModel


def model(name: str, upstream: str = "", *, configured: bool = False, capabilities: tuple[str, ...] | None = None) -> ServedModel:
    return ServedModel.model_validate({"name": name, "upstream": upstream or name, "configured": configured, "capabilities": capabilities})


def provider(
    name: str, *models: ServedModel, kind: ProviderKind = "openai", state: ProviderState = "ready", complete: bool = True
) -> ProviderAnnounced:
    base_url = "" if kind == "embedded" else f"http://{name}.test/v1"
    return ProviderAnnounced(name=name, provider_kind=kind, base_url=base_url, state=state, models=models, complete=complete, detail="set KEY")


def table(*providers: ProviderAnnounced) -> Table:
    return table_of({one.name: one for one in providers})


EMBEDDED = provider("embedded", model("echo"), kind="embedded")


def places(decided: Plan | Fault) -> list[tuple[str, str]]:
    assert isinstance(decided, Plan), decided
    return [(candidate.provider, candidate.upstream) for candidate in decided.candidates]


def test_equal_providers_are_asked_in_the_operators_order() -> None:
    both = table(provider("b", model("mock")), provider("a", model("mock")))
    assert places(plan("mock", (), both, Rules())) == [("b", "mock"), ("a", "mock")]


def test_a_configured_name_comes_before_the_same_name_in_somebody_elses_list() -> None:
    both = table(provider("lists", model("kimi")), provider("configured", model("kimi", "kimi-2025", configured=True)))
    assert places(plan("kimi", (), both, Rules())) == [("configured", "kimi-2025")]


def test_an_alias_stands_for_its_model_but_a_configured_model_of_that_name_wins() -> None:
    rules = Rules(aliases={"fast": "mock"})
    assert places(plan("fast", (), table(provider("a", model("mock"))), rules)) == [("a", "mock")]
    assert places(plan("fast", (), table(provider("a", model("mock"), model("fast", configured=True))), rules)) == [("a", "fast")]


def test_provider_slash_model_pins_to_that_provider() -> None:
    both = table(provider("a", model("mock")), provider("b", model("mock")))
    assert places(plan("b/mock", (), both, Rules())) == [("b", "mock")]


def test_a_name_with_a_slash_that_somebody_lists_is_that_name() -> None:
    router = table(provider("openrouter", model("openai/gpt-4o")))
    assert places(plan("openai/gpt-4o", (), router, Rules())) == [("openrouter", "openai/gpt-4o")]


def test_a_pinned_model_is_tried_while_its_provider_has_not_told_its_list() -> None:
    silent = table(provider("a", complete=False))
    assert places(plan("a/anything", (), silent, Rules())) == [("a", "anything")]
    assert isinstance(plan("anything", (), silent, Rules()), Fault)


def test_no_part_of_a_name_is_ever_taken_for_the_name() -> None:
    known = table(provider("a", model("gpt-4o-mini")))
    for guess in ("gpt-4o", "gpt", "GPT-4o-mini", "gpt-4o-mini ", "a/gpt-4o", "a/", "/gpt-4o-mini"):
        decided = plan(guess, (), known, Rules())
        assert isinstance(decided, Fault) and decided.cls == "unknown_model", guess


def test_an_unknown_model_is_answered_with_the_three_nearest_names() -> None:
    known = table(provider("a", *(model(name) for name in ("kimi-k2", "kimi-k1", "glm-4.6", "llama3"))))
    decided = plan("kimi-k3", (), known, Rules())
    assert isinstance(decided, Fault)
    assert decided.cls == "unknown_model" and decided.param == "model"
    assert len(decided.names) == 3 and set(decided.names[:2]) == {"kimi-k1", "kimi-k2"}
    assert all(name in decided.message for name in decided.names)


def test_fallbacks_come_after_the_models_own_providers_and_only_when_wanted() -> None:
    all_three = table(provider("a", model("mock")), provider("b", model("other")), provider("c", model("third")))
    rules = Rules(fallbacks={"mock": ["other"]}, fallback_models=["third"])
    assert places(plan("mock", (), all_three, rules)) == [("a", "mock"), ("b", "other")]
    assert places(plan("other", (), all_three, rules)) == [("b", "other"), ("c", "third")]
    assert places(plan("mock", (), all_three, rules, fallback=False)) == [("a", "mock")]
    assert places(plan("mock", (), all_three, Rules(fallbacks={"mock": ["other"]}, model_fallback=False))) == [("a", "mock")]


def test_no_candidate_comes_twice() -> None:
    rules = Rules(fallbacks={"mock": ["mock2", "mock2"]}, aliases={"mock2": "mock"})
    assert places(plan("mock", (), table(provider("a", model("mock"))), rules)) == [("a", "mock")]


def test_who_lacks_a_needed_capability_is_never_asked() -> None:
    mixed = table(provider("a", model("mock", capabilities=("chat",))), provider("b", model("mock", capabilities=("chat", "tools"))))
    assert places(plan("mock", ("tools",), mixed, Rules())) == [("b", "mock")]
    decided = plan("mock", ("vision",), mixed, Rules())
    assert isinstance(decided, Fault) and decided.cls == "unsupported_capability" and "vision" in decided.message


def test_an_undeclared_capability_is_tried() -> None:
    assert places(plan("mock", ("vision",), table(provider("a", model("mock"))), Rules())) == [("a", "mock")]


def test_a_model_at_an_unconfigured_provider_says_what_is_missing() -> None:
    decided = plan("mock", (), table(provider("a", model("mock", configured=True), state="unconfigured")), Rules())
    assert isinstance(decided, Fault) and decided.cls == "no_provider" and "set KEY" in decided.message


def test_without_a_name_the_default_is_taken_and_nothing_is_said() -> None:
    assert default_model(table(provider("a", model("x"), model("mock"))), Rules(default_model="mock")) == ("mock", "")


def test_a_default_that_cant_be_served_falls_to_the_first_able_provider_and_says_so() -> None:
    decided = plan("", (), table(provider("a", model("x"))), Rules(default_model="gone"))
    assert places(decided) == [("a", "x")]
    assert isinstance(decided, Plan) and "gone" in decided.note and "a/x" in decided.note


def test_the_default_is_never_a_model_that_does_not_talk() -> None:
    names = ("text-embedding-ada-002", "whisper-1", "tts-1-hd", "dall-e-3", "omni-moderation-latest", "babbage-002", "gpt-4o")
    assert places(plan("", (), table(provider("openai", *(model(name) for name in names))), Rules())) == [("openai", "gpt-4o")]
    assert default_model(table(provider("openai", model("text-embedding-3-small"))), Rules()) is None


def test_the_embedded_provider_answers_who_names_nothing_and_who_names_it() -> None:
    alone = table(EMBEDDED)
    assert places(plan("", (), alone, Rules())) == [("embedded", "echo")]
    assert places(plan("embedded/echo", (), alone, Rules())) == [("embedded", "echo")]


def test_the_embedded_provider_never_stands_in_for_a_model_that_was_named() -> None:
    for name in ("echo", "gpt-4o", "embedded/gpt-4o", "embedded/"):
        decided = plan(name, (), table(EMBEDDED), Rules())
        assert isinstance(decided, Fault) and decided.cls == "unknown_model", name


def test_every_listed_name_can_be_asked_for() -> None:
    known = table(provider("a", model("mock"), model("x")), provider("b", model("mock")), EMBEDDED, provider("c", model("off"), state="unconfigured"))
    shown = listed(known, Rules(aliases={"fast": "mock", "dangling": "nothing"}))
    assert [entry.name for entry in shown] == ["embedded/echo", "fast", "mock", "x"]
    assert {entry.name: entry.served_by for entry in shown}["mock"] == ("a", "b")


names = st.sampled_from(["mock", "other", "a/mock", "b/other", "echo", "fast", "x/y", ""])
served = st.builds(model, names.filter(bool), configured=st.booleans(), capabilities=st.sampled_from([None, ("chat",), ("chat", "tools")]))
announced = st.builds(
    lambda name, models, state, complete: provider(name, *models, state=state, complete=complete),
    st.sampled_from(["a", "b", "x"]), st.lists(served, max_size=4), st.sampled_from(["ready", "unconfigured"]), st.booleans(),
)  # fmt: skip
tables = st.lists(announced, max_size=3).map(lambda some: table(*some, EMBEDDED))
rules = st.builds(
    Rules, default_model=st.none() | names.filter(bool), aliases=st.dictionaries(st.just("fast"), st.just("mock")),
    fallbacks=st.dictionaries(names.filter(bool), st.lists(names.filter(bool), max_size=3), max_size=2),
    fallback_models=st.lists(names.filter(bool), max_size=2),
)  # fmt: skip


@given(names, st.sampled_from([(), ("tools",)]), tables, rules, st.booleans())
def test_a_plan_holds_only_able_providers_with_their_own_urls_and_none_twice(
    name: str, needs: tuple[str, ...], known: Table, wished: Rules, fallback: bool
) -> None:
    decided = plan(name, needs, known, wished, fallback=fallback)  # type: ignore[arg-type]
    if isinstance(decided, Fault):
        assert decided.message
        return
    assert decided.candidates and len(set(decided.candidates)) == len(decided.candidates)
    for candidate in decided.candidates:
        home = known.providers[candidate.provider]
        assert home.state == "ready" and candidate.base_url == home.base_url
        own = [model for model in home.models if model.upstream == candidate.upstream]
        assert own or not home.complete
        assert not own or any(model.capabilities is None or set(needs) <= set(model.capabilities) for model in own)


@given(names.filter(bool), tables, rules)
def test_the_embedded_provider_is_reached_only_by_its_full_name_or_by_naming_nothing(name: str, known: Table, wished: Rules) -> None:
    assert all(match.provider.name != "embedded" for match in resolve(name, known, wished))


@given(st.text(max_size=12), st.lists(st.text(max_size=12), max_size=8))
def test_the_nearest_names_are_known_ones_without_repetition(name: str, known: list[str]) -> None:
    near = nearest(name, known)
    assert len(near) == min(3, len(set(known))) == len(set(near)) and set(near) <= set(known)
