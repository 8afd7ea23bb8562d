"""``check_directory``: whether the ledgers of a backfill add up, customer by customer, in bounded memory.

DuckDB sorts the entries by customer, on disk where they are many; only one row at a time, and the accounts of one
customer, are held in memory.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import define, field, frozen

from capledger.backfill.files import storage_errors, temporary_file
from capledger.backfill.manifest import ENTRIES
from capledger.backfill.sinks.duckdb import NAME as DUCKDB_FILE
from capledger.backfill.sinks.duckdb import NO_PROGRESS_BAR, READ_JSON_LINES
from capledger.backfill.verification import recorded_files
from capledger.books import Discrepancy
from capledger.books.checks import BookChecker, unbalanced_pairs
from capledger.books.pairs import PairedEntries
from capledger.books.rows import entries_of
from capledger.errors import InvalidQueryError
from capledger.frames.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from os import PathLike

    from capledger.models import LedgerEntry

DISCREPANCIES: Final = "discrepancies.csv"
_CUSTOMER: Final = "identifier_name, identifier_value"
_DATE, _DETAILS, _NETS = "ledger_created_date", "entry_details", "net_alternate_currencies_on_event"
_SETTINGS: Final = {"threads": 1, "memory_limit": "256MB"}
#: What reads the files of each format; nested values of CSV are JSON, and all else in it is text.
_READERS: Final = {".parquet": "read_parquet(?)", ".jsonl.gz": READ_JSON_LINES, ".csv": "read_csv(?, all_varchar=true)"}
#: Discrepancies that are kept in memory to be printed.
_MOST_KEPT: Final = 1_000
_TITLES: Final = (
    "identifier_name",
    "identifier_value",
    "check",
    "program_id",
    "program_name",
    "points_category",
    "alternate_currency_name",
    "expected",
    "found",
    "difference",
    "event_log_ids",
    "is_notice",
)


@frozen
class CustomerDiscrepancy:
    """A discrepancy, and whose ledger it is in."""

    identifier_name: str | None
    """None for a transfer between customers."""
    identifier_value: str | None = field(repr=False)
    discrepancy: Discrepancy


@define
class DirectoryCheck:
    """The check of a backfill's directory; iterate over it once, the counts are those of the entries read so far."""

    _directory: Path
    _filtered: bool
    _non_negative: Collection[int]
    customers: int = 0
    """Number of customers with entries."""
    entries: int = 0
    """Number of entries."""

    def __iter__(self) -> Iterator[CustomerDiscrepancy]:
        pairs = PairedEntries()
        checker, current = self._make_checker(), None
        for customer, entry in _sorted_entries(self._directory):
            if customer != current:
                yield from _of_customer(current, checker.finish(()))
                checker, current = self._make_checker(), customer
                self.customers += 1
            self.entries += 1
            yield from _of_customer(customer, checker.add(entry))
            pairs.add(entry)
        yield from _of_customer(current, checker.finish(()))
        yield from _of_customer(None, unbalanced_pairs(pairs))

    def _make_checker(self) -> BookChecker:
        return BookChecker(filtered=self._filtered, non_negative=self._non_negative)


def check_directory(
    directory: str | PathLike[str], *, filtered: bool = False, non_negative: Collection[int] = ()
) -> DirectoryCheck:
    """Return the check of the ledgers of a backfill; iterate over it for the discrepancies.

    Args:
        directory: of the job, or a copy with its manifest and data files.
        filtered: whether the entries were requested with filters, so that nets are not those of the details.
        non_negative: ids of programmes that forbid balances below zero, which are notices.

    Raises:
        InvalidQueryError: no job was started in the directory, or its sink has no files there.
        DirectoryInUseError: a run uses the directory.
        StorageError: a file cannot be read.
        ConfigurationError: duckdb is not installed.
    """
    import_extra("duckdb", "duckdb")
    return DirectoryCheck(Path(directory), filtered, non_negative)


def _of_customer(customer: tuple[str, str] | None, found: Iterator[Discrepancy]) -> Iterator[CustomerDiscrepancy]:
    name, value = customer or (None, None)
    for discrepancy in found:
        yield CustomerDiscrepancy(name, value, discrepancy)


def _sorted_entries(directory: Path) -> Iterator[tuple[tuple[str, str], LedgerEntry]]:
    duckdb = import_extra("duckdb", "duckdb")
    files = [str((directory / ENTRIES / file.name).absolute()) for file in recorded_files(directory).files]
    if not files:
        return
    with storage_errors(ENTRIES), tempfile.TemporaryDirectory(prefix=".check-", dir=directory) as scratch:
        is_database = files[0].endswith(DUCKDB_FILE)
        settings = {**_SETTINGS, "temp_directory": scratch}
        with closing(duckdb.connect(files[0] if is_database else ":memory:", is_database, settings)) as connection:
            connection.execute(NO_PROGRESS_BAR)
            yield from _read(connection, files, is_database=is_database)


def _read(connection: Any, files: Sequence[str], *, is_database: bool) -> Iterator[tuple[tuple[str, str], LedgerEntry]]:  # noqa: ANN401 - duckdb's connection
    suffix = next((suffix for suffix in _READERS if files[0].endswith(suffix)), None)
    if not is_database and suffix is None:
        raise InvalidQueryError("the job's files are of no format that can be checked: parquet, jsonl, csv or duckdb")
    source = "entries" if is_database or suffix is None else _READERS[suffix]
    sql = (
        f"SELECT {_CUSTOMER}, CAST(event_log_id AS BIGINT) AS event_log_id, event_name, "  # noqa: S608 - our own names
        f"CAST({_DATE} AS TIMESTAMPTZ) AS {_DATE}, CAST(customer_id AS BIGINT) AS customer_id, "
        f"{_DETAILS}, CAST(net_points_on_event AS VARCHAR) AS net_points_on_event, {_NETS}, transaction_details "
        f"FROM {source} ORDER BY {_CUSTOMER}, {_DATE}, event_log_id"
    )
    cursor = connection.execute(sql, [] if is_database else [list(files)])
    names = [column[0] for column in cursor.description]
    while rows := cursor.fetchmany(1_000):
        for values in rows:
            row = {name: _decoded(name, value) for name, value in zip(names, values, strict=True)}
            customer = str(row.pop("identifier_name")), str(row.pop("identifier_value"))
            yield customer, next(entries_of([row]))


def _decoded(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever a column can hold
    if isinstance(value, str) and name in {_DETAILS, _NETS, "transaction_details"}:
        return msgspec.json.decode(value)
    return value


@define
class WrittenDiscrepancies:
    """What was written to ``discrepancies.csv``."""

    path: Path
    first: list[CustomerDiscrepancy] = field(factory=list)
    """The first of them, as many as are kept in memory."""
    errors: int = 0
    notices: int = 0


def write_discrepancies(directory: Path, check: DirectoryCheck) -> WrittenDiscrepancies:
    """Write the discrepancies of a check to ``discrepancies.csv`` as they are found; only its owner can read it."""
    written = WrittenDiscrepancies(directory / DISCREPANCIES)
    with storage_errors(DISCREPANCIES), temporary_file(written.path) as file:
        file.write(_csv_bytes(_TITLES))
        for item in check:
            file.write(_csv_bytes(_csv_line(item)))
            if item.discrepancy.is_notice:
                written.notices += 1
            else:
                written.errors += 1
            if len(written.first) < _MOST_KEPT:
                written.first.append(item)
    return written


def _csv_bytes(values: Iterable[object]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()


def _csv_line(item: CustomerDiscrepancy) -> list[object]:
    found = item.discrepancy
    account = found.account
    parts: tuple[object, ...] = (None,) * 4
    if account is not None:
        name = account.program_name
        parts = account.program_id, name, account.points_category, account.alternate_currency_name
    ids = " ".join(str(number) for number in dict.fromkeys(movement.event_log_id for movement in found.near))
    amounts = (f"{amount:f}" for amount in (found.expected, found.found, found.difference))
    return [item.identifier_name, item.identifier_value, found.check, *parts, *amounts, ids, found.is_notice]
