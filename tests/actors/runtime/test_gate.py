"""The page between a host and its guest: what one side writes the other sees, and behind a seal nothing is begun."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import hypothesis.strategies as st
from hypothesis import given

from actors.runtime.gate import SIZE, Gate, gate_at, shared_page


def test_a_message_begun_is_done_when_the_next_one_is_begun_or_the_guest_rests() -> None:
    gate = Gate(bytearray(SIZE))
    assert (gate.begun, gate.done, gate.sealed, gate.beats) == (0, 0, False, 0)
    assert gate.begin(1)
    assert (gate.begun, gate.done) == (1, 0)
    assert gate.begin(2)
    assert (gate.begun, gate.done) == (2, 1)
    gate.rest()
    assert (gate.begun, gate.done) == (2, 2)


def test_a_beat_is_seen() -> None:
    gate = Gate(bytearray(SIZE))
    gate.beat()
    gate.beat()
    assert gate.beats == 2


def test_a_pause_is_seen_and_its_end() -> None:
    gate = Gate(bytearray(SIZE))
    gate.pause(True)
    assert gate.paused
    gate.pause(False)
    assert not gate.paused


def test_behind_the_seal_nothing_may_be_begun() -> None:
    gate = Gate(bytearray(SIZE))
    assert gate.begin(1)
    gate.seal()
    assert gate.sealed
    assert not gate.begin(2)


@given(st.integers(1, 200))
def test_whatever_the_moment_of_the_seal_what_is_not_seen_as_begun_is_not_handled(pause: int) -> None:
    gate = Gate(bytearray(SIZE))
    handled: list[int] = []
    going = threading.Event()

    def work() -> None:
        for number in range(1, 100_000):
            if number == pause:
                going.set()
            if not gate.begin(number):
                return
            handled.append(number)

    thread = threading.Thread(target=work)
    thread.start()
    going.wait()
    gate.seal()
    begun = gate.begun
    thread.join()
    assert handled in (list(range(1, begun + 1)), list(range(1, begun)))


def test_two_processes_share_a_page_and_it_outlives_the_one_that_is_killed() -> None:
    page = shared_page()
    gate = gate_at(page)
    code = f"from {gate_at.__module__} import gate_at; import os; g = gate_at({page}); g.begin(7); g.beat(); os.kill(os.getpid(), 9)"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], pass_fds=(page,), env=env).returncode == -9
    assert (gate.begun, gate.done, gate.beats) == (7, 0, 1)
    gate.close()
    os.close(page)


def test_closing_gives_the_descriptor_back_at_once() -> None:
    before = os.listdir("/proc/self/fd")
    page = shared_page()
    gate = gate_at(page)
    os.close(page)
    gate.close()
    assert os.listdir("/proc/self/fd") == before


def test_a_page_that_is_not_shared_has_nothing_to_give_back() -> None:
    gate = Gate(bytearray(SIZE))
    gate.close()
    assert gate.begin(1)
