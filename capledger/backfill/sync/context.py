"""What the readings of a run have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final

from attrs import evolve, field, frozen

from capledger.backfill.progress import JobCounts
from capledger.backfill.sync.keys import RowKeys
from capledger.cursor import Cursor
from capledger.walk import LedgerWalk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from capledger.backfill.reader import Effort
    from capledger.models import LedgerPage, WalkReport
    from capledger.queries import LedgerQuery

#: The end of readings: entries are read however they are dated, since clocks may disagree.
_END: Final = datetime.max.replace(tzinfo=UTC)


@frozen(kw_only=True)
class RunContext:
    """What all readings of a run have in common."""

    open_walk: Callable[..., LedgerWalk]
    """Opens a walk for a query; takes ``prefetch`` and ``resume_from``."""
    put: Callable[..., Awaitable[None]]
    """Records changes of the state in one transaction."""
    counts: JobCounts
    zone: tzinfo
    """Zone of the server's clock."""
    run: int
    """Number of the run."""
    started: datetime
    """When the run was started; the moment of its balances."""
    overlap: timedelta
    """How far back a ledger is read whose totals do not count its entries."""
    keys: RowKeys = field(init=False)

    @keys.default
    def _make_keys(self) -> RowKeys:
        return RowKeys(self.zone)

    @asynccontextmanager
    async def walk(
        self, query: LedgerQuery, effort: Effort, *, prefetch: int, cursor: str | None = None
    ) -> AsyncIterator[LedgerWalk]:
        """Open a walk over a whole ledger, the newest entries first.

        Its first page is one request. Pages ahead are requested only once the next page is awaited, so nothing else is
        sent for a walk that is left then.
        """
        query = evolve(query, start=None, end=None, order="desc")
        walk = self.open_walk(query, prefetch=prefetch, resume_from=cursor or Cursor(end=_END).encode(query))
        self.counts.run.walks.add(walk)
        try:
            yield walk
        finally:
            report = self.counts.run.remove(walk)
            effort.requests += report.requests
            effort.retries += report.retries
            await walk.aclose()

    def start_of(self, query: LedgerQuery) -> datetime | None:
        """Return the start of a query, with a zone."""
        start = query.start
        return start.replace(tzinfo=self.zone) if start is not None and start.tzinfo is None else start


def stated_total(page: LedgerPage) -> int | None:
    """Return the total that a response states."""
    return None if page.details is None else page.details.total_entries


def shows_full_pages(report: WalkReport, page: LedgerPage, query: LedgerQuery) -> bool:
    """Return whether all pages so far were full, so that no rows of theirs are hidden."""
    size = page.details.page_size if page.details is not None else None
    return report.rows_received >= report.pages * (size or query.page_size)
