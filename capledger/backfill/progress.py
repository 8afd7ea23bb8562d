"""The progress of a job."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from capledger.backfill.plan import read_list
from capledger.backfill.state import WRITTEN_STATES
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
    """Number of those who are done, empty, unproven, incomplete or set aside."""
    done: int
    """Number of those with entries, all of them fetched."""
    empty: int
    """Number of those without entries."""
    unproven: int
    """Number of those whose entries were written without proof that the ledger is complete."""
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
    requests_per_minute: int
    """Number of requests sent in the last minute; never scaled up while the run is younger."""
    elapsed: float
    """Seconds since this run started."""
    seconds_left: float | None
    """Seconds that the rest takes at the rate of this run; None while that is not known."""
    last_failure: str | None = None
    """Type and message of the last error of a request, retried or not; None if there was none."""
    seconds_since_failure: float | None = None
    """Seconds since that error; None if there was none."""


@define(eq=False)
class JobCounts:
    """Counts of a job, brought up to date by a run."""

    run: Counts
    """What this run does."""
    customers: int = 0
    duplicates: int = 0
    states: dict[str, int] = field(factory=dict)
    entries: int = 0
    _samples: deque[tuple[float, int]] = field(factory=lambda: deque([(0.0, 0)]))
    _failure: tuple[str | None, int] = (None, 0)
    _failed_at: float | None = None

    def add_result(self, result: CustomerResult) -> None:
        """Count a customer that is finished."""
        self.states[result.state] = self.states.get(result.state, 0) + 1
        if result.state in ("set_aside", "incomplete"):
            self.run.failed += 1
        else:
            self.run.done += 1
        if result.state in WRITTEN_STATES:
            self.entries += result.held + result.rows

    def exclude(self, customers: int, rows: int) -> None:
        """Count customers as set aside that were counted as done before."""
        self.states["done"] = self.states.get("done", 0) - customers
        self.states["set_aside"] = self.states.get("set_aside", 0) + customers
        self.run.done -= customers
        self.run.failed += customers
        self.entries -= rows

    def note_failure(self) -> None:
        """Keep the last error of a request, and when it was seen first."""
        current = [walk.report.last_failure for walk in self.run.walks if walk.report.last_failure]
        failure = (current[-1] if current else self.run.last_failure), self.run.retries
        if failure[0] is not None and failure != self._failure:
            self._failure, self._failed_at = failure, self.run.elapsed

    def snapshot(self) -> JobProgress:
        """Return the progress at this moment."""
        self.note_failure()
        names = ("done", "empty", "unproven", "incomplete", "set_aside")
        done, empty, unproven, incomplete, set_aside = (self.states.get(name, 0) for name in names)
        return JobProgress(
            customers=self.customers,
            finished=done + empty + unproven + incomplete + set_aside,
            done=done,
            empty=empty,
            unproven=unproven,
            incomplete=incomplete,
            set_aside=set_aside,
            duplicates=self.duplicates,
            entries=self.entries + self.run.rows_in_flight,
            requests=self.run.requests,
            retries=self.run.retries,
            requests_per_minute=self._requests_in_last_minute(),
            elapsed=self.run.elapsed,
            seconds_left=self.run.seconds_left,
            last_failure=self._failure[0],
            seconds_since_failure=None if self._failed_at is None else self.run.elapsed - self._failed_at,
        )

    def _requests_in_last_minute(self) -> int:
        """Return the number of requests in the last minute, interpolated between snapshots."""
        elapsed, requests = self.run.elapsed, self.run.requests
        start = elapsed - _MINUTE
        self._samples.append((elapsed, requests))
        while len(self._samples) > 1 and self._samples[1][0] <= start:
            self._samples.popleft()
        if start <= 0:
            return requests
        (before, sent_before), (after, sent_after) = self._samples[0], self._samples[1]
        share = (start - before) / (after - before)
        return round(requests - sent_before - (sent_after - sent_before) * share)


def read_counts(database: Database, now: Callable[[], float], *, only_retried: bool) -> JobCounts:
    """Return the counts of a job as it stands, for a run that is about to start."""
    states = dict(database.fetch_all("SELECT state, count(*) FROM customers GROUP BY state"))
    planned = "SELECT count(*) FROM customers WHERE state = 'planned' AND asked AND retry >= ?"
    customers = sum(states.values())
    return JobCounts(
        Counts(now, total=database.fetch_number(planned, int(only_retried))),
        customers=customers,
        duplicates=read_list(database).duplicates,
        states=states,
        entries=database.fetch_number("SELECT sum(rows) FROM customers WHERE state IN ('done', 'unproven')"),
    )
