"""Every way in which a process can end, and none in which it outlives its parent. On a real loop, with real signals."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgpack
import pytest

from actors.runtime import process_guest
from actors.runtime.describe import resident_kb
from actors.runtime.frames import pack_frame
from actors.runtime.gate import shared_page
from actors.runtime.port import Port
from actors.runtime.system import StartFailed
from messages.outcome import AskFailed, Crashed
from messages.supervision import ExitReason
from tests.actors.runtime import orphans
from tests.actors.runtime.housed import BlockAsked, Die, Ended, Lodger, Loud, Note, Recite, Send, Spinner, TellPlace, Watch
from tests.actors.runtime.pipes import Pipes
from tests.actors.runtime.transports import Peers, meeting, nothing_left, until
from tests.actors.runtime.vocabulary import Totalled

ENV = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


async def last_exit(peers: Peers) -> ExitReason:
    """How the first instance ended, once the second one runs."""
    await until(peers.here, "restarted")
    assert await peers.here.total("/there") == Totalled(n=0, incarnation=2)
    reason = peers.here.cell("/there").last_exit
    assert reason is not None
    return reason


@pytest.mark.parametrize(
    ("how", "ended", "error", "detail"),
    [
        ("exit", "crashed", "ProcessExited", "exited with status 3"),
        ("kill", "killed", "SIGKILL", "was killed by signal 9"),
        ("close", "crashed", "ConnectionLost", "closed its socket"),
        ("rubbish", "crashed", "Unreadable", "its process talks rubbish: not a frame"),
        ("long", "crashed", "Unreadable", "a frame of 4294967295 bytes"),
        ("lie", "crashed", "Unreadable", "an answer to ask 7, which is not under way"),
        ("sleep", "killed", "Hung", "gave no sign of life for 0.8 s"),
        ("spin", "killed", "Hung", "gave no sign of life for 0.8 s"),
    ],
)
async def test_whatever_befalls_a_process_is_a_crash_that_says_what_it_was(how: str, ended: str, error: str, detail: str) -> None:
    async with meeting("process", Lodger, hung_after=0.8 if error == "Hung" else 30.0) as peers:
        pid = (await peers.here.system.ask("/there", TellPlace())).pid
        peers.here.system.tell("/there", Die.model_validate({"how": how}))
        reason = await last_exit(peers)
        assert (reason.how, reason.error) == (ended, error)
        assert detail in reason.detail
        while peers.here.system.ending:
            await asyncio.wait(set(peers.here.system.ending))
        assert resident_kb(pid) is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
async def test_killed_while_idle_it_is_started_again_and_nothing_was_lost(number: signal.Signals) -> None:
    async with meeting("process", Lodger) as peers, Port(peers.here.system) as port:
        pid = (await peers.here.system.ask("/there", TellPlace())).pid
        port.tell("/here", Watch(whom="/there"))
        await peers.here.total("/here")
        os.kill(pid, number)
        assert await port.receive(10) == Ended(address="/there", incarnation=1, how="killed", error=number.name)
        reason = await last_exit(peers)
        assert reason == ExitReason(how="killed", error=number.name, detail=f"process {pid} was killed by signal {int(number)}")
        assert peers.here.system.dead_letter_count == 0


async def test_killed_in_the_midst_of_a_message_its_asker_is_told_at_once_and_the_rest_is_handled_by_the_next_one(pipes: Pipes) -> None:
    async with meeting("process", Lodger) as peers:
        pid = (await peers.here.system.ask("/there", TellPlace())).pid
        for _ in range(5):
            peers.here.system.tell("/there", Send(to="/here", n=1))
        blocked = peers.here.system.ask("/there", BlockAsked(**pipes.names))
        for n in range(10):
            peers.here.system.tell("/there", Note(n=n))
        recited = peers.here.system.ask("/there", Recite())
        await pipes.entered()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(AskFailed) as failed:
            await blocked
        outcome = failed.value.outcome
        assert outcome == Crashed(address="/there", incarnation=1, error="SIGKILL", detail=f"process {pid} was killed by signal 9")
        assert (await recited).numbers == tuple(range(10))
        assert (await peers.here.total("/here")).n == 5  # what it had sent before is not lost
        assert [letter.kind for letter in peers.here.system.dead_letters] == ["test.block_asked"]


async def test_a_told_message_that_killed_its_process_is_a_dead_letter_and_not_tried_again() -> None:
    async with meeting("process", Lodger) as peers:
        peers.here.system.tell("/there", Die(how="kill"))
        reason = await last_exit(peers)
        assert [(letter.kind, letter.reason) for letter in peers.here.system.dead_letters] == [("test.die", reason)]


async def test_what_it_logs_goes_to_the_same_place_as_our_own_lines(capfd: pytest.CaptureFixture[str]) -> None:
    async with meeting("process", Loud):
        pass
    assert "here I am" in capfd.readouterr().err


async def test_a_process_that_can_not_be_made_is_a_failed_start_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with nothing_left(), pytest.raises(StartFailed, match="FileNotFoundError"):
        async with meeting("process", Lodger):
            raise AssertionError("it must not start")


async def test_a_program_that_is_no_child_of_ours_is_a_failed_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with nothing_left(), pytest.raises(StartFailed, match=r"ProcessExited: .* exited with status 1"):
        async with meeting("process", Lodger):
            raise AssertionError("it must not start")


async def test_a_process_that_stands_still_while_nothing_is_sent_is_noticed_too() -> None:
    async with meeting("process", Lodger, hung_after=0.8) as peers:
        os.kill((await peers.here.system.ask("/there", TellPlace())).pid, signal.SIGSTOP)
        await until(peers.here, "restarted")
        assert "Hung" in (await until(peers.here, "exited")).detail


async def test_an_idle_process_is_not_taken_for_a_hung_one() -> None:
    async with meeting("process", Lodger, hung_after=0.8) as peers:
        before = (await peers.here.system.ask("/there", TellPlace())).pid
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await until(peers.here, "exited")
        assert (await peers.here.system.ask("/there", TellPlace())).pid == before


@contextmanager
def parent(what: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A program with a child process of its own, and the id of that child."""
    command = [sys.executable, "-P", "-m", orphans.__name__, what]
    with subprocess.Popen(command, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        yield program, int(program.stdout.readline())


def ends_within(pid: int, seconds: float) -> bool:
    """Whether that process, which is not ours, has ended by then."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], seconds)[0])
    finally:
        os.close(fd)


@pytest.mark.parametrize("what", ["idle", "busy"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_parent_that_is_killed_leaves_no_orphan(what: str, number: signal.Signals) -> None:
    with parent(what) as (program, child):
        program.send_signal(number)
        program.wait(10)
        assert ends_within(child, 5.0)


def test_without_the_kernels_help_the_end_of_the_socket_ends_a_busy_child_too() -> None:
    code = f"from {process_guest.__name__} import main; import sys; sys.platform = 'another'; main()"
    page = shared_page()
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            command = [sys.executable, "-P", "-c", code, str(theirs.fileno()), str(page), str(os.getpid())]
            child = subprocess.Popen(
                command, env=ENV, pass_fds=(theirs.fileno(), page), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
            )  # fmt: skip
        os.close(page)
        frame = pack_frame("start", 1, "/there", 1, "", Spinner.__module__, Spinner.__qualname__, msgpack.packb(((), {})), 0.0)
        ours.sendall(len(frame).to_bytes(4) + frame)
        with child:
            assert child.stdout is not None
            assert child.stdout.readline() == "spinning\n"
            ours.close()
            assert child.wait() == process_guest.CUT_OFF


def test_a_child_whose_parent_is_not_who_it_was_told_ends_at_once() -> None:
    command = [sys.executable, "-P", "-m", process_guest.__name__, "0", "0", "1"]
    assert subprocess.run(command, env=ENV, stdin=subprocess.DEVNULL).returncode == process_guest.CUT_OFF
