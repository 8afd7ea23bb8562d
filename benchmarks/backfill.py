"""The memory of a backfill, and what it takes of the processor: for ten times as many customers, and in each format.

``python -m benchmarks.backfill``; the server is a process of its own, which answers a canned page of three entries, so
that what is weighed is the client. Parquet files of a hundred thousand rows, so that several are cut.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from datetime import UTC
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from attrs import frozen

from benchmarks.many import AUTH, ROWS, queries, server
from benchmarks.measure import Table, peak_memory
from capledger import LedgerSession
from capledger.backfill import Backfill

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_SPAWN: Final = get_context("spawn")
#: MiB for 100,000 customers, at most.
WANTED: Final = 150
_IN_FLIGHT: Final = 16


@frozen
class Weight:
    """What one backfill took."""

    mebibytes: float
    seconds: float
    processor: float
    rows: int


def measure(counts: tuple[int, ...] = (10_000, 100_000), formats: tuple[str, ...] = ("parquet",)) -> Table:
    """Weigh backfills, each in a process of its own."""
    rows = []
    with server(0.0) as url:
        for kind in formats:
            for count in counts:
                found = _weigh(url, count, kind)
                if found.rows != count * ROWS:
                    raise SystemExit("the entries are not what the server has")
                each = found.processor / count * 1e6
                rows.append(
                    (f"{count:,} customers, {kind}", f"{found.mebibytes:.1f}", f"{found.seconds:.1f}", f"{each:.0f}")
                )
    return Table(
        f"Backfill, {ROWS} entries a customer; wanted: at most {WANTED} MiB",
        ("", "peak MiB", "seconds", "CPU us a customer"),
        rows,
    )


def _weigh(url: str, count: int, kind: str) -> Weight:
    ours, theirs = _SPAWN.Pipe()
    with TemporaryDirectory() as out:
        process = _SPAWN.Process(target=_run, args=(theirs, url, count, kind, out))
        process.start()
        found: Weight = ours.recv()
        process.join()
    return found


def _run(pipe: Connection, url: str, count: int, kind: str, out: str) -> None:
    began, used = time.perf_counter(), time.process_time()
    rows = asyncio.run(_backfill(url, count, kind, Path(out) / "job"))
    pipe.send(Weight(peak_memory(), time.perf_counter() - began, time.process_time() - used, rows))


async def _backfill(url: str, count: int, kind: str, out: Path) -> int:
    async with LedgerSession(url, AUTH, timezone=UTC, max_connections=_IN_FLIGHT) as session:
        job = Backfill(session, queries(count), out=out, format=kind, concurrency=_IN_FLIGHT, roll_rows=100_000)
        return (await job.run()).entries


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backfill", description="What a backfill weighs.")
    parser.add_argument("--customers", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--formats", nargs="*", default=["parquet"])
    options = parser.parse_args()
    print(measure(tuple(options.customers), tuple(options.formats)).text())


if __name__ == "__main__":
    main()
