"""What exceptions say, without what they quote; pure.

    "bad name 'My name is Ann', got 42"  --scrubber("raise ValueError(f'bad name {name!r}, got {n}')")-->  "bad name '** name ** ***', got **"

An exception may quote what nobody has a list of: a provider's answer, a key, a message of long ago. So nothing is kept but words that stand
in the code which it came through, where anybody may read them, and those in which Python itself speaks.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable

_WORD = re.compile(r"[\w\x80-\U0010ffff]+")

PYTHON = frozenset(_WORD.findall("""
    object has no attribute  is not callable iterable subscriptable hashable  unhashable type  unsupported operand types for  division by zero
    list tuple index out of range  not enough too many values to unpack expected got  invalid literal for int with base  could convert string to float
    takes positional argument arguments but was were given  missing required keyword unexpected multiple got an  must be str bytes bool dict set
    nonetype none true false  maximum recursion depth exceeded  local variable referenced before assignment name defined  cannot import from
    no such file or directory  permission denied  errno  connection refused reset closed by peer  timed out  expecting value line column char
    validation error errors for input should a valid field required  its thread process ended exited with status  killed by signal gave sign life s
    socket talks rubbish  a frame  what it awaited cancelled
"""))  # fmt: skip


ERRORS = frozenset(name.lower() for name, thing in vars(builtins).items() if isinstance(thing, type) and issubclass(thing, BaseException))


def scrubber(code: str) -> Callable[[str], str]:
    """Takes every word out of a text, but for its length, that neither stands in this code nor is one of Python's own."""
    known = PYTHON | ERRORS | {word.lower() for word in _WORD.findall(code)}
    return lambda text: _WORD.sub(lambda found: found[0] if found[0].lower() in known else "*" * len(found[0]), text)


def is_code(line: str) -> bool:
    """Whether a line of a traceback that is text tells of code, and not what somebody said."""
    return line.startswith(('  File "', "    ", "Traceback "))
