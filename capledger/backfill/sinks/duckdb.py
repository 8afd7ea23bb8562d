"""A DuckDB database with one table, ``entries``.

A batch is loaded from a temporary file of JSON lines, in one transaction together with its number, so that it is
there exactly once whatever happens.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from capledger.backfill.errors import StorageError
from capledger.backfill.files import TEMPORARY_SUFFIX, remove_temporary_files, temporary_file
from capledger.backfill.sinks.jsonl import write_lines
from capledger.frames.extras import import_extra
from capledger.frames.schema import (
    COLUMN_NAMES,
    COLUMNS,
    DECIMAL,
    INTEGER,
    JSON,
    PRECISION,
    SCALE,
    STRING,
    TIMESTAMP,
    Column,
    Kind,
    ListOf,
    MapOf,
    MisfitError,
    Struct,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from capledger.backfill.sinks.protocol import Chunks

NAME: Final = "entries.duckdb"
#: DuckDB prints a progress bar on standard output, among results, once a statement takes longer than two seconds.
NO_PROGRESS_BAR: Final = "SET enable_progress_bar_print = false"
#: Compression level of the temporary file, which is read once.
_LEVEL: Final = 1
#: DuckDB's messages where another program has the database open, and where the file is damaged; its classes of errors
#: do not differ, and its messages have the path.
_IN_USE: Final = re.compile("set lock on file|conflicting lock|used by another process", re.IGNORECASE)
_DAMAGED: Final = re.compile(
    "not a valid DuckDB database|corrupt database file|could not read enough bytes", re.IGNORECASE
)
_SETTINGS: Final = {"threads": 1, "memory_limit": "256MB", "preserve_insertion_order": "true"}


class _DamagedDatabaseError(StorageError):
    """The file is no database of DuckDB, or its checksums are wrong."""


def connect(path: Path, *, read_only: bool = False) -> Any:  # noqa: ANN401 - duckdb's connection
    """Return a connection to a database.

    Raises:
        StorageError: it is damaged, or open in another program.
        ConfigurationError: duckdb is not installed.
    """
    duckdb = import_extra("duckdb", "duckdb")
    try:
        connection = duckdb.connect(str(path), read_only=read_only, config=_SETTINGS)
    except duckdb.Error as error:
        if _IN_USE.search(str(error)):
            raise StorageError(f"{NAME} is open in another program: close it there") from error
        if _DAMAGED.search(str(error)):
            raise _DamagedDatabaseError(f"{NAME} is damaged: remove it") from error
        raise StorageError(f"{NAME} cannot be opened ({type(error).__name__})") from error
    connection.execute(NO_PROGRESS_BAR)
    return connection


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
        self._connection = connect(directory / NAME)
        (directory / NAME).chmod(0o600)
        columns = ", ".join(_column(column) for column in COLUMNS)
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS entries ({columns})")
        self._connection.execute("CREATE SCHEMA IF NOT EXISTS capledger")
        self._connection.execute("CREATE TABLE IF NOT EXISTS capledger.batches (number INTEGER PRIMARY KEY)")

    def holds(self, directory: Path, rows: int, started: Mapping[int, int], *, contents: bool = True) -> bool:
        """Return whether the database can be read and has the expected number of entries.

        Args:
            directory: of the database.
            rows: number of entries in batches that were recorded as written.
            started: number of entries by batch, of batches that may have been written before a process ended.
            contents: whether to read every value, since the number alone is known without them.

        Raises:
            StorageError: it is open in another program.
        """
        try:
            with connect(directory / NAME, read_only=True) as connection:
                every = " WHERE hash(entries) IS NOT NULL" if contents else ""
                [count] = connection.execute(f"SELECT count(*) FROM entries{every}").fetchone()  # noqa: S608 - a constant
                written = connection.execute("SELECT number FROM capledger.batches").fetchall()
                return bool(count == rows + sum(started.get(number, 0) for (number,) in written))
        except (self._duckdb.Error, _DamagedDatabaseError):
            return False

    def find(self, number: int) -> str | None:
        """Return the file if the transaction with this batch was committed."""
        found = self._connection.execute("SELECT 1 FROM capledger.batches WHERE number = ?", [number]).fetchone()
        return NAME if found else None

    def write(self, number: int, chunks: Chunks) -> str:
        """Write a temporary file, and load it into the database."""
        if self._directory is None:
            raise RuntimeError("the sink has not been opened")
        source = self._directory / f"batch-{number:05}.jsonl.gz{TEMPORARY_SUFFIX}"
        _write_source(source, chunks)
        try:
            self._load(number, source)
        except (self._duckdb.DataError, self._duckdb.ProgrammingError, self._duckdb.IntegrityError) as error:
            self._raise_misfit(source, chunks)
            raise StorageError(f"{NAME} cannot be written ({type(error).__name__})") from error
        finally:
            source.unlink()
        return NAME

    def _raise_misfit(self, source: Path, chunks: Chunks) -> None:
        """Raise for the first rows that the database refuses, with their column."""
        for rows in chunks:
            _write_source(source, [rows])
            for column in COLUMNS:
                try:
                    sql = f"SELECT count({column.name}) FROM {READ_JSON_LINES}"  # noqa: S608 - our own names
                    self._connection.execute(sql, [str(source)]).fetchone()
                except self._duckdb.Error as error:
                    raise MisfitError(f"a value does not fit the column {column.name}", column.name) from error

    def _load(self, number: int, source: Path) -> None:
        execute = self._connection.execute
        execute("BEGIN")
        try:
            names = ", ".join(COLUMN_NAMES)
            execute(f"INSERT INTO entries SELECT {names} FROM {READ_JSON_LINES}", [str(source)])  # noqa: S608 - our own names
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


def _write_source(path: Path, chunks: Chunks) -> None:
    with temporary_file(path) as file:
        write_lines(file, chunks, level=_LEVEL)


def _column(column: Column) -> str:
    return f"{column.name} {sql_type(column.kind)}{' NOT NULL' if column.required else ''}"


def sql_type(kind: Kind) -> str:
    """Return the type of DuckDB for a kind of values."""
    match kind:
        case Struct(fields):
            return f"STRUCT({', '.join(f'{name} {sql_type(item)}' for name, item in fields)})"
        case ListOf(item):
            return f"{sql_type(item)}[]"
        case MapOf(value):
            return f"MAP(VARCHAR, {sql_type(value)})"
    return {
        STRING: "VARCHAR",
        JSON: "VARCHAR",
        INTEGER: "BIGINT",
        DECIMAL: f"DECIMAL({PRECISION}, {SCALE})",
        TIMESTAMP: "TIMESTAMPTZ",
    }[kind]


_COLUMN_TYPES: Final = ", ".join(f"'{column.name}': '{sql_type(column.kind)}'" for column in COLUMNS)
#: Reads files of JSON lines as the table's columns.
READ_JSON_LINES: Final = f"read_json(?, format='newline_delimited', compression='gzip', columns={{{_COLUMN_TYPES}}})"
