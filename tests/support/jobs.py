"""Backfills against a sandbox, and readers of the files they write."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from capledger import BasicAuth, CustomerLedgerQuery, LedgerSession, RetryPolicy
from capledger.backfill import Backfill
from capledger.sandbox import Sandbox, SandboxCustomer, synthetic_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from capledger.backfill import Manifest

BASIC = BasicAuth("store.server", "server123")
FORMATS = ("parquet", "jsonl", "csv", "duckdb")
START = datetime(2025, 1, 1)
Key = tuple[str, int]


def mobile(number: int) -> str:
    return str(917_000_000_000 + number)


def queries(count: int, **options: Any) -> list[CustomerLedgerQuery]:
    return [CustomerLedgerQuery.mobile(mobile(number), **options) for number in range(count)]


def customer(number: int, rows: int) -> SandboxCustomer:
    ledger = synthetic_rows(rows, START, timedelta(hours=1), first_id=10_000 * (number + 1))
    return SandboxCustomer(mobile(number), ledger, customer_id=number + 1)


def sandbox(sizes: Iterable[int], **options: Any) -> Sandbox:
    """Return a sandbox with a customer for each number of entries."""
    return Sandbox([customer(number, rows) for number, rows in enumerate(sizes)], **options)


def expected(sizes: Iterable[int]) -> Counter[Key]:
    """Return each entry of such a sandbox, once."""
    return Counter(
        (mobile(number), 10_000 * (number + 1) + rank) for number, rows in enumerate(sizes) for rank in range(rows)
    )


@asynccontextmanager
async def session_at(box: Sandbox, **options: Any) -> AsyncIterator[LedgerSession]:
    settings = {"timezone": UTC, "retry": RetryPolicy(attempts=20, min_wait=0.001, max_wait=0.01), **options}
    async with LedgerSession(box.url, BASIC, **settings) as session:
        yield session


async def backfill(box: Sandbox, given: Any, out: Path, **options: Any) -> Manifest:
    async with session_at(box) as session:
        return await Backfill(session, given, out=out, **{"format": "jsonl", "pause": 0.0, **options}).run()


def entries_in(out: Path) -> Counter[Key]:
    """Return the entries of a data set, with how often each is there."""
    return Counter((row["identifier_value"], int(row["event_log_id"])) for row in rows(out))


def rows(out: Path) -> list[dict[str, Any]]:
    return [row for path in sorted((out / "entries").iterdir()) for row in rows_of(path)]


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of one file, as a reader of its format returns them."""
    match path.suffix:
        case ".parquet":
            from pyarrow import parquet  # noqa: PLC0415 - slow to import

            return list(parquet.read_table(path).to_pylist())
        case ".gz":
            with gzip.open(path) as file:
                return [msgspec.json.decode(line) for line in file]
        case ".csv":
            with path.open(encoding="utf-8", newline="") as text:
                return list(csv.DictReader(text))
        case ".duckdb":
            import duckdb  # noqa: PLC0415 - slow to import

            with duckdb.connect(str(path), read_only=True) as connection:
                table = connection.sql("SELECT * FROM entries").to_arrow_table()
            return list(table.to_pylist())
    raise AssertionError(path.name)


def set_aside(out: Path) -> list[dict[str, str]]:
    with (out / "set-aside.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def manifest_of(out: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = msgspec.json.decode((out / "manifest.json").read_bytes())
    return manifest
