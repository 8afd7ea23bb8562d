"""The beginning and the end of a run, as recorded in the state."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from attrs import evolve

from capledger.backfill.plan import read_end
from capledger.backfill.runs import RunRecord, read_runs, write_run
from capledger.backfill.staging import ROWS_IN_FILES

if TYPE_CHECKING:
    from datetime import tzinfo

    from capledger.backfill.database import Database

_NEW_RUN: Final = (
    # what a backfill had begun to fetch is read anew
    "DELETE FROM bodies WHERE id IN (SELECT id FROM pages WHERE NOT ready)",
    "DELETE FROM pages WHERE NOT ready",
    f"UPDATE customers SET cursor = NULL, {ROWS_IN_FILES} WHERE cursor IS NOT NULL",  # noqa: S608 - a constant
    """
    UPDATE customers SET state = 'planned', failures = 0, deferred = 0, retry = 0, code = NULL, error = NULL
    WHERE asked
    """,
    "UPDATE ledgers SET added = 0, late = 0",
)
_OF_CUSTOMERS: Final = """
    SELECT sum(asked), sum(asked AND state IN ('done', 'empty')), sum(asked AND state = 'unproven'),
        sum(asked AND state IN ('set_aside', 'incomplete')), sum(listed AND NOT asked), sum(NOT listed),
        max(last_entry)
    FROM customers
"""
_OF_LEDGERS: Final = "SELECT sum(added), sum(late), sum(added > 0) FROM ledgers WHERE run = ?"
_OF_DIFFERENCES: Final = "SELECT sum(current IS NULL), sum(current IS NOT NULL) FROM differences WHERE run = ?"


def goes_on(database: Database, number: int | None = None) -> bool:
    """Return whether the last run is to be continued: the one that was interrupted, or the one with this number."""
    runs = read_runs(database)
    return bool(runs) and (runs[-1].finished is None if number is None else runs[-1].number == number)


def begin_run(database: Database, number: int | None = None) -> RunRecord:
    """Return the run to be continued, or a new one, in which all customers that are asked are planned.

    Args:
        database: of the data set.
        number: of the run that a shard takes part in; None: the next one.
    """
    runs = read_runs(database)
    if goes_on(database, number):
        return runs[-1]
    with database.transaction() as connection:
        if not runs and database.fetch_number("SELECT count(*) FROM customers WHERE attempts"):
            runs = (_record_backfill(database),)
        for statement in _NEW_RUN:
            connection.execute(statement)
        run = RunRecord(number=number or len(runs) + 1, started=datetime.now(UTC))
        write_run(database, run)
    return run


def _record_backfill(database: Database) -> RunRecord:
    """Record a backfill as the first run."""
    run = _summary(database, RunRecord(number=1, started=read_end(database).astimezone(UTC)))
    run = evolve(
        run,
        finished=datetime.now(UTC),
        entries=database.fetch_number("SELECT sum(rows) FROM parts"),
        changed=database.fetch_number("SELECT count(DISTINCT customer) FROM parts"),
        complete=run.customers == run.proven,
    )
    write_run(database, run)
    return run


def finish_run(database: Database, run: RunRecord, zone: tzinfo, *, finished: bool) -> RunRecord:
    """Record what a run has done so far, and whether it is finished; return it."""
    with database.transaction() as connection:
        run = _summary(database, run)
        if finished:
            complete = run.customers == run.proven and not (run.not_asked or run.vanished)
            run = evolve(run, finished=datetime.now(UTC), complete=complete)
        if run.end is not None:
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('end', ?)", (run.end.astimezone(zone).isoformat(),))
        write_run(database, run)
    return run


def _summary(database: Database, run: RunRecord) -> RunRecord:
    """Return a run with the counts of the state."""
    before = sum(other.requests for other in read_runs(database) if other.number < run.number)
    [(customers, proven, unproven, set_aside, not_asked, missing, last)] = database.fetch_all(_OF_CUSTOMERS)
    [(added, late, changed)] = database.fetch_all(_OF_LEDGERS, run.number)
    [(vanished, amended)] = database.fetch_all(_OF_DIFFERENCES, run.number)
    return evolve(
        run,
        end=last and datetime.fromisoformat(last),
        requests=database.fetch_number("SELECT sum(requests) FROM customers") - before,
        entries=added or 0,
        late=late or 0,
        changed=changed or 0,
        vanished=vanished or 0,
        amended=amended or 0,
        customers=customers or 0,
        proven=proven or 0,
        unproven=unproven or 0,
        set_aside=set_aside or 0,
        not_asked=not_asked or 0,
        missing=missing or 0,
    )
