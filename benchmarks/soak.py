"""Checks that take too long for the tests: ``make soak``.

A part that fails exits with a line that says what is wrong.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from benchmarks import cluster, kills, syncs

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS: Final[dict[str, Callable[[], object]]] = {
    "a backfill, killed thirty times in each format": kills.main,
    "four nights of a sync in each format, killed in every other one": syncs.main,
    "600 requests a minute over three workers for three minutes, one killed": lambda: asyncio.run(
        cluster.check_limit()
    ),
    "a backfill and a sync on a cluster whose worker, driver and scheduler are killed": lambda: asyncio.run(
        cluster.check_kills()
    ),
    "10,000 customers in shards on two workers, and in one process": lambda: asyncio.run(cluster.check_rows()),
}


def main() -> None:
    """Run all parts."""
    for name, run in PARTS.items():
        print(name, flush=True)
        run()


if __name__ == "__main__":
    main()
