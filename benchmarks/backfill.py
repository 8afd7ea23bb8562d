"""Peak memory and CPU time of a backfill, by number of customers and format: ``python -m benchmarks.backfill``.

The server is a process of its own, which answers with the same page of three entries, so that only the client is
measured. A file holds a hundred thousand rows, so that several are written.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from attrs import frozen

from benchmarks.many import ROWS, SPAWN, queries, serving_one_page
from benchmarks.measure import Table, peak_memory
from benchmarks.server import AUTH, expect
from capledger import LedgerSession
from capledger.backfill import Backfill

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

#: MiB allowed for 100,000 customers.
_LIMIT: Final = 150
_IN_FLIGHT: Final = 16


@frozen
class Cost:
    """Resources that one backfill used."""

    mebibytes: float
    """Peak memory of its process."""
    wall: float
    """Seconds of the clock."""
    cpu: float
    """Seconds of CPU time."""
    rows: int
    """Entries written."""


def measure(counts: tuple[int, ...] = (10_000, 100_000), formats: tuple[str, ...] = ("parquet",)) -> Table:
    """Return the cost of each backfill, run in a process of its own."""
    rows = []
    with serving_one_page(0.0) as url:
        for kind in formats:
            for count in counts:
                cost = _cost_of(url, count, kind)
                expect(cost.rows, count * ROWS)
                cells = (f"{cost.mebibytes:.1f}", f"{cost.wall:.1f}", f"{cost.cpu / count * 1e6:.0f}")
                rows.append((f"{count:,} customers, {kind}", *cells))
    return Table(
        f"Backfill, {ROWS} entries per customer; at most {_LIMIT} MiB allowed",
        ("", "peak MiB", "seconds", "CPU us per customer"),
        rows,
    )


def _cost_of(url: str, count: int, kind: str) -> Cost:
    ours, theirs = SPAWN.Pipe()
    with TemporaryDirectory() as out:
        process = SPAWN.Process(target=_run, args=(theirs, url, count, kind, out))
        process.start()
        cost: Cost = ours.recv()
        process.join()
    return cost


def _run(pipe: Connection, url: str, count: int, kind: str, out: str) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    rows = asyncio.run(_backfill(url, count, kind, Path(out) / "job"))
    pipe.send(Cost(peak_memory(), time.perf_counter() - wall, time.process_time() - cpu, rows))


async def _backfill(url: str, count: int, kind: str, out: Path) -> int:
    async with LedgerSession(url, AUTH, timezone=UTC, max_connections=_IN_FLIGHT) as session:
        job = Backfill(session, queries(count), out=out, format=kind, concurrency=_IN_FLIGHT, roll_rows=100_000)
        return (await job.run()).entries


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backfill", description="Measure backfills.")
    parser.add_argument("--customers", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--formats", nargs="*", default=["parquet"])
    options = parser.parse_args()
    print(measure(tuple(options.customers), tuple(options.formats)).render())


if __name__ == "__main__":
    main()
