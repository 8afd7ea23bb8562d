"""Reading one listing from a position on: discover its layout, then read its pages one by one, or collect them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import define

from capledger.cursor import Edge
from capledger.errors import IncompleteLedgerError
from capledger.walk.batch import BatchBuilder
from capledger.walk.collector import Collector
from capledger.walk.discovery import Discovery
from capledger.walk.listing import Layout
from capledger.walk.reader import Reader
from capledger.walk.validation import Contradiction

if TYPE_CHECKING:
    from capledger.cursor import Position
    from capledger.walk.batch import Batch

#: How often a listing is discovered before its rows are collected.
_DISCOVERIES: Final = 2


@define(eq=False)
class ListingReading:
    """The batches of one listing."""

    discovery: Discovery
    unseen: int = 0
    """Pages to request beside the first one, before it is known how many there are."""
    layout: Layout | None = None
    total: int | None = None
    """The first total of the listing, also of an earlier session."""
    ended: bool = False
    shortfall: IncompleteLedgerError | None = None
    """What keeps the listing from being proven, once that is known."""
    _attempts: int = 0
    _source: Reader | Collector | None = None

    def begin_anew(self) -> None:
        """Discover the listing anew, and read on from the position."""
        self.layout, self._source, self._attempts = None, None, 0

    async def discovered(self, own: Position | None = None) -> Layout:
        """Return the layout of the listing; what is known of it at a position in it need not be discovered."""
        if self.layout is None:
            profile = self.discovery.profile
            if own is not None and own.index is not None and own.total and profile.offset_rule is not None:
                size = profile.page_size(self.discovery.page_size)
                self.layout = Layout(size, size, own.total, own.total, profile.offset_rule)
            else:
                self.layout = await self.discovery.layout(self.unseen)
            if self.total is None:
                self.total = self.layout.total if own is None else own.total
        return self.layout

    async def next_batch(self, position: Position | None) -> Batch | None:
        """Return what follows the position, behind the last batch; None for a page that adds nothing, or at the end.

        Raises:
            Contradiction: the responses cannot be brought into agreement.
        """
        if self._source is None:
            own = None if position is None or position.window != self.discovery.listing.window else position
            self._source = self._begin(await self.discovered(own), position, own)
        source = self._source
        try:
            batch = await source.next(position)
        except Contradiction as contradiction:
            self._source = None
            self._attempts += 1
            self.shortfall = source.shortfall if contradiction.kind == "depth" else None
            self._reconsider(contradiction, source)
            return None
        self.ended = source.ended
        if source.ended or isinstance(source, Collector):
            self.shortfall = source.shortfall
            if self.shortfall is not None and source.doubts_dates and self.discovery.listing.window is not None:
                raise Contradiction("dates", "the stated total does not count the rows of the window alone")
        return batch

    def _begin(self, layout: Layout, position: Position | None, own: Position | None) -> Reader | Collector:
        """Begin to read page by page, from the position on if it is known how many rows lie before it, or collect."""
        discovery, collects = self.discovery, self._attempts >= _DISCOVERIES or not layout.ordered
        builder = BatchBuilder(discovery.listing, discovery.profile)
        if not (collects or own is None or own.index is None or layout.total is None):
            return Reader(discovery, layout, builder, own.total, own.index, own.edge, own.index)
        if position is not None:
            builder.skipped = Edge(position.edge.second, position.edge.keys.copy())
        if position is not None and self.discovery.listing.window is None and (collects or position.window is not None):
            builder.most_skipped, builder.initial_total = position.yielded, self.total or 0
        if not collects:
            return Reader(discovery, layout, builder, layout.total)
        return Collector(discovery, layout._replace(offset_rule=discovery.known_rule or "page"), builder)

    def _reconsider(self, contradiction: Contradiction, source: Reader | Collector) -> None:
        """Discover the listing anew after a contradiction, or collect it; raise one that the plan has to decide."""
        kind = contradiction.kind
        if kind in {"dates", "depth"} or isinstance(source, Collector):
            raise contradiction
        if kind == "count" and self.discovery.listing.window is not None:
            raise Contradiction("dates", contradiction.text)
        if kind in {"count", "order"}:
            self._attempts = _DISCOVERIES
        else:
            self.layout = None
