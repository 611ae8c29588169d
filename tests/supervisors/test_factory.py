"""Any actor of the tree can be made again by its address, and nothing is started for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from actors.gateway.exchange import Exchange
from actors.gateway.http import Http
from actors.provider.account import Account
from actors.provider.attempt import Attempt
from actors.router.actor import Router
from actors.runtime.crash_file import Head
from actors.runtime.recipe import NoRecipe
from actors.runtime.supervised import SupervisedActor
from messages.config import Settings
from messages.supervision import ExitReason
from supervisors.dynamic import DynamicSupervisor
from supervisors.factory import factory_at, source_of
from supervisors.supervisor import Supervisor

from supervisors.spec import ChildSpec  # isort: skip
from tests.actors.runtime.trees import Worker

SETTINGS = Settings.model_validate({"providers": {"moonshot": {"kind": "openai", "base_url": "https://api.x.ai/v1"}, "embedded": {"kind": "embedded"}}})


def head(address: str, recipe: tuple[str, str] | None = None) -> Head:
    return Head(
        id="0-0", undying="0", at=1.0, address=address, actor="a:B", incarnation=1, reason=ExitReason(how="crashed"), traceback="", place=(),
        recipe=recipe, no_recipe="argument 0 is a Pool", trigger="other", content="filled", kinds=(), left_out=0,
    )  # fmt: skip


@pytest.fixture
async def opened() -> AsyncIterator[Any]:
    """Opens the source of an address, and sees that opening and making an actor starts nothing."""
    async with AsyncExitStack() as stack:

        async def make(address: str, recipe: tuple[str, str] | None = None) -> SupervisedActor[Any]:
            before = asyncio.all_tasks()
            factory = await stack.enter_async_context(source_of(head(address, recipe), SETTINGS, "0")())
            made = factory()
            assert asyncio.all_tasks() == before
            return made

        yield make


@pytest.mark.parametrize(("address", "cls"), [
    ("/routing/router", Router), ("/providers/moonshot/account", Account), ("/providers/embedded/account", Account),
    ("/providers/moonshot/attempts", DynamicSupervisor), ("/providers/moonshot/attempts/17", Attempt), ("/gateway/exchanges/3", Exchange),
    ("/providers", Supervisor), ("/providers/moonshot", Supervisor), ("/", Supervisor),
])  # fmt: skip
async def test_every_address_of_the_tree_leads_to_what_lives_there(opened: Any, address: str, cls: type) -> None:
    assert type(await opened(address)) is cls


async def test_a_provider_is_made_with_its_own_settings(opened: Any) -> None:
    assert (await opened("/providers/moonshot/account")).pool.name == "moonshot"


async def test_a_supervisor_is_made_without_its_children(opened: Any) -> None:
    assert (await opened("/gateway")).specs == {}


async def test_a_recipe_goes_before_the_tree(opened: Any) -> None:
    assert type(await opened("/routing/router", (f"{Worker.__module__}:Worker", "((), {})"))) is Worker


@pytest.mark.parametrize(("address", "told"), [
    ("/providers/gone/account", "below /providers lives moonshot, embedded"), ("/routing/router/below", "below /routing/router lives nobody"),
    ("/elsewhere", "below / lives providers, routing, gateway"),
])  # fmt: skip
async def test_an_address_that_this_configuration_lacks_is_told_with_what_it_has_and_a_remedy(opened: Any, address: str, told: str) -> None:
    with pytest.raises(NoRecipe, match=told) as refused:
        await opened(address)
    assert "argument 0 is a Pool" in str(refused.value) and "give it a factory" in str(refused.value)


async def test_a_recipe_that_leads_nowhere_any_more_is_told(opened: Any) -> None:
    with pytest.raises(NoRecipe, match="no_such_app"):
        await opened("/a", ("no_such_app:Thing", "((), {})"))


def test_the_state_directory_is_left_alone(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"state_dir": tmp_path / "state"})

    async def make() -> None:
        async with source_of(head("/routing/router"), settings, "0")() as factory:
            factory()

    asyncio.run(make())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("above", [
    Supervisor(ChildSpec("fixed", Worker), makes=[ChildSpec("shard", Worker)]), DynamicSupervisor(makes=[ChildSpec("shard", Worker)]),
])  # fmt: skip
def test_a_child_that_was_added_later_is_of_the_only_make(above: SupervisedActor[Any]) -> None:
    assert isinstance(factory_at(above, "/shard-17")(), Worker)


def test_with_several_makes_nobody_knows_what_was_added() -> None:
    with pytest.raises(NoRecipe, match="below / lives nobody"):
        factory_at(Supervisor(makes=[ChildSpec("a", Worker), ChildSpec("b", Worker)]), "/c")


def test_a_factory_makes_a_new_instance_each_time() -> None:
    factory = factory_at(Supervisor(ChildSpec("a", Worker)), "/a")
    assert factory() is not factory()


async def test_the_door_starts_in_the_sandbox_and_lets_nobody_in(opened: Any) -> None:
    door = await opened("/gateway/http")
    assert isinstance(door, Http)
    await door.listener.open()
    assert door.listener.gate.port == 0
