"""All faults by name, and the wall of them: the one table that URL, command line and code share.

    parse("cut_at/3") == CutAt(3)          FAULTS["cut_at"] is CutAt          wall() == every real fault once, with its defaults

The classes are in `oddities` (healthy), `breaks` (the connection), `stalls` (waiting), `lies` (a 200 that is no answer) and `refusals`
(a status of 400 or more).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from undying.testing.fake_provider import breaks, lies, oddities, refusals, stalls
from undying.testing.fake_provider.fault import TABLE, Fault

_OURS = {module.__name__ for module in (oddities, breaks, stalls, lies, refusals)}

FAULTS: Mapping[str, type[Fault]] = MappingProxyType({name: cls for name, cls in TABLE.items() if cls.__module__ in _OURS})
"""Every fault of the kit by its name. A test's own fault can be named in URLs too, but is none of the kit's."""


def wall() -> list[Fault]:
    """Every real fault once, with its defaults; healthy oddities are left out."""
    return [cls() for cls in FAULTS.values() if cls.shows in ("at_once", "by_waiting")]


def describe() -> str:
    """The table, to be printed: how a fault is written, when it shows, what it does."""
    return "\n".join(f"{cls.form():<28} {cls.shows:<11} {cls.meaning()}" for cls in FAULTS.values())
