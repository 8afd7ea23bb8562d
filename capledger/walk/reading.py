"""Reading one listing from a position on: discover its layout, read its pages, discover again where they disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import define, evolve

from capledger.errors import IncompleteLedgerError
from capledger.walk.batch import BatchBuilder
from capledger.walk.cursor import Position
from capledger.walk.discovery import Discovery
from capledger.walk.listing import Layout, Listing
from capledger.walk.prefetch import Prefetch
from capledger.walk.read_progress import ReadProgress
from capledger.walk.reader import Reader
from capledger.walk.server_profile import ServerProfile
from capledger.walk.unordered import UnorderedReader
from capledger.walk.validation import Contradiction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from capledger.walk.batch import Batch

#: How often a listing is discovered anew.
_REDISCOVERIES: Final = 3


@define(eq=False)
class ListingReading:
    """The batches of one listing."""

    listing: Listing
    prefetch: Prefetch
    profile: ServerProfile
    discovery: Discovery
    position: Position | None
    """Behind the last entry yielded; None before the first one of the walk."""
    yielded_count: int | None = None
    """Entries that were yielded from other listings, if all of them must be in this one as well."""
    layout: Layout | None = None
    hidden: int = 0
    """Rows that pages did not show, as far as it was read before it was discovered anew."""
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
        for left in range(_REDISCOVERIES, -1, -1):
            reader = None
            try:
                layout = await self.discovered()
                if not layout.ordered:
                    self.layout = layout = await self.discovery.proven_rule(layout)
                reader = self._reader(layout)
                async for batch in reader.batches():
                    self.position = batch.end
                    yield batch
            except Contradiction as contradiction:
                if not left or contradiction.kind in {"dates", "depth", "short", "long", "silence"}:
                    raise
                if isinstance(reader, Reader):
                    self.hidden = reader.progress.hidden
                self.layout = (
                    None
                    if reader is None
                    else await self._revised(reader, contradiction, first_time=left == _REDISCOVERIES)
                )
            else:
                self.shortfall = reader.shortfall()
                self.states_totals = reader.layout.stated
                self.fell = isinstance(reader, Reader) and reader.progress.fallen > 0
                return

    async def discovered(self) -> Layout:
        """Return the layout of the listing; what a resumed walk knows of it need not be discovered."""
        if self.layout is None:
            own = self._own_position()
            self.discovery.resumes = own is not None and own.index > 0
            known = self._resumed_layout()
            self.layout = known or await self.discovery.layout()
        return self.layout

    def _resumed_layout(self) -> Layout | None:
        position = self._own_position()
        if position is None or position.backward is None or not position.total or self.profile.offset_rule is None:
            return None
        size = self.profile.page_size(self.discovery.page_size)
        return Layout(position.total, size, size, self.profile.offset_rule, backward=position.backward)

    def _own_position(self) -> Position | None:
        """Return the position, if it lies in this listing."""
        position = self.position
        return position if position is not None and position.window == self.listing.window else None

    def _reader(self, layout: Layout) -> Reader | UnorderedReader:
        own = self._own_position()
        index = 0 if own is None else own.index
        if not layout.ordered:
            return UnorderedReader(
                self.listing, self.prefetch, self.profile, layout, self.position, max(0, index - self.hidden)
            )
        if own is not None and layout.counted and own.backward is None and index > (layout.total or 0):
            layout = evolve(layout, counted=False)  # more rows were read than are stated
        edge = None if own is None else own.edge
        yielded = None if own is not None or self.position is None else self.position.edge
        total = edge_total = layout.total or 0
        if own is not None and layout.counted:
            edge_total = own.total if own.backward is not None else 0
            total = edge_total or total
        progress = ReadProgress(
            index=index,
            total=total,
            edge_total=edge_total,
            edge=edge,
            read=max(0, index - self.hidden),
            hidden=self.hidden,
            hides=layout.hides,
        )
        builder = BatchBuilder(self.listing, self.profile, self.position, yielded, self.yielded_count)
        return Reader(self.listing, self.prefetch, self.profile, layout, progress, self.discovery, builder)

    async def _revised(
        self, reader: Reader | UnorderedReader, contradiction: Contradiction, *, first_time: bool
    ) -> Layout:
        """Return another layout, in the light of a contradiction."""
        layout = reader.layout
        if isinstance(reader, UnorderedReader):
            raise contradiction
        if contradiction.kind == "turn" and first_time:
            return await self.discovery.proven_backward(layout.turned())
        if contradiction.kind in {"order", "turn"}:
            return evolve(layout, ordered=False)
        self.discovery.resumes = True
        return await self.discovery.layout()
