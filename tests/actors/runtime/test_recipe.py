"""Which factories can be made again from their name, and what is never written down."""

from __future__ import annotations

from functools import partial
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from actors.runtime.origin import path_of
from actors.runtime.recipe import NoRecipe, Recipe, factory_of, recipe_of
from tests.actors.runtime.victims import Sum

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("abc é'\"\\\n", max_size=10) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.text("abc", max_size=4), inner, max_size=3),
    max_leaves=6,
)


class Holder:
    """Takes anything."""

    class Inner:
        pass

    def __init__(self, *args: Any, **more: Any) -> None:
        self.given = args, more


def a_function() -> Sum:
    return Sum(5)


@given(st.lists(PLAIN, max_size=3), st.dictionaries(st.sampled_from(["limit", "name"]), PLAIN))
def test_what_a_recipe_makes_is_given_exactly_what_the_factory_gave(args: list[Any], more: dict[str, Any]) -> None:
    made = factory_of(recipe_of(partial(Holder, *args, **more)), Holder)()
    assert made.given == (tuple(args), more) and repr(made.given) == repr((tuple(args), more))


def test_a_class_and_an_inner_class_have_recipes() -> None:
    assert recipe_of(Sum) == Recipe(f"{Sum.__module__}:Sum", "((), {})")
    assert isinstance(factory_of(recipe_of(Holder.Inner), Holder.Inner)(), Holder.Inner)


def no_recipe(factory: Any) -> str:
    with pytest.raises(NoRecipe) as refused:
        recipe_of(factory)
    return str(refused.value)


def test_what_can_not_be_imported_has_no_recipe_and_it_is_said_how_to_mend_that() -> None:
    class Local:
        pass

    for factory in (lambda: Sum(), Local, partial(Local), Sum().receive, partial(lambda: Sum()), a_function):
        assert "at the top of a module" in no_recipe(factory)


@pytest.mark.parametrize("argument", [object(), Sum, [object()], {"a": object()}, {1: {2: object()}}, float("inf"), float("nan"), set(), st])
def test_an_argument_that_is_no_plain_data_has_no_recipe(argument: object) -> None:
    assert "argument 0 is a" in no_recipe(partial(Holder, argument))


@pytest.mark.parametrize("secret", [
    "sk-proj-abcdef", "ghp_16charsOfToken", "Bearer abc", "https://user:pass@host/", "A" * 24, "3f786850e387550fdab836ed7e6dc881de23001b", b"sk-live-1",
    "AKIAIOSFODNN7EXAMPLE", "https://host/v1?api_key=abc", "4111 1111 1111 1111", "eyJhbGciOiJIUzI1NiJ9",
    ["fine", ["sk-proj-abcdef"]], {"deep": {"api_key": "short"}}, {"in": "sk-proj-abcdef"},
])  # fmt: skip
def test_what_looks_like_a_secret_is_never_written(secret: object) -> None:
    assert "looks like a secret" in (told := no_recipe(partial(Holder, secret))) and "sk-" not in told


@pytest.mark.parametrize("name", ["api_key", "TOKEN", "client_secret", "password", "auth"])
def test_an_argument_that_is_named_like_a_secret_is_never_written(name: str) -> None:
    assert f"argument {name} looks like a secret" in no_recipe(partial(Holder, **{name: "harmless"}))


def test_endless_arguments_are_not_written() -> None:
    assert "longer than" in no_recipe(partial(Holder, "x " * 100_000))


@pytest.mark.parametrize(("path", "why"), [("no_such_module_here:X", "can't be imported"), (f"{__name__}:Gone", "has no Gone any more")])
def test_what_is_not_there_any_more_is_told(path: str, why: str) -> None:
    with pytest.raises(NoRecipe, match=why):
        factory_of(Recipe(path, "((), {})"), Sum)


@pytest.mark.parametrize("arguments", ["", "(", "1", "((), {}", "(print(1), {})", "__import__('os')"])
def test_arguments_are_read_and_never_run(arguments: str) -> None:
    with pytest.raises(NoRecipe, match="can't be read"):
        factory_of(Recipe(f"{Sum.__module__}:Sum", arguments), Sum)


@pytest.mark.parametrize("path", ["os:getcwd", "subprocess:run", "subprocess:Popen", "builtins:eval", f"{__name__}:a_function", f"{__name__}:Holder"])
def test_a_file_makes_nothing_run_but_the_class_that_is_wanted(path: str) -> None:
    with pytest.raises(NoRecipe, match=f"{path} is no Sum"):
        factory_of(Recipe(path, "((), {})"), Sum)


def test_a_path_is_told_of_anything() -> None:
    assert path_of(Sum).endswith(":Sum") and "<lambda>" in path_of(lambda: None)


@pytest.mark.parametrize("path", ["", ":x", ".x:y", "a b:y", "a\0b:y", "a:b:c", "tests"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(NoRecipe, match="is no path of a class"):
        factory_of(Recipe(path, "((), {})"), Sum)


@pytest.mark.parametrize("arguments", ["(5, {})", "((), 5)", "1", "-" * 100_000 + "1", "(" * 5000])
def test_arguments_that_are_none_are_refused(arguments: str) -> None:
    with pytest.raises(NoRecipe, match="can't be read"):
        factory_of(Recipe(path_of(Sum), arguments), Sum)
