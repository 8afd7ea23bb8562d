"""The state of a job: each customer's, the pages staged for the next file, and the files written.

What was fetched is *staged* in the same file, page by page and with the cursor behind it, and is taken from there into
data files of a million rows. So a process that is killed loses the answers under way and no more, and a file never
holds part of a ledger that failed in the end.
"""

from __future__ import annotations

import zlib
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import frozen

from capledger.backfill.query_codec import make_query, read_template, with_end
from capledger.backfill.schema import Row, unpack
from capledger.queries import LedgerQuery

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from capledger.backfill.database import Store


State = Literal["planned", "running", "done", "empty", "incomplete", "set_aside"]
#: What is listed in set-aside.csv.
FAILED: Final = ("set_aside", "incomplete")

_DRAWN: Final = "id, identifier_name, identifier_value, source, account_id, template, cursor, rows, failures"
_LEFT: Final = "state IN ('planned', 'running')"

#: Rows given to a sink at a time, about, and bodies read for it in one go.
_CHUNK_ROWS: Final = 1_000
_CHUNK_BODIES: Final = 200


@frozen
class Customer:
    """One customer or group to be fetched."""

    id: int
    query: LedgerQuery
    #: Where to go on; None: at the beginning.
    cursor: str | None
    #: Rows that are staged already.
    rows: int
    #: Times that it was put off after a failure that may pass.
    failures: int


@frozen
class Page:
    """A page to be staged, and the place behind it."""

    customer: int
    packed: bytes
    rows: int
    cursor: str


@frozen
class Ended:
    """What became of a customer. ``planned`` puts it off."""

    customer: int
    state: State
    rows: int = 0
    requests: int = 0
    retries: int = 0
    code: int | None = None
    error: str | None = None
    #: Whether what is staged is of no use.
    drop: bool = False


@frozen
class Batch:
    """Staged pages that belong into one file."""

    number: int
    rows: int


class Job:
    """What one directory's ``job.sqlite`` says, and changes to it; each change is a transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._templates: dict[int, dict[str, Any]] = {}
        self._end: datetime | None = None

    # Customers

    def recover(self) -> None:
        """Plan anew whoever was being fetched when a process ended."""
        with self._store.transaction() as connection:
            connection.execute("UPDATE customers SET state = 'planned' WHERE state = 'running'")

    def retry_failed(self) -> None:
        """Plan those who were set aside again, and mark them."""
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE customers SET state = 'planned', retry = 1, failures = 0, code = NULL, error = NULL "
                "WHERE state IN ('set_aside', 'incomplete')"
            )

    def is_idle(self, *, retried_alone: bool) -> bool:
        """Tell whether there is nothing to fetch and nothing to write."""
        planned = "SELECT count(*) FROM customers WHERE state = 'planned' AND retry >= ?"
        return not (self._store.number(planned, int(retried_alone)) or self.ready_rows() or self.begun_batches())

    def draw(self, count: int, *, failures: int, retried_alone: bool) -> list[Customer]:
        """Take customers that are planned, those that never failed first; they are running from now on.

        Args:
            count: of them, at the most.
            failures: leave those that were put off more often.
            retried_alone: only those that had been set aside.
        """
        chosen = (
            "SELECT id FROM customers WHERE state = 'planned' AND failures <= ? AND retry >= ? "
            "ORDER BY failures, id LIMIT ?"
        )
        with self._store.transaction() as connection:
            rows = connection.execute(
                f"UPDATE customers SET state = 'running', attempts = attempts + 1 WHERE id IN ({chosen}) "  # noqa: S608  (a constant)
                f"RETURNING {_DRAWN}",
                (failures, int(retried_alone), count),
            ).fetchall()
        return [self._customer(row) for row in sorted(rows)]

    def sample(self, count: int) -> list[Customer]:
        """Give some of the customers still to be fetched, at random but always the same, without changing anything."""
        ids = [number for (number,) in self._store.ask(f"SELECT id FROM customers WHERE {_LEFT}")]  # noqa: S608  (a constant)
        some = Random(0).sample(ids, min(count, len(ids)))  # noqa: S311  (a sample, no secret)
        return [self._customer(self._store.ask(f"SELECT {_DRAWN} FROM customers WHERE id = ?", one)[0]) for one in some]  # noqa: S608  (a constant)

    def _customer(self, row: tuple[Any, ...]) -> Customer:
        number, name, value, source, account, template, cursor, rows, failures = row
        query = make_query(self._template(template), name, value, source, account)
        return Customer(number, with_end(query, self.end), cursor, rows, failures)

    def _template(self, number: int) -> dict[str, Any]:
        if number not in self._templates:
            [(text,)] = self._store.ask("SELECT query FROM templates WHERE id = ?", number)
            self._templates[number] = read_template(text)
        return self._templates[number]

    @property
    def end(self) -> datetime:
        """The end of every range that was given none: when the job was begun."""
        if self._end is None:
            [(text,)] = self._store.ask("SELECT value FROM meta WHERE key = 'end'")
            self._end = datetime.fromisoformat(text)
        return self._end

    # What was fetched

    def note(self, news: Sequence[Page | Ended]) -> None:
        """Stage pages and note ends, in one transaction."""
        bodies = [zlib.compress(item.packed, 1) if isinstance(item, Page) else b"" for item in news]
        with self._store.transaction() as connection:
            for item, body in zip(news, bodies, strict=True):
                if isinstance(item, Page):
                    _stage(connection, item, body)
                else:
                    _end(connection, item)

    # Data files

    def ready_rows(self) -> int:
        """Count the rows of finished customers that are in no file yet."""
        return self._store.number("SELECT sum(rows) FROM staged WHERE batch IS NULL AND ready")

    def begin_batch(self, most_rows: int) -> Batch | None:
        """Settle which rows the next file holds: whole pages, until there are this many; None where there are none."""
        with self._store.transaction() as connection:
            rows, last = 0, (0, 0)
            for customer, number, count in connection.execute(
                "SELECT customer, id, rows FROM staged WHERE batch IS NULL AND ready ORDER BY customer, id"
            ):
                rows, last = rows + count, (customer, number)
                if rows >= most_rows:
                    break
            if not rows:
                return None
            [(number,)] = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM batches")
            connection.execute("INSERT INTO batches (number, rows) VALUES (?, ?)", (number, rows))
            connection.execute(
                "UPDATE staged SET batch = ? WHERE batch IS NULL AND ready AND (customer, id) <= (?, ?)",
                (number, *last),
            )
        return Batch(number, rows)

    def begun_batches(self) -> list[Batch]:
        """Give those that were not heard of since they were begun."""
        return [Batch(*row) for row in self._store.ask("SELECT number, rows FROM batches WHERE state = 'cutting'")]

    def chunks(self, batch: Batch) -> Iterator[list[Row]]:
        """Give the rows of a batch, some thousands at a time."""
        place, rows = (0, 0), list[Row]()
        while found := self._bodies(batch, place):
            for customer, number, name, value, body in found:
                place = (customer, number)
                rows += unpack(zlib.decompress(body), name, value)
                if len(rows) >= _CHUNK_ROWS:
                    yield rows
                    rows = []
        if rows:
            yield rows

    def _bodies(self, batch: Batch, after: tuple[int, int]) -> list[Any]:
        return self._store.ask(
            "SELECT customer, staged.id, identifier_name, identifier_value, body FROM staged "
            "JOIN bodies ON bodies.id = staged.id JOIN customers ON customers.id = customer "
            "WHERE batch = ? AND (customer, staged.id) > (?, ?) ORDER BY customer, staged.id LIMIT ?",
            batch.number,
            *after,
            _CHUNK_BODIES,
        )

    def end_batch(self, batch: Batch, file: str, size: int | None, sha256: str | None) -> None:
        """Note that a batch is in its file, and let go of what was staged for it."""
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE batches SET state = 'written', file = ?, bytes = ?, sha256 = ? WHERE number = ?",
                (file, size, sha256, batch.number),
            )
            connection.execute(
                "UPDATE customers SET file = ? WHERE id IN (SELECT customer FROM staged WHERE batch = ?)",
                (file, batch.number),
            )
            connection.execute(
                "DELETE FROM bodies WHERE id IN (SELECT id FROM staged WHERE batch = ?)", (batch.number,)
            )
            connection.execute("DELETE FROM staged WHERE batch = ?", (batch.number,))


def _stage(connection: sqlite3.Connection, page: Page, body: bytes) -> None:
    if page.rows:
        number = connection.execute(
            "INSERT INTO staged (customer, rows) VALUES (?, ?)", (page.customer, page.rows)
        ).lastrowid
        connection.execute("INSERT INTO bodies VALUES (?, ?)", (number, body))
    connection.execute(
        "UPDATE customers SET cursor = ?, rows = rows + ? WHERE id = ?", (page.cursor, page.rows, page.customer)
    )


def _end(connection: sqlite3.Connection, ended: Ended) -> None:
    connection.execute(
        "UPDATE customers SET state = ?, failures = failures + ?, requests = requests + ?, retries = retries + ?, "
        "code = ?, error = ? WHERE id = ?",
        (
            ended.state,
            int(ended.state == "planned"),
            ended.requests,
            ended.retries,
            ended.code,
            ended.error,
            ended.customer,
        ),
    )
    if ended.drop:
        _drop(connection, ended.customer)
    elif ended.state == "done":
        connection.execute("UPDATE staged SET ready = 1 WHERE customer = ?", (ended.customer,))


def _drop(connection: sqlite3.Connection, customer: int) -> None:
    connection.execute("DELETE FROM bodies WHERE id IN (SELECT id FROM staged WHERE customer = ?)", (customer,))
    connection.execute("DELETE FROM staged WHERE customer = ?", (customer,))
    connection.execute("UPDATE customers SET cursor = NULL, rows = 0 WHERE id = ?", (customer,))
