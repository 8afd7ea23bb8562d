"""The ledgers in the files of a backfill, customer by customer, each with the balances of the service.

DuckDB sorts the entries by customer, on disk where they are many; only one row at a time is held in memory.
"""

from __future__ import annotations

import heapq
import tempfile
from contextlib import closing
from datetime import datetime
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from capledger.backfill.balance_table import BALANCES
from capledger.backfill.errors import StorageError
from capledger.backfill.files import storage_errors
from capledger.backfill.manifest import ENTRIES
from capledger.backfill.sinks.duckdb import NAME as DUCKDB_FILE
from capledger.backfill.sinks.duckdb import NO_PROGRESS_BAR, READ_JSON_LINES, sql_type
from capledger.backfill.verification import recorded_files
from capledger.books.rows import entries_of
from capledger.errors import InvalidQueryError
from capledger.frames.extras import import_extra
from capledger.frames.schema import ACCOUNT_FIELDS, BALANCE_COLUMNS
from capledger.models import Balance, LedgerEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_CUSTOMER: Final = "identifier_name, identifier_value"
_DATE, _DETAILS, _NETS = "ledger_created_date", "entry_details", "net_alternate_currencies_on_event"
_QUOTE: Final = "'"
_SETTINGS: Final = {"threads": 1, "memory_limit": "256MB"}
_CSV_DIALECT: Final = """header=true, delim=',', quote='"', escape='"'"""
#: What reads the files of each format; nested values of CSV are JSON, and all else in it is text.
_READERS: Final = {
    ".parquet": "read_parquet(?)",
    ".jsonl.gz": READ_JSON_LINES,
    ".csv": f"read_csv(?, {_CSV_DIALECT}, all_varchar=true, allow_quoted_nulls=false)",
}
_BALANCE_COLUMNS: Final = ", ".join(
    f"CAST({column.name} AS {sql_type(column.kind)}) AS {column.name}" for column in BALANCE_COLUMNS
)

#: Name and value of the identifier.
Customer = tuple[str, str]


@frozen
class StatedBalance:
    """A row of the file of balances; None where the service states no balance of the account, or of any."""

    closing_at: datetime
    closing: Balance | None
    opening_at: datetime | None
    opening: Balance | None


def read_ledgers(directory: Path) -> Iterator[tuple[Customer, list[StatedBalance], Iterator[LedgerEntry]]]:
    """Yield each customer with the balances of the service, and with its entries, oldest first.

    Raises:
        InvalidQueryError: no job was started in the directory, or its sink has no files there.
        StorageError: DuckDB cannot read the files.
    """
    duckdb = import_extra("duckdb", "duckdb")
    files = [str((directory / file.path).absolute()) for file in recorded_files(directory).files]
    with storage_errors(ENTRIES), tempfile.TemporaryDirectory(prefix=".check-", dir=directory) as scratch:
        settings = {**_SETTINGS, "temp_directory": scratch}
        try:
            with closing(duckdb.connect(config=settings)) as connection:
                connection.execute(NO_PROGRESS_BAR)
                yield from _by_customer(_balances(connection, directory), _entries(connection, files))
        except duckdb.Error as error:
            raise StorageError(f"the data files cannot be read ({type(error).__name__})") from error


def _by_customer(
    balances: Iterator[tuple[Customer, StatedBalance]], entries: Iterator[tuple[Customer, LedgerEntry]]
) -> Iterator[tuple[Customer, list[StatedBalance], Iterator[LedgerEntry]]]:
    both: Iterator[tuple[Customer, Any]] = heapq.merge(balances, entries, key=itemgetter(0))
    for customer, group in groupby(both, key=itemgetter(0)):
        items = (item for _, item in group)
        stated: list[StatedBalance] = []
        first = None
        for first in items:
            if not isinstance(first, StatedBalance):
                break
            stated.append(first)
        yield customer, stated, chain([first] if isinstance(first, LedgerEntry) else [], items)


def _entries(connection: Any, files: list[str]) -> Iterator[tuple[Customer, LedgerEntry]]:  # noqa: ANN401 - duckdb's connection
    if not files:
        return
    source, arguments = _source_of(connection, files)
    sql = (
        f"SELECT {_CUSTOMER}, CAST(event_log_id AS BIGINT) AS event_log_id, event_name, "  # noqa: S608 - our own names
        f"CAST({_DATE} AS TIMESTAMPTZ) AS {_DATE}, CAST(customer_id AS BIGINT) AS customer_id, "
        f"{_DETAILS}, CAST(net_points_on_event AS VARCHAR) AS net_points_on_event, {_NETS}, transaction_details "
        f"FROM {source} ORDER BY {_CUSTOMER}, {_DATE}, event_log_id"
    )
    for customer, row in _rows(connection, sql, arguments):
        yield customer, next(entries_of([row]))


def _source_of(connection: Any, files: list[str]) -> tuple[str, list[list[str]]]:  # noqa: ANN401 - duckdb's connection
    """Return what to select from, and the arguments of the statement."""
    if files[0].endswith(DUCKDB_FILE):
        return _attach(connection, files), []
    for suffix, source in _READERS.items():
        if files[0].endswith(suffix):
            return source, [files]
    raise InvalidQueryError("the job's files are of no format that can be checked: parquet, jsonl, csv or duckdb")


def _attach(connection: Any, files: list[str]) -> str:  # noqa: ANN401 - duckdb's connection
    """Attach the databases, several where a job has shards, and return all of their entries."""
    for number, file in enumerate(files):
        connection.execute(f"ATTACH '{file.replace(_QUOTE, 2 * _QUOTE)}' AS job{number} (READ_ONLY)")
    return f"({' UNION ALL '.join(f'FROM job{number}.entries' for number in range(len(files)))})"


def _balances(connection: Any, directory: Path) -> Iterator[tuple[Customer, StatedBalance]]:  # noqa: ANN401 - duckdb's connection
    for suffix in (".parquet", ".csv"):
        name = f"{BALANCES}{suffix}"
        paths = [directory / name] if (directory / name).exists() else sorted(directory.glob(f"shards/shard-*/{name}"))
        if paths:
            sql = f"SELECT {_BALANCE_COLUMNS} FROM {_READERS[suffix]} ORDER BY {_CUSTOMER}"  # noqa: S608 - our own names
            for customer, row in _rows(connection, sql, [[str(path.absolute()) for path in paths]]):
                yield customer, _stated_balance(row)


def _rows(connection: Any, sql: str, arguments: Sequence[Any]) -> Iterator[tuple[Customer, dict[str, Any]]]:  # noqa: ANN401 - duckdb's connection
    cursor = connection.cursor().execute(sql, arguments)
    names = [column[0] for column in cursor.description]
    while rows := cursor.fetchmany(1_000):
        for values in rows:
            row = dict(zip(names, values, strict=True))
            yield (str(row.pop("identifier_name")), str(row.pop("identifier_value"))), row


def _stated_balance(row: dict[str, Any]) -> StatedBalance:
    account = {name: row[name] for name, _ in ACCOUNT_FIELDS}
    opening, closing = (
        None if row[name] is None else Balance(**account, closing_balance=row[name])
        for name in ("opening_balance", "closing_balance")
    )
    return StatedBalance(row["closing_at"], closing, row["opening_at"], opening)
