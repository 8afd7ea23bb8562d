"""Reading one listing from a position on: discover its layout, then read its pages one by one, or collect them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import define

from capledger.errors import IncompleteLedgerError
from capledger.models import LedgerPage
from capledger.walk.batch import BatchBuilder
from capledger.walk.collector import Collector
from capledger.walk.cursor import Position
from capledger.walk.discovery import Discovery
from capledger.walk.listing import Layout
from capledger.walk.ordering import by_date
from capledger.walk.reader import Reader
from capledger.walk.validation import Contradiction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from capledger.models import LedgerEntry
    from capledger.walk.batch import Batch

#: How often a listing is discovered before its rows are collected.
_DISCOVERIES: Final = 2


@define(eq=False)
class ListingReading:
    """The batches of one listing."""

    discovery: Discovery
    position: Position | None
    """Behind the last entry yielded; None before the first one of the walk."""
    yielded: int | None = 0
    """Entries that were yielded from this listing, or from others that this one holds; None if that is not known."""
    layout: Layout | None = None
    total: int | None = None
    """The first total of the listing, also of an earlier session."""
    shortfall: IncompleteLedgerError | None = None
    """After the end: what keeps the listing from being proven."""
    states_totals: bool = True
    """After the end: whether the service states totals."""
    fell: bool = False
    """After the end: whether the total had fallen on the way."""

    async def batches(self) -> AsyncIterator[Batch]:
        """Read to the end of the listing.

        Raises:
            Contradiction: the responses cannot be brought into agreement.
        """
        page = self._single_page(await self.discovered())
        if page is None:
            async for batch in self._read_or_collect():
                yield self._noted(batch)
            return
        rows = page.entries
        single = self._builder(skips=False).add(rows, page, len(rows), len(rows), ends=True)
        if single is not None:
            yield self._noted(single)

    def _single_page(self, layout: Layout) -> LedgerPage | None:
        """Return a first page that has all rows, and room for another one: nothing follows it."""
        listing, rows = self.discovery.listing, len(self.discovery.first)
        if self.position is not None or listing.following or layout.order != listing.order:
            return None
        is_single = rows == layout.total and 0 < rows < layout.page_size
        return self.discovery.prefetch.pop(layout.key(listing, 0)) if is_single else None

    async def _read_or_collect(self) -> AsyncIterator[Batch]:
        in_window = self.discovery.listing.window is not None
        for _ in range(_DISCOVERIES):
            layout = await self.discovered()
            if layout.order is None:
                break
            try:
                async for batch in self._read(layout):
                    yield batch
            except Contradiction as contradiction:
                if contradiction.kind in {"dates", "depth"}:
                    raise
                if contradiction.kind == "count" and in_window:
                    raise Contradiction("dates", contradiction.text) from None
                if contradiction.kind == "count":
                    break
                if contradiction.kind == "order" and layout.order == self.discovery.listing.order:
                    break
                self.layout = None
            else:
                return
        async for batch in self._collect(self.layout or await self.discovered()):
            yield batch

    async def discovered(self) -> Layout:
        """Return the layout of the listing; what a resumed walk knows of it need not be discovered."""
        if self.layout is None:
            own, rule = self._ranked_position(), self.discovery.profile.offset_rule
            if own is not None and own.total and rule is not None:
                size = self.discovery.profile.page_size(self.discovery.page_size)
                self.layout = Layout(size, size, own.total, own.total, rule, self.discovery.listing.order)
            else:
                self.layout = await self.discovery.layout()
            if self.total is None:
                is_own = self.position is not None and self.position.window == self.discovery.listing.window
                self.total = self.position.total if is_own and self.position is not None else self.layout.total
        return self.layout

    def _noted(self, batch: Batch) -> Batch:
        self.position = batch.end
        if self.yielded is not None:
            self.yielded += len(batch.entries)
        return batch

    def _ranked_position(self) -> Position | None:
        """Return the position, if it is known where in this listing it lies."""
        position = self.position
        is_own = position is not None and position.window == self.discovery.listing.window
        return position if is_own and position is not None and position.index is not None else None

    async def _read(self, layout: Layout) -> AsyncIterator[Batch]:
        """Read page by page; where the service lists rows the other way round, collect them first."""
        order, listing = layout.order or "asc", self.discovery.listing
        own = self._ranked_position() if order == listing.order and layout.total is not None else None
        reader = Reader(self.discovery, layout, order, total=layout.total)
        if own is not None and own.index is not None:
            reader.index = reader.read = own.index
            reader.edge, reader.total = own.edge, own.total
        builder = self._builder(skips=own is None)
        collected: list[LedgerEntry] = []
        async for view, rows, ended in reader.views():
            if order != listing.order:
                collected += rows
                continue
            index = reader.index if reader.total else None
            batch = builder.add(rows, view.page, index, reader.total, ends=ended)
            del view, rows
            if batch is not None:
                yield batch
        self.shortfall, self.states_totals, self.fell = reader.shortfall(), layout.stated is not None, reader.lost
        page = reader.page or LedgerPage()
        if order == listing.order:
            batch = builder.add([], page, reader.index if reader.total else None, reader.total, ends=True)
            if batch is not None:
                yield batch
        for batch in self._chunks(builder, collected, page, reader.total):
            yield batch

    async def _collect(self, layout: Layout) -> AsyncIterator[Batch]:
        collector = Collector(self.discovery, layout)
        rows = await collector.collect()
        builder = self._builder(skips=True)
        for batch in self._chunks(builder, rows, collector.page, collector.total):
            yield batch
        self.shortfall, self.states_totals = collector.shortfall, collector.total is not None

    def _builder(self, *, skips: bool) -> BatchBuilder:
        listing, position = self.discovery.listing, self.position
        if not skips or position is None:
            return BatchBuilder(listing, self.discovery.profile, position)
        return BatchBuilder(listing, self.discovery.profile, position, position.edge, self.yielded)

    def _chunks(
        self, builder: BatchBuilder, rows: list[LedgerEntry], page: LedgerPage, total: int | None
    ) -> list[Batch]:
        """Return batches of all rows of a listing, of a page each; rows may have been added before the position."""
        if builder.most_skipped is not None and total is not None and self.total is not None:
            builder.most_skipped += max(0, total - self.total)
        rows, size = by_date(rows, self.discovery.listing.order), self.discovery.page_size
        batches = [
            builder.add(rows[start : start + size], page, total=total, ends=True) for start in range(0, len(rows), size)
        ]
        return [batch for batch in batches if batch is not None]
