"""One filter's rows as the service lists them in pages, and how it does that."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from attrs import define, field

from capledger._sansio.requests import LedgerRequests
from capledger.models import LedgerEntry, LedgerPage
from capledger.moments import second_of
from capledger.walk.ordering import ListingOrder, by_date, date_of, is_past
from capledger.windows import Span, Window

if TYPE_CHECKING:
    from capledger._sansio.requests import Request
    from capledger.server_profile import OffsetRule


class PageKey(NamedTuple):
    """One page of a listing."""

    listing: Listing
    number: int
    """From 0, whatever the service counts."""
    size: int
    """Rows that a page of the service holds: the page begins at row ``number * size``."""
    limit: int
    """Rows that are requested."""
    offset: int


@define(unsafe_hash=True)
class Listing:
    """What is requested: a window, or the whole history; read in the order of the query."""

    requests: LedgerRequests = field(eq=False)
    order: ListingOrder = field(eq=False)
    window: Window | None
    """By it a walk's pages are told apart."""
    span: Span = field(eq=False)
    """The part of the walk's range that is yielded from this listing."""

    def explains(self, rows: list[LedgerEntry]) -> bool:
        """Return whether the dates requested explain each row; else the service filters on another date."""
        if self.window is None or not rows:
            return True
        earliest, latest = self.window.explained(self.span.zone)
        moments = list(map(date_of, rows))
        return earliest <= min(moments) and max(moments) <= latest

    def entries(self, rows: list[LedgerEntry]) -> list[LedgerEntry]:
        """Return those of the rows that are yielded from this listing, in the order of their dates."""
        entries, holds = by_date(rows, self.order), self.span.holds
        if entries and not (holds(entries[0].ledger_created_date) and holds(entries[-1].ledger_created_date)):
            return [entry for entry in entries if holds(entry.ledger_created_date)]
        return entries

    def is_past(self, second: int) -> bool:
        """Return whether rows behind this second are behind the part that is yielded."""
        last = self.span.upper if self.order == "asc" else self.span.lower
        return last is not None and is_past(second, second_of(last), self.order)

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


class Layout(NamedTuple):
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
    ordered: bool = True
    """Whether rows are listed in the order of the query; else pages cannot be read one by one."""

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
    rows: list[LedgerEntry] = field(init=False)
    first: int = field(init=False)
    """Index in the listing of its first row."""
    expected: int = field(init=False)
    """Rows that its place and the total leave for it."""
    is_short: bool = field(init=False)
    """Whether it has room for another row."""

    def __attrs_post_init__(self) -> None:
        size = self.key.size
        self.rows, self.first = self.page.entries, self.key.number * size
        self.expected = size if self.total is None else max(0, min(size, self.total - self.first))
        self.is_short = len(self.rows) < size

    @property
    def ends(self) -> bool:
        """Whether the listing ends with it."""
        return self.is_short if self.total is None else self.first + len(self.rows) >= self.total
