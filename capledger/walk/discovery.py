"""Finding out how a service pages a listing: from its first page, and from others where a page contradicts that.

What is found is a :class:`Layout`. It is a reading of the responses, not a promise of the service: whoever reads the
listing checks each page against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from attrs import define, evolve, field

from capledger.errors import ApiError, LimitTooLargeError
from capledger.models import LedgerEntry
from capledger.models.identity import keys_of
from capledger.moments import second_of
from capledger.walk.listing import Layout, Listing, page_count, stated_total
from capledger.walk.ordering import ListingOrder, is_in_order
from capledger.walk.prefetch import PageKey, Prefetch
from capledger.walk.server_profile import OffsetRule, ServerProfile
from capledger.walk.validation import Contradiction, check_dates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from capledger.models import LedgerPage

#: "There are no ledger entries": the listing is empty, or the page lies behind its end.
_NO_ENTRIES: Final = 11003
#: How often a response that contradicts itself or others is requested again.
RETRIES: Final = 2
#: Pages without rows, one after the other, that show the end where no total does.
EMPTY_PAGES: Final = 2


@define
class Discovery:
    """The requests that show how a listing is paged."""

    listing: Listing
    prefetch: Prefetch
    profile: ServerProfile
    page_size: int
    """Rows a page as the query requests them."""
    unseen: int = 0
    """Pages to request beside the first one, before it is known how many there are."""
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

    async def layout(self) -> Layout:
        """Return how the listing is paged; the first page is kept for reading.

        Raises:
            Contradiction: the first page agrees with no way of paging.
        """
        limit = self.profile.page_size(self.page_size)
        rule = self.profile.offset_rule or self.likely_rule or "page"
        draft = Layout(limit, limit, None, None, rule, self.listing.order)
        key = draft.key(self.listing, 0)
        ahead = [draft.key(self.listing, number) for number in range(1, 1 + self.unseen)]
        before = ""
        for _ in range(1 + RETRIES):
            page = await self.page(key, lambda: ahead)
            self.first = page.entries
            try:
                layout = self._shown_by(page, draft)
            except Contradiction as contradiction:
                if str(contradiction) != before:
                    before = str(contradiction)
                    self.prefetch.stop()  # pages requested ahead are older than the next response
                    continue
                layout = self._read_as_it_is(page, draft, contradiction)
            self.prefetch.keep(layout.key(self.listing, 0), page)
            if layout.order is None or is_in_order(self.first, self.listing.order):
                return layout
            opposite: ListingOrder = "desc" if self.listing.order == "asc" else "asc"
            return evolve(layout, order=opposite if is_in_order(self.first, opposite) else None)
        raise Contradiction("silence", "no response agrees with another")

    def _shown_by(self, page: LedgerPage, draft: Layout) -> Layout:
        """Return the layout that a first page shows; raise where it contradicts itself."""
        total, rows = stated_total(page), len(page.entries)
        if not rows:
            if total or not says_empty(page):
                text = "the response has no entries and does not say that there are none"
                raise Contradiction("silence", text, total, 0)
            return evolve(draft, total=0, stated=total)
        if self.exceeded:
            return evolve(draft, stated=total)
        if total is None:
            raise Contradiction("count", "the first page states no total")
        size = _stated_page_size(page, draft.limit)
        if rows != min(size, total):
            text = f"{total} entries are stated, so the first page has {min(size, total)}; {rows} came"
            raise Contradiction("count", text, total, rows)
        return Layout(draft.limit, size, total, total, draft.offset_rule, draft.order)

    def _read_as_it_is(self, page: LedgerPage, draft: Layout, contradiction: Contradiction) -> Layout:
        """Return how to read a first page that two responses gave alike, although it contradicts itself."""
        rows, total, in_window = len(page.entries), stated_total(page), self.listing.window is not None
        if contradiction.kind == "silence":
            if not total:
                raise contradiction
            if in_window:
                raise Contradiction("dates", contradiction.text)
            return evolve(draft, order=None, stated=total)  # all rows of the page may be hidden
        if total is None or total < rows:  # the total has stopped counting, or is that of something else
            if rows > draft.limit or len(keys_of(page.entries)) == total:  # or a row comes twice by mistake
                raise contradiction
            return evolve(draft, stated=total)
        if rows > draft.limit and has_repeats(page.entries):  # a row that comes twice by mistake
            raise contradiction
        if rows > draft.limit:  # the service's own page size
            return evolve(draft, total=total, page_size=rows, stated=total)
        if in_window:
            raise Contradiction("dates", "the stated total does not count the rows of the window alone")
        if _states_usual_pages(page, draft.limit):  # rows are hidden
            return evolve(draft, order=None, stated=total)
        return evolve(draft, total=total, page_size=rows, stated=total)

    async def page(self, key: PageKey, following: Callable[[], Iterable[PageKey]] = tuple) -> LedgerPage:
        """Request a page; a further one that is refused is a contradiction."""
        try:
            page = await self.prefetch.take(key, following)
        except ApiError as refusal:
            if not key.number or isinstance(refusal, LimitTooLargeError):
                raise
            raise Contradiction("depth", str(refusal)) from refusal
        check_dates(self.listing, page)
        if page.entries and stated_total(page) not in {None, len(page.entries)}:
            self.states_more = True
        return page

    def following_keys(self) -> Iterator[PageKey]:
        """Yield the first pages of what is read after this listing."""
        limit = self.profile.page_size(self.page_size)
        for other in self.following:
            yield PageKey(other, 0, limit, limit, 0)

    async def revised(self, layout: Layout, key: PageKey, rows: list[LedgerEntry]) -> Layout:
        """Find out what ``offset`` counts, and keep for the session what is proven; return the layout with it."""
        self.profile.offset_rule = await self.offset_rule(layout, key, rows)
        self.likely_rule = self.profile.offset_rule or infer_rule(self.first, rows, key)
        return evolve(layout, offset_rule=self.likely_rule)

    async def offset_rule(self, layout: Layout, key: PageKey, rows: list[LedgerEntry]) -> OffsetRule | None:
        """Return what ``offset`` counts, after a page that does not continue the rows before it; None if nothing shows.

        A first page of twice the size has the rows of the second page in its second half where pages are counted; where
        rows are the same or change their places, what lies behind the last page tells.
        """
        size, total = max(2, layout.page_size), layout.total
        try:
            whole = await self.page(key._replace(number=0, size=2 * size, limit=2 * size, offset=0))
            rules = await self._fitting_rules(key._replace(number=1, size=size, limit=size, offset=1), whole.entries)
        except LimitTooLargeError as refusal:
            self.profile.lower_page_cap(refusal, 2 * size)
            size, rules = layout.page_size, []
        except Contradiction:
            return None
        else:
            total = len(whole.entries) if total is None and len(whole.entries) < 2 * size else total
        if len(rules) == 1 or total is None:
            return rules[0] if len(rules) == 1 else None
        return await self._rule_behind(key._replace(size=size, limit=size), total, infer_rule(self.first, rows, key))

    async def _fitting_rules(self, key: PageKey, whole: list[LedgerEntry]) -> list[OffsetRule]:
        """Return by which rules a second page has the rows that a page of twice the size has at its place."""
        if len(whole) <= key.size:
            return []
        rows = keys_of((await self.page(key)).entries)
        places: dict[OffsetRule, int] = {"page": key.size, "row": 1, "page from 1": 0}
        return [rule for rule, place in places.items() if rows == keys_of(whole[place : place + key.size])]

    async def _rule_behind(self, key: PageKey, total: int, inferred: OffsetRule) -> OffsetRule | None:
        """Return what ``offset`` counts, by the page behind the last one."""
        with suppress(Contradiction, LimitTooLargeError):
            for _ in range(1 + RETRIES):
                number = page_count(total, key.size)
                page = await self.page(key._replace(number=number, offset=number))
                total = (stated_total(page) if self.states_more else None) or total
                if number == page_count(total, key.size):
                    return await self._rule_at(page, key._replace(offset=number), total, inferred)
        return None

    async def _rule_at(self, page: LedgerPage, key: PageKey, total: int, inferred: OffsetRule) -> OffsetRule | None:
        """Return what ``offset`` counts, by the page at the offset behind the last page of this size."""
        rows, size, number = len(page.entries), key.size, key.offset
        as_rows, as_pages = min(size, total - number), total - (number - 1) * size
        if not rows:
            return "page"
        if as_rows != as_pages:
            counts_rows, counts_pages = rows == as_rows, rows == as_pages
        elif number + 1 < total:
            counts_rows = bool((await self.page(key._replace(limit=size, offset=number + 1))).entries)
            counts_pages = not counts_rows
        else:
            return None
        pages = inferred if inferred != "row" else "page"
        return "row" if counts_rows else pages if counts_pages else None


def says_empty(page: LedgerPage) -> bool:
    """Return whether a response without entries says that there are none."""
    return stated_total(page) == 0 or any(notice.code == _NO_ENTRIES for notice in page.warnings)


def has_repeats(rows: list[LedgerEntry]) -> bool:
    """Return whether two rows have the same key."""
    return len(keys_of(rows)) < len(rows)


def infer_rule(first: list[LedgerEntry], rows: list[LedgerEntry], key: PageKey) -> OffsetRule:
    """Return what ``offset`` seems to count, by how a page repeats rows of the first one."""
    if key.number == 1 and _repeats(first, rows):
        return "page from 1"
    overlap = first[key.offset : key.offset + len(rows)] if key.number else []
    keys, others = keys_of(first), keys_of(rows)
    moves_on = key.number > 0 and keys != others and 2 * (keys & others).total() > len(rows)
    return "row" if moves_on or _repeats(overlap, rows[: len(overlap)]) else "page"


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


def _stated_page_size(page: LedgerPage, limit: int) -> int:
    """Return the page size that a response goes by, if its page count shows that it is not the one requested."""
    details, total = page.details, stated_total(page)
    if details is None or not total or not details.page_size or not details.page_count:
        return limit
    size, pages = details.page_size, details.page_count
    shows = pages == page_count(total, size) != page_count(total, limit)
    return size if shows and len(page.entries) == min(size, total) else limit
