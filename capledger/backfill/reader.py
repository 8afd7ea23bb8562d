"""Reads the ledger of one customer: each page is staged as it comes, with the cursor behind it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from attrs import define, field

from capledger.backfill.balances import BalanceReader
from capledger.backfill.staging import StagedPage
from capledger.backfill.state import CustomerResult, StateChange
from capledger.errors import IncompleteLedgerError, PaginationError, PendingEventsError
from capledger.frames.schema import pack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from capledger.backfill.balances import CustomerBalances
    from capledger.backfill.progress import JobCounts
    from capledger.backfill.state import CustomerState, PlannedCustomer
    from capledger.balances import BalanceWalk
    from capledger.models import LedgerEntry
    from capledger.queries import BalanceQuery, LedgerQuery
    from capledger.walk import LedgerWalk


@define(eq=False)
class Effort:
    """What reading a customer has taken so far, also where it fails."""

    rows: int = 0
    """Number of rows staged."""
    requests: int = 0
    retries: int = 0
    responded: bool = False
    """Whether the service responded with a page."""
    changes: list[StateChange] = field(factory=list)
    """Changes that are recorded together with the result; dropped where reading fails."""


class CustomerFetcher(Protocol):
    """Reads the ledger of one customer into the state of a job."""

    async def read(self, customer: PlannedCustomer, effort: Effort, *, prefetch: int) -> CustomerResult:
        """Read the ledger, and return what has become of the customer.

        Args:
            customer: whose ledger.
            effort: brought up to date by this.
            prefetch: pages in flight.

        Raises:
            InvalidQueryError: nothing was sent, since the query or its cursor cannot be used.
            CapledgerError: a request failed, or the ledger cannot be read.
        """

    async def probe(self, customer: PlannedCustomer) -> None:
        """Send a request about a customer for whom the service responded before.

        Raises:
            CapledgerError: the request failed.
        """


class BalanceFetcher:
    """Fetches the balances of customers, for jobs that have them.

    Args:
        open_walk: opens a walk over balances.
        counts: brought up to date by this.
        keep_unproven: leave out balances that contradict each other, and keep them while events are pending.
    """

    def __init__(
        self, open_walk: Callable[[BalanceQuery], BalanceWalk], counts: JobCounts, *, keep_unproven: bool
    ) -> None:
        self._open_walk = open_walk
        self._counts = counts
        self._keep_unproven = keep_unproven

    async def fetch(
        self, query: LedgerQuery, start: datetime | None, end: datetime, effort: Effort
    ) -> tuple[CustomerBalances | None, bool]:
        """Return the balances at both ends of a range, and whether they are proven; without a start, at its end.

        Raises:
            CapledgerError: a request failed, or they are not proven.
        """
        reader = BalanceReader(self._open_walk)
        try:
            balances = await reader.read(query, start, end)
        except (IncompleteLedgerError, PaginationError):
            if not self._keep_unproven:
                raise
            return None, False
        finally:
            count_walks(self._counts, effort, *reader.walks)
        complete = all(walk.report.complete for walk in reader.walks)
        if not (complete or self._keep_unproven):
            raise _pending()
        return balances, complete


def count_walks(counts: JobCounts, effort: Effort, *walks: LedgerWalk | BalanceWalk) -> None:
    """Count what walks that ended have taken."""
    for walk in walks:
        report = counts.run.remove(walk)
        effort.requests += report.requests
        effort.retries += report.retries


def _pending() -> PendingEventsError:
    return PendingEventsError("the service says that the ledger may be incomplete", code=11002)


class LedgerReader:
    """Reads all entries of a ledger.

    Args:
        open_walk: opens a walk for a query; takes ``prefetch`` and ``resume_from``.
        put: records a change of the state.
        counts: brought up to date by this.
        keep_unproven: keep the entries of walks that end without proof that they are complete.
        balances: fetches balances after the entries; None where they are not fetched.
    """

    def __init__(
        self,
        open_walk: Callable[..., LedgerWalk],
        put: Callable[[StateChange], Awaitable[None]],
        counts: JobCounts,
        *,
        keep_unproven: bool = False,
        balances: BalanceFetcher | None = None,
    ) -> None:
        self._open_walk = open_walk
        self._put = put
        self._counts = counts
        self._keep_unproven = keep_unproven
        self._balances = balances

    async def read(self, customer: PlannedCustomer, effort: Effort, *, prefetch: int) -> CustomerResult:
        """Read the ledger from the customer's cursor to its end, and the balances at both ends."""
        walk = self._open_walk(customer.query, prefetch=prefetch, resume_from=customer.cursor)
        self._counts.run.walks.add(walk)
        try:
            async for page in walk.pages():
                effort.responded = True
                effort.rows += len(page.entries)
                await self._put(staged_page(customer.id, page.entries, walk.cursor))
        finally:
            count_walks(self._counts, effort, walk)
            await walk.aclose()
        if not (walk.report.complete or self._keep_unproven):
            raise _pending()
        balances, complete = await self._fetch_balances(customer, walk, effort)
        proven: CustomerState = "done" if effort.rows else "empty"
        return CustomerResult(
            customer.id,
            proven if walk.report.complete and complete else "unproven",
            rows=effort.rows,
            requests=effort.requests,
            retries=effort.retries,
            balances=balances,
        )

    async def _fetch_balances(
        self, customer: PlannedCustomer, walk: LedgerWalk, effort: Effort
    ) -> tuple[CustomerBalances | None, bool]:
        if self._balances is None:
            return None, True
        return await self._balances.fetch(customer.query, walk.start, walk.end, effort)

    async def probe(self, customer: PlannedCustomer) -> None:
        """Request the first page of a ledger, and balances where they are fetched."""
        walk = self._open_walk(customer.query, prefetch=1, resume_from=None)
        try:
            async for _ in walk.pages():
                break
        finally:
            count_walks(self._counts, Effort(), walk)
            await walk.aclose()
        await self._fetch_balances(customer, walk, Effort())


def staged_page(customer: int, entries: Sequence[LedgerEntry], cursor: str | None, *, run: int = 1) -> StagedPage:
    """Return entries to be staged, with the cursor behind them.

    Raises:
        MisfitError: a value does not fit its column.
    """
    dates = [entry.ledger_created_date for entry in entries]
    first, last = (_utc(min(dates)), _utc(max(dates))) if dates else (None, None)
    return StagedPage(customer, pack(entries), len(dates), cursor, first, last, run)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
