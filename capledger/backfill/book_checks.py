"""``check_directory``: whether the ledgers of a backfill add up, customer by customer, in bounded memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from capledger.backfill.files import storage_errors, temporary_file
from capledger.backfill.verification import check_undamaged, recorded_filters
from capledger.backfill.written_ledgers import read_ledgers
from capledger.books import Discrepancy
from capledger.books.checks import BookChecker, unbalanced_pairs
from capledger.books.pairs import PairedEntries
from capledger.frames.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from os import PathLike

    from capledger.backfill.written_ledgers import StatedBalance
    from capledger.models import LedgerEntry

DISCREPANCIES: Final = "discrepancies.csv"
#: Parameters of queries with which entries come without some of their details.
_DETAIL_FILTERS: Final = frozenset(
    {
        "program_id",
        "exclude_point_categories",
        "alternate_currency_names",
        "ledger_entry_type",
        "point_category_type",
    }
)
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
    """The check of a backfill's directory; iterate over it once, the counts are those of what was read so far."""

    _directory: Path
    _filtered: bool
    _non_negative: Collection[int]
    customers: int = 0
    """Number of customers with entries, or with balances of the service."""
    entries: int = 0
    """Number of entries."""
    balances: int = 0
    """Number of balances of the service at the end of the range; 0 where none were fetched."""

    def __iter__(self) -> Iterator[CustomerDiscrepancy]:
        pairs = PairedEntries()
        for (name, value), stated, entries in read_ledgers(self._directory):
            self.customers += 1
            for discrepancy in self._check(stated, entries, partial(pairs.add, ledger=(name, value))):
                yield CustomerDiscrepancy(name, value, discrepancy)
        for discrepancy in unbalanced_pairs(pairs):
            yield CustomerDiscrepancy(None, None, discrepancy)

    def _check(
        self, stated: list[StatedBalance], entries: Iterator[LedgerEntry], add_pair: Callable[[LedgerEntry], None]
    ) -> Iterator[Discrepancy]:
        closing = [item.closing for item in stated if item.closing is not None]
        self.balances += len(closing)
        checker = BookChecker(
            [item.opening for item in stated if item.opening is not None],
            opening_at=stated[0].opening_at if stated else None,
            at=stated[0].closing_at if stated else None,
            filtered=self._filtered,
            non_negative=self._non_negative,
        )
        for entry in entries:
            self.entries += 1
            yield from checker.add(entry)
            add_pair(entry)
        yield from checker.finish(closing if stated else None)


def check_directory(
    directory: str | PathLike[str], *, filtered: bool = False, non_negative: Collection[int] = ()
) -> DirectoryCheck:
    """Return the check of the ledgers of a backfill; iterate over it for the discrepancies.

    Args:
        directory: of the job, or a copy with its manifest and data files.
        filtered: whether entries were requested without some of their details, so that nets are those of others. A job
            whose queries have such filters is recognized.
        non_negative: ids of programmes that forbid balances below zero, which are notices.

    Raises:
        InvalidQueryError: no job was started in the directory, or its sink has no files there.
        DirectoryInUseError: a run uses the directory.
        DamagedFilesError: files are missing or were changed, so that nothing can be said of their entries.
        StorageError: a file cannot be read.
        ConfigurationError: duckdb is not installed.
    """
    import_extra("duckdb", "duckdb")
    path = Path(directory)
    check_undamaged(path)
    return DirectoryCheck(path, filtered or bool(_DETAIL_FILTERS & recorded_filters(path)), non_negative)


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
