"""The plan of a run: who is in the list, who is asked, and what is taken over from a backfill."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from attrs import evolve

from capledger.backfill.plan import PlanReader, is_planned, read_identity, update_plan, write_identity
from capledger.backfill.query_codec import decode_template, make_query
from capledger.backfill.runs import read_runs
from capledger.errors import InvalidQueryError
from capledger.many.queries import QuerySource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from capledger.backfill.database import Database
    from capledger.backfill.plan import ListChange
    from capledger.many import Queries
    from capledger.queries import LedgerQuery

_CUSTOMERS: Final = """
    SELECT customers.id, query, identifier_name, identifier_value, source, account_id
    FROM customers JOIN templates ON templates.id = template
"""
_REPLACE_QUERY: Final = """
    UPDATE customers SET fingerprint = ?, template = (SELECT id FROM templates WHERE query = ?) WHERE id = ?
"""
#: Who was not asked before is planned; who is not asked any more is as before, if anything is held of the customer.
_RECORD_ASKED: Final = """
    UPDATE customers SET asked = NOT asked, state = CASE
        WHEN NOT asked THEN 'planned'
        WHEN state = 'planned' AND EXISTS (SELECT 1 FROM parts WHERE customer = id) THEN 'done'
        ELSE state END
    WHERE asked <> (listed AND (:all OR fingerprint IN (SELECT fingerprint FROM active)))
"""


async def update_sync_plan(
    database: Database,
    queries: Queries,
    reader: PlanReader,
    *,
    start: datetime | None,
    active: Queries | None,
    part: bool = False,
) -> ListChange:
    """Record the list of a run, and who of it is asked.

    Args:
        database: of the data set.
        queries: the list.
        reader: sums up what is listed.
        start: of queries without one; None: that of the data set, or the beginning of each ledger.
        active: the customers to be asked; None: all in the list.
        part: the queries are those of a shard, which have a start if the data set has one.

    Raises:
        InvalidQueryError: a query has an end or is none, or the directory has other data.
    """
    with database.transaction() as connection:
        if is_planned(database) and not read_runs(database):
            _take_over(database, connection)
        if is_planned(database):
            write_identity(connection, evolve(read_identity(database), balances=reader.identity.balances))
        start = start if start is not None or part else _start_of(database)
        change = await update_plan(database, _with_start(queries, start), reader, part=part)
        await _record_asked(connection, None if active is None else _with_start(active, start))
    return change


async def _with_start(queries: Queries, start: datetime | None) -> AsyncIterator[LedgerQuery]:
    async for query in QuerySource(queries):
        if getattr(query, "end", None) is not None:
            raise InvalidQueryError("queries of a sync have no end, since each run goes on to the newest entry")
        needs_start = start is not None and getattr(query, "start", start) is None
        yield evolve(query, start=start) if needs_start else query


def _start_of(database: Database) -> datetime | None:
    """Return the start of a data set; None where it has none, or several."""
    templates = database.fetch_all("SELECT query FROM templates WHERE id IN (SELECT template FROM customers)")
    starts = {decode_template(encoded).get("start") for (encoded,) in templates}
    return starts.pop() if len(starts) == 1 else None


async def _record_asked(connection: sqlite3.Connection, active: AsyncIterator[LedgerQuery] | None) -> None:
    """Record which customers this run asks: those in the list, or only the active ones among them."""
    reader = PlanReader.of_list()
    connection.execute("CREATE TEMP TABLE active (fingerprint BLOB PRIMARY KEY) WITHOUT ROWID")
    if active is not None:
        async for query in active:
            connection.execute("INSERT OR IGNORE INTO active VALUES (?)", (reader.read([query])[0][0],))
    connection.execute(_RECORD_ASKED, {"all": active is None})
    connection.execute("DROP TABLE active")


def _take_over(database: Database, connection: sqlite3.Connection) -> None:
    """Remove the end from the queries of a backfill, since each run of a sync goes on to the newest entry."""
    reader = PlanReader.of_list()
    for id_, encoded, *own in database.fetch_all(_CUSTOMERS):
        query = make_query({**decode_template(encoded), "end": None}, *own)
        [(fingerprint, template, _)] = reader.read([query])
        connection.execute("INSERT OR IGNORE INTO templates (query) VALUES (?)", (template,))
        try:
            connection.execute(_REPLACE_QUERY, (fingerprint, template, id_))
        except sqlite3.IntegrityError:
            raise InvalidQueryError(
                "the backfill in this directory has several ranges of one customer: choose another directory"
            ) from None
    connection.execute("DELETE FROM templates WHERE id NOT IN (SELECT template FROM customers)")
    there, here = read_identity(database), reader.finish()
    there.ranges, there.filters = here.ranges, here.filters
    write_identity(connection, there)
