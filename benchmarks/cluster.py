"""Backfills on a Dask cluster: what sharing costs, and what survives when workers, drivers and schedulers are killed.

``python -m benchmarks.cluster limit`` and ``kills`` are checks of ``make soak``; ``rows`` compares a data set with that
of one process. The sandbox runs in this process, the workers in processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from bisect import bisect_left
from collections import Counter
from datetime import UTC
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import msgspec
from distributed import Client, LocalCluster

from benchmarks.kills import customers, expected, ledger_sizes, written
from benchmarks.measure import Table, peak_memory
from capledger import BasicAuth, CustomerLedgerQuery, LedgerSession
from capledger.backfill import Backfill, JobProgress, Manifest
from capledger.dask import run_backfill, run_sync
from capledger.sandbox import Rules, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.kills import Key

_MINUTE: Final = 60.0
#: Requests after which something is killed.
_KILLED_AFTER: Final = 150
#: What runs a job of each kind.
KINDS: Final[dict[str, Callable[..., Manifest]]] = {"backfill": run_backfill, "sync": run_sync}


def connect(url: str) -> LedgerSession:
    """Return a session, as a worker makes it."""
    return LedgerSession(url, BasicAuth("store.server", "server123"), timezone=UTC, max_connections=8)


def queries(count: int) -> Iterator[CustomerLedgerQuery]:
    """Yield a query for each customer of the sandbox."""
    return (CustomerLedgerQuery.mobile(917_000_000_000 + number) for number in range(count))


def start_cluster(workers: int) -> LocalCluster:
    """Return a cluster of processes with a thread each."""
    return LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50)


def entries_of(manifest: Manifest, out: Path) -> Counter[Key]:
    """Return the keys in the directories of all files, with how often each is there."""
    folders = {(out / file.file).parent for file in manifest.files}
    return Counter(key for folder in folders for key in written(folder, manifest.format))


def busiest_minute(moments: list[float]) -> int:
    """Return the greatest number of requests in any 60 seconds."""
    return max(bisect_left(moments, moment + _MINUTE) - index for index, moment in enumerate(moments))


async def check_limit(*, limit: int = 600, workers: int = 3, minutes: float = 3.0) -> None:
    """Kill a worker after the first minute; exit if a minute has more than the limit, or less than 95% is used."""
    moments: list[float] = []
    killed: list[int] = []
    count = int(limit * minutes * 1.1)

    def kill_one(progress: JobProgress) -> None:
        if progress.elapsed > _MINUTE and not killed:
            killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    async with Sandbox(customers([3] * count), rules=Rules(latency=0.1)) as box:
        box.on_request = lambda *_: moments.append(time.monotonic())
        with start_cluster(workers) as cluster, Client(cluster) as client, TemporaryDirectory() as out:
            settings: dict[str, Any] = {"rate_limit": limit, "format": "jsonl", "shard_size": 100}
            manifest = await asyncio.to_thread(
                run_backfill,
                client,
                queries(count),
                out=out,
                connect=partial(connect, box.url),
                on_progress=kill_one,
                **settings,
            )
            counts = entries_of(manifest, Path(out))
    used = sum(moment - moments[0] <= minutes * _MINUTE for moment in moments) / (limit * minutes)
    print(
        f"{limit} a minute, {workers} workers, {len(killed)} killed: busiest 60 s {busiest_minute(moments)}, ", end=""
    )
    print(f"{used:.1%} of the limit used in {minutes:g} minutes")
    if busiest_minute(moments) > limit or used < 0.95 or counts != Counter(expected([3] * count)):  # noqa: PLR2004 - as promised
        raise SystemExit("the limit was exceeded, less than 95% of it was used, or an entry is not there once")


async def check_rows(*, count: int = 10_000, workers: int = 2) -> None:
    """Exit unless the shards of a job have the rows that one process fetches."""
    sizes = ledger_sizes(count, 1)
    async with Sandbox(customers(sizes)) as box:
        with TemporaryDirectory() as folder:
            one, sharded = Path(folder) / "one", Path(folder) / "sharded"
            started = time.perf_counter()
            async with connect(box.url) as session:
                await Backfill(session, queries(count), out=one, format="jsonl").run()
            alone, started = time.perf_counter() - started, time.perf_counter()
            with start_cluster(workers) as cluster, Client(cluster) as client:
                work = partial(run_backfill, client, queries(count), out=sharded, connect=partial(connect, box.url))
                manifest = await asyncio.to_thread(work, format="jsonl")
            together = time.perf_counter() - started
            rows = _rows(one / "entries", "entries-*.jsonl.gz"), _rows(sharded, "shards/*/entries/*.jsonl.gz")
    print(f"{count:,} customers: one process {alone:.1f} s, {workers} workers {together:.1f} s, ", end="")
    print(f"{len(rows[0]):,} rows by key")
    if rows[0] != rows[1] or not manifest.complete or len(rows[0]) != sum(sizes):
        raise SystemExit("the rows differ")


def _rows(folder: Path, pattern: str) -> dict[Key, bytes]:
    """Return each row by its key; exit if one is there twice."""
    import gzip  # noqa: PLC0415 - only this check needs it

    rows: dict[Key, bytes] = {}
    for path in sorted(folder.glob(pattern)):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            row = msgspec.json.decode(line)
            key = row["identifier_value"], row["event_log_id"]
            if key in rows:
                raise SystemExit("an entry is there twice")
            rows[key] = line
    return rows


async def check_kills(*, count: int = 600, limit: int = 6_000) -> None:
    """Kill a worker, the driver and then the scheduler of a job; exit unless the same call finishes it each time."""
    sizes = ledger_sizes(count, 2)
    for kind, victim in product(KINDS, ("worker", "driver", "scheduler")):
        moments: list[float] = []
        async with Sandbox(customers(sizes), rules=Rules(latency=0.02)) as box:
            box.on_request = lambda *_, moments=moments: moments.append(time.monotonic())
            with TemporaryDirectory() as out:
                await _killed(victim, box, kind, out, str(count), str(limit))
                manifest = msgspec.json.decode((Path(out) / "manifest.json").read_bytes())
                folders = {(Path(out) / file["file"]).parent for file in manifest["files"]}
                counts = Counter(key for folder in folders for key in written(folder, "jsonl"))
        busiest = busiest_minute(moments)
        print(f"{kind}, {victim} killed: {len(moments):,} requests, busiest 60 s {busiest:,} of {limit:,}", flush=True)
        if counts != Counter(expected(sizes)) or not manifest["complete"] or busiest > limit:
            raise SystemExit(f"after the {victim} was killed an entry is not there once, or the limit was exceeded")


async def _killed(victim: str, box: Sandbox, *job: str) -> None:
    """Run a job to its end, and kill something on the way."""
    cluster = await _start_processes(2)
    address = cluster[0][1]
    driver = await _start_driver(address, box, *job)
    await _until(lambda: len(box.requests) >= _KILLED_AFTER)
    dead = {"worker": cluster[1][0], "driver": driver, "scheduler": cluster[0][0]}[victim]
    dead.kill()
    if victim == "driver":
        driver = await _start_driver(address, box, *job)
    code = await driver.wait()
    if victim == "scheduler":
        if code == 0:
            raise SystemExit("the driver returned 0 without a scheduler")
        await _end(cluster)
        cluster = await _start_processes(2)
        code = await (await _start_driver(cluster[0][1], box, *job)).wait()
    await _end(cluster)
    if code:
        raise SystemExit(f"the driver exited with {code}")


Processes = list[tuple[asyncio.subprocess.Process, str]]


async def _start_processes(workers: int) -> Processes:
    """Start a scheduler and workers without nannies; return each with the scheduler's address."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        options = ("--host", "127.0.0.1", "--port", "0", "--dashboard-address", ":0", "--scheduler-file", str(file))
        scheduler = await _start("distributed.cli.dask_scheduler", *options)
        await _until(lambda: file.exists() and file.stat().st_size > 0)
        address = str(msgspec.json.decode(file.read_bytes())["address"])
    worker = ("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--dashboard-address", ":0")
    return [(scheduler, address), *[(await _start(*worker), address) for _ in range(workers)]]


async def _start(module: str, *arguments: str) -> asyncio.subprocess.Process:
    quiet = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments, stdout=quiet, stderr=quiet)


async def _start_driver(address: str, box: Sandbox, *job: str) -> asyncio.subprocess.Process:
    return await _start("benchmarks.cluster", "drive", address, str(box.url), *job)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - of a file and of another process
        await asyncio.sleep(0.05)


async def _end(processes: Processes) -> None:
    for process, _ in processes:
        if process.returncode is None:
            process.kill()
            await process.wait()


def drive(address: str, url: str, *job: str) -> None:
    """Run a job on a running cluster."""
    kind, out, count, limit = job
    with Client(address) as client:
        settings: dict[str, Any] = {"rate_limit": int(limit), "format": "jsonl", "shard_size": 30}
        KINDS[kind](client, queries(int(count)), out=out, connect=partial(connect, url), **settings)


def measure(shards: int = 40, workers: int = 2) -> Table:
    """Return the time to the first result, the overhead of a shard, and the memory of scheduler and workers."""
    return asyncio.run(_measure(shards, workers))


async def _measure(shards: int, workers: int) -> Table:
    first: list[float] = []

    def note_first(progress: JobProgress) -> None:
        if progress.finished and not first:
            first.append(time.perf_counter() - started)

    async with Sandbox(customers([3] * shards)) as box:
        started = time.perf_counter()
        processes = await _start_processes(workers)
        try:
            client = await asyncio.to_thread(Client, processes[0][1])
            await asyncio.to_thread(client.wait_for_workers, workers)
            up = time.perf_counter() - started
            settings: dict[str, Any] = {"connect": partial(connect, box.url), "format": "jsonl", "shard_size": 1}
            with client, TemporaryDirectory() as out:
                run = partial(run_backfill, client, out=out, interval=0.02, **settings)
                started = time.perf_counter()
                await asyncio.to_thread(run, queries(1), on_progress=note_first)
                started = time.perf_counter()
                await asyncio.to_thread(run, queries(shards))
                each = (time.perf_counter() - started) / shards
                of_workers = max((await asyncio.to_thread(client.run, peak_memory)).values())
                of_scheduler: float = await asyncio.to_thread(client.run_on_scheduler, peak_memory)
        finally:
            await _end(processes)
    rows = [
        (f"scheduler and {workers} workers started, s", f"{up:.1f}"),
        ("first result of a job, s", f"{first[0] if first else float('nan'):.2f}"),
        (f"a shard of one customer on {workers} workers, ms", f"{each * 1000:.0f}"),
        ("peak memory of a worker, MiB", f"{of_workers:.0f}"),
        ("peak memory of the scheduler, MiB", f"{of_scheduler:.0f}"),
    ]
    return Table(f"Backfill on a Dask cluster, {shards} shards", ("", "value"), rows)


CHECKS: Final[dict[str, Callable[[], Any]]] = {"limit": check_limit, "rows": check_rows, "kills": check_kills}


def main() -> None:
    """Parse the command line and run a check, or a driver for one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description="Check backfills on a cluster.")
    parser.add_argument("check", choices=[*CHECKS, "drive"])
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.check == "drive":
        drive(*options.arguments)
    else:
        asyncio.run(CHECKS[options.check]())


if __name__ == "__main__":
    main()
