"""Kill a backfill again and again, check that every entry is written once, and count the additional requests.

``python -m benchmarks.kills``: the sandbox runs in this process and injects faults, the command line runs in its own
process and gets SIGKILL at random points of its progress, so that neither the number of kills nor what there is between
them depends on the machine. Requests are compared with those of an undisturbed run. A kill loses what the customers in
flight, of whom there are six without a rate, have requested and not recorded: one page of most of them.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gzip
import os
import sys
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import frozen

from capledger.sandbox import Rules, Sandbox, SandboxCustomer, faults, synthetic_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

START: Final = datetime(2024, 1, 1)
FORMATS: Final = ("parquet", "jsonl", "csv", "duckdb")
#: Share of the requests of an undisturbed run that may be sent again.
ALLOWED: Final = 0.05
#: A process is killed at most so many seconds after the request that marks the point: in the middle of anything.
_LATEST: Final = 0.05
#: Of the columns of the table after the first.
_WIDTHS: Final = (6, 9, 7, 7, 7, 7, 6)
Key = tuple[str, int]


@frozen
class RunCounts:
    """Counts of one run."""

    requests: int
    """Requests that the sandbox received."""
    faults: int
    """Requests that it answered with a fault."""
    kills: int
    """Times that the process was killed."""
    seconds: float
    """Duration of the run."""


def ledger_sizes(count: int, seed: int) -> list[int]:
    """Return the number of entries of each customer: most have some, some none, a few more than a thousand."""
    random = Random(seed)
    return [random.choice((0, 3, 12, 40, 90, 150, 230)) if number % 200 else 1_500 for number in range(count)]


def customers(sizes: list[int]) -> list[SandboxCustomer]:
    """Return sandbox customers with ledgers of these sizes."""
    return [
        SandboxCustomer(
            str(917_000_000_000 + number),
            synthetic_rows(size, START, timedelta(hours=7), first_id=10_000 * (number + 1)),
            customer_id=number + 1,
        )
        for number, size in enumerate(sizes)
    ]


def expected(sizes: list[int]) -> set[Key]:
    """Return the keys of all entries of the sandbox."""
    return {
        (str(917_000_000_000 + number), 10_000 * (number + 1) + rank)
        for number, size in enumerate(sizes)
        for rank in range(size)
    }


def write_customers(path: Path, count: int) -> None:
    """Write the customers file of the command."""
    lines = (f"mobile,{917_000_000_000 + number}\n" for number in range(count))
    path.write_text("identifier_name,identifier_value\n" + "".join(lines), encoding="utf-8")


def written(directory: Path, kind: str) -> Iterator[Key]:
    """Yield the keys of all entries of a data set."""
    if kind == "duckdb":
        import duckdb  # noqa: PLC0415 - only this format needs it

        with duckdb.connect(str(directory / "entries.duckdb"), read_only=True) as connection:
            yield from connection.execute("SELECT identifier_value, event_log_id FROM entries").fetchall()
    for path in sorted(directory.iterdir()):
        if path.name.endswith(".parquet"):
            from pyarrow import parquet  # noqa: PLC0415 - only this format needs it

            table = parquet.read_table(path, columns=["identifier_value", "event_log_id"])
            yield from zip(*(column.to_pylist() for column in table.columns), strict=True)
        elif path.name.endswith(".jsonl.gz"):
            with gzip.open(path) as file:
                rows = (msgspec.json.decode(line) for line in file)
                yield from ((row["identifier_value"], row["event_log_id"]) for row in rows)
        elif path.name.endswith(".csv"):
            with path.open(encoding="utf-8", newline="") as text:
                yield from ((row["identifier_value"], int(row["event_log_id"])) for row in csv.DictReader(text))


async def start(box: Sandbox, file: Path, out: Path, *options: str) -> asyncio.subprocess.Process:
    """Start the command line in a process of its own."""
    environment = {
        "CAPLEDGER_BASE_URL": box.url,
        "CAPLEDGER_TIMEZONE": "UTC",
        "CAPLEDGER_USERNAME": "store.server",
        "CAPLEDGER_PASSWORD": "server123",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "capledger", "backfill", str(file), "--out", str(out), "--from", "2024-01-01"),
        *("--progress-interval", "0", *options),
        env=os.environ | environment,
        stdout=asyncio.subprocess.DEVNULL,
    )


async def run(box: Sandbox, file: Path, out: Path, kills: dict[int, float], *options: str) -> RunCounts:
    """Run the command until it finishes, after killing it some seconds after each of these requests of the run."""
    start_time, requests_before = time.perf_counter(), len(box.requests)
    killed = 0
    for number, seconds in sorted(kills.items()):
        process = await start(box, file, out, *options)
        await nth_request(box, process, requests_before + number)
        await asyncio.sleep(seconds)
        if process.returncode is None:
            process.kill()
            killed += 1
        await process.wait()
    process = await start(box, file, out, *options)
    code = await process.wait()
    if code:
        raise SystemExit(f"the last run exited with {code}")
    sent = box.requests[requests_before:]
    return RunCounts(
        len(sent), sum(logged.fault is not None for logged in sent), killed, time.perf_counter() - start_time
    )


async def nth_request(box: Sandbox, process: asyncio.subprocess.Process, number: int) -> None:
    """Wait until the sandbox has received so many requests in all, or the command exits."""
    arrived = asyncio.Event()
    box.on_request = lambda box, _: arrived.set() if len(box.requests) >= number else None
    waits = [asyncio.create_task(arrived.wait()), asyncio.create_task(process.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    waits[0].cancel()


def verify(out: Path, kind: str, sizes: list[int]) -> None:
    """Exit unless every entry was written once."""
    counts = Counter(written(out / "entries", kind))
    wrong = {key: count for key, count in counts.items() if count != 1}
    missing = expected(sizes) - counts.keys()
    if wrong or missing or len(counts) != sum(sizes):
        raise SystemExit(f"{kind}: {len(wrong)} entries more than once, {len(missing)} missing")
    manifest: dict[str, Any] = msgspec.json.decode((out / "manifest.json").read_bytes())
    if not manifest["complete"] or manifest["entries"] != sum(sizes):
        raise SystemExit(f"{kind}: the manifest states other counts")


async def compare(options: argparse.Namespace) -> None:
    """Print the counts of each format."""
    sizes = ledger_sizes(options.customers, options.seed)
    random = Random(options.seed)
    choices = [faults.status(503), faults.status(500), faults.cut_body(), faults.reset()]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "customers.csv"
        write_customers(file, options.customers)
        async with Sandbox(customers(sizes), rules=Rules(latency=options.latency)) as box:
            undisturbed = await run(box, file, Path(folder) / "undisturbed", {})
            verify(Path(folder) / "undisturbed", "parquet", sizes)
            print(f"{options.customers:,} customers, {sum(sizes):,} entries, {undisturbed.requests:,} requests")
            heads = zip(("kills", "requests", "faults", "extra", "a kill", "share", "s"), _WIDTHS, strict=True)
            print("format    ", *(f"{head:>{width}}" for head, width in heads))
            for kind in options.formats:
                box.faults = faults.random_faults(options.seed, options.faults, choices)
                out = Path(folder) / kind
                points = random.sample(range(1, undisturbed.requests), options.kills)
                kills = {number: random.uniform(0.0, _LATEST) for number in points}
                counts = await run(box, file, out, kills, "--format", kind)
                verify(out, kind, sizes)
                extra = counts.requests - counts.faults - undisturbed.requests
                share = extra / undisturbed.requests
                print(
                    f"{kind:10} {counts.kills:6} {counts.requests:9,} {counts.faults:7,} {extra:7,} "
                    f"{extra / max(1, counts.kills):7.1f} {share:7.1%} "
                    f"{counts.seconds:6.1f}",
                    flush=True,
                )
                if share > ALLOWED:
                    raise SystemExit(f"more than {ALLOWED:.0%} of the requests were sent again")


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description="Kill a backfill again and again.")
    parser.add_argument("--customers", type=int, default=3_000, help="(%(default)s)")
    parser.add_argument("--kills", type=int, default=30, help="in each format (%(default)s)")
    parser.add_argument("--faults", type=float, default=0.2, help="share of the requests (%(default)s)")
    parser.add_argument("--latency", type=float, default=0.02, help="seconds before each answer (%(default)s)")
    parser.add_argument("--formats", nargs="*", default=FORMATS, choices=FORMATS)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(compare(parser.parse_args()))


if __name__ == "__main__":
    main()
