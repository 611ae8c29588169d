"""The tree of the service, as code that reads like the drawing.

    root                       one_for_one; a fault under one branch never stops another
    ├── providers              one_for_one
    │   └── <provider>         one_for_one: attempts (one temporary actor per upstream call), account (permits, counters)
    ├── routing                one_for_one: router
    └── gateway                one_for_one: exchanges (one temporary actor per client request), http (the door)

Started in this order and stopped in reverse: the door opens last and closes first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from actors.gateway.exchange import Exchange
from actors.gateway.http import Http
from actors.gateway.listener import Gate, Listener
from actors.gateway.routes import application
from actors.provider.account import Account
from actors.provider.attempt import Attempt
from actors.provider.pool import Pool
from actors.router.actor import Router
from actors.router.decide import Rules
from actors.runtime.cell import Cell
from actors.runtime.events import Events
from actors.runtime.system import ActorSystem
from messages.chat import ServeChat
from messages.config import Settings
from messages.envelope import Address
from messages.provider import BeginAttempt
from supervisors.dynamic import DynamicSupervisor
from supervisors.restart import Backoff
from supervisors.spec import ChildSpec
from supervisors.supervisor import Supervisor

OURS = Backoff(first=0.05, cap=1.0)
"""Our own branches never give up: a restart that comes too soon waits up to a second instead."""

DRAIN = 12.0  # seconds for the door: the listener's own limit, and a little


class Tree:
    """The root's cell, and what outlives the actors: the listener and the providers' connections."""

    def __init__(self, system: ActorSystem, settings: Settings, version: str, wall: Callable[[], float]) -> None:
        self.system = system
        self.gate = Gate(system, settings, version, Events(system, wall))
        self.listener = Listener(self.gate, application(self.gate))
        self.pools = {name: Pool(name, provider, wall) for name, provider in settings.providers.items()}
        self.root = Cell(system, Address("/"), partial(root, self), None)

    async def start(self) -> None:
        """Starts everything, in order. Raises `StartFailed`."""
        await self.system.start_root(self.root)

    async def close(self) -> None:
        """Lets go of what outlives the actors."""
        await self.listener.close()
        for pool in self.pools.values():
            await pool.close()


def root(tree: Tree) -> Supervisor:
    """The drawing's first column."""
    return branch(
        ChildSpec("providers", partial(providers, tree), shutdown=None),
        ChildSpec("routing", partial(routing, tree), shutdown=None),
        ChildSpec("gateway", partial(gateway, tree), shutdown=None),
    )


def providers(tree: Tree) -> Supervisor:
    """One small supervisor per configured provider."""
    return branch(*(ChildSpec(name, partial(provider, pool), shutdown=None) for name, pool in tree.pools.items()))


def provider(pool: Pool) -> Supervisor:
    """Attempts start first: the account counts them before it admits more."""
    return branch(
        ChildSpec("attempts", partial(DynamicSupervisor, partial(Attempt, pool), BeginAttempt)),
        ChildSpec("account", partial(Account, pool)),
    )


def routing(tree: Tree) -> Supervisor:
    """Who serves what."""
    wished = tree.gate.settings.routing
    rules = Rules(wished.default_model, wished.aliases, wished.fallbacks, wished.fallback_models, wished.enable_model_fallback)
    return branch(ChildSpec("router", partial(Router, tuple(tree.pools), rules, wished.max_fallback_attempts)))


def gateway(tree: Tree) -> Supervisor:
    """Exchanges start first: when everything stops, those under way are waited for behind the closed door."""
    return branch(
        ChildSpec("exchanges", partial(DynamicSupervisor, Exchange, ServeChat)),
        ChildSpec("http", partial(Http, tree.listener), shutdown=DRAIN),
    )


def branch(*children: ChildSpec) -> Supervisor:
    """one_for_one, and never giving up."""
    return Supervisor(*children, on_exhausted="backoff", backoff=OURS)
