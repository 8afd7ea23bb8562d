"""A DuckDB database with one table, ``entries``.

A batch goes in by way of a file of JSON lines beside it, in one transaction together with its number, so that it is
there once whatever happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from capledger.backfill.extras import import_extra
from capledger.backfill.files import PART, remove_parts, written_aside
from capledger.backfill.schema import (
    COLUMN_NAMES,
    COLUMNS,
    INTEGER,
    MOMENT,
    MONEY,
    PRECISION,
    SCALE,
    TEXT,
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
#: Of the file beside, which is read once.
_LEVEL: Final = 1
_SETTINGS: Final = {"threads": 1, "memory_limit": "256MB", "preserve_insertion_order": "true"}


class DuckDbSink:
    """Appends every batch to the table ``entries`` of ``entries.duckdb``."""

    format = "duckdb"
    one_file = True

    def __init__(self) -> None:
        """Need the extra ``duckdb``, and say so before anything is asked for."""
        self._duckdb = import_extra("duckdb", "duckdb")
        self._directory: Path | None = None
        self._connection: Any = None

    def open(self, directory: Path) -> None:
        """Open the database, and make its tables in a new one."""
        remove_parts(directory)
        self._directory = directory
        self._connection = self._duckdb.connect(str(directory / NAME), config=_SETTINGS)
        (directory / NAME).chmod(0o600)
        columns = ", ".join(_column(column) for column in COLUMNS)
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS entries ({columns})")
        self._connection.execute("CREATE SCHEMA IF NOT EXISTS capledger")
        self._connection.execute("CREATE TABLE IF NOT EXISTS capledger.batches (number INTEGER PRIMARY KEY)")

    def find(self, number: int) -> str | None:
        """Tell whether the transaction with this batch went through."""
        found = self._connection.execute("SELECT 1 FROM capledger.batches WHERE number = ?", [number]).fetchone()
        return NAME if found else None

    def write(self, number: int, chunks: Chunks) -> str:
        """Write a file beside, and let the database take it in."""
        if self._directory is None:
            raise RuntimeError("the sink has not been opened")
        beside = self._directory / f"batch-{number:05}.jsonl.gz{PART}"
        with written_aside(beside) as file:
            write_lines(file, chunks, level=_LEVEL)
        self._take_in(number, beside)
        beside.unlink()
        return NAME

    def _take_in(self, number: int, beside: Path) -> None:
        execute = self._connection.execute
        types = ", ".join(f"'{column.name}': '{_type(column.kind)}'" for column in COLUMNS)
        reading = f"read_json(?, format='newline_delimited', compression='gzip', columns={{{types}}})"
        execute("BEGIN")
        try:
            names = ", ".join(COLUMN_NAMES)
            execute(f"INSERT INTO entries SELECT {names} FROM {reading}", [str(beside)])  # noqa: S608  (our own names)
            execute("INSERT INTO capledger.batches VALUES (?)", [number])
            execute("COMMIT")
        except BaseException:
            execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Fold the write-ahead log into the database, and let go of it."""
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
        TEXT: "VARCHAR",
        INTEGER: "BIGINT",
        MONEY: f"DECIMAL({PRECISION}, {SCALE})",
        MOMENT: "TIMESTAMPTZ",
    }[kind]
