"""Rows read back from data files, in the order in which they were written, with the customer of each."""

from __future__ import annotations

import csv
import gzip
from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import define, field

from capledger.backfill.batches import Batches
from capledger.backfill.errors import StorageError
from capledger.backfill.files import storage_errors
from capledger.backfill.manifest import ENTRIES
from capledger.backfill.sinks.duckdb import NAME as DUCKDB_FILE
from capledger.backfill.sinks.duckdb import connect
from capledger.frames.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from capledger.backfill.database import Database

#: What is read of a row.
_COLUMNS: Final = (
    "identifier_name",
    "identifier_value",
    "event_log_id",
    "event_name",
    "ledger_created_date",
    "entry_details",
)
_ROWS_AT_ONCE: Final = 10_000
#: The longest field of a CSV file.
_MOST_CHARACTERS: Final = 2**31 - 1
#: What is read from DuckDB; dates as text, since it needs another package to convert them.
_SELECT: Final = (
    f"SELECT {', '.join(_COLUMNS)} FROM entries ".replace(  # noqa: S608 - our own names
        "ledger_created_date", "strftime(ledger_created_date AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
    )
    + "WHERE identifier_value IN (SELECT unnest(?)) ORDER BY rowid"
)

#: A row by the names of the columns that are read.
ReadRow = dict[str, Any]


def read_rows(database: Database, directory: Path, customers: Iterable[int]) -> Iterator[tuple[int, ReadRow]]:
    """Yield the rows of customers, with the customer of each; those of one customer and file one after the other.

    Data files name a customer by the identifier alone, which another one may share, with another source. The state has
    how many rows of whom a file holds, and in which order.

    Raises:
        StorageError: a file cannot be read, or does not have the rows that were recorded.
        ConfigurationError: the format needs a package that is not installed.
    """
    with database.transaction() as connection:
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (customer INTEGER PRIMARY KEY)")
        connection.execute("DELETE FROM wanted")
        connection.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", ((id_,) for id_ in customers))
    for file in Batches(database).files():
        segments = _segments(database, file.name)
        if not segments.left:
            continue
        path = directory / ENTRIES / file.name
        with storage_errors(f"{ENTRIES}/{file.name}"):
            for row in _reader_of(path)(path, segments.values):
                segment = segments.take((row["identifier_name"], row["identifier_value"]))
                if segment is not None and segment.wanted:
                    yield segment.customer, row
        if segments.left:
            raise StorageError(
                f"{ENTRIES}/{file.name} does not have the entries that were written: capledger verify checks all files",
                resumable=False,
            )


@define
class _Segment:
    """Rows of one customer, one after the other in a file."""

    customer: int
    rows: int
    wanted: bool


@define
class _Segments:
    """The segments of a file, by identifier, in their order."""

    by_identifier: dict[tuple[str, str], deque[_Segment]] = field(factory=dict)

    @property
    def values(self) -> set[str]:
        """Return the values of the identifiers."""
        return {value for _, value in self.by_identifier}

    @property
    def left(self) -> bool:
        """Whether rows have not come."""
        return any(self.by_identifier.values())

    def take(self, identifier: tuple[str, str]) -> _Segment | None:
        """Take a row out of its segment, and return the segment; None for a row that is not expected."""
        segments = self.by_identifier.get(identifier)
        if not segments:
            return None
        segment = segments[0]
        segment.rows -= 1
        if not segment.rows:
            segments.popleft()
        return segment


def _segments(database: Database, file: str) -> _Segments:
    """Return where the rows of wanted customers are in a file, and those of others with the same identifiers."""
    found = _Segments()
    for name, value, *segment in database.fetch_all(
        "SELECT identifier_name, identifier_value, id, parts.rows, id IN (SELECT customer FROM wanted) FROM batches "
        "JOIN parts ON batch = number JOIN customers ON id = parts.customer WHERE file = ? "
        "AND (identifier_name, identifier_value) IN (SELECT identifier_name, identifier_value FROM customers "
        "JOIN wanted ON wanted.customer = id) ORDER BY number, id",
        file,
    ):
        found.by_identifier.setdefault((name, value), deque()).append(_Segment(*segment))
    return found


def _reader_of(path: Path) -> Callable[[Path, set[str]], Iterator[ReadRow]]:
    """Return the function that yields the rows of a file whose identifiers have one of the values."""
    if path.name == DUCKDB_FILE:
        return _read_duckdb
    return {".parquet": _read_parquet, ".gz": _read_json_lines, ".csv": _read_csv}[path.suffix]


def _read_parquet(path: Path, values: set[str]) -> Iterator[ReadRow]:
    pa, parquet = import_extra("pyarrow", "parquet"), import_extra("pyarrow.parquet", "parquet")
    compute, wanted = import_extra("pyarrow.compute", "parquet"), pa.array(sorted(values), pa.string())
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(_COLUMNS)):
            yield from batch.filter(compute.is_in(batch["identifier_value"], wanted)).to_pylist()


class _JsonRow(msgspec.Struct):
    identifier_name: str
    identifier_value: str
    event_log_id: int
    event_name: str
    ledger_created_date: str
    entry_details: list[dict[str, Any]]


def _read_json_lines(path: Path, values: set[str]) -> Iterator[ReadRow]:
    decoder = msgspec.json.Decoder(_JsonRow)
    with gzip.open(path, "rb") as file:
        for line in file:
            row = decoder.decode(line)
            if row.identifier_value in values:
                yield msgspec.structs.asdict(row)


def _read_csv(path: Path, values: set[str]) -> Iterator[ReadRow]:
    limit = csv.field_size_limit(_MOST_CHARACTERS)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["identifier_value"] in values:
                    yield {**row, "entry_details": msgspec.json.decode(row["entry_details"])}
    finally:
        csv.field_size_limit(limit)


def _read_duckdb(path: Path, values: set[str]) -> Iterator[ReadRow]:
    with closing(connect(path)) as connection:
        result = connection.execute(_SELECT, [sorted(values)])
        while rows := result.fetchmany(_ROWS_AT_ONCE):
            for row in rows:
                yield dict(zip(_COLUMNS, row, strict=True))
