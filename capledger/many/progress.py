"""How far many walks have come, live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from capledger._transport.clock import Clock
from capledger.walk import LedgerWalk

if TYPE_CHECKING:
    import asyncio

    from capledger.models import WalkReport


@define(eq=False)
class Count:
    """What is counted while many walks are under way; rows, requests and retries are those of walks that are over."""

    clock: Clock
    total: int | None = None
    done: int = 0
    failed: int = 0
    duplicates: int = 0
    rows: int = 0
    requests: int = 0
    retries: int = 0
    #: Seconds of the clock.
    began: float | None = None
    ended: float | None = None
    walks: set[LedgerWalk] = field(factory=set)

    def begin(self) -> None:
        """Let the time run."""
        self.began = self.clock.monotonic()

    def end(self) -> None:
        """Stop the time, if it runs."""
        if self.began is not None and self.ended is None:
            self.ended = self.clock.monotonic()

    def repeat(self) -> None:
        """Count a query that was left out."""
        self.duplicates += 1

    def leave(self, walk: LedgerWalk) -> WalkReport:
        """Count what a walk has brought, which was one of ``walks`` until now; give its report."""
        self.walks.discard(walk)
        report = walk.report
        self.rows += report.rows_yielded
        self.requests += report.requests
        self.retries += report.retries
        return report

    def stop_walks(self) -> list[asyncio.Task[object]]:
        """End the fetches of all walks under way; give their tasks."""
        return [task for walk in self.walks for task in walk.stop()]


class Progress:
    """How far it is; every property is of the moment when it is read.

    Queries drawn so far are ``done``, ``failed``, ``in_flight`` or ``duplicates``. What is done may still wait to be
    taken by the caller.
    """

    def __init__(self, count: Count) -> None:
        self._count = count

    def __repr__(self) -> str:
        shown = ("total", "done", "failed", "in_flight", "duplicates", "rows", "requests", "retries")
        return f"<Progress {', '.join(f'{name}={getattr(self, name)}' for name in shown)}, {self.elapsed:.1f} s>"

    @property
    def total(self) -> int | None:
        """Queries in all, repeats included; None where the iterable has no ``len()``."""
        return self._count.total

    @property
    def done(self) -> int:
        """Ledgers that were read whole."""
        return self._count.done

    @property
    def failed(self) -> int:
        """Ledgers that ended with an error."""
        return self._count.failed

    @property
    def finished(self) -> int:
        """Ledgers that were read whole or ended with an error."""
        return self.done + self.failed

    @property
    def in_flight(self) -> int:
        """Ledgers being read."""
        return len(self._count.walks)

    @property
    def duplicates(self) -> int:
        """Queries left out because they were equal to an earlier one; only with ``deduplicate=True``."""
        return self._count.duplicates

    @property
    def rows(self) -> int:
        """Entries that came, those of ledgers still being read among them."""
        return self._count.rows + sum(walk.report.rows_yielded for walk in self._count.walks)

    @property
    def requests(self) -> int:
        """Attempts sent, retries included."""
        return self._count.requests + sum(walk.report.requests for walk in self._count.walks)

    @property
    def retries(self) -> int:
        """Of the requests, those that were sent again after a failure."""
        return self._count.retries + sum(walk.report.retries for walk in self._count.walks)

    @property
    def elapsed(self) -> float:
        """Seconds from the first query to now, or to the end."""
        count = self._count
        if count.began is None:
            return 0.0
        return (count.clock.monotonic() if count.ended is None else count.ended) - count.began

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest takes if it goes on at the rate so far; None while that is not known."""
        if self.total is None or not self.finished:
            return None
        left = max(0, self.total - self.finished - self.duplicates)
        return left * self.elapsed / self.finished
