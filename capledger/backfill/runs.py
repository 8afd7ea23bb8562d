"""The runs of a data set that is kept up to date."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec
from attrs import evolve, frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from capledger.backfill.database import Database


@frozen(kw_only=True)
class RunRecord:
    """What one run has done; ``manifest.json`` has one for each."""

    number: int
    """As in the column ``first_seen_run``."""
    started: datetime
    """When it was started, in UTC, by the clock of this machine."""
    finished: datetime | None = None
    """When it ended with no customer left, in UTC, by the clock of this machine; None before."""
    end: datetime | None = None
    """The date of the latest entry in the data set, as the service printed it, in UTC; None without entries."""
    requests: int = 0
    """Number of requests, retries included."""
    entries: int = 0
    """Number of entries added."""
    late: int = 0
    """Number of those dated before the latest entry that was held of their customer."""
    changed: int = 0
    """Number of customers with new entries."""
    vanished: int = 0
    """Number of entries that the service does not have any more; they stay in the data set."""
    amended: int = 0
    """Number of entries whose amounts the service has changed; they stay in the data set as they are."""
    customers: int = 0
    """Number of customers that were asked."""
    proven: int = 0
    """Number of those whose ledger was proven to be in the data set."""
    unproven: int = 0
    """Number of those read by an overlap of dates, or in part, since the service proves nothing."""
    set_aside: int = 0
    """Number of those who failed permanently, or whose ledger the service could not return completely."""
    not_asked: int = 0
    """Number of customers in the list that were not to be asked."""
    missing: int = 0
    """Number of customers of the data set that are not in the list; they stay as they are."""
    complete: bool = False
    """Whether each customer in the list was asked and proven, and no entry has vanished."""


def read_runs(database: Database) -> tuple[RunRecord, ...]:
    """Return the runs of a data set; none of a backfill."""
    rows = database.fetch_all("SELECT record FROM runs ORDER BY number")
    return tuple(msgspec.json.decode(record, type=RunRecord) for (record,) in rows)


_COUNTS: Final = (
    *("requests", "entries", "late", "changed", "vanished", "amended"),
    *("customers", "proven", "unproven", "set_aside", "not_asked", "missing"),
)


def merge_records(records: Sequence[RunRecord]) -> RunRecord:
    """Return one record for what the shards of a data set have done in a run, at least one of them."""
    finished = [record.finished for record in records if record.finished is not None]
    return evolve(
        records[0],
        started=min(record.started for record in records),
        finished=max(finished) if len(finished) == len(records) else None,
        end=max((record.end for record in records if record.end is not None), default=None),
        complete=all(record.complete for record in records),
        **{name: sum(getattr(record, name) for record in records) for name in _COUNTS},
    )


def write_run(database: Database, run: RunRecord) -> None:
    """Record a run, in place of what was recorded of it before."""
    with database.transaction() as connection:
        connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?)", (run.number, msgspec.json.encode(run).decode()))
