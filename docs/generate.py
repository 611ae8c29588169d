"""Writes the tables that stand in the code into the docs: `python docs/generate.py`; with `--check` it only says what has drifted.

    messages.faults.FAULTS       ->   docs/faults.md
    every kind of messages.*     ->   docs/messages.md
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from messages.faults import FAULTS  # noqa: E402  # the line above lets this run from any folder
from messages.message import Ask, Message, Part  # noqa: E402

WRITTEN_BY = "<!-- Written by `python docs/generate.py`. A test compares it with the code. -->\n"


PROOFS = "\n<!-- The rest is written by `python docs/generate.py`. -->\n"
NOWHERE = "NO-SUCH-TEST"


def faults() -> str:
    """The one table of faults."""
    rows = ((f"`{cls}`", row.status, f"`{row.type}`", row.retry, row.health, row.level, row.meaning) for cls, row in FAULTS.items())
    return "\n".join([
        "# Faults", "", WRITTEN_BY,
        "What can go wrong, what a caller sees of it, whether another attempt can help (`same`: also at the same provider, `other`: only",
        "elsewhere), and what it says about the provider's health. The table in force is `messages/faults.py`.", "",
        *table(("fault", "HTTP", "type", "retry", "health", "log", "meaning"), rows), "",
    ])  # fmt: skip


def messages() -> str:
    """Every kind with its fields and its answer, module by module, below the module's own words."""
    modules = (importlib.import_module(f"messages.{file.stem}") for file in sorted((ROOT / "messages").glob("[!_]*.py")))
    sections = [line for module in modules for line in section(module)]
    return "\n".join([
        "# Messages", "", WRITTEN_BY,
        "Everything that crosses a mailbox, by kind. A kind with an answer is asked, the others are told. A field with `=` may be left out.", "",
        *sections,
    ])  # fmt: skip


def section(module: ModuleType) -> Iterator[str]:
    """One module: its docstring, its kinds, and the parts and choices that their fields are made of."""
    source = inspect.getsource(module)
    own = {name: value for name, value in vars(module).items() if f"\n{name} = " in source or f"\nclass {name}(" in source}
    classes = [value for value in own.values() if isinstance(value, type) and issubclass(value, Part)]
    kinds = [cls for cls in classes if issubclass(cls, Message) and cls.kind]
    parts = [cls for cls in classes if not issubclass(cls, Message) and cls is not Part]
    choices = {name: get_args(value) for name, value in own.items() if get_origin(value) is Literal}
    if not (kinds or parts):
        return
    yield from (f"## {module.__name__}", "", "```text", inspect.cleandoc(module.__doc__ or ""), "```", "")
    if kinds:
        yield from table(("kind", "version", "fields", "answer", "says"), (kind_row(cls) for cls in kinds))
        yield ""
    if parts:
        yield from table(("part", "fields", "is"), ((f"`{cls.__name__}`", fields(cls), says(cls)) for cls in parts))
        yield ""
    if choices:
        yield from table(("choice", "one of"), ((f"`{name}`", ", ".join(f"`{value}`" for value in values)) for name, values in choices.items()))
        yield ""


def kind_row(cls: type[Message]) -> tuple[object, ...]:
    """The row of one kind."""
    return f"`{cls.kind}`", cls.version, fields(cls), answer(cls), says(cls)


def fields(cls: type[Part]) -> str:
    """The fields as they stand in the source, one line each."""
    written: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        written |= inspect.get_annotations(base)
    defaults = {name: field.get_default(call_default_factory=True) for name, field in cls.model_fields.items() if not field.is_required()}
    return "<br>".join(f"`{name}: {written[name]} = {defaults[name]!r}`" if name in defaults else f"`{name}: {written[name]}`" for name in cls.model_fields)


def answer(cls: type[Message]) -> str:
    """What an ask is answered with: the kind its type names."""
    for base in cls.__mro__:
        generic = getattr(base, "__pydantic_generic_metadata__", {})
        if generic.get("origin") is Ask:
            [reply] = generic["args"]
            return ", ".join(f"`{kind.kind}`" for kind in get_args(reply) or (reply,))
    return ""


def says(cls: type[Part]) -> str:
    """The first paragraph of the class's docstring, on one line."""
    return inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Iterator[str]:
    """A Markdown table. A `|` in a cell would end it, so it is escaped."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |"


def supervision() -> str:
    """The page as it was written by hand, and below it where the tests are that it names. A name that no test has leads nowhere."""
    text = (ROOT / "docs" / "supervision.md").read_text().partition(PROOFS)[0].rstrip()
    places: dict[str, str] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE):
            places.setdefault(name, f"../{file.relative_to(ROOT).as_posix()}")
    named = sorted(set(re.findall(r"\]\[(test_\w+)\]", text)))
    return "\n".join([text, "", PROOFS.strip(), "", *(f"[{name}]: {places.get(name, NOWHERE)}" for name in named), ""])


PAGES: dict[str, Callable[[], str]] = {"faults.md": faults, "messages.md": messages, "supervision.md": supervision}


def main(arguments: list[str]) -> int:
    """Writes the pages, or with `--check` compares them; the exit code is 1 when one has drifted."""
    drifted = False
    for name, page in PAGES.items():
        path, text = ROOT / "docs" / name, page()
        if arguments != ["--check"]:
            path.write_text(text)
            continue
        found = path.read_text() if path.exists() else ""
        if found != text:
            drifted = True
            difference = difflib.unified_diff(found.splitlines(), text.splitlines(), f"docs/{name}", "the code", lineterm="", n=0)
            print(f"docs/{name} has drifted from the code; `python docs/generate.py` writes it anew", *difference, sep="\n")
    return 1 if drifted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
