"""The state of a job: of each customer, of the pages staged for the next file, and of the files written.

What was fetched is *staged* in ``job.sqlite``, page by page with the cursor behind it, and moved from there into data
files of about a million rows. So a killed process loses only the responses in flight, and a file never contains part
of a ledger that failed in the end.
"""

from __future__ import annotations

import zlib
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import frozen

from capledger.backfill.query_codec import decode_template, make_query, with_end
from capledger.backfill.schema import Row, unpack
from capledger.queries import LedgerQuery

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from capledger.backfill.database import Database


CustomerState = Literal["planned", "running", "done", "empty", "incomplete", "set_aside"]

_CUSTOMER_FIELDS: Final = "id, identifier_name, identifier_value, source, account_id, template, cursor, rows, failures"
_UNFINISHED: Final = "state IN ('planned', 'running')"

#: Rows passed to a sink at a time, about, and bodies read for it at once.
_CHUNK_ROWS: Final = 1_000
_CHUNK_BODIES: Final = 200


@frozen
class PlannedCustomer:
    """One customer or group to be fetched."""

    id: int
    query: LedgerQuery
    cursor: str | None
    """Where to continue; None: at the beginning."""
    rows: int
    """Number of rows already staged."""
    failures: int
    """How often it was postponed after a temporary failure."""


@frozen
class StagedPage:
    """A page to be staged, and the cursor behind it."""

    customer: int
    packed: bytes
    rows: int
    cursor: str


@frozen
class CustomerResult:
    """The result of fetching a customer; the state ``planned`` postpones it."""

    customer: int
    state: CustomerState
    rows: int = 0
    requests: int = 0
    retries: int = 0
    code: int | None = None
    error: str | None = None
    drop: bool = False
    """Whether the customer's staged pages are dropped."""


StateChange = StagedPage | CustomerResult


@frozen
class StagedBatch:
    """Staged pages that belong into one file."""

    number: int
    rows: int


class JobState:
    """The state in one directory's ``job.sqlite``, and changes to it; each change is a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._templates: dict[int, dict[str, Any]] = {}
        self._end: datetime | None = None

    # Customers

    def replan_interrupted(self) -> None:
        """Plan the customers again that were being fetched when a process or a run result."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE customers SET state = 'planned' WHERE state = 'running'")

    def replan_failed(self) -> None:
        """Plan the customers again that were set aside, and mark them as retried."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE customers SET state = 'planned', retry = 1, failures = 0, code = NULL, error = NULL "
                "WHERE state IN ('set_aside', 'incomplete')"
            )

    def is_idle(self, *, only_retried: bool) -> bool:
        """Return whether there is nothing to fetch and nothing to write."""
        statement = "SELECT count(*) FROM customers WHERE state = 'planned' AND retry >= ?"
        planned = self._database.fetch_number(statement, int(only_retried))
        return not (planned or self.ready_rows() or self.unfinished_batches())

    def take(self, count: int, *, failures: int, only_retried: bool) -> list[PlannedCustomer]:
        """Mark planned customers as running and return them, those that never failed first.

        Args:
            count: greatest number of them.
            failures: leave out those that were postponed more often.
            only_retried: only those that had been set aside.
        """
        chosen = (
            "SELECT id FROM customers WHERE state = 'planned' AND failures <= ? AND retry >= ? "
            "ORDER BY failures, id LIMIT ?"
        )
        with self._database.transaction() as connection:
            rows = connection.execute(
                f"UPDATE customers SET state = 'running', attempts = attempts + 1 WHERE id IN ({chosen}) "  # noqa: S608 - a constant
                f"RETURNING {_CUSTOMER_FIELDS}",
                (failures, int(only_retried), count),
            ).fetchall()
        return [self._customer(row) for row in sorted(rows)]

    def sample(self, count: int) -> list[PlannedCustomer]:
        """Return some of the customers still to be fetched: random, but always the same."""
        ids = [id_ for (id_,) in self._database.fetch_all(f"SELECT id FROM customers WHERE {_UNFINISHED}")]  # noqa: S608 - a constant
        some = Random(0).sample(ids, min(count, len(ids)))  # noqa: S311 - a sample, no secret
        statement = f"SELECT {_CUSTOMER_FIELDS} FROM customers WHERE id = ?"  # noqa: S608 - a constant
        return [self._customer(self._database.fetch_all(statement, id_)[0]) for id_ in some]

    def _customer(self, row: tuple[Any, ...]) -> PlannedCustomer:
        id_, name, value, source, account, template, cursor, rows, failures = row
        query = make_query(self._template(template), name, value, source, account)
        return PlannedCustomer(id_, with_end(query, self.end), cursor, rows, failures)

    def _template(self, number: int) -> dict[str, Any]:
        if number not in self._templates:
            [(encoded,)] = self._database.fetch_all("SELECT query FROM templates WHERE id = ?", number)
            self._templates[number] = decode_template(encoded)
        return self._templates[number]

    @property
    def end(self) -> datetime:
        """End of ranges without one: when the job was started."""
        if self._end is None:
            [(end,)] = self._database.fetch_all("SELECT value FROM meta WHERE key = 'end'")
            self._end = datetime.fromisoformat(end)
        return self._end

    # Fetched

    def record(self, changes: Sequence[StateChange]) -> None:
        """Stage pages and record results, in one transaction."""
        bodies = [zlib.compress(item.packed, 1) if isinstance(item, StagedPage) else b"" for item in changes]
        with self._database.transaction() as connection:
            for item, body in zip(changes, bodies, strict=True):
                if isinstance(item, StagedPage):
                    _stage(connection, item, body)
                else:
                    _record_result(connection, item)

    # Data files

    def ready_rows(self) -> int:
        """Return the number of rows of finished customers that are in no file yet."""
        return self._database.fetch_number("SELECT sum(rows) FROM pages WHERE batch IS NULL AND ready")

    def start_batch(self, rows_wanted: int) -> StagedBatch | None:
        """Assign rows to the next file: whole pages, until there are enough; None where no rows are ready."""
        with self._database.transaction() as connection:
            rows, last = 0, (0, 0)
            for customer, number, count in connection.execute(
                "SELECT customer, id, rows FROM pages WHERE batch IS NULL AND ready ORDER BY customer, id"
            ):
                rows, last = rows + count, (customer, number)
                if rows >= rows_wanted:
                    break
            if not rows:
                return None
            [(number,)] = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM batches")
            connection.execute("INSERT INTO batches (number, rows) VALUES (?, ?)", (number, rows))
            connection.execute(
                "UPDATE pages SET batch = ? WHERE batch IS NULL AND ready AND (customer, id) <= (?, ?)",
                (number, *last),
            )
        return StagedBatch(number, rows)

    def unfinished_batches(self) -> list[StagedBatch]:
        """Return the batches that were started and not finished."""
        rows = self._database.fetch_all("SELECT number, rows FROM batches WHERE state = 'writing'")
        return [StagedBatch(*row) for row in rows]

    def chunks(self, batch: StagedBatch) -> Iterator[list[Row]]:
        """Yield the rows of a batch, about a thousand at a time."""
        position, rows = (0, 0), list[Row]()
        while found := self._bodies(batch, position):
            for customer, page, name, value, body in found:
                position = (customer, page)
                rows += unpack(zlib.decompress(body), name, value)
                if len(rows) >= _CHUNK_ROWS:
                    yield rows
                    rows = []
        if rows:
            yield rows

    def _bodies(self, batch: StagedBatch, after: tuple[int, int]) -> list[Any]:
        return self._database.fetch_all(
            "SELECT customer, pages.id, identifier_name, identifier_value, body FROM pages "
            "JOIN bodies ON bodies.id = pages.id JOIN customers ON customers.id = customer "
            "WHERE batch = ? AND (customer, pages.id) > (?, ?) ORDER BY customer, pages.id LIMIT ?",
            batch.number,
            *after,
            _CHUNK_BODIES,
        )

    def finish_batch(self, batch: StagedBatch, file: str, size: int | None, sha256: str | None) -> None:
        """Record that a batch is in its file, and drop what was staged for it."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE batches SET state = 'written', file = ?, bytes = ?, sha256 = ? WHERE number = ?",
                (file, size, sha256, batch.number),
            )
            connection.execute(
                "UPDATE customers SET file = ? WHERE id IN (SELECT customer FROM pages WHERE batch = ?)",
                (file, batch.number),
            )
            connection.execute("DELETE FROM bodies WHERE id IN (SELECT id FROM pages WHERE batch = ?)", (batch.number,))
            connection.execute("DELETE FROM pages WHERE batch = ?", (batch.number,))


def _stage(connection: sqlite3.Connection, page: StagedPage, body: bytes) -> None:
    if page.rows:
        number = connection.execute(
            "INSERT INTO pages (customer, rows) VALUES (?, ?)", (page.customer, page.rows)
        ).lastrowid
        connection.execute("INSERT INTO bodies VALUES (?, ?)", (number, body))
    connection.execute(
        "UPDATE customers SET cursor = ?, rows = rows + ? WHERE id = ?", (page.cursor, page.rows, page.customer)
    )


def _record_result(connection: sqlite3.Connection, result: CustomerResult) -> None:
    connection.execute(
        "UPDATE customers SET state = ?, failures = failures + ?, requests = requests + ?, retries = retries + ?, "
        "code = ?, error = ? WHERE id = ?",
        (
            result.state,
            int(result.state == "planned"),
            result.requests,
            result.retries,
            result.code,
            result.error,
            result.customer,
        ),
    )
    if result.drop:
        _drop(connection, result.customer)
    elif result.state == "done":
        connection.execute("UPDATE pages SET ready = 1 WHERE customer = ?", (result.customer,))


def _drop(connection: sqlite3.Connection, customer: int) -> None:
    connection.execute("DELETE FROM bodies WHERE id IN (SELECT id FROM pages WHERE customer = ?)", (customer,))
    connection.execute("DELETE FROM pages WHERE customer = ?", (customer,))
    connection.execute("UPDATE customers SET cursor = NULL, rows = 0 WHERE id = ?", (customer,))
