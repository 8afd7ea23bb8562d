"""Import capledger, compared with importing its dependencies."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from statistics import median
from typing import Final

from benchmarks.measure import Table

DEPENDENCIES: Final = "import aiohttp, attrs, cattrs, msgspec, yarl"
IMPORTS: Final = {
    "its dependencies": DEPENDENCIES,
    "import capledger": "import capledger",
    "the same and all its public names": "from capledger import *",
    "the same and the first session": "from capledger import *; LedgerSession('http://localhost', BasicAuth('u', 'p'))",
}


def measure(rounds: int = 9) -> Table:
    """Return the time of imports in new processes, with bytecode compiled as after an installation."""
    times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    with tempfile.TemporaryDirectory() as bytecode:
        for _ in range(rounds + 1):
            for name, code in IMPORTS.items():
                times[name].append(_seconds(code, bytecode))
    medians = {name: median(seconds[1:]) for name, seconds in times.items()}  # the first round compiles the bytecode
    base = medians["its dependencies"]
    rows = [(name, f"{seconds * 1000:.0f}", f"{seconds / base:.2f}") for name, seconds in medians.items()]
    return Table(f"Importing, median of {rounds} processes", ("", "ms", "times its dependencies"), rows)


def _seconds(code: str, bytecode: str) -> float:
    script = f"from time import perf_counter; start = perf_counter(); exec({code!r}); print(perf_counter() - start)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    result = subprocess.run(  # noqa: S603 - our own code, in our own interpreter
        [sys.executable, "-c", script],
        env={**environment, "PYTHONPYCACHEPREFIX": bytecode},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(result.stdout)
