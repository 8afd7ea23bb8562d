"""Reading a listing that has an order: page after page, each checked against the rows and the total before it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import define, evolve

from capledger.errors import IncompleteLedgerError, LimitTooLargeError
from capledger.models import LedgerPage
from capledger.models.identity import keys_of
from capledger.moments import second_of
from capledger.walk.discovery import EMPTY_PAGES, Discovery, infer_rule
from capledger.walk.listing import Layout, PageView, page_count, stated_total
from capledger.walk.settlement import settled
from capledger.walk.validation import Contradiction, Edge, check_order, check_total, is_past, rows_behind, total_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from capledger.models import LedgerEntry
    from capledger.walk.ordering import ListingOrder
    from capledger.walk.prefetch import PageKey
    from capledger.walk.validation import ContradictionKind


@define(eq=False)
class Reader:
    """The pages of one listing from a position on, in the order of the service."""

    discovery: Discovery
    layout: Layout
    total: int | None
    """The total by which ``index`` is counted; None where no total counts the rows."""
    index: int = 0
    """Rows of the listing that were read, or lie before those that were."""
    edge: Edge | None = None
    read: int = 0
    """Rows that were read."""
    lost: bool = False
    """Whether rows that were not read have vanished: they were deleted, or a replica does not have them yet."""
    ended: bool = False
    """Whether the listing was read to its end."""
    latest: PageView | None = None
    """The latest page; while the next one is requested, None, to make room."""
    _empty_pages: int = 0

    @property
    def order(self) -> ListingOrder:
        """Order in which the service lists rows."""
        return self.layout.order or self.discovery.listing.order

    async def next(self) -> tuple[LedgerPage, list[LedgerEntry]]:
        """Return the next page and the rows that it adds; nothing of either where the listing ends without one."""
        if self.latest is None and await self._reaches_end():
            self.ended = True
            return LedgerPage(), []
        was_short = self.latest is not None and self.latest.is_short
        try:
            view, new = await self._next()
        except Contradiction as contradiction:
            if contradiction.kind != "depth" or self.total is not None or not was_short:
                raise
            self.ended = True  # the page before the one that is refused is the last one
            return LedgerPage(), []
        rows = view.rows if len(new) == len(view.rows) else [view.rows[place] for place in new]
        self._advance(view, rows)
        self.ended = await self._reaches_end()
        return view.page, rows

    def shortfall(self) -> IncompleteLedgerError | None:
        """Return what keeps a listing that was read to its end from being proven; None when it is."""
        if self.lost:
            text = "the stated total fell while the ledger was read, and the entries that were deleted were not seen"
            return IncompleteLedgerError(text, self.layout.total, self.read)
        stated = self.layout.stated
        if self.total is not None or (stated is not None and self.discovery.states_more and self.read >= stated):
            return None
        return total_unknown(self.read)

    async def view(self, number: int, size: int | None = None) -> PageView:
        """Request a page, and what follows it ahead; with ``size``, one of another size than usual."""
        key = self.layout.key(self.discovery.listing, number, size)
        self.latest = None
        page = await self.discovery.page(key, lambda: self._following(key))
        return PageView(key, page, None if self.total is None else stated_total(page))

    def _following(self, key: PageKey) -> Iterator[PageKey]:
        """Yield the pages that are read after this one."""
        layout, listing, profile = self.layout, self.discovery.listing, self.discovery.profile
        end = key.number + 3
        if self.total is not None:
            end = page_count(self.total, layout.page_size)
            if self.total > profile.counted_to and self.total % layout.page_size == 0:
                end += 1
        if profile.offset_rule is None and listing.cautious:
            end = min(end, 2)
        for number in range(key.number + 1, end):
            yield layout.key(listing, number)
        yield from self.discovery.following_keys()

    async def _next(self) -> tuple[PageView, Sequence[int]]:
        """Return the next page and its new rows; one that contradicts what is known is requested again, or settled."""
        before: ContradictionKind | None = None
        while True:
            view = await self.view(self.index // self.layout.page_size)
            try:
                return view, self._new_rows(view)
            except Contradiction as contradiction:
                kind, again = contradiction.kind, before == contradiction.kind
                before = kind
                if self._doubts_rule(view):
                    if again and not await self._rule_revised(view):
                        before = None
                elif self.edge is not None and (kind == "edge" or (kind == "fall" and again)):
                    return await settled(self, self.edge, view)
                elif again and kind == "count" and view.expected < len(view.rows) <= view.key.size:
                    self._distrust_total(view.key, view.page)
                elif again or (kind == "order" and self.order != self.discovery.listing.order):
                    raise

    def _distrust_total(self, key: PageKey, page: LedgerPage) -> None:
        """Read on by pages alone, after one that has rows behind the stated last one."""
        self.discovery.prefetch.keep(key, page)
        self.total, self.layout = None, evolve(self.layout, total=None)
        self.discovery.exceeded = True

    def _new_rows(self, view: PageView) -> Sequence[int]:
        """Return which rows of a page continue what was read."""
        if self.total is not None:
            check_total(view, self.total)
        check_order(view.rows, self.order)
        return rows_behind(view, self.edge, self.order, index=self.index, total=self.total)

    def _doubts_rule(self, view: PageView) -> bool:
        """Return whether a page suggests that ``offset`` counts something else than assumed, which is not proven."""
        if (self.discovery.profile.offset_rule or self.discovery.likely_rule) is not None or not view.key.number:
            return False
        return self.layout.page_size == 1 or infer_rule(self.discovery.first, view.rows, view.key) != "page"

    async def _rule_revised(self, view: PageView) -> bool:
        """Find out what ``offset`` counts; return whether it is not what was assumed."""
        before = self.layout
        self.layout = await self.discovery.revised(before, view.key, view.rows)
        return self.layout != before

    async def _reaches_end(self) -> bool:
        """Return whether the listing was read to its end; a full last page is followed by a look at the next one."""
        profile, total, latest = self.discovery.profile, self.total, self.latest
        if total is None:
            if self._empty_pages < EMPTY_PAGES:
                return False
            await self._compare_totals()
            return await self._ends_still()
        if self.index < total or total <= profile.counted_to or not total or (latest is not None and latest.is_short):
            return self.index >= total
        usual = self.layout.key(self.discovery.listing, total // self.layout.page_size)
        key = usual if latest is None else self.layout.key(usual.listing, latest.key.number + 1, latest.key.size)
        try:
            page = await self.discovery.page(key)
        except Contradiction as contradiction:  # the service refuses to look behind the last page
            if contradiction.kind == "depth" and self.edge is not None and key.listing.is_past(self.edge.second):
                return True
            raise
        if await self._is_behind_end(total, key, page):
            profile.counted_to = total
            return True
        if (stated_total(page) or 0) > total:  # rows were added
            self.discovery.prefetch.keep(key, page)
        else:
            self._distrust_total(key, page)
        return False

    async def _is_behind_end(self, total: int, key: PageKey, page: LedgerPage) -> bool:
        """Return whether a page shows that no row follows the stated last one: it has none, or those before it."""
        if not page.entries or key.number * key.size + len(page.entries) <= total:
            return True
        if self.edge is None:
            return False
        second = second_of(page.entries[0].ledger_created_date)
        return not is_past(second, self.edge.second, self.order) and not await self._goes_on(total, key, page)

    async def _compare_totals(self) -> None:
        """Request a larger first page: a total that is not the number of its rows is not that of each page."""
        discovery, usual = self.discovery, self.layout.page_size
        size = min(2 * usual, discovery.profile.largest_page())
        if size > usual and self.layout.stated is not None and not discovery.states_more:
            with suppress(LimitTooLargeError):
                await discovery.page(self.layout.key(discovery.listing, 0, size))

    async def _ends_still(self) -> bool:
        """Look again behind the last rows of a listing that must count them all: pages read ahead may be older."""
        if not self.discovery.exceeded:
            return True
        self.discovery.prefetch.stop()
        key = self.layout.key(self.discovery.listing, self.index // self.layout.page_size - self._empty_pages)
        page = await self.discovery.page(key)
        if page.entries:
            self.discovery.prefetch.keep(key, page)
            self.index, self._empty_pages = key.number * key.size, 0
        return not page.entries

    async def _goes_on(self, total: int, key: PageKey, further: LedgerPage) -> bool:
        """Return whether there are rows behind the stated last one, by a page of another size if that is allowed."""
        last = self.latest
        listing, profile, usual = self.discovery.listing, self.discovery.profile, self.layout.page_size
        for size in range(usual + 1, profile.largest_page() + 1):
            if total % size:
                try:
                    page = await self.discovery.page(self.layout.key(listing, total // size, size))
                except LimitTooLargeError as refusal:
                    profile.lower_page_cap(refusal, size)
                    break
                return len(page.entries) > total % size
        repeated = keys_of(further.entries)
        if last is None or keys_of(last.rows) != repeated:
            return True
        if key.number != 1 or profile.offset_rule is not None:
            return False
        beyond = await self.discovery.page(key._replace(number=2, offset=2))  # the second one, where the first is 1
        return bool(beyond.entries) and keys_of(beyond.entries) != repeated

    def _advance(self, view: PageView, rows: list[LedgerEntry]) -> None:
        """Go on behind a page."""
        key, profile = view.key, self.discovery.profile
        if rows:
            self.discovery.prefetch.note_new_rows()
            self.edge = Edge.behind(rows, self.edge)
            if key.number and key.size == self.layout.page_size > 1 and view.total:
                profile.offset_rule = self.layout.offset_rule
                if key.size < self.layout.limit:
                    profile.page_cap = key.size
        self._empty_pages = 0 if rows else self._empty_pages + 1
        self.read += len(rows)
        self.index = view.first + (len(view.rows) if self.total is not None else key.size)
        if view.total is not None:
            self.total = view.total
        self.latest = view
