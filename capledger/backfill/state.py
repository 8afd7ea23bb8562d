"""The state of each customer of a job, and the changes to it."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from attrs import frozen

from capledger.backfill.balances import CustomerBalances, stage_balances
from capledger.backfill.plan import read_end
from capledger.backfill.query_codec import decode_template, make_query, with_end
from capledger.backfill.staging import StagedPage, compress_page, drop_pages, release_pages, stage_page
from capledger.queries import LedgerQuery

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime

    from capledger.backfill.database import Database
    from capledger.errors import CapledgerError


CustomerState = Literal["planned", "running", "done", "empty", "unproven", "incomplete", "set_aside"]
#: States of customers whose entries are in the files.
WRITTEN_STATES: Final = ("done", "unproven")

_CUSTOMER_FIELDS: Final = "id, identifier_name, identifier_value, source, account_id, template, cursor, rows, failures"
#: Codes above this are those of the API.
_LAST_HTTP_STATUS: Final = 599


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
class CustomerResult:
    """The result of fetching a customer; the state ``planned`` postpones it."""

    customer: int
    state: CustomerState
    rows: int = 0
    """Number of rows staged for the next data file."""
    held: int = 0
    """Number of rows that were in data files before."""
    requests: int = 0
    retries: int = 0
    code: int | None = None
    error: str | None = None
    drop: bool = False
    """Whether the customer's staged pages are dropped."""
    balances: CustomerBalances | None = None
    """Balances of the service; None where they were not fetched."""
    deferred: bool = False
    """Whether it waits for entries that are looked up in the data set; no failure."""


class StateExtension(Protocol):
    """A change of tables that only some jobs have."""

    def record(self, connection: sqlite3.Connection) -> None:
        """Make the change, within a transaction."""


StateChange = StagedPage | CustomerResult | StateExtension


def describe_error(error: CapledgerError) -> str:
    """Return an error as a line: its type and its message, which never contains an identifier."""
    return f"{type(error).__name__}: {error.message}"


class JobState:
    """The state in one directory's ``job.sqlite``, and changes to it; each change is a transaction.

    Args:
        database: of the job.
        open_ended: queries have no end; otherwise those without one get the start of the job.
    """

    def __init__(self, database: Database, *, open_ended: bool = False) -> None:
        self._database = database
        self._open_ended = open_ended
        self._templates: dict[int, dict[str, Any]] = {}
        self._end: datetime | None = None

    # Customers

    def replan_interrupted(self) -> None:
        """Plan the customers again that were being fetched when a process or a run ended."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE customers SET state = 'planned' WHERE state = 'running'")

    def start_run(self) -> None:
        """Plan again what was interrupted, and forget how often customers were postponed by earlier runs."""
        self.replan_interrupted()
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE customers SET failures = 0, deferred = 0 WHERE state = 'planned' AND (failures > 0 OR deferred)"
            )

    def replan_failed(self) -> None:
        """Plan the customers again that were set aside, and mark them as retried."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE customers SET state = 'planned', retry = 1, failures = 0, code = NULL, error = NULL "
                "WHERE state IN ('set_aside', 'incomplete')"
            )

    def planned(self, *, only_retried: bool = False) -> int:
        """Return the number of customers still to be fetched."""
        statement = "SELECT count(*) FROM customers WHERE state = 'planned' AND asked AND retry >= ?"
        return self._database.fetch_number(statement, int(only_retried))

    def known_customer(self) -> PlannedCustomer | None:
        """Return a customer for whom the service responded, if only with a code of the API; None if there is none."""
        statement = (
            f"SELECT {_CUSTOMER_FIELDS} FROM customers WHERE state IN ('done', 'empty', 'unproven') "  # noqa: S608 - constants
            f"OR (state = 'set_aside' AND code > {_LAST_HTTP_STATUS}) ORDER BY state LIMIT 1"
        )
        rows = self._database.fetch_all(statement)
        return self._customer(rows[0]) if rows else None

    def take(self, count: int, *, failures: int, only_retried: bool) -> list[PlannedCustomer]:
        """Mark planned customers as running and return them, those that never failed first.

        Args:
            count: greatest number of them.
            failures: leave out those that were postponed more often.
            only_retried: only those that had been set aside.
        """
        chosen = (
            "SELECT id FROM customers WHERE state = 'planned' AND failures <= ? AND retry >= ? AND asked "
            "AND NOT deferred ORDER BY failures, id LIMIT ?"
        )
        with self._database.transaction() as connection:
            rows = connection.execute(
                f"UPDATE customers SET state = 'running', attempts = attempts + 1 WHERE id IN ({chosen}) "  # noqa: S608 - a constant
                f"RETURNING {_CUSTOMER_FIELDS}",
                (failures, int(only_retried), count),
            ).fetchall()
        return [self._customer(row) for row in sorted(rows)]

    def sample(self, count: int, *, only_retried: bool = False) -> list[PlannedCustomer]:
        """Return some of the customers still to be fetched: random, but always the same."""
        planned = "SELECT id FROM customers WHERE state = 'planned' AND retry >= ?"
        ids = [id_ for (id_,) in self._database.fetch_all(planned, int(only_retried))]
        some = Random(0).sample(ids, min(count, len(ids)))  # noqa: S311 - a sample, no secret
        statement = f"SELECT {_CUSTOMER_FIELDS} FROM customers WHERE id = ?"  # noqa: S608 - a constant
        return [self._customer(self._database.fetch_all(statement, id_)[0]) for id_ in some]

    def _customer(self, row: tuple[Any, ...]) -> PlannedCustomer:
        id_, name, value, source, account, template, cursor, rows, failures = row
        query = make_query(self._template(template), name, value, source, account)
        return PlannedCustomer(id_, query if self._open_ended else with_end(query, self.end), cursor, rows, failures)

    def _template(self, number: int) -> dict[str, Any]:
        if number not in self._templates:
            [(encoded,)] = self._database.fetch_all("SELECT query FROM templates WHERE id = ?", number)
            self._templates[number] = decode_template(encoded)
        return self._templates[number]

    @property
    def end(self) -> datetime:
        """End of ranges without one: when the job was started."""
        if self._end is None:
            self._end = read_end(self._database)
        return self._end

    # Fetched

    def record(self, changes: Sequence[StateChange]) -> None:
        """Stage pages and record results, in one transaction."""
        bodies = [compress_page(item) if isinstance(item, StagedPage) else b"" for item in changes]
        with self._database.transaction() as connection:
            for item, body in zip(changes, bodies, strict=True):
                if isinstance(item, StagedPage):
                    stage_page(connection, item, body)
                elif isinstance(item, CustomerResult):
                    _record_result(connection, item)
                else:
                    item.record(connection)


def _record_result(connection: sqlite3.Connection, result: CustomerResult) -> None:
    connection.execute(
        "UPDATE customers SET state = ?, failures = failures + ?, deferred = ?, requests = requests + ?, "
        "retries = retries + ?, code = ?, error = ? WHERE id = ?",
        (
            result.state,
            int(result.state == "planned" and not result.deferred),
            int(result.deferred),
            result.requests,
            result.retries,
            result.code,
            result.error,
            result.customer,
        ),
    )
    if result.drop:
        drop_pages(connection, result.customer)
    elif result.state in WRITTEN_STATES:
        release_pages(connection, result.customer)
    if result.balances is not None:
        stage_balances(connection, result.customer, result.balances)
