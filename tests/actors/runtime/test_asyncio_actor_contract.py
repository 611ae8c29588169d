"""What pykka's documentation promises of an actor type and its own tests leave open for one that lives on a loop."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pykka.debug
import pytest
from pykka import ActorDeadError, ActorProxy, ActorRef, ActorRegistry, Timeout, traversable
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr

from actors.runtime.asyncio_actor import BATCH, AsyncioActor

PATIENCE = 10.0  # real seconds until a thread that waits has waited in vain
ROOT = Path(__file__).resolve().parents[3]


class Player:
    """Something inside an actor."""

    def __init__(self) -> None:
        self.volume = 3

    def louder(self, by: int) -> int:
        self.volume += by
        return self.volume

    async def fade(self) -> int:
        await asyncio.sleep(0)
        self.volume = 0
        return self.volume


class Radio(AsyncioActor):
    """Notes what happens to it, and has an inside that a proxy can reach."""

    def __init__(self, diary: list[Any] | None = None, name: str = "radio") -> None:
        super().__init__()
        self.diary: list[Any] = [] if diary is None else diary
        self.name = name
        self.player = traversable(Player())
        self.sealed = Player()

    def on_start(self) -> None:
        self.diary.append(f"on_start {self.name}")

    def on_stop(self) -> None:
        self.diary.append(f"on_stop {self.name}")

    def on_failure(self, kind: Any, error: Any, traceback: Any) -> None:
        self.diary.append((kind, str(error), traceback is not None))

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, BaseException):
            raise message
        self.diary.append(message)
        return message


class Portable(Radio):
    """A subclass."""


@pytest.fixture(autouse=True)
async def _nobody_is_left() -> AsyncIterator[None]:
    yield
    for ref in reversed(ActorRegistry.get_all()):
        await ref.stop(block=False)


# ---- hooks


async def test_on_failure_is_told_what_was_raised_and_on_stop_is_not_called() -> None:
    diary: list[Any] = []
    ref = Radio.start(diary)
    ref.tell(LookupError("nowhere"))
    with pytest.raises(ActorDeadError):
        await ref.ask("unheard", block=False)
    assert diary == ["on_start radio", (LookupError, "nowhere", True)]


async def test_a_failing_on_start_calls_no_other_hook_and_handles_nothing() -> None:
    diary: list[Any] = []

    class Broken(Radio):
        def on_start(self) -> None:
            raise OSError("no antenna")

    ref = Broken.start(diary)
    waiting = [ref.ask(n, block=False) for n in range(2)]
    for one in waiting:
        with pytest.raises(ActorDeadError, match="stopped before handling the message"):
            await one
    assert diary == []


async def test_init_runs_where_start_is_called_and_may_write_to_the_actor_itself() -> None:
    class Eager(Radio):
        def __init__(self, diary: list[Any]) -> None:
            super().__init__(diary)
            self.actor_ref.tell("from __init__")
            self.diary.append("__init__")

    diary: list[Any] = []
    ref = Eager.start(diary)
    assert diary == ["__init__"]
    await ref.ask("hello", block=False)
    assert diary == ["__init__", "on_start radio", "from __init__", "hello"]


async def test_messages_come_in_order_whether_or_not_their_handlers_wait() -> None:
    class Mixed(Radio):
        def on_receive(self, message: Any) -> Any:
            return self.slowly(message) if message % 3 else super().on_receive(message)

        async def slowly(self, message: Any) -> Any:
            await asyncio.sleep(0)
            return super().on_receive(message)

    diary: list[Any] = []
    ref = Mixed.start(diary)
    answers = [ref.ask(n, block=False) for n in range(3 * BATCH)]
    assert [await answer for answer in answers] == diary[1:] == list(range(3 * BATCH))


async def test_an_actor_with_much_to_do_lets_the_loop_have_its_turn() -> None:
    diary: list[Any] = []
    ref = Radio.start(diary)
    await ref.ask("first", block=False)
    for n in range(BATCH * 3):
        ref.tell(n)
    await asyncio.sleep(0)
    assert 1 < len(diary) < BATCH * 3


async def test_an_actor_has_a_context_of_its_own_which_no_sender_changes() -> None:
    station = contextvars.ContextVar("station", default="none")

    class Tuned(AsyncioActor):
        def on_receive(self, message: Any) -> Any:
            before = station.get()
            station.set(message)
            return before

        async def later(self) -> str:
            return station.get()

    station.set("start")
    ref = Tuned.start()
    station.set("sender")
    assert [await ref.ask(n, block=False) for n in ("a", "b")] == ["start", "a"]
    assert await ref.proxy().later() == "b"
    assert station.get() == "sender"


# ---- proxies and messages


async def test_a_traversable_attribute_is_reached_through_the_proxy_and_another_is_just_read() -> None:
    proxy = Radio.start().proxy()
    assert isinstance(proxy.player, ActorProxy)
    assert await proxy.player.louder(4) == 7
    assert await proxy.player.volume == 7
    assert await proxy.player.fade() == 0
    assert isinstance(await proxy.sealed, Player)
    await asyncio.to_thread(setattr, proxy.player, "volume", 5)
    assert await proxy.player.volume == 5


async def test_a_deferred_call_that_fails_ends_the_actor_and_a_plain_one_returns_its_error() -> None:
    diary: list[Any] = []

    class Fragile(Radio):
        def drop(self) -> None:
            raise LookupError("broken")

    proxy = Fragile.start(diary).proxy()
    with pytest.raises(LookupError, match="broken"):
        await proxy.drop()
    assert proxy.drop.defer() is None
    with pytest.raises(ActorDeadError):
        await proxy.name
    assert diary[-1] == (LookupError, "broken", True)


async def test_pykkas_messages_do_what_a_proxy_does_without_one() -> None:
    ref = Radio.start()
    assert await ref.ask(ProxyCall(attr_path=("player", "louder"), args=(1,), kwargs={}), block=False) == 4
    assert await ref.ask(ProxySetAttr(attr_path=("name",), value="tuner"), block=False) is None
    assert await ref.ask(ProxyGetAttr(attr_path=("name",)), block=False) == "tuner"
    with pytest.raises(AttributeError):
        await ref.ask(ProxyGetAttr(attr_path=("nothing",)), block=False)


async def test_a_tuple_that_is_no_message_of_pykkas_reaches_on_receive() -> None:
    assert await Radio.start().ask(("a", "tuple"), block=False) == ("a", "tuple")


async def test_an_actor_asks_another_one_from_within_a_coroutine() -> None:
    class Asking(AsyncioActor):
        async def on_receive(self, message: Any) -> Any:
            return [await message.ask("asked by an actor", block=False), await message.proxy().name]

    assert await Asking.start().ask(Radio.start(), block=False) == ["asked by an actor", "radio"]


async def test_a_proxy_to_itself_works_behind_what_is_already_waiting() -> None:
    class Parts(Radio):
        def work(self, parts: int) -> None:
            self.diary.append(parts)
            if parts:
                self.actor_ref.proxy().work.defer(parts - 1)

    diary: list[Any] = []
    ref = Parts.start(diary)
    ref.proxy().work.defer(2)
    ref.tell("between")
    while 0 not in diary:
        await ref.ask("more", block=False)
    assert diary.index("between") < diary.index(1) < diary.index(0)


# ---- the registry


async def test_the_registry_finds_actors_by_class_by_name_and_by_urn() -> None:
    radio, portable = Radio.start(), Portable.start()
    assert ActorRegistry.get_by_class(Radio) == [radio, portable]
    assert ActorRegistry.get_by_class(Portable) == [portable]
    assert ActorRegistry.get_by_class(AsyncioActor) == [radio, portable]
    assert ActorRegistry.get_by_class_name("Portable") == [portable]
    assert ActorRegistry.get_by_urn(radio.actor_urn) == radio
    assert ActorRegistry.get_by_urn("urn:none") is None


@pytest.mark.parametrize(("target", "heard"), [(None, "ab"), (Portable, "b"), (Radio, "ab"), ("Portable", "b")])
async def test_a_broadcast_reaches_the_class_it_is_meant_for(target: Any, heard: str) -> None:
    diaries: dict[str, list[Any]] = {"a": [], "b": []}
    refs: list[ActorRef[Any]] = [Radio.start(diaries["a"]), Portable.start(diaries["b"])]
    ActorRegistry.broadcast("news", target)
    for ref in refs:
        await ref.ask("last", block=False)
    assert "".join(name for name, diary in diaries.items() if "news" in diary) == heard


async def test_stop_all_is_refused_on_a_loop_where_it_would_wait_and_stops_all_where_it_does_not() -> None:
    diary: list[Any] = []
    for name in "abc":
        Radio.start(diary, name)
    with pytest.raises(RuntimeError, match="would stop the loop"):
        ActorRegistry.stop_all()
    assert [await stopped for stopped in ActorRegistry.stop_all(block=False)] == [True] * 3
    assert sorted(diary[-3:]) == ["on_stop a", "on_stop b", "on_stop c"]
    assert ActorRegistry.stop_all(block=False) == []


async def test_stop_all_from_a_thread_waits_for_each_in_turn_and_no_longer_than_it_may() -> None:
    diary: list[Any] = []
    for name in "abc":
        Radio.start(diary, name)
    assert await asyncio.to_thread(ActorRegistry.stop_all, timeout=PATIENCE) == [True] * 3
    assert diary[-3:] == ["on_stop c", "on_stop b", "on_stop a"]

    class Stubborn(AsyncioActor):
        async def on_stop(self) -> None:  # type: ignore[override]
            await released

    released: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ref = Stubborn.start()
    with pytest.raises(Timeout):
        await asyncio.to_thread(ActorRegistry.stop_all, timeout=0.01)
    released.set_result(None)
    with pytest.raises(ActorDeadError):
        await ref.ask("too late", block=False)


# ---- threads and loops


async def test_a_thread_gets_the_exceptions_of_its_asks_and_a_timeout_when_nobody_answers() -> None:
    class Silent(AsyncioActor):
        async def on_receive(self, message: Any) -> None:
            await asyncio.get_running_loop().create_future()

    radio, silent = Radio.start(), Silent.start()
    with pytest.raises(LookupError, match="nowhere"):
        await asyncio.to_thread(radio.ask, LookupError("nowhere"), timeout=PATIENCE)
    with pytest.raises(Timeout):
        await asyncio.to_thread(silent.ask, "hello?", timeout=0.01)
    next(task for task in asyncio.all_tasks() if task.get_name() == str(silent)).cancel()


async def test_what_many_threads_send_arrives_once_each_and_in_each_ones_order() -> None:
    diary: list[Any] = []
    ref = Radio.start(diary)

    def send(thread: int) -> None:
        for n in range(200):
            ref.tell((thread, n))
        ref.ask("done", timeout=PATIENCE)

    await asyncio.gather(*(asyncio.to_thread(send, thread) for thread in range(4)))
    for thread in range(4):
        assert [message[1] for message in diary if message[0] == thread] == list(range(200))


def test_an_actor_whose_loop_was_closed_over_its_head_is_dead_to_whoever_writes_to_it() -> None:
    loop = asyncio.new_event_loop()

    async def start() -> Any:
        ref = Radio.start()
        await ref.ask("hello", block=False)
        return ref

    ref = loop.run_until_complete(start())
    task = next(iter(asyncio.all_tasks(loop)))
    loop.close()
    assert ref.is_alive()  # nobody could tell
    with pytest.raises(ActorDeadError):
        ref.ask("anybody there?", timeout=PATIENCE)
    assert not ref.is_alive()
    assert ActorRegistry.get_all() == []
    task.get_coro().close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]


async def test_a_coroutine_that_was_returned_and_not_yet_begun_when_the_actor_is_cancelled_fails_its_asker() -> None:
    class Slow(AsyncioActor):
        async def on_receive(self, message: Any) -> None:
            raise AssertionError("never begun")

    ref = Slow.start()
    await asyncio.sleep(0)
    asked = ref.ask("hello", block=False)
    task = next(task for task in asyncio.all_tasks() if task.get_name() == str(ref))
    asyncio.get_running_loop().call_soon(task.cancel)  # right behind the turn that hands the coroutine over
    with pytest.raises(ActorDeadError, match="was cancelled"):
        await asked


async def test_awaiting_a_stop_needs_no_thread() -> None:
    ref = Radio.start()
    assert await ref.stop(block=False) is True
    assert await ref.stop(block=False) is False
    assert asyncio.get_running_loop()._default_executor is None  # type: ignore[attr-defined]


async def test_whatever_is_put_after_the_end_fails_also_when_the_actor_was_woken_while_it_stopped() -> None:
    class Lingering(AsyncioActor):
        async def on_stop(self) -> None:  # type: ignore[override]
            await released

    released: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ref = Lingering.start()
    stopped = ref.stop(block=False)
    while ref.is_alive():  # noqa: ASYNC110 - the flag is all that tells it
        await asyncio.sleep(0)
    ref.actor_stopped.clear()  # as a thread saw it that had looked just before the end
    while_stopping = ref.ask("while it stops", block=False)
    ref.actor_stopped.set()
    await asyncio.sleep(0)
    released.set_result(None)
    assert await stopped is True
    with pytest.raises(ActorDeadError):
        await while_stopping
    for n in range(2):
        ref.actor_stopped.clear()
        late = ref.ask(n, block=False)
        ref.actor_stopped.set()
        with pytest.raises(ActorDeadError):
            await late


OUTLIVED = """
import asyncio
from typing import Any
from {module} import AsyncioActor

class Late(AsyncioActor):
    use_daemon_thread = {daemon}

    async def on_receive(self, message: Any) -> None:
        await asyncio.sleep(0.2)
        print("handled", flush=True)
        self.stop()

Late.start().tell("work")
print("the program is at its end", flush=True)
"""


@pytest.mark.parametrize(("daemon", "handled"), [(True, []), (False, ["handled"])])
def test_an_actor_on_the_shared_loop_keeps_the_program_alive_when_it_says_so(daemon: bool, handled: list[str]) -> None:
    program = OUTLIVED.format(daemon=daemon, module=AsyncioActor.__module__)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE * 3, check=True)
    assert done.stdout.splitlines() == ["the program is at its end", *handled]


def test_pykkas_debug_helper_shows_where_the_shared_loop_is(caplog: pytest.LogCaptureFixture) -> None:
    async def start_elsewhere() -> Any:
        return await asyncio.to_thread(Radio.start)

    ref = asyncio.run(start_elsewhere())
    try:
        caplog.set_level(logging.CRITICAL)
        pykka.debug.log_thread_tracebacks()
        assert any("Current state of asyncio-actors" in message for message in caplog.messages)
    finally:
        assert ref.stop(timeout=PATIENCE)
    assert not any("keeps the program alive" in thread.name for thread in threading.enumerate())
