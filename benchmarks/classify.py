"""How many real failures are put into the right class: `python benchmarks/classify.py DATA_FOLDER [--wrong]`.

Reads DATA_FOLDER/provider_errors.jsonl, a payload per line: {id, status, headers, body, cls, cls_ok, action_ok, trap?}. The reaction
is the one of spec/providers.md for the class; one that hammers a spent account, gives up on a passing fault or quarantines for a
caller's mistake is counted as harmful.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from actors.provider.classify import classify
from messages.faults import Fault

WORTH_WAITING_MS = 60_000
REACTIONS = {
    "timeout": "fallback", "server_error": "fallback", "connection": "fallback", "overloaded": "backoff", "quota": "quarantine", "auth": "quarantine",
    "model_not_found": "fallback", "out_of_memory": "fallback", "context_length": "fail_fast", "content_filter": "fail_fast", "bad_request": "fail_fast",
    "unsupported_capability": "fallback", "invalid_output": "retry_same", "unknown": "fallback",
}  # fmt: skip
CALLERS = {"context_length", "content_filter", "bad_request"}
ACCOUNT = {"quota", "auth"}


def reaction(fault: Fault) -> str:
    if fault.cls == "rate_limit":
        return "backoff" if (fault.retry_after_ms or 0) <= WORTH_WAITING_MS else "fallback"
    return REACTIONS.get(fault.cls, "fail_fast")


def harmful(did: str, row: dict[str, list[str]]) -> bool:
    right = set(row["cls_ok"])
    hammers = did in ("backoff", "retry_same") and right <= ACCOUNT
    gives_up = did == "fail_fast" and not right & CALLERS and "fail_fast" not in row["action_ok"]
    return hammers or gives_up or (did == "quarantine" and right <= CALLERS)


def main(arguments: list[str]) -> int:
    rows = [orjson.loads(line) for line in (Path(arguments[0]) / "provider_errors.jsonl").read_bytes().splitlines() if line.strip()]
    right = reactions = traps = right_traps = harm = 0
    seconds = 0.0
    for row in rows:
        began = time.perf_counter()
        fault = classify(row["status"], row["headers"], row["body"])
        seconds += time.perf_counter() - began
        did = reaction(fault)
        good = fault.cls in row["cls_ok"]
        right += good
        reactions += did in row["action_ok"]
        harm += harmful(did, row)
        if row.get("trap"):
            traps += 1
            right_traps += good
        if "--wrong" in arguments and not (good and did in row["action_ok"]):
            print(f"{row['id']}: {fault.cls}/{did}, right is {row['cls_ok']}/{row['action_ok']}: {row['status']} {row['body'][:200]!r}")
    total = len(rows)
    print(f"class     {right}/{total} = {right / total:.1%}   (bar 92 %)")
    print(f"reaction  {reactions}/{total} = {reactions / total:.1%}   (bar 97 %)")
    print(f"traps     {right_traps}/{traps} = {right_traps / max(1, traps):.1%}   (bar 93 %)")
    print(f"harmful   {harm}   (bar 0)")
    print(f"{seconds / total * 1e6:.0f} us per payload")
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
