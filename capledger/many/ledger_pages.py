"""The pages of one ledger among many: the first one is read alone, since most ledgers have no other.

A walk for it would take a tenth of the time of the whole. It goes on where the first page is not the whole ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from attrs import frozen

from capledger._sansio.context import RequestContext
from capledger._sansio.requests import LedgerRequests
from capledger._sansio.sending import Send
from capledger.cursor import CursorOfOnePage
from capledger.errors import CapledgerError, LimitTooLargeError
from capledger.models import WalkReport
from capledger.models.counting import count_page, has_pending_events
from capledger.models.identity import identity_of
from capledger.queries import LedgerQuery
from capledger.server_profile import ServerProfile
from capledger.walk.batch import NO_PAGE, Batch, batch_of_single_page
from capledger.walk.ledger import Begun, LedgerWalk, cursor_behind
from capledger.walk.listing import Listing, PageKey
from capledger.walk.ordering import start_of_last_second
from capledger.windows import Span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from capledger.cursor import Cursor
    from capledger.models import LedgerPage


@frozen
class LedgerOpener:
    """Opens the ledgers of one call.

    Args:
        zone: the server's.
        now: returns the current moment in a zone.
        send: sends a request.
        profile_of: returns what is known of a query's endpoint.
        open_walk: returns the walk that goes on.
        alone: whether a first page may be read without the walk.
    """

    zone: tzinfo
    now: Callable[[tzinfo], datetime]
    send: Send
    profile_of: Callable[[LedgerQuery], ServerProfile]
    open_walk: Callable[[LedgerQuery, Begun], LedgerWalk]
    alone: bool

    def open(self, query: LedgerQuery) -> LedgerPages:
        """Return the pages of a ledger.

        Raises:
            InvalidQueryError: the end is before the start.
        """
        return LedgerPages(query, self)


class LedgerPages:
    """Reads the pages of one ledger, one after the other."""

    def __init__(self, query: LedgerQuery, opener: LedgerOpener) -> None:
        span = Span.resolve(query.start, query.end, zone=opener.zone, now=opener.now(opener.zone))
        self._query = query
        self._opener = opener
        self._profile = opener.profile_of(query)
        self._listing = Listing(LedgerRequests(query), query.order, None, span)
        self.report: WalkReport = WalkReport()
        """Counters, live."""
        self._context = RequestContext(self.report)
        self._end: Cursor | CursorOfOnePage | None = None
        self._walk: LedgerWalk | None = None
        self._pages: AsyncIterator[LedgerPage] | None = None

    async def next(self) -> LedgerPage | None:
        """Return the next page that has entries; None at the end.

        Raises:
            CapledgerError: the ledger cannot be read on; its ``cursor`` says where it stands.
        """
        if self._end is not None:
            return None
        if self._pages is None:
            try:
                single, kept = await self._read_first()
            except CapledgerError as error:
                error.cursor = self.position.encode(self._query)
                raise
            if single is not None:
                return self._take(single)
            begun = Begun(self.report, self._context, self._listing.span, kept)
            self._walk = self._opener.open_walk(self._query, begun)
            self._pages = self._walk.pages()
        return await anext(self._pages, None)

    @property
    def position(self) -> Cursor | CursorOfOnePage:
        """What the cursor says, not yet encoded."""
        if self._walk is not None:
            return self._walk._position  # noqa: SLF001 - the public cursor is encoded, which takes time
        return self._end or self._behind(Batch(NO_PAGE, [], None))

    async def aclose(self) -> None:
        """End the requests under way."""
        if self._walk is not None:
            await self._walk.aclose()

    async def _read_first(self) -> tuple[Batch | None, dict[PageKey, LedgerPage]]:
        """Read the first page; return its batch where it is the whole ledger, and the page for a walk."""
        if not self._opener.alone or self._query.start is not None:  # it may be read in windows
            return None, {}
        listing, report, limit = self._listing, self.report, self._profile.page_size(self._query.page_size)
        key = PageKey(listing, 0, limit, limit, 0)
        try:
            page = await (await self._opener.send(listing.request(key), self._context)).value()
        except LimitTooLargeError as refusal:
            self._profile.lower_page_cap(refusal, limit)
            return None, {}
        count_page(report, self._opener.now, listing.span.zone, page, since=listing.span.upper)
        single = batch_of_single_page(listing, page, limit)
        return single, {} if single is not None else {key: page}

    def _take(self, single: Batch) -> LedgerPage | None:
        """Return the page of a ledger that has no other; None where none of its entries is in the range."""
        page, report = single.page, self.report
        page.entries = single.entries
        report.windows, report.rows_expected = 1, len(single.rows)
        report.rows_yielded, report.complete = len(page.entries), not has_pending_events(report)
        self._end = self._behind(single)
        return page if page.entries else None

    def _behind(self, batch: Batch) -> Cursor | CursorOfOnePage:
        """Return the cursor behind a batch; what becomes of its entries later does not change it."""
        entries, end = batch.entries, self._listing.span.upper
        if not entries or batch.rows is not entries:
            return cursor_behind(batch, len(entries), end, self._profile, unproven=False)
        last = tuple(map(identity_of, entries[start_of_last_second(entries) :]))
        return CursorOfOnePage(end, self._profile.learned(), len(entries), last)
