"""``session.balances(query)``: the balances of a customer as ``async for``, yielded once all of them are proven."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from capledger._sansio.context import RequestContext
from capledger._sansio.requests import balances
from capledger.errors import ConcurrentUseError, IncompleteLedgerError, LimitTooLargeError, PaginationError
from capledger.models import Balance, BalancePage, WalkReport
from capledger.models.counting import has_pending_events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from capledger._sansio.sending import Send
    from capledger.queries import BalanceQuery
    from capledger.server_profile import ServerProfile

#: Readings of all pages before a contradiction is raised: balances can change between two pages.
_READINGS: Final = 3


class BalanceWalk:
    """A walk over the balances of a customer, in the order of the server.

    They are few, so all pages are read before the first balance is yielded, and read again where they contradict each
    other. After an error, iterating again reads them anew; a walk that has ended yields nothing more. One consumer at
    a time.
    """

    def __init__(self, query: BalanceQuery, *, at: datetime | None, send: Send, profile: ServerProfile) -> None:
        self._query = query
        self._at = at
        self._send = send
        self._profile = profile
        self._report = WalkReport()
        self._context = RequestContext(self._report)
        self._ready: deque[Balance] | None = None
        self._reading = False

    def __repr__(self) -> str:
        return f"<BalanceWalk {self._report.rows_yielded} balances yielded, complete={self._report.complete}>"

    def __aiter__(self) -> AsyncIterator[Balance]:
        return self

    async def __anext__(self) -> Balance:
        if self._reading:
            raise ConcurrentUseError("two tasks iterate over one walk: call session.balances(query) for each")
        if self._ready is None:
            self._reading = True
            try:
                self._ready = deque(await self._read())
            finally:
                self._reading = False
        if not self._ready:
            raise StopAsyncIteration
        self._report.rows_yielded += 1
        return self._ready.popleft()

    async def collect(self) -> list[Balance]:
        """Return all balances that were not yielded yet, as a list."""
        return [balance async for balance in self]

    @property
    def report(self) -> WalkReport:
        """Counters of the walk, live; always the same object."""
        return self._report

    async def _read(self) -> list[Balance]:
        """Return the balances of all pages; read them again, up to a limit, where they contradict each other."""
        for _ in range(_READINGS - 1):
            try:
                return await self._read_once()
            except (PaginationError, IncompleteLedgerError):
                continue
        return await self._read_once()

    async def _read_once(self) -> list[Balance]:
        listing = _BalanceListing()
        while not listing.is_finished:
            listing.add(await self._page(listing.pages))
        self._report.rows_expected = listing.total
        self._report.complete = not has_pending_events(self._report)
        return listing.balances

    async def _page(self, number: int) -> BalancePage:
        while True:
            limit = self._profile.page_size(self._query.page_size)
            request = balances(self._query, offset=number, limit=limit, at=self._at)
            try:
                page = await (await self._send(request, self._context)).value()
            except LimitTooLargeError as error:
                if number:
                    raise
                self._profile.lower_page_cap(error, limit)
            else:
                self._count(page)
                return page

    def _count(self, page: BalancePage) -> None:
        self._report.pages += 1
        self._report.rows_received += len(page.balances)
        self._report.warnings += [notice for notice in page.warnings if notice not in self._report.warnings]


class _BalanceListing:
    """The pages of one reading, validated as they are added."""

    def __init__(self) -> None:
        self.balances: list[Balance] = []
        self.pages = 0
        self.total: int | None = None
        self.is_finished = False
        self._accounts: set[tuple[int | str | None, str | None, str | None]] = set()

    def add(self, page: BalancePage) -> None:
        """Add the next page.

        Raises:
            PaginationError: it is another page, states another total, or repeats an account.
            IncompleteLedgerError: it is the last one, and the balances received are not the total stated.
        """
        if page.details is not None:
            self._check_number(page.details.page_number)
            self._check_total(page.details.total_entries)
        self._check_accounts(page.balances)
        self.pages += 1
        self.balances += page.balances
        self.is_finished = self._is_last(page)
        if self.is_finished:
            self._check_complete()

    def _check_number(self, number: int | None) -> None:
        if number is not None and number != self.pages:
            raise PaginationError(
                f"the service sent page {number} of the balances instead of page {self.pages}: retry later"
            )

    def _check_total(self, total: int | None) -> None:
        if self.pages and total != self.total:
            raise PaginationError("the number of balances changed between two pages: retry later")
        self.total = total

    def _check_accounts(self, page: list[Balance]) -> None:
        for balance in page:
            program = balance.program_name if balance.program_id is None else balance.program_id
            account = program, balance.points_category, balance.alternate_currency_name
            if account in self._accounts:
                raise PaginationError("the service sent two balances of one account, so neither can be trusted")
            self._accounts.add(account)

    def _is_last(self, page: BalancePage) -> bool:
        """Return whether the total and the last page, as stated, are reached, or nothing can follow."""
        if page.details is None or not page.balances:
            return True
        excess = -1 if self.total is None else len(self.balances) - self.total
        return excess > 0 or (excess == 0 and self.pages >= (page.details.page_count or 0))

    def _check_complete(self) -> None:
        if len(self.balances) != (self.total or 0):
            stated = "no number of" if self.total is None else self.total
            raise IncompleteLedgerError(
                f"the service states {stated} balances and sent {len(self.balances)}: retry later",
                expected=self.total,
                received=len(self.balances),
            )
