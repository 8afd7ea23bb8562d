"""Handing out rows: in the query's order, none that contradicts the one before, and those of the span alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from capledger.errors import PaginationError
from capledger.models import LedgerEntry
from capledger.walk.batch import Batch, Extent, Places
from capledger.walk.ordering import same_row
from capledger.walk.server_profile import Direction
from capledger.walk.windows import Span, Window

if TYPE_CHECKING:
    from capledger.models import LedgerPage
    from capledger.walk.shelf import Segment


@define
class Handout:
    """What was given of a listing, as far as the next rows have to fit to it."""

    _window: Window | None
    _span: Span
    _order: Direction
    _tolerant: bool
    #: The last row given, of the span or not.
    last: LedgerEntry | None = None
    #: Whether no row was left out that the walk should have known of.
    proven: bool = True

    def contradicts_last(self, extent: Extent, rows: list[LedgerEntry], low: int) -> bool:
        """Whether a page that reaches back over the last row given has another row in its place."""
        behind = extent.next_rank - 1 if self._order == "asc" else extent.next_rank + 1
        if self.last is None or not low <= behind < low + len(rows):
            return False
        return not same_row(rows[behind - low], self.last)

    def give(self, extent: Extent, segment: Segment, rows: list[LedgerEntry], low: int) -> Batch | None:
        """Go past a page whose rows, oldest first, begin at rank ``low``; None where it has nothing for the walk."""
        self._look_beyond(extent, rows, low)
        chosen, ranks = extent.wanted_of(rows, low, self._order)
        if chosen and not self._tolerant and self._goes_back_to(chosen[0]):
            raise PaginationError("the server's rows are not in the order of their dates")
        extent.go_past(low, segment.size, self._order)
        if not chosen:
            return None
        self.last = chosen[-1]
        return self._within_span(extent, chosen, ranks, segment.page)

    def _look_beyond(self, extent: Extent, rows: list[LedgerEntry], low: int) -> None:
        """Do not call the walk proven if rows beyond the first total bear dates from before the walk began."""
        later = rows[max(0, extent.snapshot - low) :]
        if any(self._span.expected(row.ledger_created_date) for row in later):
            self.proven = False

    def _goes_back_to(self, row: LedgerEntry) -> bool:
        if self.last is None:
            return False
        before, after = self.last.ledger_created_date, row.ledger_created_date
        earlier, later = (before, after) if self._order == "asc" else (after, before)
        return later < earlier and earlier - later > self._span.blur(earlier)

    def _within_span(self, extent: Extent, rows: list[LedgerEntry], ranks: range, page: LedgerPage) -> Batch | None:
        holds = self._span.holds
        if holds(rows[0].ledger_created_date) and holds(rows[-1].ledger_created_date):
            page.entries = rows
            return Batch(page, Places(ranks, self._window, extent, self._order))
        kept = [index for index, row in enumerate(rows) if holds(row.ledger_created_date)]
        page.entries = [rows[index] for index in kept]
        kept_ranks = [ranks[index] for index in kept]
        return Batch(page, Places(kept_ranks, self._window, extent, self._order)) if kept else None
