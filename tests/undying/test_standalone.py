"""The kernel alone: `supervise`, as a host app without a gateway uses it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.actors.runtime.trees import Worker
from tests.actors.runtime.vocabulary import Add, Break, Total
from undying import AskFailed, BadSpec, ChildSpec, Decision, Describe, Full, Intensity, NoSuchAddress, StartChild, StartFailed, Supervisor, supervise
from undying.testing import leak_check, replay


@pytest.fixture(autouse=True)
def _structlog_as_it_was() -> Iterator[None]:
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)


class Stillborn(Worker):
    def on_start(self) -> None:
        raise RuntimeError("no disk")


async def test_a_tree_runs_heals_and_leaves_nothing_behind() -> None:
    async with leak_check(), supervise(ChildSpec("a", Worker), ChildSpec("b", Worker, isolation="thread")) as system:
        for address in ("/a", "/b"):
            system.tell(address, Add(n=1))
            system.tell(address, Break())
            system.tell(address, Add(n=2))
            told = await system.ask(address, Total())
            assert (told.n, told.incarnation) == (2, 2)


async def test_the_root_takes_what_a_supervisor_takes() -> None:
    async with supervise(ChildSpec("a", Worker), ChildSpec("b", Worker), strategy="one_for_all", makes=[ChildSpec("worker", Worker)], watchdog=None) as system:
        system.tell("/a", Break())
        assert (await system.ask("/b", Total())).incarnation == 1, "it is asked before anybody has heard of the crash"
        assert (await system.ask("/", StartChild(id="c", make="worker"))).address == "/c"
        status = (await system.ask("/", Describe())).status
        assert status.strategy == "one_for_all" and {child.address: child.incarnation for child in status.children} == {"/a": 2, "/b": 2, "/c": 1}


async def test_a_root_whose_children_crash_too_often_is_started_again() -> None:
    async with supervise(ChildSpec("a", Worker), intensity=Intensity(0, 1.0)) as system:
        system.tell("/a", Break())
        assert (await system.ask("/a", Total())).incarnation == 2
        assert (await system.ask("/", Describe())).status.restarts == 1


async def test_what_can_not_be_right_is_refused_before_anything_starts() -> None:
    with pytest.raises(BadSpec, match="'a' is there twice"):
        async with leak_check(), supervise(ChildSpec("a", Worker), ChildSpec("a", Worker)):
            raise AssertionError("it runs")


async def test_a_child_that_does_not_start_fails_the_start_and_leaves_nothing_behind() -> None:
    with pytest.raises(StartFailed, match="RuntimeError: /b: no disk"):
        async with leak_check(), supervise(ChildSpec("a", Worker), ChildSpec("b", Stillborn)):
            raise AssertionError("it runs")


@pytest.mark.parametrize(("given", "told"), [
    ({"wire": "never"}, "wire: 'never', must be one of always, edge"), ({"watchdog": 0}, "watchdog: 0, must be seconds > 0, or None"),
    ({"strategy": "all"}, "strategy: 'all', must be one of one_for_one"),
])  # fmt: skip
async def test_a_setting_that_can_not_be_right_is_refused_with_what_is_allowed(given: Any, told: str) -> None:
    with pytest.raises(BadSpec, match=told):
        async with leak_check(), supervise(ChildSpec("a", Worker), **given):
            raise AssertionError("it runs")


@pytest.mark.parametrize("start", [dict, lambda: Worker], ids=["no actor", "a class"])
async def test_what_starts_no_actor_is_refused_with_what_it_has_to_do(start: Any) -> None:
    with pytest.raises(StartFailed, match="is no actor: `start` of a ChildSpec is called without arguments and returns an instance"):
        async with leak_check(), supervise(ChildSpec("a", start)):
            raise AssertionError("it runs")


async def test_an_instance_that_has_lived_is_not_started_again() -> None:
    shared = Worker()
    with pytest.raises(StartFailed, match="/b: this Worker has lived already"):
        async with leak_check(), supervise(ChildSpec("a", lambda: shared), ChildSpec("b", lambda: shared)):
            raise AssertionError("it runs")


async def test_what_an_ask_failed_of_can_be_told_apart_by_type() -> None:
    async with supervise(ChildSpec("a", Worker, mailbox=(1, 1000))) as system:
        with pytest.raises(AskFailed) as nobody:
            await system.ask("/b", Total())
        assert isinstance(nobody.value.outcome, NoSuchAddress)
        asked = [system.ask("/a", Total()) for _ in range(2)]
        with pytest.raises(AskFailed) as full:
            await asked[1]
        assert isinstance(full.value.outcome, Full)
        await asked[0]


async def test_a_crash_is_logged_once_with_its_traceback_and_who_and_on_what(caplog: pytest.LogCaptureFixture) -> None:
    async with supervise(ChildSpec("a", Worker)) as system:
        system.tell("/a", Break(detail="broken by hand"))
        await system.ask("/a", Total())
    [line] = caplog.records
    assert line.levelno == logging.ERROR
    assert line.getMessage().splitlines()[0] == f"crashed actor=/a incarnation=1 error=ValueError kind={Break.kind}"
    assert "in receive" in line.getMessage() and line.getMessage().endswith("ValueError: broken by hand")


async def test_a_crash_in_a_thread_is_logged_with_the_traceback_from_there(caplog: pytest.LogCaptureFixture) -> None:
    async with supervise(ChildSpec("a", Worker, isolation="thread")) as system:
        system.tell("/a", Break(detail="broken by hand"))
        await system.ask("/a", Total())
    [line] = caplog.records
    assert line.getMessage().startswith("crashed actor=/a ") and "in receive" in line.getMessage()


async def test_with_a_folder_for_crash_files_a_crash_is_written_and_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with supervise(ChildSpec("a", Worker), crashes=tmp_path / "crashes") as system:
        system.tell("/a", Break(detail="broken by hand"))
        await system.ask("/a", Total())
    [file] = (tmp_path / "crashes").iterdir()
    assert [line.getMessage() for line in caplog.records] == ["exited actor=/a incarnation=1 how=crashed error=ValueError"]
    with pytest.raises(ValueError, match=r"^a+\ncrash .* of /a"):
        await replay(str(file))


async def test_decisions_are_heard_by_whoever_listens() -> None:
    heard: list[Decision] = []
    async with supervise(ChildSpec("a", Worker), ChildSpec("s", Supervisor)) as system:
        system.listeners.append(heard.append)
        system.tell("/a", Break())
        await system.ask("/a", Total())
    assert [f"{one.event} {one.address}" for one in heard][:3] == ["exited /a", "started /a", "restarted /a"]
