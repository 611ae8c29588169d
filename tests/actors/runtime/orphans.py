"""A program that starts a child process, tells its id, and waits to be killed. Run by test_process_host.py, so that a test can kill it."""

from __future__ import annotations

import asyncio
import signal
import sys

from actors.runtime.cell import Cell
from actors.runtime.system import ActorSystem
from messages.envelope import Address
from supervisors.spec import ChildSpec
from supervisors.supervisor import Supervisor
from tests.actors.runtime.housed import Die, Lodger, TellPlace


async def main(busy: bool) -> None:
    system = ActorSystem()
    spec = ChildSpec("there", Lodger, isolation="process", hung_after=None)
    await system.start_root(Cell(system, Address("/"), lambda: Supervisor(spec), None))
    place = await system.ask("/there", TellPlace())
    if busy:
        system.tell("/there", Die(how="spin"))
        await asyncio.sleep(0)
    sys.stdout.write(f"{place.pid}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may ignore it, and that is inherited
    asyncio.run(main(busy=sys.argv[1] == "busy"))
