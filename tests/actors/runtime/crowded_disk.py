"""A program in which an actor crashes while no file may grow beyond so many bytes. Run by test_full_disk.py."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

from actors.runtime.cell import Cell
from actors.runtime.crashes import Crashes
from actors.runtime.system import ActorSystem
from messages.envelope import Address
from supervisors.spec import ChildSpec
from supervisors.supervisor import Supervisor
from tests.actors.runtime.trees import Worker
from tests.actors.runtime.vocabulary import Break, Total


async def main(folder: Path, limit: int) -> None:
    crashes = Crashes(folder, version="0", wall=time.time, keep_content=False)
    system = ActorSystem(crashes=crashes)
    await system.start_root(Cell(system, Address("/"), lambda: Supervisor(ChildSpec("a", Worker)), None))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    system.tell("/a", Break(detail="x" * 1000))
    total = await system.ask("/a", Total())
    await crashes.close()
    await system.stop_root()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    sys.stdout.write(json.dumps({"incarnation": total.incarnation, "not_written": crashes.failed}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
