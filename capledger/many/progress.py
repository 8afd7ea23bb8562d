"""Counts of many walks, live."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import define, field

from capledger.balances import BalanceWalk
from capledger.many.ledger_pages import LedgerPages
from capledger.walk import LedgerWalk

if TYPE_CHECKING:
    from capledger.models import WalkReport


@define(eq=False)
class Counts:
    """Counts of many walks, brought up to date as they start and end; the base of every progress model."""

    now: Callable[[], float]
    """The current time in seconds, monotonic."""
    total: int | None = None
    """Number of ledgers to be read; None where that is not known."""
    done: int = 0
    failed: int = 0
    duplicates: int = 0
    walks: set[LedgerPages | LedgerWalk | BalanceWalk] = field(factory=set)
    """The walks in flight."""
    last_failure: str | None = None
    """Type and message of the last error of an attempt, of walks that ended."""
    _rows: int = 0
    _requests: int = 0
    _retries: int = 0
    _started: float | None = None
    _ended: float | None = None

    def start(self) -> None:
        """Start the time, unless it was started before."""
        if self._started is None:
            self._started = self.now()

    def end(self) -> None:
        """Stop the time, if it runs."""
        if self._started is not None and self._ended is None:
            self._ended = self.now()

    def add_duplicate(self) -> None:
        """Count a query that was left out."""
        self.duplicates += 1

    def remove(self, walk: LedgerPages | LedgerWalk | BalanceWalk) -> WalkReport:
        """Count what an ended walk has cost, take it out of ``walks``, and return its report."""
        self.walks.discard(walk)
        report = walk.report
        self._rows += report.rows_yielded
        self._requests += report.requests
        self._retries += report.retries
        self.last_failure = report.last_failure or self.last_failure
        return report

    @property
    def finished(self) -> int:
        """Number of ledgers that were read to their end or failed."""
        return self.done + self.failed

    @property
    def rows(self) -> int:
        """Number of entries received, those of walks in flight included."""
        return self._rows + self.rows_in_flight

    @property
    def rows_in_flight(self) -> int:
        """Number of entries received by walks in flight."""
        return sum(walk.report.rows_yielded for walk in self.walks)

    @property
    def requests(self) -> int:
        """Number of attempts sent, retries included."""
        return self._requests + sum(walk.report.requests for walk in self.walks)

    @property
    def retries(self) -> int:
        """Number of requests that were sent again after a failure."""
        return self._retries + sum(walk.report.retries for walk in self.walks)

    @property
    def elapsed(self) -> float:
        """Seconds from the start to now, or to the end."""
        if self._started is None:
            return 0.0
        return (self.now() if self._ended is None else self._ended) - self._started

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest takes at the rate so far; None while that is not known."""
        if self.total is None or not self.finished:
            return None
        left = max(0, self.total - self.finished - self.duplicates)
        return left * self.elapsed / self.finished


class Progress:
    """Progress of ``fetch_many`` or ``stream_many``; each property is that of the moment when it is read.

    Queries drawn so far are ``done``, ``failed``, ``in_flight`` or ``duplicates``. What is done may still wait to be
    taken by the caller.
    """

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def __repr__(self) -> str:
        shown = ("total", "done", "failed", "in_flight", "duplicates", "rows", "requests", "retries")
        return f"<Progress {', '.join(f'{name}={getattr(self, name)}' for name in shown)}, {self.elapsed:.1f} s>"

    @property
    def total(self) -> int | None:
        """Number of queries, duplicates included; None where the iterable has no ``len()``."""
        return self._counts.total

    @property
    def done(self) -> int:
        """Number of ledgers that were read to their end."""
        return self._counts.done

    @property
    def failed(self) -> int:
        """Number of ledgers that ended with an error."""
        return self._counts.failed

    @property
    def finished(self) -> int:
        """Number of ledgers that were read to their end or ended with an error."""
        return self._counts.finished

    @property
    def in_flight(self) -> int:
        """Number of ledgers being read."""
        return len(self._counts.walks)

    @property
    def duplicates(self) -> int:
        """Number of queries left out because they equal an earlier one; only with ``deduplicate=True``."""
        return self._counts.duplicates

    @property
    def rows(self) -> int:
        """Number of entries received, those of ledgers being read included."""
        return self._counts.rows

    @property
    def requests(self) -> int:
        """Number of attempts sent, retries included."""
        return self._counts.requests

    @property
    def retries(self) -> int:
        """Number of requests that were sent again after a failure."""
        return self._counts.retries

    @property
    def elapsed(self) -> float:
        """Seconds from the first query to now, or to the end."""
        return self._counts.elapsed

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest takes at the rate so far; None while that is not known."""
        return self._counts.seconds_left
