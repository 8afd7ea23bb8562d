"""Reading one listing from a position on: discover its layout, then read its pages one by one, or collect them all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from attrs import define, field

from capledger.errors import IncompleteLedgerError
from capledger.models import LedgerPage
from capledger.walk.batch import Batch, BatchBuilder
from capledger.walk.collector import Collector
from capledger.walk.cursor import Position
from capledger.walk.discovery import Discovery
from capledger.walk.listing import Layout
from capledger.walk.ordering import by_date
from capledger.walk.reader import Reader
from capledger.walk.validation import Contradiction

if TYPE_CHECKING:
    from capledger.models import LedgerEntry

#: How often a listing is discovered before its rows are collected.
_DISCOVERIES: Final = 2


@define(eq=False)
class ListingReading:
    """The batches of one listing."""

    discovery: Discovery
    yielded: int | None
    """Entries that were yielded from this listing, or from others that this one holds; None if that is not known."""
    position: Position | None = None
    """Behind the last entry yielded, if the listing may hold that; None where it is read from its beginning."""
    layout: Layout | None = None
    total: int | None = None
    """The first total of the listing, also of an earlier session."""
    ended: bool = False
    shortfall: IncompleteLedgerError | None = None
    """After the end: what keeps the listing from being proven."""
    doubts_dates: bool = False
    """After the end: whether that may be so because the service's totals ignore dates."""
    _attempts: int = 0
    _reader: Reader | None = None
    _builder: BatchBuilder = field(init=False)
    _collected: Iterator[Batch] | None = None

    @property
    def rows_stated(self) -> int:
        """Rows of the listing as the service stated them first; 0 where it states none."""
        return 0 if self.layout is None else self.layout.stated or 0

    async def next_batch(self, position: Position | None) -> Batch | None:
        """Return what follows the position, behind the last batch; None for a page that adds nothing, or at the end.

        Raises:
            Contradiction: the responses cannot be brought into agreement.
        """
        self.position = position
        if self._collected is not None:
            batch = next(self._collected, None)
            self.ended = batch is None
        else:
            batch = await self._next_page()
        if batch is not None and self.yielded is not None:
            self.yielded += len(batch.entries)
        return batch

    def begin_anew(self) -> None:
        """Discover the listing anew, and read on from the position."""
        self.layout = self._reader = self._collected = None
        self._attempts = 0

    async def discovered(self) -> Layout:
        """Return the layout of the listing; what a resumed walk knows of it need not be discovered."""
        if self.layout is None:
            own, rule = self._own_position(), self.discovery.profile.offset_rule
            if own is not None and own.index is not None and own.total and rule is not None:
                size = self.discovery.profile.page_size(self.discovery.page_size)
                self.layout = Layout(size, size, own.total, own.total, rule, self.discovery.listing.order)
            else:
                self.layout = await self.discovery.layout()
            if self.total is None:
                self.total = self.layout.total if own is None else own.total
        return self.layout

    def _own_position(self) -> Position | None:
        """Return the position, if it was reached in this listing."""
        position = self.position
        return None if position is None or position.window != self.discovery.listing.window else position

    async def _next_page(self) -> Batch | None:
        """Read a page, or all of them where they cannot be read one by one; return its batch, if it has one."""
        if self._reader is None:
            layout = await self.discovered()
            if self._attempts >= _DISCOVERIES or layout.order is None:
                await self._collect(layout)
                return None
            page = self._single_page(layout)
            if page is not None:
                self.ended = True
                count = len(page.entries)
                return self._builder_behind().add(page.entries, page, None, count, count, ends=True)
            self._reader = self._begin(layout)
        try:
            if self._is_in_order(self._reader.layout):
                return await self._read_on(self._reader)
            await self._read_reversed(self._reader)
        except Contradiction as contradiction:
            self.shortfall = self._reader.shortfall() if contradiction.kind == "depth" else None
            self._reader = None
            self._attempts += 1
            self._reconsider(contradiction)
        return None

    def _single_page(self, layout: Layout) -> LedgerPage | None:
        """Return a first page that has all rows, and room for another one: nothing follows it."""
        if self.position is not None or not self._is_in_order(layout):
            return None
        if len(self.discovery.first) != layout.total or layout.total >= layout.page_size:
            return None
        page = self.discovery.prefetch.pop(layout.key(self.discovery.listing, 0))
        self.discovery.prefetch.start(self.discovery.following_keys())
        return page

    def _begin(self, layout: Layout) -> Reader:
        """Begin to read page by page: from the position on, if it is known how many rows lie before it."""
        reader, own = Reader(self.discovery, layout, layout.total), self._own_position()
        if own is None or own.index is None or layout.total is None or not self._is_in_order(layout):
            self._builder = self._builder_behind()
        else:
            reader.index = reader.read = own.index
            reader.edge, reader.total = own.edge, own.total
            self._builder = BatchBuilder(self.discovery.listing, self.discovery.profile)
        return reader

    async def _read_on(self, reader: Reader) -> Batch | None:
        page, rows = await reader.next()
        index = reader.index if reader.total else None
        batch = self._builder.add(rows, page, self.position, index, reader.total, ends=reader.ended)
        if reader.ended:
            self.ended = True
            self._note_end(reader)
        return batch

    async def _read_reversed(self, reader: Reader) -> None:
        """Read all pages of a service that lists rows the other way round."""
        rows: list[LedgerEntry] = []
        page = LedgerPage()
        while not reader.ended:
            page, new = await reader.next()
            rows += new
        self._note_end(reader)
        self._turn_into_batches(rows, page, reader.total)

    def _note_end(self, reader: Reader) -> None:
        self.shortfall = reader.shortfall()
        self.doubts_dates = reader.layout.stated is not None and not reader.lost

    def _reconsider(self, contradiction: Contradiction) -> None:
        """Discover the listing anew after a contradiction, or collect it; raise one that the plan has to decide."""
        kind, in_window = contradiction.kind, self.discovery.listing.window is not None
        if kind in {"dates", "depth"}:
            raise contradiction
        if kind == "count" and in_window:
            raise Contradiction("dates", contradiction.text)
        if kind == "count" or (kind == "order" and self.layout is not None and self._is_in_order(self.layout)):
            self._attempts = _DISCOVERIES
        else:
            self.layout = None

    def _is_in_order(self, layout: Layout) -> bool:
        """Return whether the service lists rows in the order of the query."""
        return layout.order == self.discovery.listing.order

    async def _collect(self, layout: Layout) -> None:
        collector = Collector(self.discovery, layout)
        rows = await collector.collect()
        self.shortfall, self.doubts_dates = collector.shortfall, collector.total is not None and collector.is_stable
        self._turn_into_batches(rows, collector.page, collector.total)

    def _turn_into_batches(self, rows: list[LedgerEntry], page: LedgerPage, total: int | None) -> None:
        """Prepare the batches of all rows of the listing; some may have been added before the position."""
        self._builder = self._builder_behind()
        if self._builder.most_skipped is not None and total is not None and self.total is not None:
            self._builder.most_skipped += max(0, total - self.total)
        self._collected = self._chunks(by_date(rows, self.discovery.listing.order), page, total)

    def _builder_behind(self) -> BatchBuilder:
        """Return a builder that leaves out what lies before the position."""
        listing, profile = self.discovery.listing, self.discovery.profile
        if self.position is None:
            return BatchBuilder(listing, profile)
        return BatchBuilder(listing, profile, self.position.edge, self.yielded)

    def _chunks(self, rows: list[LedgerEntry], page: LedgerPage, total: int | None) -> Iterator[Batch]:
        """Yield batches of all rows of a listing, of a page each."""
        size = self.discovery.page_size
        for start in range(0, len(rows), size):
            batch = self._builder.add(rows[start : start + size], page, self.position, total=total, ends=True)
            if batch is not None:
                yield batch
