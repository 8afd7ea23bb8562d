"""One filter's rows as the service lists them in pages, and how it does that."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from capledger._sansio.requests import LedgerRequests
from capledger.models import LedgerEntry, LedgerPage
from capledger.walk.ordering import ListingOrder
from capledger.walk.prefetch import PageKey
from capledger.walk.server_profile import OffsetRule
from capledger.walk.windows import Span, Window

if TYPE_CHECKING:
    from datetime import datetime

    from capledger._sansio.requests import Request


@frozen
class Listing:
    """What is requested: a window, or the whole history; read in the order of the query."""

    requests: LedgerRequests = field(eq=False)
    order: ListingOrder = field(eq=False)
    window: Window | None
    """By it a walk's pages are told apart."""
    span: Span = field(eq=False)
    """The part of the walk's range that is yielded from this listing."""
    cautious: bool = field(default=False, eq=False)
    """Whether what ``offset`` counts is proven before more than two pages are requested."""

    @cached_property
    def explained(self) -> tuple[datetime, datetime] | None:
        """Return the range of rows that the dates requested explain; None for the history."""
        return None if self.window is None else self.window.explained(self.span.zone)

    def is_past(self, second: int) -> bool:
        """Return whether the rows behind one of this second lie outside the part that is yielded."""
        if self.order == "asc":
            return second >= self.span.upper.timestamp()
        return self.span.lower is not None and second < self.span.lower.timestamp()

    def request(self, key: PageKey) -> Request[LedgerPage]:
        """Return the request for a page."""
        start, end = (None, None) if self.window is None else self.window.requested(self.span.zone)
        ascending = self.order == "asc"
        return self.requests.page(
            offset=key.offset, limit=key.limit, order="ASC" if ascending else "DESC", start=start, end=end
        )


def stated_total(page: LedgerPage) -> int | None:
    """Return the total that a response states."""
    return None if page.details is None else page.details.total_entries


def page_count(rows: int, page_size: int) -> int:
    """Return how many pages so many rows take."""
    return -(-rows // page_size)


@frozen
class Layout:
    """How a service pages one listing. It never changes; a contradiction leads to another layout."""

    limit: int
    """Rows that are requested for a page."""
    page_size: int
    """Rows that a page holds."""
    total: int | None
    """Rows of the listing when it was discovered; None where no total counts them."""
    stated: int | None = None
    """What the first response states as the total."""
    offset_rule: OffsetRule = "page"
    order: ListingOrder | None = "asc"
    """The order in which rows are listed, whatever was requested; None where pages cannot be read one by one."""

    def key(self, listing: Listing, number: int, size: int | None = None) -> PageKey:
        """Return the key of a page, by the number from 0; with ``size``, of a page of another size."""
        limit = size or self.limit
        size = size or self.page_size
        offset = number
        if self.offset_rule == "row":
            offset = number * size
        elif self.offset_rule == "page from 1" and number:
            offset = number + 1
        return PageKey(listing, number, size, limit, offset)


@define(eq=False)
class PageView:
    """One response, and where its rows lie in the listing."""

    key: PageKey
    page: LedgerPage
    total: int | None
    """Rows of the listing by this response; None where no total counts them."""

    @property
    def rows(self) -> list[LedgerEntry]:
        """Return the rows of the page."""
        return self.page.entries

    @property
    def first(self) -> int:
        """Return the index in the listing of its first row."""
        return self.key.number * self.key.size

    @property
    def expected(self) -> int:
        """Rows that its place and the total leave for it."""
        left = self.key.size if self.total is None else self.total - self.first
        return max(0, min(self.key.size, left))

    @property
    def is_short(self) -> bool:
        """Whether it has room for another row."""
        return len(self.rows) < self.key.size

    @property
    def ends(self) -> bool:
        """Whether the listing ends with it."""
        return self.is_short if self.total is None else self.first + len(self.rows) >= self.total
