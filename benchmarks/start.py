"""Cold start to the first answer, and idle memory: `python benchmarks/start.py [--runs 10]`. The daemon answers with its embedded provider."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REQUEST = json.dumps({"model": "embedded/echo", "messages": [{"role": "user", "content": "hello"}]})


def once() -> tuple[float, float, float]:
    """Seconds to the listening line, seconds to the first answer, MB of RSS when idle."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "run.py", "serve", "--port", "0", "--state", folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, cwd=Path(__file__).parent.parent, env={"PATH": os.environ["PATH"]},
        )  # fmt: skip
        assert process.stdout is not None
        found = re.search(r"http://([^\s/]+)", process.stdout.readline())
        listening = time.perf_counter() - began
        assert found is not None
        connection = http.client.HTTPConnection(found.group(1), timeout=10)
        connection.request("POST", "/v1/chat/completions", REQUEST, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        answered = time.perf_counter() - began
        rss = int(Path(f"/proc/{process.pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024
        process.terminate()
        assert process.wait(20) == 0
        return listening, answered, rss


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=10)
    runs = [once() for _ in range(arguments.parse_args().runs)]
    for name, values, unit in zip(("listening", "first answer", "idle RSS"), zip(*runs, strict=True), ("s", "s", "MB"), strict=True):
        print(f"{name:<14} median {statistics.median(values):.3f} {unit}, min {min(values):.3f}, max {max(values):.3f}")
