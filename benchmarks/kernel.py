"""The kernel's bars: `python benchmarks/kernel.py [talk crash spawn hop otp] [--rounds 15] [--write]`.

Ratios are taken in one run, ours and the yardstick in turns, and the median of the rounds counts. Messages are handed over unencoded
(`wire: edge`); what packing them costs (`wire: always`) stands beside. `--write` keeps the result in `benchmarks/results/kernel.txt`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import kernel_crash, kernel_hop, kernel_otp, kernel_spawn, kernel_talk
from benchmarks.kernel_measure import Row, table

SECTIONS: dict[str, tuple[str, Callable[[int], Coroutine[Any, Any, list[Row]]]]] = {
    "spawn": ("Many actors", kernel_spawn.rows),  # first: its memory is counted on a heap that nothing has used yet
    "talk": ("Telling and asking", kernel_talk.rows),
    "crash": ("From the poison to the next message handled", kernel_crash.rows),
    "hop": ("Hops into a thread and a process", kernel_hop.rows),
    "otp": ("Erlang/OTP on this machine", kernel_otp.rows),
}


def machine() -> str:
    """What it ran on: no name of a host, no path."""
    cpu = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine())
    today = datetime.now(UTC).date()
    return f"# {today}, {os.cpu_count()} cores ({cpu}), Python {platform.python_version()}, {platform.system()}"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("sections", nargs="*", choices=[*SECTIONS, []])
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--write", action="store_true")
    given = arguments.parse_args()
    said = [machine()]
    print(said[0])
    missed = 0
    for name in given.sections or SECTIONS:
        title, rows = SECTIONS[name]
        result = asyncio.run(rows(given.rounds))
        missed += sum(not row.met for row in result)
        said.append(table(title, result))
        print(said[-1], flush=True)
    said.append(f"\nbars missed: {missed}")
    print(said[-1])
    if given.write:
        (Path(__file__).parent / "results" / "kernel.txt").write_text("\n".join(said) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
