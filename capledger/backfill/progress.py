"""The progress of a job."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from capledger.backfill.plan import read_identity
from capledger.many.progress import Counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from capledger.backfill.database import Database
    from capledger.backfill.state import CustomerResult

_MINUTE: Final = 60.0


@frozen(kw_only=True)
class JobProgress:
    """The progress of a job at one moment; no identifier of a customer is in it."""

    customers: int
    """Number of customers of the job, each once."""
    finished: int
    """Number of those who are done, empty, incomplete or set aside."""
    done: int
    """Number of those with entries, all of them fetched."""
    empty: int
    """Number of those without entries."""
    incomplete: int
    """Number of those whose ledger the service could not return completely."""
    set_aside: int
    """Number of those who failed permanently."""
    duplicates: int
    """Number of queries left out because they equal an earlier one."""
    entries: int
    """Number of entries of customers who are done, in files or staged, and of those being fetched."""
    requests: int
    """Number of requests sent by this run, retries included."""
    retries: int
    """Number of requests of this run that were sent again after a failure."""
    requests_per_minute: float
    """Number of requests sent in the last minute."""
    elapsed: float
    """Seconds since this run started."""
    seconds_left: float | None
    """Seconds that the rest takes at the rate of this run; None while that is not known."""


@define(eq=False)
class JobCounts:
    """Counts of a job, brought up to date by a run."""

    run: Counts
    """What this run does."""
    customers: int = 0
    duplicates: int = 0
    states: dict[str, int] = field(factory=dict)
    entries: int = 0
    _samples: deque[tuple[float, int]] = field(factory=deque)

    def add_result(self, result: CustomerResult) -> None:
        """Count a customer that is finished."""
        self.states[result.state] = self.states.get(result.state, 0) + 1
        if result.state in ("done", "empty"):
            self.run.done += 1
        else:
            self.run.failed += 1
        if result.state == "done":
            self.entries += result.rows

    def snapshot(self) -> JobProgress:
        """Return the progress at this moment."""
        names = ("done", "empty", "incomplete", "set_aside")
        done, empty, incomplete, set_aside = (self.states.get(name, 0) for name in names)
        return JobProgress(
            customers=self.customers,
            finished=done + empty + incomplete + set_aside,
            done=done,
            empty=empty,
            incomplete=incomplete,
            set_aside=set_aside,
            duplicates=self.duplicates,
            entries=self.entries + self.run.rows_in_flight,
            requests=self.run.requests,
            retries=self.run.retries,
            requests_per_minute=self._rate(),
            elapsed=self.run.elapsed,
            seconds_left=self.run.seconds_left,
        )

    def _rate(self) -> float:
        elapsed, requests = self.run.elapsed, self.run.requests
        self._samples.append((elapsed, requests))
        while len(self._samples) > 1 and self._samples[0][0] < elapsed - _MINUTE:
            self._samples.popleft()
        since, before = self._samples[0] if elapsed - self._samples[0][0] > 1 else (0.0, 0)
        return (requests - before) / max(elapsed - since, 0.001) * _MINUTE


def read_counts(database: Database, now: Callable[[], float], *, only_retried: bool) -> JobCounts:
    """Return the counts of a job as it stands, for a run that is about to start."""
    states = dict(database.fetch_all("SELECT state, count(*) FROM customers GROUP BY state"))
    planned = "SELECT count(*) FROM customers WHERE state = 'planned' AND retry >= ?"
    customers = sum(states.values())
    return JobCounts(
        Counts(now, total=database.fetch_number(planned, int(only_retried))),
        customers=customers,
        duplicates=read_identity(database).customers - customers,
        states=states,
        entries=database.fetch_number("SELECT sum(rows) FROM customers WHERE state = 'done'"),
    )
