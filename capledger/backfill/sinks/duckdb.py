"""A DuckDB database with one table, ``entries``.

A batch is loaded from a temporary file of JSON lines, in one transaction together with its number, so that it is
there exactly once whatever happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from capledger.backfill.extras import import_extra
from capledger.backfill.files import TEMPORARY_SUFFIX, remove_temporary_files, temporary_file
from capledger.backfill.schema import (
    COLUMN_NAMES,
    COLUMNS,
    DECIMAL,
    INTEGER,
    PRECISION,
    SCALE,
    STRING,
    TIMESTAMP,
    Column,
    Kind,
    ListOf,
    MapOf,
    Struct,
)
from capledger.backfill.sinks.jsonl import write_lines

if TYPE_CHECKING:
    from pathlib import Path

    from capledger.backfill.sinks.protocol import Chunks

NAME: Final = "entries.duckdb"
#: Compression level of the temporary file, which is read once.
_LEVEL: Final = 1
_SETTINGS: Final = {"threads": 1, "memory_limit": "256MB", "preserve_insertion_order": "true"}


class DuckDbSink:
    """Appends every batch to the table ``entries`` of ``entries.duckdb``."""

    format = "duckdb"
    one_file = True

    def __init__(self) -> None:
        """Import the extra ``duckdb``, so that its absence is reported before any request."""
        self._duckdb = import_extra("duckdb", "duckdb")
        self._directory: Path | None = None
        self._connection: Any = None

    def open(self, directory: Path) -> None:
        """Open the database, and create its tables if it is new."""
        remove_temporary_files(directory)
        self._directory = directory
        self._connection = self._duckdb.connect(str(directory / NAME), config=_SETTINGS)
        (directory / NAME).chmod(0o600)
        columns = ", ".join(_column(column) for column in COLUMNS)
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS entries ({columns})")
        self._connection.execute("CREATE SCHEMA IF NOT EXISTS capledger")
        self._connection.execute("CREATE TABLE IF NOT EXISTS capledger.batches (number INTEGER PRIMARY KEY)")

    def find(self, number: int) -> str | None:
        """Return the file if the transaction with this batch was committed."""
        found = self._connection.execute("SELECT 1 FROM capledger.batches WHERE number = ?", [number]).fetchone()
        return NAME if found else None

    def write(self, number: int, chunks: Chunks) -> str:
        """Write a temporary file, and load it into the database."""
        if self._directory is None:
            raise RuntimeError("the sink has not been opened")
        source = self._directory / f"batch-{number:05}.jsonl.gz{TEMPORARY_SUFFIX}"
        with temporary_file(source) as file:
            write_lines(file, chunks, level=_LEVEL)
        self._load(number, source)
        source.unlink()
        return NAME

    def _load(self, number: int, source: Path) -> None:
        execute = self._connection.execute
        types = ", ".join(f"'{column.name}': '{_type(column.kind)}'" for column in COLUMNS)
        reading = f"read_json(?, format='newline_delimited', compression='gzip', columns={{{types}}})"
        execute("BEGIN")
        try:
            names = ", ".join(COLUMN_NAMES)
            execute(f"INSERT INTO entries SELECT {names} FROM {reading}", [str(source)])  # noqa: S608 - our own names
            execute("INSERT INTO capledger.batches VALUES (?)", [number])
            execute("COMMIT")
        except BaseException:
            execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Merge the write-ahead log into the database, and close it."""
        if self._connection is not None:
            self._connection.execute("CHECKPOINT")
            self._connection.close()
            self._connection = None


def _column(column: Column) -> str:
    return f"{column.name} {_type(column.kind)}{' NOT NULL' if column.required else ''}"


def _type(kind: Kind) -> str:
    match kind:
        case Struct(fields):
            return f"STRUCT({', '.join(f'{name} {_type(item)}' for name, item in fields)})"
        case ListOf(item):
            return f"{_type(item)}[]"
        case MapOf(value):
            return f"MAP(VARCHAR, {_type(value)})"
    return {
        STRING: "VARCHAR",
        INTEGER: "BIGINT",
        DECIMAL: f"DECIMAL({PRECISION}, {SCALE})",
        TIMESTAMP: "TIMESTAMPTZ",
    }[kind]
