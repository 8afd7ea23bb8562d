"""Finding out how a service pages a listing: from its first page and, if that leaves something open, one or two more.

What is found is a :class:`Layout`. It is a reading of the responses, not a promise of the service: whoever reads the
listing checks each page against it, and discovers again where they disagree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import define, evolve, field

from capledger.errors import ApiError, LimitTooLargeError
from capledger.models import LedgerEntry
from capledger.walk.listing import Layout, Listing, page_count, stated_total
from capledger.walk.ordering import keys_of, order_of, second_of
from capledger.walk.prefetch import Prefetch
from capledger.walk.server_profile import ServerProfile
from capledger.walk.validation import Contradiction, check_dates, holds_repeats

if TYPE_CHECKING:
    from capledger.models import LedgerPage
    from capledger.walk.prefetch import PageKey
    from capledger.walk.server_profile import OffsetRule

#: "There are no ledger entries": the listing is empty, or the page lies behind its end.
_NO_ENTRIES: Final = 11003
#: How often a response that contradicts itself or others is requested again.
RETRIES: Final = 2
#: How often the first two pages are requested until both state the same total.
_TRIES: Final = 4
#: A listing has at most this many pages, where its end must be searched.
_MOST_PAGES: Final = 1_000_000


@define
class Discovery:
    """The first requests of a listing."""

    listing: Listing
    prefetch: Prefetch
    profile: ServerProfile
    page_size: int
    """Rows a page as the query requests them."""
    unseen: int = 0
    """Pages to request beside the first one, before it is known how many there are."""
    resumes: bool = False
    """Whether reading begins behind the first page, so that it must be known what ``offset`` counts."""
    first: list[LedgerEntry] = field(factory=list)
    """The rows of the first page, once it has come."""

    async def layout(self) -> Layout:
        """Return how the listing is paged; the pages that were needed for that are kept for reading.

        Raises:
            Contradiction: the responses agree with no way of paging.
        """
        limit = self.profile.page_size(self.page_size)
        draft = Layout(None, limit, limit, self.profile.offset_rule or "page")
        page, layout = await self._first_page(draft)
        self.first = page.entries
        self.prefetch.keep(layout.key(self.listing, 0), page)
        several_pages = layout.total is None or layout.total > layout.page_size
        if several_pages and layout.ordered:
            layout = self._directed(layout, page)
        if self.resumes and several_pages and layout.ordered and not layout.backward:
            layout = await self.proven_rule(layout)
        return await self.proven_backward(layout)

    async def proven_backward(self, layout: Layout) -> Layout:
        """Return a layout; one that is read from the last page back, with what must be known before that."""
        if not layout.backward:
            return layout
        first = await self._page(layout, 0)
        self.prefetch.keep(layout.key(self.listing, 0), first)
        layout = await self.proven_rule(layout)
        return await self._proven_end(layout, first.entries) if layout.ordered else layout

    async def _first_page(self, draft: Layout) -> tuple[LedgerPage, Layout]:
        """Return the first page and the layout it shows; a page that contradicts itself is requested again."""
        key = draft.key(self.listing, 0)
        ahead = [draft.key(self.listing, number) for number in range(1, 1 + self.unseen)]
        before: Contradiction | None = None
        for _ in range(1 + RETRIES):
            page = await self.prefetch.take(key, lambda: ahead)
            check_dates(self.listing, page)
            try:
                return page, self._shown_by(page, draft)
            except Contradiction as contradiction:
                if before is not None and str(contradiction) == str(before):
                    return page, await self._read_as_it_is(page, draft, contradiction)
                before = contradiction
        raise before or Contradiction("silence", "no response agrees with another")

    def _shown_by(self, page: LedgerPage, draft: Layout) -> Layout:
        total, rows = stated_total(page), len(page.entries)
        if not rows:
            if total or not says_empty(page):
                raise Contradiction(
                    "silence", "the response has no entries and does not say that there are none", total, 0
                )
            return evolve(draft, total=0)
        if total is None:
            if rows < draft.limit and not self.first:
                self.first = page.entries
                raise Contradiction(
                    "short", "the service states no total, and a first page with few rows may be an accident"
                )
            return evolve(draft, counted=False, stated=False)
        size = _stated_page_size(page, draft.limit) or draft.page_size
        expected = min(size, total)
        if rows != expected:
            text = f"{total} entries are stated, so the first page has {expected}; {rows} came"
            raise Contradiction("short" if rows < expected else "long", text, total, rows)
        return evolve(draft, total=total, page_size=size)

    async def _read_as_it_is(self, page: LedgerPage, draft: Layout, contradiction: Contradiction) -> Layout:
        """Return how to read a first page that two responses gave alike, although it contradicts itself."""
        rows, total = page.entries, stated_total(page)
        if contradiction.kind == "short" and self.listing.window is not None:
            raise Contradiction("dates", "the stated total does not count the rows of the window alone")
        if contradiction.kind == "short" and _states_usual_pages(page, draft.limit):
            return evolve(draft, total=total, hides=True)
        if contradiction.kind == "short":  # the service's pages are smaller, or rows are hidden: those after it tell
            return evolve(draft, total=total, page_size=len(rows))
        if contradiction.kind == "silence" and total:  # all rows of the page may be hidden
            return evolve(draft, total=total, counted=False)
        if contradiction.kind == "long" and total and len(rows) <= draft.limit:  # or rows that come twice by mistake
            further = await self._page(draft, 1, total)
            if further.entries:
                return evolve(draft, total=total, counted=False)
        if contradiction.kind == "long" and not holds_repeats(rows):
            size = max(draft.page_size, len(rows))
            return evolve(draft, total=total, page_size=size, counted=len(rows) > draft.page_size)
        raise contradiction

    def _directed(self, layout: Layout, page: LedgerPage) -> Layout:
        order = order_of(page.entries)
        if order == "none":
            return evolve(layout, ordered=False)
        return evolve(layout, backward=order not in {self.listing.order, "one second"})

    # Where pages are read from the last one back

    async def proven_rule(self, layout: Layout) -> Layout:
        """Return the layout with what ``offset`` counts, from a second page."""
        if self.profile.offset_rule is not None or 0 < (layout.total or 0) <= layout.page_size:
            return layout
        layout, page = await self._second_page(layout)
        key = layout.key(self.listing, 1)
        if infer_rule(self.first, page.entries, key):  # two responses prove it
            layout, page = await self._second_page(layout)
        rule = await self.rule_shown_by(layout, key, page.entries)
        if rule is not None:
            return evolve(layout, offset_rule=rule)
        if not self._lies_behind(self.first, page.entries, backward=layout.backward):
            if layout.counted and stated_total(page) != layout.total:
                raise Contradiction("edge", "the total changes with each response")
            return evolve(layout, ordered=False)
        if layout.page_size > 1:
            self.profile.offset_rule = layout.offset_rule
        self.prefetch.keep(key, page)
        return layout

    async def _second_page(self, layout: Layout) -> tuple[Layout, LedgerPage]:
        """Return a second page of the same total as the first one; of another one if each response changes it."""
        page, first = await self._page(layout, 1), None
        for _ in range(_TRIES):
            if not layout.counted or stated_total(page) == layout.total:
                break
            first = await self._page(layout, 0)
            self.first, layout = first.entries, evolve(layout, total=stated_total(first))
            page = await self._page(layout, 1)
        if first is not None:
            self.prefetch.keep(layout.key(self.listing, 0), first)
        return layout, page

    async def rule_shown_by(self, layout: Layout, key: PageKey, rows: list[LedgerEntry]) -> OffsetRule | None:
        """Return what ``offset`` counts when a later page repeats the first one; None when it does not.

        Rows that are the same on both pages look alike, so a larger page, if there is one, shows how they follow.
        """
        rule = infer_rule(self.first, rows, key) if key.number else None
        if rule is None or await self._is_shown(layout, key, rows, rule):
            return rule
        if layout.page_size > 1:  # pages of one row are the same by either rule
            self.profile.offset_rule = layout.offset_rule
        return None

    async def rule_of_larger_pages(self, layout: Layout) -> Layout:
        """Return a layout with pages of one row, for which it makes no difference, with what ``offset`` counts."""
        try:
            whole, part = (await self._page(layout, 0, 4)).entries, (await self._page(layout, 1, 2)).entries
        except LimitTooLargeError as refusal:
            self.profile.lower_page_cap(refusal, 2)
            return layout
        except Contradiction:  # too deep
            self.profile.offset_rule = layout.offset_rule
            return layout
        as_rows = bool(part) and keys_of(part) == keys_of(whole[1:3]) != keys_of(whole[2:4])
        self.profile.offset_rule = "row" if as_rows else layout.offset_rule
        return evolve(layout, offset_rule=self.profile.offset_rule)

    async def _is_shown(self, layout: Layout, key: PageKey, rows: list[LedgerEntry], rule: OffsetRule) -> bool:
        """Return whether a larger page, or one that only this rule has, shows that a rule holds."""
        size = min(2 * layout.page_size, self.profile.largest_page())
        if size <= layout.page_size:
            return layout.total is None or await self._reaches_further(layout, layout.total, rule)
        try:
            whole = (await self._page(layout, 0, size)).entries
        except LimitTooLargeError as refusal:
            self.profile.lower_page_cap(refusal, size)
            return await self._is_shown(layout, key, rows, rule)
        if 0 < len(whole) < min(size, layout.total or 0):  # smaller pages than requested
            self.profile.page_cap = len(whole)
            return await self._is_shown(layout, key, rows, rule)
        begin, keys = key.offset if rule == "row" else 0, keys_of(rows)
        as_page = keys_of(whole[layout.page_size :]) & keys
        as_inferred = keys_of(whole[begin : begin + len(rows)]) & keys
        is_shown = as_inferred.total() > as_page.total()
        if is_shown and layout.total and order_of(whole) == "one second":
            return await self._reaches_further(layout, layout.total, rule)
        return is_shown

    async def _reaches_further(self, layout: Layout, total: int, rule: OffsetRule) -> bool:
        """Return whether there are rows at an offset that only this rule has."""
        offset = total - 1 if rule == "row" else page_count(total, layout.page_size)
        return bool((await self._page(layout, offset)).entries)

    def _lies_behind(self, first: list[LedgerEntry], rows: list[LedgerEntry], *, backward: bool = True) -> bool:
        """Return whether a later page's rows lie behind those of the first one, in the service's own order."""
        if not first or not rows:
            return True
        before, after = second_of(first[-1].ledger_created_date), second_of(rows[0].ledger_created_date)
        return after <= before if (self.listing.order == "asc") == backward else after >= before

    async def _proven_end(self, layout: Layout, first: list[LedgerEntry]) -> Layout:
        """Return the layout with a total behind which there are no rows."""
        total = layout.total
        if total is not None and layout.counted:
            last = page_count(total, layout.page_size) - 1
            page = await self._page(layout, last)
            if not self._lies_behind(first, page.entries):
                return evolve(layout, ordered=False)
            if len(page.entries) <= total - last * layout.page_size and not await self._goes_on(layout, last, total):
                self.prefetch.keep(layout.key(self.listing, last), page)
                return layout
        return await self._found_end(layout)

    async def _goes_on(self, layout: Layout, last: int, total: int) -> bool:
        """Return whether rows follow a last page that is full."""
        if total % layout.page_size or total <= self.profile.counted_to:
            return False
        try:
            page = await self._page(layout, last + 1)
        except Contradiction:  # the service refuses to look behind the last page
            if self.listing.is_shortest:
                return False
            raise
        if not page.entries:
            self.profile.counted_to = total
        return bool(page.entries)

    async def _found_end(self, layout: Layout) -> Layout:
        """Search for the last page that has rows, by doubling and halving."""
        low, high = 0, 1
        while high < _MOST_PAGES and (await self._page(layout, high)).entries:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if (await self._page(layout, middle)).entries else (low, middle)
        page = await self._page(layout, low)
        stated, rows = stated_total(page), len(page.entries)
        is_of_page = low > 0 and stated == rows
        found = low * layout.page_size + rows
        return evolve(layout, total=found, counted=False, stated=stated is not None and not is_of_page)

    async def _page(self, layout: Layout, number: int, size: int | None = None) -> LedgerPage:
        key = layout.key(self.listing, number, size)
        try:
            return await self.prefetch.take(key, tuple)
        except ApiError as refusal:
            if number and not isinstance(refusal, LimitTooLargeError):
                raise Contradiction("depth", str(refusal)) from refusal
            raise


def says_empty(page: LedgerPage) -> bool:
    """Return whether a response without entries says that there are none."""
    return stated_total(page) == 0 or any(notice.code == _NO_ENTRIES for notice in page.warnings)


def infer_rule(first: list[LedgerEntry], rows: list[LedgerEntry], key: PageKey) -> OffsetRule | None:
    """Return what ``offset`` counts when a later page repeats the first one; None when it does not."""
    if key.number == 1 and _repeats(first, rows):
        return "page from 1"
    overlap = first[key.offset : key.offset + len(rows)]
    return "row" if _repeats(overlap, rows[: len(overlap)]) else None


def _repeats(some: list[LedgerEntry], others: list[LedgerEntry]) -> bool:
    """Return whether rows are the same as others, whichever way rows of one second follow one another."""
    seconds = [second_of(row.ledger_created_date) for row in some]
    if not seconds or seconds != [second_of(row.ledger_created_date) for row in others]:
        return False
    keys, other_keys = keys_of(some), keys_of(others)
    return keys == other_keys if len(set(seconds)) == 1 else bool(keys & other_keys)


def _states_usual_pages(page: LedgerPage, limit: int) -> bool:
    """Return whether a page with fewer rows than requested states that its pages are of the size requested."""
    details, total = page.details, stated_total(page)
    if details is None or not total:
        return False
    if details.page_count and page_count(total, limit) != page_count(total, len(page.entries)):
        return details.page_count == page_count(total, limit)
    return details.page_size == limit


def _stated_page_size(page: LedgerPage, limit: int) -> int | None:
    """Return the page size that a response goes by, if its page count shows that it is not the one requested."""
    details, total = page.details, stated_total(page)
    if details is None or not total or not details.page_size or not details.page_count:
        return None
    size, pages = details.page_size, details.page_count
    shows = pages == page_count(total, size) != page_count(total, limit)
    return size if shows and len(page.entries) == min(size, total) else None
