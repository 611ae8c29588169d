"""How to make the actor of an address again, without starting anything: by the recipe in a crash file, or by walking the tree's specs.

    /providers/moonshot/account  =  root(tree).specs["providers"].start().specs["moonshot"].start().specs["account"].start
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from actors.gateway.listener import Listener
from actors.runtime.crash_file import Head
from actors.runtime.recipe import NoRecipe, Recipe, factory_of
from actors.runtime.replay import Source, given
from actors.runtime.replay_box import Factory
from actors.runtime.supervised import SupervisedActor
from actors.runtime.system import ActorSystem
from messages.config import Settings
from supervisors.dynamic import DynamicSupervisor
from supervisors.family import Family
from supervisors.supervisor import Supervisor
from supervisors.tree import Tree, root


def source_of(head: Head, settings: Settings, version: str) -> Source:
    """Where the crashed actor's factory comes from. Raises `NoRecipe`, at once or when it is opened."""
    if head.recipe is not None:
        return given(factory_of(Recipe(*head.recipe), SupervisedActor))
    return partial(_in_tree, head, settings, version)


@asynccontextmanager
async def _in_tree(head: Head, settings: Settings, version: str) -> AsyncIterator[Factory]:
    with TemporaryDirectory(prefix="undying-replay-") as scratch:  # what the daemon keeps is not the sandbox's to touch
        tree = Tree(ActorSystem(), settings.model_copy(update={"state_dir": Path(scratch)}), version, lambda: head.at)
        tree.listener = _Shut(tree.gate, tree.listener.app)
        try:
            yield factory_at(root(tree), head.address)
        except NoRecipe as error:
            raise NoRecipe(f"{error}; the crash file has no recipe, because {head.no_recipe}: give it a factory") from None
        finally:
            await tree.close()


class _Shut(Listener):
    """A door that nobody comes in by: a sandbox does not listen."""

    async def open(self) -> None:
        """It stays shut."""


def factory_at(top: SupervisedActor[Any], address: str) -> Factory:
    """What makes the actor at that address, below a root that was made and not started. Raises `NoRecipe`."""
    factory: Factory = partial(_same, top)
    where = "/"
    for id in filter(None, address.split("/")):
        above = factory()
        below = _below(above, id)
        if below is None:
            children = ", ".join(above.specs) if isinstance(above, Supervisor) else ""
            raise NoRecipe(f"this configuration has no {address}: below {where} lives {children or 'nobody'}")
        factory = below
        where = f"{where.rstrip('/')}/{id}"
    return partial(_alone, factory)


def _below(above: SupervisedActor[Any], id: str) -> Factory | None:
    """What makes the child of that id. One that was added while the tree ran is of the supervisor's only make, or nobody knows which."""
    if isinstance(above, Supervisor) and id in above.specs:
        return above.specs[id].start
    if isinstance(above, DynamicSupervisor) and above.make is not None:
        return above.make
    if isinstance(above, Family) and len(above.makes) == 1:
        [make] = above.makes.values()
        return make.start
    return None


def _same(actor: SupervisedActor[Any]) -> SupervisedActor[Any]:
    return actor


def _alone(factory: Factory) -> SupervisedActor[Any]:
    """The actor; a supervisor without its children, which have no part in its crash."""
    actor = factory()
    if isinstance(actor, Supervisor):
        actor.specs.clear()
    return actor
