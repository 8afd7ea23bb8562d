"""Instructions for one customer of ``fetch_many``, counted by callgrind where valgrind is installed.

Unlike times they hardly depend on the machine or its load. Two processes fetch a small and a large number of
customers; the difference, divided by the difference of the numbers, leaves out the start of the interpreter.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.many import CLIENTS, IN_FLIGHT, serving_one_page
from benchmarks.measure import Table

#: Numbers of customers, in multiples of those in flight; the fewer warm up caches and open the connections.
_FEWER: Final = 2 * IN_FLIGHT
_MORE: Final = 8 * IN_FLIGHT

#: Million instructions by the same measure before requests were made cheaper, at commit 922a769 with CPython 3.11.7.
_BEFORE: Final = {"fetch_many": 1.51, "fetch_many, ordered, deduplicated": 1.67}

_COUNT: Final = re.compile(r"Collected\s*:\s*(\d+)")


def measure() -> Table:
    """Return the instructions of each way to fetch ledgers of one page."""
    title = "Instructions for a customer of one page (callgrind)"
    if shutil.which("valgrind") is None:
        return Table(title, ("", "million"), [("valgrind is not installed", "")])
    rows = []
    with serving_one_page(0.0) as url:
        for name in CLIENTS:
            before = f"{_BEFORE[name]:.2f}" if name in _BEFORE else ""
            rows.append((name, f"{_instructions_of_one(name, url) / 1e6:.2f}", before))
    return Table(title, ("", "million", "before"), rows)


def _instructions_of_one(client: str, url: str) -> float:
    """Return the instructions for one customer; both processes run at once, which changes nothing but the time."""
    with tempfile.TemporaryDirectory() as folder:
        running = [_start(client, url, count, Path(folder) / str(count)) for count in (_FEWER, _MORE)]
        fewer, more = map(_instructions, running)
    return (more - fewer) / (_MORE - _FEWER)


def _start(client: str, url: str, count: int, output: Path) -> subprocess.Popen[str]:
    code = f"import asyncio; from benchmarks.many import CLIENTS; asyncio.run(CLIENTS[{client!r}]({url!r}, {count}))"
    return subprocess.Popen(  # noqa: S603 - our own code
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", sys.executable, "-c", code],  # noqa: S607 - found by its name
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )


def _instructions(process: subprocess.Popen[str]) -> int:
    _, told = process.communicate()
    match = _COUNT.search(told)
    if process.returncode or match is None:
        raise SystemExit(f"valgrind did not count instructions:\n{told}")
    return int(match[1])
