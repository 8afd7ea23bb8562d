"""Reading an ordered listing: page after page, each checked against the layout and the edge before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, evolve

from capledger.errors import ApiError, IncompleteLedgerError, LimitTooLargeError
from capledger.walk.batch import Batch, BatchBuilder
from capledger.walk.discovery import RETRIES, Discovery, infer_rule
from capledger.walk.ending import is_at_end
from capledger.walk.listing import Layout, Listing, PageView, stated_total
from capledger.walk.ordering import by_date, keys_of, second_of
from capledger.walk.prefetch import PageKey, Prefetch
from capledger.walk.read_progress import ReadProgress
from capledger.walk.server_profile import ServerProfile
from capledger.walk.settlement import settled
from capledger.walk.validation import (
    Contradiction,
    Edge,
    check_count,
    check_dates,
    check_order,
    rows_behind,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from capledger.models import LedgerPage


@define(eq=False)
class Reader:
    """The pages of one listing from a position on."""

    listing: Listing
    prefetch: Prefetch
    profile: ServerProfile
    layout: Layout
    progress: ReadProgress
    discovery: Discovery
    builder: BatchBuilder
    last: tuple[PageKey, PageView] | None = None
    """The latest response."""

    async def batches(self) -> AsyncIterator[Batch]:
        """Read to the end of the listing."""
        progress = self.progress
        if progress.edge is not None and progress.edge_total != progress.total:
            batch = self._added(*await settled(self, progress.edge))
            if batch is not None:
                yield batch
        while not await is_at_end(self):
            try:
                view, new = await self._agreed_view()
            except Contradiction as contradiction:
                if not self._may_end(contradiction):
                    raise
                break
            batch = self._added(view, new)
            if batch is not None:
                yield batch
        if self.last is not None:
            batch = self.builder.finish(self.last[1].page, backward=self._known_direction())
            if batch is not None:
                yield batch

    def _may_end(self, contradiction: Contradiction) -> bool:
        """Return whether a page that is refused may well be behind the end, of which no total tells."""
        if contradiction.kind != "depth" or self.layout.counted or self.layout.backward:
            return False
        return self.progress.empty_pages > 0 or self.listing.is_shortest

    def _added(self, view: PageView, new: Sequence[int]) -> Batch | None:
        """Go on behind a page, and return what it adds to the walk."""
        self._advance(view, new)
        return self.builder.add(view, new, self.progress.edge_total, backward=self._known_direction())

    def _known_direction(self) -> bool | None:
        """Return whether the listing is read backward, if a resumed walk may rely on that and on its totals."""
        return self.layout.backward if self.layout.counted and not self.progress.hides else None

    def shortfall(self) -> IncompleteLedgerError | None:
        """Return what keeps the listing from being proven; None when it is."""
        return self.progress.shortfall(self.layout)

    # The next page

    def _probe_due(self) -> bool:
        """Return whether the page behind the last one is worth requesting ahead."""
        total = self.progress.total
        return total > self.profile.counted_to and total % self.layout.page_size == 0

    async def _agreed_view(self) -> tuple[PageView, Sequence[int]]:
        """Return the next page and its new rows; one that contradicts what is known is requested again, or settled."""
        before: Contradiction | None = None
        for _ in range(1 + RETRIES):
            view = await self.view(self.layout.number_of(self.progress.index, self.progress.total))
            try:
                return view, self._new_rows(view)
            except Contradiction as contradiction:
                if before is None and (contradiction.kind != "edge" or self._shows_rule()):
                    before = contradiction
                    continue
                if await self._rule_revised():
                    continue
                self._check_rule_known()
                if contradiction.kind == "edge":
                    return await self._settled(view)
                if before is not None and str(before) == str(contradiction):
                    return await self._as_it_is(view, contradiction)
                before = contradiction
        raise before or Contradiction("edge", "no response agrees with another")

    async def _settled(self, disputed: PageView) -> tuple[PageView, Sequence[int]]:
        """Return a page that shows how the listing continues where one does not."""
        progress = self.progress
        if disputed.total is not None and disputed.total > progress.total:
            progress.note_total(disputed.total)
        if progress.edge is None:  # rows were added before the first one: read from there
            view = await self.view(self.layout.number_of(0, progress.total))
            return view, range(max(0, -view.first_index), len(view.rows))
        if self.profile.offset_rule is None and self.layout.page_size == 1:
            self.layout = await self.discovery.rule_of_larger_pages(self.layout)
        return await settled(self, progress.edge, disputed)

    def _check_rule_known(self) -> None:
        """Check that it is proven what ``offset`` counts before anything is made of a page that contradicts others."""
        unknown = not self.discovery.resumes or self.progress.hides
        if self.profile.offset_rule is None and unknown and self.layout.page_size > 1:
            raise Contradiction("rule", "it is not proven what offset counts")

    def _shows_rule(self) -> bool:
        """Return whether the latest page repeats the first one as it would if ``offset`` counted something else."""
        if self.profile.offset_rule is not None or self.last is None or self.layout.backward:
            return False
        key, view = self.last
        if self.layout.counted and view.total != self.progress.edge_total:
            return False
        return key.number > 0 and infer_rule(self.discovery.first, view.page.entries, key) is not None

    async def _rule_revised(self) -> bool:
        """Find out what ``offset`` counts from a page that repeats the first one; return whether that is news."""
        if self.last is None or not self._shows_rule():
            return False
        key, view = self.last
        rule = await self.discovery.rule_shown_by(self.layout, key, view.page.entries)
        if rule in {None, self.layout.offset_rule}:
            return False
        self.layout = evolve(self.layout, offset_rule=rule)
        return True

    async def view(self, number: int, size: int | None = None) -> PageView:
        """Request a page; with ``size``, one of another size than the listing is read in."""
        layout = self.layout
        key = layout.key(self.listing, number, size)
        self.last = None  # makes room before the next page is decoded
        page = await self.page(key)
        if layout.total is None and stated_total(page) is not None:  # the first page alone stated none
            self._take_total(stated_total(page) or 0)
        view = self.layout.view(key, page)
        self.last = key, view
        return view

    def _take_total(self, total: int) -> None:
        self.layout = evolve(self.layout, total=total, counted=True, stated=True)
        self.progress.total = self.progress.edge_total = total

    async def page(self, key: PageKey) -> LedgerPage:
        """Request a page, and what follows it ahead."""
        try:
            page = await self.prefetch.take(key, lambda: self._following(key))
        except ApiError as refusal:
            of_limit = isinstance(refusal, LimitTooLargeError)
            if key.number and not (of_limit and (key.limit > self.layout.limit or not self.progress.read)):
                raise Contradiction("depth", str(refusal)) from refusal
            raise
        check_dates(self.listing, page)
        if page.entries and stated_total(page) == self.layout.total != len(page.entries):
            self.progress.exceeds = True
        return page

    def _following(self, key: PageKey) -> Iterator[PageKey]:
        """Yield the pages that are read after this one."""
        layout, total = self.layout, self.progress.total
        if not layout.counted and not layout.backward:
            total = max(total, (key.number + 2) * layout.page_size)
        elif self._probe_due() and not layout.backward:
            total += layout.page_size
        if self.profile.offset_rule is None and self.listing.cautious:
            total = min(total, 2 * layout.page_size)
        for number in layout.upcoming(key.number, total):
            yield layout.key(self.listing, number)
        limit = self.profile.page_size(layout.limit)
        for listing in self.listing.following:
            yield evolve(layout, limit=limit, page_size=limit).key(listing, 0)

    def _new_rows(self, view: PageView) -> Sequence[int]:
        """Return which rows of a page continue what was read."""
        progress, order = self.progress, self.listing.order
        if self.layout.counted and view.total is not None:
            if view.total < progress.total:
                raise Contradiction("fall", f"{progress.total} entries were stated and then {view.total}")
            if not progress.hides:
                check_count(view)
        if view.at_start and view.at_end:
            view.rows = by_date(view.rows, order)
        check_order(view, order)
        self._check_direction(view)
        grown = 0 if view.total is None else view.total - progress.edge_total
        return rows_behind(view, progress.edge, order, index=progress.index, grown=grown)

    def _check_direction(self, view: PageView) -> None:
        """Check that rows after a first page of one second alone are in the order that was assumed."""
        edge = self.progress.edge
        if edge is None or self.builder.position is not None or edge.count != self.progress.read or not view.rows:
            return
        second = second_of(view.rows[0].ledger_created_date)
        if second != edge.second and (second < edge.second) == (self.listing.order == "asc"):
            raise Contradiction("turn", "the rows come in the other order")

    async def _as_it_is(self, view: PageView, contradiction: Contradiction) -> tuple[PageView, Sequence[int]]:
        """Read a page that two responses gave alike, although it contradicts what is known."""
        progress, kind = self.progress, contradiction.kind
        key = self.layout.key(self.listing, self.layout.number_of(progress.index, progress.total))
        if kind == "fall" and view.total is not None:
            progress.note_total(view.total)
            return await self._settled(view)
        if kind == "short" and self.listing.window is None:
            progress.hides = True
        elif len(keys_of(view.rows)) == view.expected < len(view.rows):
            raise contradiction  # a row that comes twice by mistake
        elif kind == "long" and not self.layout.backward and len(view.rows) <= self.layout.page_size:
            self.layout = evolve(self.layout, counted=False)
        elif kind == "long" and not self.layout.backward and len(view.rows) <= self.layout.limit:
            self.layout = evolve(self.layout, page_size=self.layout.limit)  # earlier pages hid rows
            progress.index, progress.hides = key.number * self.layout.limit, True
            progress.hidden = progress.index - progress.read
        elif kind == "short":
            raise Contradiction("dates", contradiction.text)
        else:
            raise contradiction
        number = self.layout.number_of(progress.index, progress.total)
        self.prefetch.keep(self.layout.key(self.listing, number), view.page)
        return await self._agreed_view()

    def _advance(self, view: PageView, new: Sequence[int]) -> None:
        progress = self.progress
        key = self.last[0] if self.last is not None else None
        is_usual = key is None or key.size == self.layout.page_size
        end_index = view.end_index if is_usual else view.first_index + len(view.rows)
        if end_index < progress.index and not new and view.rows:
            if self.layout.counted or self.layout.backward:
                raise Contradiction("edge", "the service repeats a page that was read")
            end_index = progress.index + self.layout.page_size
        elif end_index == progress.index and not new and not is_usual and progress.empty_pages:
            end_index += self.layout.page_size  # what is read again and again: the page shows no row of its own
            progress.hidden += self.layout.page_size
        if new and key is not None and key.number and is_usual and key.size > 1 and view.total:
            self.profile.offset_rule = self.layout.offset_rule
            if self.layout.page_size < self.layout.limit and not progress.hides:
                self.profile.page_cap = self.layout.page_size
        if new:
            self.prefetch.note_new_rows()
            progress.edge = Edge.behind(view.select(new), progress.edge)
        if view.total is not None:
            progress.note_total(view.total)
            progress.edge_total = view.total
            progress.hidden += max(0, view.expected - len(view.rows))
        progress.index = end_index
        progress.read += len(new)
        progress.empty_pages = 0 if new else progress.empty_pages + 1
