"""Batches of staged rows, each of which becomes a data file or a part of one, and the files written.

A customer's entries are all in one batch, so that a file that is lost can be fetched again customer by customer.
"""

from __future__ import annotations

import posixpath
import zlib
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from capledger.backfill.staging import ROWS_IN_FILES, drop_pages
from capledger.backfill.state import describe_error
from capledger.frames.schema import Row, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from capledger.backfill.database import Database
    from capledger.frames.schema import MisfitError

#: Rows passed to a sink at a time, about, and bodies read for it at once.
_CHUNK_ROWS: Final = 1_000
_CHUNK_BODIES: Final = 200


@frozen
class StagedBatch:
    """Staged rows that belong into one file."""

    number: int
    rows: int


@frozen
class WrittenFile:
    """A file with the rows of one batch, or of all of them where the sink has one file."""

    name: str
    """Name below ``DIR/entries``."""
    rows: int
    size: int | None
    """Size in bytes when it was written; None where more may be added to it, or where it is not below DIR."""
    sha256: str | None
    customers: int

    @property
    def path(self) -> str:
        """Path relative to DIR."""
        return posixpath.normpath(f"entries/{self.name}")

    """Number of customers with entries in it."""


@frozen
class WrittenFiles:
    """The files of a job, as recorded."""

    files: list[WrittenFile]
    started: dict[int, int] = field(factory=dict)
    """Number of rows by batch, of batches that were started and not recorded as written."""


@frozen
class MergedFile:
    """A file with the rows of others."""

    number: int
    name: str
    size: int
    sha256: str
    sources: tuple[str, ...]


class Batches:
    """The batches in one directory's ``job.sqlite``, and changes to them; each change is a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ready_rows(self) -> int:
        """Return the number of rows of finished customers that are in no batch yet."""
        return self._database.fetch_number("SELECT sum(rows) FROM pages WHERE batch IS NULL AND ready")

    def start(self, rows_wanted: int) -> StagedBatch | None:
        """Assign rows to the next batch: whole customers, until there are enough; None where no rows are ready."""
        with self._database.transaction() as connection:
            rows, last = 0, 0
            for customer, count in connection.execute(
                "SELECT customer, sum(rows) FROM pages WHERE batch IS NULL AND ready "
                "GROUP BY customer ORDER BY customer"
            ):
                rows, last = rows + count, customer
                if rows >= rows_wanted:
                    break
            if not rows:
                return None
            [(number,)] = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM batches")
            connection.execute("INSERT INTO batches (number, rows) VALUES (?, ?)", (number, rows))
            connection.execute(
                "UPDATE pages SET batch = ? WHERE batch IS NULL AND ready AND customer <= ?", (number, last)
            )
        return StagedBatch(number, rows)

    def unfinished(self) -> list[StagedBatch]:
        """Return the batches that were started and not finished."""
        rows = self._database.fetch_all("SELECT number, rows FROM batches WHERE state = 'writing'")
        return [StagedBatch(*row) for row in rows]

    def bodies(self, batch: StagedBatch, after: tuple[int, int]) -> list[Any]:
        """Return some of a batch's pages: customer, id, name and value of the identifier, run, and packed rows."""
        return self._database.fetch_all(
            "SELECT customer, pages.id, identifier_name, identifier_value, run, body FROM pages "
            "JOIN bodies ON bodies.id = pages.id JOIN customers ON customers.id = customer "
            "WHERE batch = ? AND (customer, pages.id) > (?, ?) ORDER BY customer, pages.id LIMIT ?",
            batch.number,
            *after,
            _CHUNK_BODIES,
        )

    def finish(self, batch: StagedBatch, file: str, size: int | None, sha256: str | None) -> None:
        """Record that a batch is in its file, and drop what was staged for it."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE batches SET state = 'written', file = ?, bytes = ?, sha256 = ? WHERE number = ?",
                (file, size, sha256, batch.number),
            )
            connection.execute(
                "INSERT INTO parts SELECT customer, batch, sum(rows) FROM pages WHERE batch = ? GROUP BY customer",
                (batch.number,),
            )
            connection.execute("DELETE FROM bodies WHERE id IN (SELECT id FROM pages WHERE batch = ?)", (batch.number,))
            connection.execute("DELETE FROM pages WHERE batch = ?", (batch.number,))

    def exclude(self, batch: StagedBatch, customer: int, error: MisfitError) -> StagedBatch | None:
        """Set a customer aside whose rows the sink refuses; return the rest of the batch, None if nothing is left."""
        with self._database.transaction() as connection:
            drop_pages(connection, customer)
            connection.execute("UPDATE ledgers SET newest = NULL, added = 0, late = 0 WHERE customer = ?", (customer,))
            connection.execute(
                "UPDATE customers SET state = 'set_aside', error = ? WHERE id = ?",
                (describe_error(error), customer),
            )
            [(rows,)] = connection.execute("SELECT ifnull(sum(rows), 0) FROM pages WHERE batch = ?", (batch.number,))
            if rows:
                connection.execute("UPDATE batches SET rows = ? WHERE number = ?", (rows, batch.number))
            else:
                connection.execute("DELETE FROM batches WHERE number = ?", (batch.number,))
        return StagedBatch(batch.number, rows) if rows else None

    def replan(self, customers: list[int]) -> None:
        """Plan customers again that were excluded."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE customers SET state = 'planned', error = NULL WHERE id = ?", [(id_,) for id_ in customers]
            )

    # Files

    def written(self) -> WrittenFiles:
        """Return the files written, and the batches that a process may have written before it ended."""
        return WrittenFiles(self.files(), {batch.number: batch.rows for batch in self.unfinished()})

    def files(self) -> list[WrittenFile]:
        """Return the files written, in the order of their first batch."""
        rows = self._database.fetch_all(
            "SELECT file, sum(rows), max(bytes), max(sha256), "
            "(SELECT count(DISTINCT customer) FROM parts JOIN batches AS of ON of.number = batch "
            "WHERE of.file = batches.file) "
            "FROM batches WHERE state = 'written' GROUP BY file ORDER BY min(number)"
        )
        return [WrittenFile(*row) for row in rows]

    # Compaction

    def start_merge(self) -> int:
        """Return the number of a file into which others are merged."""
        with self._database.transaction() as connection:
            [(number,)] = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM batches")
            connection.execute("INSERT INTO batches (number, rows, state) VALUES (?, 0, 'merging')", (number,))
        return int(number)

    def unfinished_merges(self) -> list[int]:
        """Return the numbers of files that were being merged when a process ended."""
        return [number for (number,) in self._database.fetch_all("SELECT number FROM batches WHERE state = 'merging'")]

    def drop_merges(self) -> None:
        """Forget files that were being merged."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM batches WHERE state = 'merging'")

    def finish_merges(self, merged: Sequence[MergedFile]) -> None:
        """Record that the rows of files are in others now, and which files are obsolete; all of it at once."""
        with self._database.transaction() as connection:
            for file in merged:
                connection.executemany("INSERT INTO obsolete VALUES (?)", [(name,) for name in file.sources])
                connection.executemany(
                    "UPDATE batches SET file = ?, bytes = ?, sha256 = ? WHERE file = ?",
                    [(file.name, file.size, file.sha256, name) for name in file.sources],
                )
                connection.execute(
                    "UPDATE batches SET state = 'written', file = ?, bytes = ?, sha256 = ? WHERE number = ?",
                    (file.name, file.size, file.sha256, file.number),
                )

    def obsolete(self) -> list[str]:
        """Return the names of files whose rows are in others, and that may still be there."""
        return [name for (name,) in self._database.fetch_all("SELECT file FROM obsolete")]

    def forget_obsolete(self) -> None:
        """Note that obsolete files were removed."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM obsolete")

    def drop_file(self, name: str) -> None:
        """Plan the customers again whose entries were in a file."""
        of_file = "SELECT number FROM batches WHERE state = 'written' AND file = ?"
        with self._database.transaction() as connection:
            customers = connection.execute(
                f"SELECT DISTINCT customer FROM parts WHERE batch IN ({of_file})",  # noqa: S608 - a constant
                (name,),
            ).fetchall()
            connection.execute(f"DELETE FROM parts WHERE batch IN ({of_file})", (name,))  # noqa: S608 - a constant
            connection.execute("DELETE FROM batches WHERE state = 'written' AND file = ?", (name,))
            connection.executemany(
                "UPDATE customers SET state = 'planned', retry = 1, failures = 0, code = NULL, error = NULL, "  # noqa: S608 - a constant
                f"cursor = NULL, {ROWS_IN_FILES} WHERE id = ?",
                customers,
            )
            connection.executemany("UPDATE ledgers SET newest = NULL WHERE customer = ?", customers)
            connection.executemany("DELETE FROM balances WHERE customer = ?", customers)


class BatchRows:
    """The rows of a batch, about a thousand at a time; may be iterated over again.

    Args:
        batches: of the job.
        batch: whose rows.
        by_customer: never yield rows of several customers together.
    """

    def __init__(self, batches: Batches, batch: StagedBatch, *, by_customer: bool = False) -> None:
        self._batches = batches
        self._batch = batch
        self._by_customer = by_customer
        self.customer: int | None = None
        """The customer whose rows were yielded last; None before the first and after the last."""
        self.is_first: bool = True
        """Whether that is the first customer of the batch."""

    def __iter__(self) -> Iterator[list[Row]]:
        rows: list[Row] = []
        self.customer, self.is_first = None, True
        for customer, page in self._pages():
            if rows and (len(rows) >= _CHUNK_ROWS or (self._by_customer and customer != self.customer)):
                yield rows
                rows = []
            self.is_first = self.customer in (None, customer) and self.is_first
            self.customer = customer
            rows += page
        if rows:
            yield rows
        self.customer = None

    def _pages(self) -> Iterator[tuple[int, list[Row]]]:
        position = (0, 0)
        while found := self._batches.bodies(self._batch, position):
            for customer, page, name, value, run, body in found:
                position = (customer, page)
                yield customer, unpack(zlib.decompress(body), name, value, run=run)
