"""Erlang/OTP's own figures, where `escript` is installed: `otp/speed.escript` prints lines of a name and microseconds."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from benchmarks.kernel_measure import Row

SCRIPT = Path(__file__).parent / "otp" / "speed.escript"


async def rows(_: int) -> list[Row]:
    escript = shutil.which("escript")
    if escript is None or not SCRIPT.exists():
        return []
    process = await asyncio.create_subprocess_exec(escript, str(SCRIPT), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE)
    said, _stderr = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{SCRIPT.name} ended with {process.returncode}: {said.decode()}")
    return [Row(name, float(us), "us") for name, us in (line.rsplit(maxsplit=1) for line in said.decode().splitlines() if line.strip())]
