"""pykka's actor on a loop: what pykka promises holds, hooks and handlers may be coroutines, and nobody waits for one that is gone.

(pykka's own test-suite passes too: `make test-pykka`.)
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from pykka import ActorDeadError, ActorRegistry

from actors.runtime.asyncio_actor import AsyncioActor

PATIENCE = 10.0  # real seconds until a thread that waits has waited in vain


class Counter(AsyncioActor):
    """Handles plain messages, and has things for a proxy to use."""

    limit = 10

    def __init__(self, diary: list[Any] | None = None) -> None:
        super().__init__()
        self.diary: list[Any] = [] if diary is None else diary
        self.total = 0

    def on_start(self) -> None:
        self.diary.append("on_start")

    def on_stop(self) -> None:
        self.diary.append("on_stop")

    def on_failure(self, kind: Any, error: Any, traceback: Any) -> None:
        self.diary.append(f"on_failure {error}")

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, BaseException):
            raise message
        self.diary.append(message)
        return message

    def add(self, n: int) -> int:
        self.total += n
        return self.total


class Slow(Counter):
    """The same with coroutines."""

    async def on_start(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().on_start()

    async def on_stop(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().on_stop()

    async def on_failure(self, kind: Any, error: Any, traceback: Any) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().on_failure(kind, error, traceback)

    async def on_receive(self, message: Any) -> Any:
        await asyncio.sleep(0)
        return super().on_receive(message)

    async def add(self, n: int) -> int:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().add(n)


@pytest.fixture(autouse=True)
async def _nobody_is_left() -> AsyncIterator[None]:
    yield
    for ref in ActorRegistry.get_all():
        await ref.stop(block=False)


@pytest.fixture(params=[Counter, Slow])
def kind(request: pytest.FixtureRequest) -> type[Counter]:
    return cast(type[Counter], request.param)


async def test_messages_are_handled_in_order_and_an_ask_gets_its_answer(kind: type[Counter]) -> None:
    diary: list[Any] = []
    ref = kind.start(diary)
    for n in range(3):
        ref.tell(n)
    assert await ref.ask("last", block=False) == "last"
    assert diary == ["on_start", 0, 1, 2, "last"]


async def test_an_actor_is_in_the_registry_while_it_lives(kind: type[Counter]) -> None:
    ref = kind.start()
    assert ActorRegistry.get_by_class(kind) == [ref]
    assert ActorRegistry.get_by_urn(ref.actor_urn) == ref
    await ref.stop(block=False)
    assert ActorRegistry.get_all() == []
    assert not ref.is_alive()


async def test_a_stop_comes_after_what_was_sent_before_and_fails_what_was_sent_after(kind: type[Counter]) -> None:
    diary: list[Any] = []
    ref = kind.start(diary)
    before = ref.ask("before", block=False)
    stopped = ref.stop(block=False)
    after = ref.ask("after", block=False)
    again = ref.stop(block=False)
    assert await before == "before"
    assert await stopped is True
    with pytest.raises(ActorDeadError, match="stopped before handling the message"):
        await after
    assert await again is True
    assert diary == ["on_start", "before", "on_stop"]
    with pytest.raises(ActorDeadError):
        ref.tell("too late")
    with pytest.raises(ActorDeadError):
        await ref.ask("too late", block=False)
    assert await ref.stop(block=False) is False


async def test_an_actor_can_stop_itself(kind: type[Counter]) -> None:
    class Brief(kind):  # type: ignore[misc, valid-type]
        def finish(self) -> None:
            self.stop()

    ref = Brief.start()
    await ref.proxy().finish()
    with pytest.raises(ActorDeadError):
        await ref.ask("too late", block=False)


async def test_an_error_of_an_ask_returns_to_the_caller_and_the_actor_lives_on(kind: type[Counter]) -> None:
    diary: list[Any] = []
    ref = kind.start(diary)
    with pytest.raises(LookupError, match="nowhere"):
        await ref.ask(LookupError("nowhere"), block=False)
    assert await ref.ask("still here", block=False) == "still here"
    assert diary == ["on_start", "still here"]


async def test_an_error_of_a_tell_calls_on_failure_and_ends_the_actor(kind: type[Counter]) -> None:
    diary: list[Any] = []
    ref = kind.start(diary)
    ref.tell(LookupError("nowhere"))
    waiting = ref.ask("unheard", block=False)
    with pytest.raises(ActorDeadError):
        await waiting
    assert diary == ["on_start", "on_failure nowhere"]
    assert not ref.is_alive()
    assert ActorRegistry.get_all() == []


@pytest.mark.parametrize("hook", ["on_start", "on_stop", "on_failure"])
async def test_an_error_in_a_hook_is_logged_and_ends_the_actor(kind: type[Counter], hook: str, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(self: object, *_: object) -> None:
        raise OSError(f"in {hook}")

    ref = cast(type[Counter], type("Broken", (kind,), {hook: broken})).start()
    if hook != "on_start":
        ref.tell(LookupError("nowhere")) if hook == "on_failure" else ref.stop(block=False)
    with pytest.raises(ActorDeadError):
        await ref.ask("unheard", block=False)
    assert f"in {hook}" in caplog.text
    assert ActorRegistry.get_all() == []


async def test_a_proxy_reads_writes_and_calls_also_what_is_a_coroutine(kind: type[Counter]) -> None:
    proxy = kind.start().proxy()
    assert await proxy.limit == 10
    assert await proxy.add(3) == 3
    proxy.add.defer(4)
    assert await proxy.add(5) == 12
    with pytest.raises(RuntimeError, match="would stop the loop"):
        proxy.limit = 20  # pykka waits for that one
    await asyncio.to_thread(setattr, proxy, "limit", 20)
    assert await proxy.limit == 20


async def test_coroutines_of_one_actor_never_overlap() -> None:
    order: list[str] = []

    class Careful(AsyncioActor):
        async def on_receive(self, message: Any) -> None:
            order.append(f"{message} begins")
            await asyncio.sleep(0)
            order.append(f"{message} ends")

    ref = Careful.start()
    ref.tell("a")
    ref.tell("b")
    await ref.ask("c", block=False)
    assert order == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]


@pytest.mark.parametrize(("use", "remedy"), [("ask", "await ref.ask(message, block=False)"), ("stop", "await ref.stop(block=False)")])
async def test_a_blocking_wait_on_a_running_loop_is_refused_before_anything_is_sent(use: str, remedy: str) -> None:
    diary: list[Any] = []
    ref = Counter.start(diary)
    with pytest.raises(RuntimeError, match="would stop the loop it waits for") as refused:
        ref.ask("hello") if use == "ask" else ref.stop()
    assert remedy in str(refused.value)
    assert await ref.ask("sent", block=False) == "sent"
    assert diary == ["on_start", "sent"]


def test_without_a_running_loop_actors_share_one_in_a_thread_of_its_own() -> None:
    class Where(AsyncioActor):
        def on_receive(self, message: Any) -> Any:
            return threading.current_thread().name, id(asyncio.get_running_loop())

    refs = [Where.start() for _ in range(3)]
    try:
        places = {ref.ask("where?", timeout=PATIENCE) for ref in refs}
        assert {thread for thread, _ in places} == {"asyncio-actors"}
        assert len(places) == 1
        assert Counter.start().proxy().add(2).get(timeout=PATIENCE) == 2
    finally:
        assert all(ActorRegistry.stop_all(timeout=PATIENCE))
    assert [ref.is_alive() for ref in refs] == [False] * 3


async def test_an_actor_of_this_loop_can_be_used_from_another_thread() -> None:
    ref = Counter.start()

    def elsewhere() -> list[Any]:
        ref.tell("told")
        return [ref.ask("asked", timeout=PATIENCE), ref.proxy().add(2).get(timeout=PATIENCE), ref.stop(timeout=PATIENCE)]

    assert await asyncio.to_thread(elsewhere) == ["asked", 2, True]


class Another(BaseException):
    """No Exception."""


async def test_what_is_no_exception_ends_all_actors_and_its_asker_is_told(kind: type[Counter]) -> None:
    diaries: list[list[Any]] = [[], []]
    refs = [kind.start(diary) for diary in diaries]
    with pytest.raises(ActorDeadError, match="ended with Another"):
        await refs[0].ask(Another(), block=False)
    for _ in range(50):  # turns of the loop: nobody but the first one tells it
        await asyncio.sleep(0)
    assert not refs[1].is_alive()
    assert [diary[-1] for diary in diaries] == ["on_stop", "on_stop"]
    assert diaries[1].count("on_stop") == 1


class Sleeper(AsyncioActor):
    """Never answers."""

    async def on_receive(self, message: Any) -> None:
        await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("steps", [0, 1, 5])
async def test_a_cancelled_actor_fails_its_askers_and_stops_nobody_else(steps: int) -> None:
    bystander = Counter.start()
    victim = Sleeper.start()
    asks = [victim.ask(n, block=False) for n in range(3)]
    for _ in range(steps):
        await asyncio.sleep(0)
    next(task for task in asyncio.all_tasks() if task.get_name() == str(victim)).cancel()  # with steps 0 it never ran
    for ask in asks:
        with pytest.raises(ActorDeadError):
            await ask
    assert not victim.is_alive()
    assert await bystander.ask("still here", block=False) == "still here"
    assert ActorRegistry.get_all() == [bystander]


def test_the_end_of_a_loop_ends_its_actors_and_fails_their_askers() -> None:
    async def short() -> Any:
        ref = Sleeper.start()
        return ref, ref.ask("unheard", block=False)

    ref, ask = asyncio.run(short())
    assert not ref.is_alive()
    assert ActorRegistry.get_all() == []
    with pytest.raises(ActorDeadError):
        ask.get(timeout=PATIENCE)


async def test_a_message_put_just_after_the_end_fails_as_well() -> None:
    ref = Counter.start()
    await ref.stop(block=False)
    ref.actor_stopped.clear()  # as a thread saw it that had looked just before the end
    late = ref.ask("late", block=False)
    ref.actor_stopped.set()
    with pytest.raises(ActorDeadError):
        await late


async def test_what_pykka_logs_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ref = Counter.start()
    with pytest.raises(LookupError):
        await ref.ask(LookupError("nowhere"), block=False)
    await ref.stop(block=False)
    assert f"Exception returned from {ref} to caller:" in caplog.messages
    assert f"Stopped {ref}" in caplog.messages
