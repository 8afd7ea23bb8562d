"""``DIR/customers.parquet`` (or ``.csv``), a row a customer, and ``DIR/set-aside.csv``, a list that can be fed back."""

from __future__ import annotations

from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Final

from capledger.backfill.files import temporary_file
from capledger.backfill.sinks.csv import quoted
from capledger.frames.arrow import import_arrow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from capledger.backfill.database import Database

SET_ASIDE: Final = "set-aside.csv"
CUSTOMERS: Final = "customers"

_SET_ASIDE_COLUMNS: Final = ("identifier_name", "identifier_value", "source", "account_id", "state", "code", "error")
_STRINGS: Final = ("identifier_name", "identifier_value", "source", "account_id", "state")
_NUMBERS: Final = ("rows", "requests", "retries", "attempts")
_DATES: Final = ("first_entry", "last_entry")
_COLUMNS: Final = (*_STRINGS, *_NUMBERS, *_DATES, "file", "code", "error")
#: Columns that are not columns of the state: the file with the latest entries of the customer.
_EXPRESSIONS: Final = {
    "file": "(SELECT file FROM parts JOIN batches ON number = batch WHERE customer = id ORDER BY batch DESC LIMIT 1)"
}
#: Customers read at once.
_BATCH: Final = 10_000


def write_set_aside(database: Database, directory: Path) -> None:
    """Write the customers who failed permanently, with what :func:`read_customers` needs, the code and the error."""
    with temporary_file(directory / SET_ASIDE) as file:
        _write_csv(file, database, _SET_ASIDE_COLUMNS, "state IN ('set_aside', 'incomplete')")


def write_customers(database: Database, directory: Path, format_: str) -> None:
    """Write a row for each customer: as Parquet where the entries are, else as CSV."""
    if format_ == "parquet":
        with temporary_file(directory / f"{CUSTOMERS}.parquet") as file:
            _write_parquet(file, database)
    else:
        with temporary_file(directory / f"{CUSTOMERS}.csv") as file:
            _write_csv(file, database, _COLUMNS, "TRUE")


def _batches(database: Database, columns: tuple[str, ...], condition: str) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows with the id before the columns."""
    statement = (
        f"SELECT id, {', '.join(_EXPRESSIONS.get(name, name) for name in columns)} FROM customers "  # noqa: S608 - our own names
        f"WHERE id > ? AND {condition} ORDER BY id LIMIT {_BATCH}"
    )
    last = 0
    while rows := database.fetch_all(statement, last):
        yield rows
        last = rows[-1][0]


def _write_csv(file: IO[bytes], database: Database, columns: tuple[str, ...], condition: str) -> None:
    file.write(",".join(columns).encode() + b"\n")
    for rows in _batches(database, columns, condition):
        lines = (",".join(map(_cell, row[1:])) + "\n" for row in rows)
        file.write("".join(lines).encode())


def _cell(value: str | int | None) -> str:
    if value is None:
        return ""
    return quoted(value) if isinstance(value, str) else str(value)


def _write_parquet(file: IO[bytes], database: Database) -> None:
    pa = import_arrow()
    from pyarrow import parquet  # noqa: PLC0415 - an extra, and slow to import

    types = {
        **dict.fromkeys(_COLUMNS, pa.string()),
        **dict.fromkeys((*_NUMBERS, "code"), pa.int64()),
        **dict.fromkeys(_DATES, pa.timestamp("us", tz="UTC")),
    }
    schema = pa.schema([pa.field(name, types[name]) for name in _COLUMNS])
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for rows in _batches(database, _COLUMNS, "TRUE"):
            records = [dict(zip(_COLUMNS, row[1:], strict=True)) for row in rows]
            for record in records:
                record.update({name: record[name] and datetime.fromisoformat(record[name]) for name in _DATES})
            writer.write_table(pa.Table.from_pylist(records, schema=schema))
