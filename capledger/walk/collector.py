"""Reading a listing whose pages cannot be read one by one: all of its rows are collected and told apart by key.

One response is one query of the service, so the rows that it has are all different. The most rows of a key that one
response has are therefore a lower bound; where these bounds add up to the stated total, they are the listing.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

from attrs import define, field

from capledger.errors import IncompleteLedgerError, LimitTooLargeError
from capledger.models import LedgerEntry, LedgerPage
from capledger.models.identity import row_key
from capledger.walk.batch import Batch, BatchBuilder
from capledger.walk.discovery import Discovery
from capledger.walk.listing import Layout, page_count, stated_total
from capledger.walk.ordering import by_date
from capledger.walk.validation import Contradiction, total_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from capledger.cursor import Position
    from capledger.walk.listing import PageKey

#: How often all pages are read, at most.
_READINGS: Final = 8
#: How many readings must agree where rows are the same.
_AGREEING: Final = 3


@define(eq=False)
class Collector:
    """All rows of a listing, in no order."""

    discovery: Discovery
    layout: Layout
    builder: BatchBuilder
    ended: bool = False
    shortfall: IncompleteLedgerError | None = None
    """What keeps the listing from being proven, once its rows are collected."""
    _rows: dict[int, list[LedgerEntry]] = field(factory=dict)
    """Rows by key, as many of each as one response had at most."""
    _known: int = 0
    """How many rows that are: rows known to be different."""
    _page: LedgerPage = field(factory=LedgerPage)
    """The latest page with rows."""
    _stated: int | None = None
    """What the latest page with rows states; None where a page since the first states no total, or a lower one."""
    _agreeing: int = 0
    """How many readings in a row brought the same."""
    _sorted: list[LedgerEntry] | None = None
    """All rows in order, once they are collected."""
    _yielded: int = 0
    """How many of them were yielded."""

    @property
    def doubts_dates(self) -> bool:
        """Whether a shortfall may be due to totals that ignore dates."""
        return self._total is not None and self._agreeing > 1

    @property
    def _total(self) -> int | None:
        """Return the total that is stated, unless it may be that of each page."""
        exceeded = self.discovery.exceeded or self._known > (self.layout.stated or 0)
        return None if exceeded and not self.discovery.states_more else self._stated

    async def next(self, position: Position | None) -> Batch | None:
        """Return the next rows behind a position, as many as a page has; all are collected before the first.

        Raises:
            Contradiction: the pages do not add up to all rows.
        """
        if self._sorted is None:
            self._sorted = by_date(await self._collect(), self.discovery.listing.order)
        rows = self._sorted[self._yielded : self._yielded + self.discovery.page_size]
        self._yielded += len(rows)
        self.ended = self._yielded == len(self._sorted)
        return self.builder.add(rows, self._page, position, total=self._total, ends=True)

    async def _collect(self) -> list[LedgerEntry]:
        if self.discovery.known_rule is None and (self.layout.stated or 0) > self.layout.page_size:
            self.layout = await self.discovery.find_offset_rule(self.layout)
        size, unchanged = await self._largest_size(), 0
        before: Counter[int] | None = None
        for number in range(_READINGS):
            known = self._known
            # other rows stand at the edges of pages; another number of requests meets other replicas at each of them
            smaller, more = (0, number % 2) if size == 1 else (number % 2, 0)
            keys = await self._read_pages(size - smaller, 2 + more)
            self._agreeing = self._agreeing + 1 if keys == before else 1
            unchanged = unchanged + 1 if self._known == known else 1
            has_all = self._known == self._total == self.discovery.highest
            is_settled = has_all or max(self._agreeing, unchanged) >= _AGREEING
            if is_settled or (self._known == keys.total() and self._agreeing > 1):
                return self._whole(keys)
            before = keys
        raise Contradiction("order", "the rows are in no order, and their pages do not add up to all of them")

    def _whole(self, keys: Counter[int]) -> list[LedgerEntry]:
        """Return the rows that are accepted after a reading, and keep what is missing for their proof."""
        total, came = self._total, keys.total()
        rows = [row for rows in self._rows.values() for row in rows]
        if len(rows) != total == came and self._agreeing >= _AGREEING:
            rows = [row for key, count in keys.items() for row in (self._rows[key] * count)[:count]]
        count, stated = len(rows), max(total or 0, self.layout.stated or 0)
        if total is None or total < count != came:
            self.shortfall = total_unknown(count)
        elif count < stated:
            self.shortfall = IncompleteLedgerError(f"{stated} entries are stated and {count} came", stated, count)
        return rows

    async def _largest_size(self) -> int:
        """Return the most rows that a page can have, if the service honours that; else its own page size."""
        profile, usual = self.discovery.profile, self.layout.page_size
        largest = max(usual, profile.largest_page())
        key = self.layout.key(self.discovery.listing, 0, largest)
        try:
            page = await self.discovery.page(key)
        except LimitTooLargeError as refusal:
            profile.lower_page_cap(refusal, largest, usual)
            return max(usual, profile.largest_page())
        self.discovery.prefetch.kept[key] = page
        rows = len(page.entries)
        return largest if usual < rows and rows >= min(largest, stated_total(page) or 0) else max(usual, rows)

    async def _read_pages(self, size: int, empty_pages: int) -> Counter[int]:
        """Read all pages once, and so many without rows behind them where no total shows the end; return their keys."""
        keys: Counter[int] = Counter()
        before: Counter[int] = Counter()
        number = empty = 0
        while True:
            page, new = await self._take(number, size)
            is_first_again = number == 1 and new and new == before
            if is_first_again and self.layout.offset_rule == "page" != self.discovery.profile.offset_rule:
                self.layout = self.layout._replace(offset_rule="page from 1")
                continue
            repeats = not new - keys and 2 * (new & before).total() > new.total()  # perhaps of another replica
            if new and not (repeats and number >= self._last(size)):
                stated, falls = stated_total(page), bool(keys) and self._stated is None
                self._stated = None if falls or (keys and (stated or 0) < (self._stated or 0)) else stated
                keys.update(new)
                before, empty = new, 0
            else:
                empty += 1
            number += 1
            has_all = self._known == self._total == self.discovery.highest
            is_behind = number >= self._last(size) and (empty > 0 or len(page.entries) < size)
            if (has_all and (is_behind or self._agreeing)) or (is_behind and empty >= empty_pages):
                return keys  # with an earlier reading behind the stated rows, or with this one

    def _last(self, size: int) -> int:
        """Return how many pages are stated."""
        return page_count(self._total or self.layout.stated or 0, size)

    async def _take(self, number: int, size: int) -> tuple[LedgerPage, Counter[int]]:
        """Request a page and keep its rows; return it with the keys of its rows."""
        wanted = self.layout.key(self.discovery.listing, number, size)
        page = await self.discovery.page(wanted, partial(self._following, wanted))
        rows: dict[int, list[LedgerEntry]] = {}
        for row in page.entries:
            rows.setdefault(row_key(row), []).append(row)
        count, different = len(page.entries), len(rows)
        if different < count and (count > wanted.limit or different == stated_total(page)):
            raise Contradiction("count", "a page has more entries than requested or stated, some of them twice")
        added = 0
        for key, same in rows.items():
            more = len(same) - len(self._rows.get(key, ()))
            if more > 0:
                self._rows[key] = same
                added += more
        if added:
            self._known += added
            self.discovery.useful += 1
        self._page = page if rows else self._page
        return page, Counter({key: len(same) for key, same in rows.items()})

    def _following(self, key: PageKey) -> Iterator[PageKey]:
        last = page_count(self.layout.total or self.layout.stated or 0, key.size)
        return (self.layout.key(key.listing, number, key.size) for number in range(key.number + 1, last))
