"""A thousand actors under fire, in real time: kills, crashes, hangs, slow stops, poison, orders, kill -9, while everybody is told and asked things.

In the end the tree is as its specs say, every message is accounted for, every ask has ended in one of the six ways, and nothing is left over.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from actors.runtime.cell import Cell
from actors.runtime.system import ActorSystem, DeadLetter
from messages.envelope import Address
from messages.outcome import AskFailed
from tests.chaos.crowd import Count, grown
from tests.chaos.fire import BLOWS, Chaos


def check_tells(chaos: Chaos) -> Counter[str]:
    """sent = handled + poison + refused + dead letters: each number is in one of them, once. Who lives on has lost poison, and what was dropped by order."""
    letters: dict[int, DeadLetter] = {}
    for letter in chaos.system.dead_letters:
        if letter.kind == Count.kind:
            assert int(letter.trace) not in letters, letter
            letters[int(letter.trace)] = letter
    ends: Counter[str] = Counter()
    for n, refusal in chaos.sent.items():
        letter_of = letters.pop(n, None)
        found = chaos.counted.get(n, 0) + (letter_of is not None)
        assert found == 1, f"message {n}: counted {chaos.counted.get(n, 0)} times, {letter_of}"
        assert (letter_of is not None) or n not in chaos.poisonous, f"poison {n} was digested"
        assert refusal is None or letter_of is not None
        ends["handled" if letter_of is None else "refused" if refusal is not None else why(letter_of, chaos)] += 1
    assert letters == {}
    return ends


def why(letter: DeadLetter, chaos: Chaos) -> str:
    if letter.reason is not None and letter.reason.how == "crashed":
        assert int(letter.trace) in chaos.poisonous, f"no poison, and lost with a crash: {letter}"
        return "poison"
    if "kernel.drop" in letter.why:
        return "dropped by order"
    member = int(letter.address.rpartition("/m")[2])
    assert member in (4, 9) or letter.address in chaos.terminated, f"lost: {letter}"
    return "nobody came back"


def check_asks(chaos: Chaos) -> Counter[str]:
    """Each ended; what was answered was counted once, and nothing was counted twice, wherever the actor lived."""
    recorded = Counter(map(int, chaos.path.read_text().split()) if chaos.path.exists() else ())
    ends: Counter[str] = Counter()
    for n, ask in chaos.asked.items():
        assert ask.done(), n
        times = chaos.counted.get(n, 0) + recorded.get(n, 0)
        failed = ask.exception()
        if failed is None:
            assert (ask.result().n, times) == (n, 1)
            ends["answered"] += 1
        else:
            assert isinstance(failed, AskFailed) and times <= 1, (n, failed, times)
            ends[failed.outcome.kind] += 1
    assert all(order.done() for order in chaos.orders)
    return ends


def left_over() -> tuple[set[threading.Thread], set[str], int]:
    """Threads, child processes, and how many descriptors."""
    children = {child for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()}
    return set(threading.enumerate()), children, len(os.listdir("/proc/self/fd"))


async def test_a_thousand_actors_under_fire_end_as_their_specs_say_lose_nothing_but_poison_and_leave_nothing_behind(tmp_path: Path) -> None:
    gc.collect()
    tasks, before, complaints = asyncio.all_tasks(), left_over(), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    system = ActorSystem(wire="edge", chance=random.Random(1).random)
    chaos = Chaos(system, tmp_path / "recorded", seed=20261120)
    await system.start_root(Cell(system, Address("/"), lambda: grown(chaos.note, str(chaos.path)), None))
    assert len(system.directory) > 1000
    addresses = set(system.directory)
    chaos.again()
    await chaos.finished.wait()
    await chaos.settle()
    await chaos.drain()
    assert chaos.unfit() == []
    assert [cell.address for cell in chaos.cells() if cell.mailbox.depth] == []
    assert {address.rpartition("/")[2] for address in addresses - set(system.directory)} <= {"m9"}, "only temporary ones may be gone"
    assert {address.rpartition("/")[2] for address in set(system.directory) - addresses} <= {"more"}, "nobody else was added"
    await system.stop_root()
    while system.ending:
        await asyncio.wait(set(system.ending))
    told, asked = check_tells(chaos), check_asks(chaos)
    assert min(told["handled"], told["poison"], told["refused"], asked["answered"], asked["ask.crashed"], asked["ask.deadline_passed"]) > 0, (told, asked)
    assert len(chaos.blows) == len(BLOWS), chaos.blows
    assert system.directory == {} and system.asks.slots == {} and complaints == []
    assert asyncio.all_tasks() <= tasks
    gc.collect()
    after = left_over()
    assert after[:2] == before[:2]
    assert after[2] <= before[2]
