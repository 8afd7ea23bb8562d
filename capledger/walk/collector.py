"""Reading a listing whose pages cannot be read one by one: all of its rows are collected and told apart by key.

One response is one query of the service, so the rows that it has are all different. The most rows of a key that one
response has are therefore a lower bound; where these bounds add up to the stated total, they are the listing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import define, evolve, field

from capledger.errors import IncompleteLedgerError, LimitTooLargeError
from capledger.models import LedgerEntry, LedgerPage
from capledger.models.identity import row_key
from capledger.walk.discovery import EMPTY_PAGES, Discovery, has_repeats, infer_rule
from capledger.walk.listing import Layout, page_count, stated_total
from capledger.walk.validation import Contradiction, total_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from capledger.walk.prefetch import PageKey

#: How often all pages are read, and how many readings must agree where rows are the same.
_READINGS, _AGREEING = 8, 3
#: Pages without rows, one after the other, that show the end before the stated total is reached.
_MOST_HIDDEN = 20


@define
class Reading:
    """What one reading of all pages has brought."""

    keys: Counter[int] = field(factory=Counter)
    total: int | None = None
    """What the latest page with rows states; None where one of them states no total, or a lower one than before."""
    _pages: int = 0

    def add(self, keys: Counter[int], stated: int | None) -> None:
        """Add the keys of a page with rows, and the total that it states."""
        falls = self._pages > 0 and (self.total is None or stated is None or stated < self.total)
        self.keys.update(keys)
        self.total = None if falls else stated
        self._pages += 1


@define(eq=False)
class Collector:
    """All rows of a listing, in no order."""

    discovery: Discovery
    layout: Layout
    rows: dict[int, list[LedgerEntry]] = field(factory=dict)
    """Rows by key, as many of each as one response had at most."""
    known: int = 0
    """How many rows that are: rows known to be different."""
    page: LedgerPage = field(factory=LedgerPage)
    """The latest page with rows."""
    shortfall: IncompleteLedgerError | None = None
    """After the end: what keeps the listing from being proven."""
    total: int | None = None
    """The total that is stated; after the end, if it counts the rows."""
    is_stable: bool = False
    """After the end: whether two readings in a row brought the same."""

    async def collect(self) -> list[LedgerEntry]:
        """Return all rows.

        Raises:
            Contradiction: the pages do not add up to all rows.
        """
        before: Reading | None = None
        agreeing = unchanged = 1
        await self._prove_rule()
        size = await self._largest_size()
        for number in range(_READINGS):
            known = self.known
            # other rows stand at the edges of pages; another number of requests meets other replicas at each of them
            smaller, more = (0, number % 2) if size == 1 else (number % 2, 0)
            reading = await self._reading(size - smaller, EMPTY_PAGES + more)
            agreeing = agreeing + 1 if before is not None and reading.keys == before.keys else 1
            unchanged = unchanged + 1 if self.known == known else 1
            self.is_stable = agreeing > 1
            if self._is_whole(reading, agreeing, unchanged):
                return self._whole(reading, agreeing)
            before = reading
        raise Contradiction("order", "the rows are in no order, and their pages do not add up to all of them")

    def _is_whole(self, reading: Reading, agreeing: int, unchanged: int) -> bool:
        """Return whether the rows found so far are all rows, as far as that can be known."""
        total, found = self._total(reading), self.known
        if found == total or max(agreeing, unchanged) >= _AGREEING:
            return True
        has_no_repeats = reading.keys.total() == found
        exceeds = self.layout.total is None and total is not None and found > total
        return has_no_repeats and (agreeing > 1 or exceeds)

    def _whole(self, reading: Reading, agreeing: int) -> list[LedgerEntry]:
        """Return the rows of an accepted reading, and keep what is missing for its proof."""
        total, stated = self._total(reading), self.layout.stated
        rows = [row for rows in self.rows.values() for row in rows]
        if len(rows) != total == reading.keys.total() and agreeing >= _AGREEING:
            rows = [row for key, count in reading.keys.items() for row in (self.rows[key] * count)[:count]]
        self.total = total
        if total is None or (len(rows) > total and reading.keys.total() != len(rows)):
            self.shortfall = total_unknown(len(rows))
        elif len(rows) < max(total, stated or 0):
            text = f"{max(total, stated or 0)} entries are stated and {len(rows)} came"
            self.shortfall = IncompleteLedgerError(text, max(total, stated or 0), len(rows))
        return rows

    async def _prove_rule(self) -> None:
        """Find out what ``offset`` counts, if that is not known and makes a difference."""
        discovery, layout = self.discovery, self.layout
        known = discovery.profile.offset_rule or discovery.likely_rule
        if known is not None:
            self.layout = evolve(layout, offset_rule=known)
        if known is not None or (layout.stated or 0) <= layout.page_size:
            return
        key = layout.key(discovery.listing, 1)
        page = await discovery.page(key)
        if infer_rule(discovery.first, page.entries, key) == "page":
            discovery.prefetch.keep(key, page)
            return
        self.layout = await discovery.revised(layout, key, page.entries)

    async def _largest_size(self) -> int:
        """Return the most rows that a page can have, if the service honours that; else its own page size."""
        profile, usual = self.discovery.profile, self.layout.page_size
        largest = profile.largest_page()
        if usual >= largest or self.layout.stated is None or 0 < (self.layout.total or 0) < usual:
            return usual
        try:
            page, _ = await self._page(0, largest)
        except LimitTooLargeError as refusal:
            profile.lower_page_cap(refusal, largest)
            return max(usual, profile.largest_page())
        rows = len(page.entries)
        if rows <= usual or rows < min(largest, stated_total(page) or 0):
            return max(usual, rows)
        self.discovery.prefetch.keep(self.layout.key(self.discovery.listing, 0, largest), page)
        return largest

    async def _reading(self, size: int, empty_pages: int) -> Reading:
        """Read all pages once, and so many without rows behind them where no total shows the end."""
        reading, number, empty = Reading(), 0, 0
        before: Counter[int] | None = None
        while True:
            page, keys = await self._page(number, size)
            number += 1
            is_behind = number > page_count(self._total(reading) or self.layout.stated or 0, size)
            if keys and not (is_behind and before is not None and _repeats(keys, before, reading)):
                reading.add(keys, stated_total(page))
                before, empty = keys, 0
            else:
                empty += 1
            total = self._total(reading)
            is_behind = number >= page_count(total or self.layout.stated or 0, size)
            ends = self.known == total and (empty > 0 or len(page.entries) < size)
            if empty >= _MOST_HIDDEN or (is_behind and (empty >= empty_pages or ends)):
                return reading

    def _total(self, reading: Reading) -> int | None:
        """Return the total that a reading states, unless it may be that of each page."""
        exceeded = self.discovery.exceeded or self.known > (self.layout.stated or 0)
        return None if exceeded and not self.discovery.states_more else reading.total

    async def _page(self, number: int, size: int) -> tuple[LedgerPage, Counter[int]]:
        """Request a page and keep its rows; return it with the keys of its rows."""
        key = self.layout.key(self.discovery.listing, number, size)
        page = await self.discovery.page(key, lambda: self._following(key))
        if len(page.entries) > key.limit and has_repeats(page.entries):
            raise Contradiction("count", "a page has more entries than requested, some of them twice")
        stated = stated_total(page)
        if stated is not None and self.total is not None and stated < self.total and self.discovery.states_more:
            self.rows, self.known = {}, 0  # one of them may be deleted
        self.total = stated if stated is not None else self.total
        known = self.known
        rows: dict[int, list[LedgerEntry]] = {}
        for row in page.entries:
            rows.setdefault(row_key(row), []).append(row)
        for row_id, same in rows.items():
            if len(same) > (count := len(self.rows.get(row_id, ()))):
                self.rows[row_id] = same
                self.known += len(same) - count
        if self.known > known:
            self.discovery.prefetch.note_new_rows()
        if page.entries:
            self.page = page
        return page, Counter({row_id: len(same) for row_id, same in rows.items()})

    def _following(self, key: PageKey) -> Iterator[PageKey]:
        last = page_count(self.layout.total or self.layout.stated or 0, key.size)
        for number in range(key.number + 1, last):
            yield self.layout.key(self.discovery.listing, number, key.size)


def _repeats(keys: Counter[int], before: Counter[int], reading: Reading) -> bool:
    """Return whether a page behind the stated end is the one before it once more, perhaps of another replica."""
    return not keys - reading.keys and 2 * (keys & before).total() > keys.total()
