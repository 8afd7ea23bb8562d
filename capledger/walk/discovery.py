"""Finding out how a service pages a listing: from its first page, and from others where a page contradicts that.

What is found is a :class:`Layout`. It is a reading of the responses, not a promise of the service: whoever reads the
listing checks each page against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from attrs import define, field

from capledger.errors import ApiError, LimitTooLargeError, PaginationError
from capledger.models import LedgerEntry
from capledger.models.identity import keys_of
from capledger.moments import second_of
from capledger.server_profile import OffsetRule, ServerProfile
from capledger.walk.listing import Layout, Listing, PageKey, page_count, stated_total
from capledger.walk.ordering import date_of, is_in_order
from capledger.walk.prefetch import Prefetch
from capledger.walk.validation import Contradiction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from capledger.models import LedgerPage

#: "There are no ledger entries": the listing is empty, or the page lies behind its end.
_NO_ENTRIES: Final = 11003
#: How often a response that contradicts itself is requested again.
_RETRIES: Final = 2
#: Responses that a listing may take: so many for each with rows that none had before, and so many besides.
_MOST_A_PAGE, _MOST_BESIDES = 8, 24


@define
class Discovery:
    """The requests that show how a listing is paged."""

    listing: Listing
    prefetch: Prefetch
    profile: ServerProfile
    page_size: int
    """Rows a page as the query requests them."""
    following: Sequence[Listing] = ()
    """The listings that are read after it, for their first pages to be requested ahead."""
    first: list[LedgerEntry] = field(factory=list)
    """The rows of the first page, once it has come."""
    states_more: bool = False
    """Whether a stated total was seen that is not the number of rows of its own page."""
    exceeded: bool = False
    """Whether there are rows behind the stated last one, so that the total does not count them all."""
    likely_rule: OffsetRule | None = None
    """What ``offset`` seems to count, after it was tried to find that out."""
    highest: int = 0
    """The highest total that a response stated."""
    responses: int = 0
    """Responses so far."""
    useful: int = 0
    """Those with rows that none before them had."""

    async def layout(self, unseen: int = 0) -> Layout:
        """Return how the listing is paged; the first page is kept, and ``unseen`` others are requested beside it.

        Raises:
            Contradiction: the first page agrees with no way of paging.
        """
        limit = self.profile.page_size(self.page_size)
        draft = Layout(limit, limit, None, None, self.profile.offset_rule or self.likely_rule or "page")
        ahead = list(map(partial(draft.key, self.listing), range(1, 1 + unseen)))
        before = ""
        for _ in range(1 + _RETRIES):
            try:
                page = await self.page(draft.key(self.listing, 0), ahead.copy)
            except LimitTooLargeError as refusal:
                self.profile.lower_page_cap(refusal, limit)
                raise
            self.first = page.entries
            try:
                layout = self._shown_by(page, draft)
            except Contradiction as contradiction:
                if str(contradiction) != before:
                    before = str(contradiction)
                    self.prefetch.stop()  # pages requested ahead are older than the next response
                    continue
                layout = self._read_as_it_is(page, draft, contradiction)
            self.prefetch.kept[layout.key(self.listing, 0)] = page
            return layout if is_in_order(self.first, self.listing.order) else layout._replace(ordered=False)
        raise Contradiction("silence", "no response agrees with another")

    def _shown_by(self, page: LedgerPage, draft: Layout) -> Layout:
        """Return the layout that a first page shows; raise where it contradicts itself."""
        total, rows = stated_total(page), len(page.entries)
        if rows and self.exceeded:
            return draft._replace(stated=total)
        if not rows:
            if total == 0 or (total is None and any(notice.code == _NO_ENTRIES for notice in page.warnings)):
                return draft._replace(total=0, stated=total)
            text = "the response has no entries and does not say that there are none"
            raise Contradiction("silence", text, total, 0)
        if total is None:
            raise Contradiction("count", "the first page states no total")
        expected = min(draft.limit, total)
        if rows != expected:
            text = f"{total} entries are stated, so the first page has {expected}; {rows} came"
            raise Contradiction("count", text, total, rows)
        return Layout(draft.limit, draft.limit, total, total, draft.offset_rule)

    def _read_as_it_is(self, page: LedgerPage, draft: Layout, contradiction: Contradiction) -> Layout:
        """Return how to read a first page that two responses gave alike, although it contradicts itself."""
        rows, total, different = len(page.entries), stated_total(page), len(keys_of(page.entries))
        counts = total is not None and total >= rows
        if not (rows or total) or (different < rows and (rows > draft.limit or different == total)):
            raise contradiction  # it says nothing, or has a row twice by mistake
        if not counts:  # the total has stopped counting, or is that of something else
            return draft._replace(stated=total)
        if rows < draft.limit and self.listing.window is not None:
            raise Contradiction("dates", "the stated total does not count the rows of the window alone")
        if rows < draft.limit and _states_usual_pages(page, draft.limit):  # rows are hidden
            return draft._replace(ordered=False, stated=total)
        return draft._replace(total=total, page_size=rows, stated=total)

    async def page(self, key: PageKey, following: Callable[[], Iterable[PageKey]] = tuple) -> LedgerPage:
        """Request a page.

        Raises:
            Contradiction: a further page is refused, or rows came that the dates requested do not explain.
            PaginationError: many responses have brought nothing new.
        """
        self.responses += 1
        if self.responses > _MOST_A_PAGE * self.useful + _MOST_BESIDES:
            raise PaginationError("many responses have brought no further entries, and do not add up")
        try:
            page = await self.prefetch.take(key, following)
        except ApiError as refusal:
            if not key.number or isinstance(refusal, LimitTooLargeError):
                raise
            raise Contradiction("depth", str(refusal)) from refusal
        if self.listing.window is not None and not self.listing.explains(page.entries):
            raise Contradiction("dates", "rows came that the dates requested do not explain")
        stated = stated_total(page)
        self.highest = max(self.highest, stated or 0)
        self.states_more |= len(page.entries) not in {0, stated} and stated is not None
        return page

    def first_key(self, listing: Listing) -> PageKey:
        """Return the key of the first page of what is read after this listing."""
        limit = self.profile.page_size(self.page_size)
        return PageKey(listing, 0, limit, limit, 0)

    @property
    def known_rule(self) -> OffsetRule | None:
        """What ``offset`` counts, as far as that was found out."""
        return self.profile.offset_rule or self.likely_rule

    async def find_offset_rule(self, layout: Layout) -> Layout:
        """Find out what ``offset`` counts, by a smaller page at offset 1: where its rows lie in the first page.

        Where rows of one second do not tell that, by what lies behind the last page; where rows were added meanwhile,
        by both pages once more. What is proven is kept for the session. Return the layout with what is likely.
        """
        first, stated, size = self.first, layout.stated, max(2, layout.page_size // 2)
        self.likely_rule, rows, is_same = "page", first, False
        try:
            for again in (False, True):
                if again or layout.page_size < 2 * size:
                    page = await self.page(layout.key(self.listing, 0, 2 * size))
                    first, stated = page.entries, stated_total(page)
                page = await self.page(PageKey(self.listing, 1, size, size, 1))
                rows, is_same = page.entries, not self.states_more or stated_total(page) == stated
                if is_same:
                    break
                self.prefetch.stop()  # what it keeps is older than the next response
            starts: dict[OffsetRule, int] = {"page": size, "row": 1, "page from 1": 0}
            parts = {rule: first[start : start + size] for rule, start in starts.items()}
            fitting = [rule for rule, part in parts.items() if _seconds(part) == _seconds(rows)]
            behind = None
            if (len(fitting) != 1 or len(first) < 2 * size) and (number := page_count(layout.total or 0, size)):
                behind = await self.page(PageKey(self.listing, number, size, size, number))
        except (Contradiction, LimitTooLargeError):
            return layout
        is_full = is_same and len(rows) == size  # no row is hidden, or has moved since
        if is_full and len(first) >= 2 * size and len(fitting) == 1:
            self.profile.offset_rule = self.likely_rule = fitting[0]
        elif is_full and (behind is None or behind.entries):
            self.likely_rule, _ = max(parts.items(), key=lambda part: (keys_of(part[1]) & keys_of(rows)).total())
        return layout._replace(offset_rule=self.known_rule or "page")


def _seconds(rows: list[LedgerEntry]) -> list[int]:
    return list(map(second_of, map(date_of, rows)))


def _states_usual_pages(page: LedgerPage, limit: int) -> bool:
    """Return whether a page with fewer rows than requested states that its pages are of the size requested."""
    details, total, rows = page.details, stated_total(page), len(page.entries)
    if details is None or not total or not rows:
        return not rows
    if details.page_count and page_count(total, limit) != page_count(total, rows):
        return details.page_count == page_count(total, limit)
    return details.page_size == limit
