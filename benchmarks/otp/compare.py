"""Our supervisor beside Erlang/OTP's: `python benchmarks/otp/compare.py [--all] [--record]`. Needs `escript`.

Plays tests/otp/scenarios.txt on both and prints where they differ, and whether that was chosen; with `--all` every line. `--record`
writes OTP's answers to tests/otp/otp25.txt, which `make test` compares ours with where there is no Erlang. Exit code 1 when a
difference was not chosen, 2 when there is no Erlang.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import looptime

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.otp.comparison import RECORDED, compared, parsed  # noqa: E402  # the line above lets this run from any folder
from tests.otp.ours import HERE, SCENARIOS, Line, cases, played  # noqa: E402

LIMIT = 300.0  # seconds


def otp(escript: str) -> str:
    """What a real supervisor answers."""
    env = os.environ | {"ERL_CRASH_DUMP": "/dev/null"}
    done = subprocess.run([escript, HERE / "supervision.escript", SCENARIOS], capture_output=True, text=True, timeout=LIMIT, env=env, check=True)
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


async def ours() -> list[Line]:
    """What ours answers, on virtual time."""
    return [line for name, lines in cases() for line in await played(name, lines)]


def main() -> int:
    """Plays, compares, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="print every line, not only the differences")
    parser.add_argument("--record", action="store_true", help="write OTP's answers to the file that the tests compare with")
    wished = parser.parse_args()
    escript = shutil.which("escript")
    if escript is None:
        print("no escript here: install Erlang/OTP (Debian: apt-get install erlang-base). Nothing was compared.", file=sys.stderr)
        return 2
    answers = otp(escript)
    if wished.record:
        RECORDED.write_text(answers)
    loop = looptime.new_event_loop(start=0.0)
    verdicts = compared(parsed(answers), loop.run_until_complete(ours()))
    loop.close()
    case = ""
    for verdict in verdicts:
        if verdict.equal and not wished.all:
            continue
        if verdict.otp.case != case:
            case = verdict.otp.case
            print(case)
        print(f"    {verdict.otp.line} -> {verdict.otp.answer}")
        if not verdict.equal:
            print(f"        ours: {verdict.ours.answer}   ({verdict.why or 'NOT CHOSEN'})")
    wrong = sum(not verdict.equal and not verdict.why for verdict in verdicts)
    chosen = sum(bool(verdict.why) for verdict in verdicts)
    print(f"{len(list(cases()))} cases, {len(verdicts)} answers: {len(verdicts) - wrong - chosen} equal, {chosen} differ by choice, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
