"""Reading a listing in the order of the query: page after page, each checked against the rows before it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from attrs import define

from capledger.cursor import Edge
from capledger.errors import IncompleteLedgerError
from capledger.models import LedgerPage
from capledger.models.identity import keys_of
from capledger.walk.batch import Batch, BatchBuilder
from capledger.walk.discovery import Discovery
from capledger.walk.listing import Layout, PageView, page_count, stated_total
from capledger.walk.settlement import settled
from capledger.walk.validation import Contradiction, check_page, edge_behind, overlap, rows_behind, total_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from capledger.cursor import Position
    from capledger.walk.listing import PageKey
    from capledger.walk.validation import ContradictionKind


@define(eq=False)
class Reader:
    """The pages of one listing from a position on."""

    discovery: Discovery
    layout: Layout
    builder: BatchBuilder
    total: int | None
    """The total by which ``index`` is counted; None where no total counts the rows."""
    index: int = 0
    """Rows of the listing that were read, or lie before those that were."""
    edge: Edge | None = None
    read: int = 0
    """Rows that were read, those before it included."""
    lost: bool = False
    """Whether rows that were not read have vanished: they were deleted, or a replica does not have them yet."""
    ended: bool = False
    """Whether the listing was read to its end."""
    latest: PageView | None = None
    """The latest page; while the next one is requested, None, to make room."""
    _adds_nothing: bool = False
    """Whether the latest page has no row that was not read before."""

    async def next(self, position: Position | None) -> Batch | None:
        """Return what the next page adds behind a position; None where that is nothing.

        Raises:
            Contradiction: the page cannot be brought into agreement with what is known.
        """
        if self.latest is None and await self._reaches_end():  # resumed behind the last row
            self.ended = True
            return None
        view, new = await self._next()
        rows = view.rows if len(new) == len(view.rows) else [view.rows[place] for place in new]
        key, profile = view.key, self.discovery.profile
        if rows:
            self.discovery.useful += 1
            self.edge = edge_behind(rows, self.edge)
            if key.number and key.size == self.layout.page_size > 1 and view.total:
                profile.offset_rule = self.layout.offset_rule
                profile.page_cap = key.size if key.size < self.layout.limit else profile.page_cap
        self.index = view.first + (key.size if self.total is None else len(view.rows))
        self.read, self._adds_nothing = self.read + len(rows), not rows
        self.latest, self.total = view, self.total if view.total is None else view.total
        self.ended = await self._reaches_end()
        index = self.index if self.total else None
        return self.builder.add(rows, view.page, position, index, self.total, ends=self.ended)

    @property
    def doubts_dates(self) -> bool:
        """Whether a shortfall may be due to totals that ignore dates."""
        return self.layout.stated is not None and not self.lost

    @property
    def shortfall(self) -> IncompleteLedgerError | None:
        """Return what keeps a listing that was read to its end from being proven; None when it is."""
        stated, counts_all = self.layout.stated, self.discovery.states_more
        if self.lost:
            text = "the stated total fell while the ledger was read, and the entries that were deleted were not seen"
            return IncompleteLedgerError(text, self.layout.total, self.read)
        if self.total is not None or (stated is not None and counts_all and self.read >= stated):
            return None
        return total_unknown(self.read)

    async def view(self, number: int, size: int | None = None) -> PageView:
        """Request a page, and what follows it ahead; with ``size``, one of another size than usual."""
        key, latest = self.layout.key(self.discovery.listing, number, size), self.latest
        self.latest = None
        try:
            page = await self.discovery.page(key, partial(self._following, key))
        except Contradiction as contradiction:
            if contradiction.kind != "depth" or self.total is not None or latest is None or not latest.is_short:
                raise
            page = LedgerPage()  # the service refuses to look behind the last page
        return PageView(key, page, None if self.total is None else stated_total(page))

    def _following(self, key: PageKey) -> Iterator[PageKey]:
        """Yield the pages that are read after this one."""
        layout, listing, profile = self.layout, self.discovery.listing, self.discovery.profile
        first = (key.number + 1) * key.size // layout.page_size
        end = first + 2
        if self.total is not None:
            end = page_count(self.total if self.total < profile.counted_to else self.total + 1, layout.page_size)
        for number in range(first, end):
            yield layout.key(listing, number)
        yield from map(self.discovery.first_key, self.discovery.following)

    async def _next(self) -> tuple[PageView, Sequence[int]]:
        """Return the next page and its new rows; one that contradicts what is known is requested again, or settled."""
        before: ContradictionKind | None = None
        while True:
            view = await self.view(self.index // self.layout.page_size)
            try:
                check_page(view, self.discovery.listing.order, self.total)
                return view, rows_behind(
                    view, self.edge, self.discovery.listing.order, index=self.index, total=self.total
                )
            except Contradiction as contradiction:
                kind, again = contradiction.kind, before == contradiction.kind
                before = kind
                if view.key.number and self.discovery.known_rule is None and (again or kind == "edge"):
                    layout, before = self.layout, None
                    self.layout = await self.discovery.find_offset_rule(layout)
                    if self.layout.offset_rule != layout.offset_rule and self.index != self.read:
                        raise Contradiction("edge", "pages without new rows were counted as rows") from None
                elif self.edge is not None and (kind == "edge" or (kind == "fall" and again)):
                    return await settled(self, self.edge)
                elif again and kind == "count" and view.expected < len(view.rows) <= view.key.size:
                    self._distrust_total(view.key, view.page)
                elif again:
                    raise

    def _distrust_total(self, key: PageKey, page: LedgerPage) -> None:
        """Read on by pages alone, after one that has rows behind the stated last one."""
        self.discovery.prefetch.kept[key] = page
        self.total, self.layout = None, self.layout._replace(total=None)
        self.discovery.exceeded = True

    async def _reaches_end(self) -> bool:
        """Return whether the listing was read to its end; a full last page is followed by a look at the next one."""
        profile, total, latest = self.discovery.profile, self.total, self.latest
        if total is None:
            return self._adds_nothing
        if self.index < total or total < profile.counted_to or not total:
            return self.index >= total
        if latest is None or not latest.is_short:
            usual = self.layout.key(self.discovery.listing, total // self.layout.page_size)
            key = usual if latest is None else self.layout.key(usual.listing, latest.key.number + 1, latest.key.size)
            try:
                page = await self.discovery.page(key)
            except Contradiction as contradiction:
                if contradiction.kind == "depth" and self.edge is not None and key.listing.is_past(self.edge.second):
                    return True  # what the service refuses to show is not yielded from this listing
                raise
            if not await self._is_behind_end(total, key, page):
                if (stated_total(page) or 0) > total:  # rows were added
                    self.discovery.prefetch.kept[key] = page
                else:
                    self._distrust_total(key, page)
                return False
        profile.counted_to = total if self.discovery.states_more else profile.counted_to
        return True

    async def _is_behind_end(self, total: int, key: PageKey, page: LedgerPage) -> bool:
        """Return whether a page shows that no row follows the stated last one: it has none, or those before it."""
        if not page.entries or self.edge is None:
            return not page.entries
        view = PageView(key, page, total)
        if view.first + len(view.rows) <= total:
            return True
        if overlap(view, self.edge, self.discovery.listing.order).new:
            return False
        usual, rule = self.layout.page_size, self.discovery.profile.offset_rule
        larger, smaller = range(usual + 1, self.discovery.profile.largest_page() + 1), range(usual - 1, 1, -1)
        for size in larger if rule is None else (*larger, *smaller):
            if total % size:  # the last row and the next one are on one page
                wider = await self.discovery.page(self.layout.key(key.listing, total // size, size))
                return len(wider.entries) <= total % size
        if rule is not None or key.number != 1:
            return True
        beyond = await self.discovery.page(key._replace(number=2, offset=2))  # the second one, where the first is 1
        return not beyond.entries or keys_of(beyond.entries) == keys_of(page.entries)
