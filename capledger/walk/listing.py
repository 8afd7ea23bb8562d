"""One filter's rows as the service lists them in pages, and where each page lies in the order of reading.

A walk reads a listing from its first entry wanted to its last. Where the service lists rows the other way round,
pages are read from the last one back, and rows are counted from the end: their *index* is their place in the order of
reading.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from attrs import define, evolve, field, frozen

from capledger._sansio.requests import LedgerRequests
from capledger.models import LedgerEntry, LedgerPage
from capledger.walk.ordering import ListingOrder, second_of
from capledger.walk.prefetch import PageKey
from capledger.walk.server_profile import OffsetRule
from capledger.walk.windows import MARGIN_DAYS, Span, Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from capledger._sansio.requests import Request


@define(eq=False)
class Listing:
    """What is requested: a window, or the whole history; read in the order of the query."""

    requests: LedgerRequests
    order: ListingOrder
    window: Window | None
    span: Span
    """The part of the walk's range that is yielded from this listing."""
    cautious: bool = False
    """Whether what ``offset`` counts is proven before more than two pages are requested."""
    following: list[Listing] = field(factory=list)
    """The listings that are read after it, for their first pages to be requested ahead."""

    @cached_property
    def explained(self) -> tuple[datetime, datetime] | None:
        """Return the range of rows that the dates requested explain; None for the history."""
        return None if self.window is None else self.window.explained(self.span.zone)

    @property
    def is_shortest(self) -> bool:
        """Whether no shorter window can be requested in its place."""
        return self.window is not None and self.window.days(self.span.zone) <= MARGIN_DAYS + 1

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

    total: int | None
    """Rows of the listing when it was discovered: as stated, or as found."""
    page_size: int
    """Rows that a page holds."""
    limit: int
    """Rows that are requested for a page."""
    offset_rule: OffsetRule = "page"
    backward: bool = False
    """Whether the service lists rows in the other order than the walk's."""
    counted: bool = True
    """Whether the stated totals count the rows; otherwise only a page without rows shows the end."""
    hides: bool = False
    """Whether pages show fewer rows than they hold."""
    stated: bool = True
    """Whether the service states a total for the listing at all."""
    ordered: bool = True
    """Whether the service lists rows in an order at all."""

    def key(self, listing: Listing, number: int, size: int | None = None) -> PageKey:
        """Return the key of a page, by the number from 0; with ``size``, of a page of another size."""
        limit = self.limit if size is None else size
        size = size or self.page_size
        offset = number
        if self.offset_rule == "row":
            offset = number * size
        elif self.offset_rule == "page from 1" and number:
            offset = number + 1
        return PageKey(listing, number, size, limit, offset)

    def number_of(self, index: int, total: int) -> int:
        """Return the number of the page that holds the row with this index."""
        return (total - 1 - index if self.backward else index) // self.page_size

    def upcoming(self, number: int, total: int) -> Iterator[int]:
        """Return the numbers of the pages that are read after this one."""
        return iter(
            range(number - 1, -1, -1) if self.backward else range(number + 1, page_count(total, self.page_size))
        )

    def view(self, key: PageKey, page: LedgerPage) -> PageView:
        """Return a response in the order of reading."""
        stated = stated_total(page)
        total = stated if self.counted and stated is not None else self.total
        rows, position = page.entries, key.number * key.size
        expected = len(rows) if total is None else max(0, min(key.size, total - position))
        if not self.counted and not self.backward:
            total, expected = None, key.size
        if not self.backward or total is None:
            at_end = total is not None and position + expected >= total
            return PageView(page, list(rows), position, expected, total, at_end)
        return PageView(page, rows[::-1], total - position - expected, expected, total, position == 0)

    def turned(self) -> Layout:
        """Return the layout of a service that lists rows in the other order."""
        return evolve(self, backward=not self.backward)


@define(eq=False)
class PageView:
    """One response: its rows in the order of reading, and where they lie."""

    page: LedgerPage
    rows: list[LedgerEntry]
    first_index: int
    expected: int
    """Rows that its place and the total leave for it."""
    total: int | None
    at_end: bool
    """Whether the listing ends with it."""

    @property
    def at_start(self) -> bool:
        """Whether the listing begins with it."""
        return self.first_index <= 0

    @property
    def end_index(self) -> int:
        """Return the index after its last row; a page that shows fewer rows than it holds stands for all of them."""
        return self.first_index + max(self.expected, len(self.rows))

    def select(self, places: Sequence[int]) -> list[LedgerEntry]:
        """Return the rows at these places of the page."""
        if isinstance(places, range):
            return self.rows[places.start : places.stop]
        return [self.rows[place] for place in places]

    def indexes(self, places: Sequence[int]) -> Sequence[int]:
        """Return the indexes in the listing of the rows at these places of the page."""
        first = self.first_index
        if isinstance(places, range):
            return range(first + places.start, first + places.stop)
        return [first + place for place in places]

    @cached_property
    def seconds(self) -> list[int]:
        """Return the second of each row."""
        return [second_of(row.ledger_created_date) for row in self.rows]
