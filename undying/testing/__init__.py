"""The test kit: a supervised tree inside a test, probes, faults, a fake provider, and a check that nothing is left.

    from undying.testing import tree

    async with tree(ChildSpec("counter", Counter)) as running:
        running.crash("/counter")
        assert await running.ask("/counter", Total()) == Totalled(n=0)

    tree, actor     a supervised tree, or one actor alone: a `RunningTree`, stopped and checked for leaks at the end
    Probe           an address to give to actors: what they say to it is expected, in order (`running.probe()`)
    settle          everything that can happen without time passing has happened (`running.settle()`)
    leak_check      the check alone, around anything; what it raises is `Leaked`
    FakeProvider    an HTTP server in OpenAI's dialect with scripted faults
    replay          a crash file once more: fails with the actor's own exception until the bug is mended

The fixtures of the same things are in `plugin.py`, which pytest loads by itself; so this package, too, loads its names on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from undying.testing.fake_provider import FakeProvider
    from undying.testing.leaks import Leaked, leak_check
    from undying.testing.probe import Probe
    from undying.testing.replaying import replay
    from undying.testing.running import RunningTree, actor, tree
    from undying.testing.settling import settle

__all__ = ["FakeProvider", "Leaked", "Probe", "RunningTree", "actor", "leak_check", "replay", "settle", "tree"]

_WHERE = {
    "FakeProvider": "fake_provider", "Leaked": "leaks", "Probe": "probe", "RunningTree": "running", "actor": "running", "leak_check": "leaks",
    "replay": "replaying", "settle": "settling", "tree": "running",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"{__name__} has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
