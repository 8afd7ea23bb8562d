"""Reading a listing that has no order: all of its rows are collected, told apart by key, and sorted here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import define, evolve, field

from capledger.errors import IncompleteLedgerError
from capledger.models import LedgerEntry, LedgerPage
from capledger.walk.batch import Batch
from capledger.walk.cursor import Position
from capledger.walk.listing import Layout, Listing, page_count, stated_total
from capledger.walk.ordering import by_date, keys_of, row_key
from capledger.walk.prefetch import Prefetch
from capledger.walk.server_profile import ServerProfile
from capledger.walk.validation import Contradiction, entries_behind

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncIterator


#: How often all pages are read where rows come in another order with each request.
_READINGS: Final = 8


@define(eq=False)
class UnorderedReader:
    """All rows of a listing, in the order of their dates."""

    listing: Listing
    prefetch: Prefetch
    profile: ServerProfile
    layout: Layout
    position: Position | None
    """Behind the last entry that was yielded, by this reader or before it."""
    index: int
    """Rows of the listing that were read before, if it is known to be the same listing; else 0."""
    found: dict[int, LedgerEntry] = field(factory=dict)
    """Rows by key, of all pages so far."""
    total: int = 0
    page: LedgerPage | None = None

    async def batches(self) -> AsyncIterator[Batch]:
        """Yield what is behind the position, a page at a time.

        Raises:
            Contradiction: the pages do not add up to all rows.
        """
        rows = by_date(await self._all_rows(), self.listing.order)
        behind = self._behind_position(rows)
        begin, size = len(rows) - len(behind), self.layout.page_size
        span = self.listing.span
        for start in range(0, len(behind), size):
            chunk = behind[start : start + size]
            entries = [row for row in chunk if span.holds(row.ledger_created_date)]
            if entries and self.page is not None:
                page = evolve(self.page, entries=entries)
                indexes = range(begin + start, begin + start + len(chunk))
                batch = Batch(page, chunk, indexes, indexes.stop, self.total, self.position, self.listing.window, None)
                self.position = batch.end
                yield batch

    def shortfall(self) -> IncompleteLedgerError | None:
        """Return what keeps the listing from being proven; None when it is."""
        if self.layout.total is not None and self.layout.stated:
            return None
        text = "the service does not state how many entries there are, so nothing proves that these are all"
        return IncompleteLedgerError(text, None, len(self.found))

    async def _all_rows(self) -> list[LedgerEntry]:
        before: Counter[int] | None = None
        largest = max(self.layout.page_size, self.profile.largest_page())
        size = largest if await self._holds_rows(largest) else self.layout.page_size
        for _ in range(_READINGS):
            rows, same_total, pages = await self._reading(size)
            keys = keys_of(rows)
            if (
                same_total
                and len(rows) == self.total
                and (len(keys) == len(rows) or keys == before or size >= self.total)
            ):
                return rows
            if pages == 1 and not self.layout.counted and len(rows) >= (self.layout.total or 0):
                return rows
            if len(self.found) == self.total:
                return list(self.found.values())
            before = keys
        raise Contradiction("order", "the rows are in no order, and their pages do not add up to all of them")

    async def _holds_rows(self, size: int) -> bool:
        """Return whether pages of this size are as large as they should be."""
        page = await self._page(0, size)
        self.prefetch.keep(self.layout.key(self.listing, 0, size), page)
        return len(page.entries) >= min(size, self.total)

    async def _reading(self, size: int) -> tuple[list[LedgerEntry], bool, int]:
        """Read all pages once; return the rows, whether the total stayed the same, and how many pages have rows."""
        rows: list[LedgerEntry] = []
        totals = set()
        number = 0
        while True:
            page = await self._page(number, size)
            totals.add(self.total)
            rows += page.entries
            number += 1
            if not page.entries or (self.layout.counted and number >= page_count(self.total, size)):
                return rows, len(totals) == 1, number - (not page.entries)

    async def _page(self, number: int, size: int) -> LedgerPage:
        key = self.layout.key(self.listing, number, size)
        last = page_count(max(self.total, 1), size)
        page = await self.prefetch.take(
            key, lambda: [self.layout.key(self.listing, other, size) for other in range(number + 1, last)]
        )
        total = stated_total(page)
        if total is not None and self.layout.counted:
            self.total = total
        elif not self.layout.counted:
            self.total = self.layout.total or len(self.found)
        known = len(self.found)
        self.found |= {row_key(row): row for row in page.entries}
        if len(self.found) > known:
            self.prefetch.note_new_rows()
        self.page = page
        return page

    def _behind_position(self, rows: list[LedgerEntry]) -> list[LedgerEntry]:
        """Return the rows behind the position; there must be as many before it as were read."""
        if self.position is None:
            return rows
        behind = entries_behind(rows, self.position.edge, self.listing.order)
        if self.index and len(rows) - len(behind) > self.index:
            raise Contradiction("order", "entries before those that were yielded were not read")
        return behind
