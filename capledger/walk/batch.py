"""The entries that rows read add to a walk, and the position behind each of them."""

from __future__ import annotations

from typing import Final

from attrs import define, evolve, field

from capledger.cursor import Edge, Position
from capledger.models import LedgerEntry, LedgerPage
from capledger.moments import second_of
from capledger.server_profile import ServerProfile
from capledger.walk.listing import Listing, stated_total
from capledger.walk.ordering import date_of, is_in_order, is_past, start_of_last_second
from capledger.walk.validation import Contradiction, edge_behind, entries_behind

#: How many different seconds in order show that the service has an order.
_SECONDS_IN_ORDER: Final = 8
#: Takes the place of the page of a batch once that is not needed.
NO_PAGE: Final = LedgerPage()


@define(eq=False)
class Batch:
    """A page whose entries are those to yield, in the order of the query."""

    page: LedgerPage
    entries: list[LedgerEntry]
    """The entries to yield."""
    before: Position | None
    """Where the walk stood before it."""
    rows: list[LedgerEntry] = field(factory=list)
    """The rows that were read for it in the order of reading, also those outside the walk's range."""
    index: int | None = None
    """Rows of the listing up to the last of them; None where that is not known."""
    total: int | None = None
    """The total by which ``index`` was counted."""
    listing: Listing | None = None
    """None without entries."""

    def position(self, count: int) -> Position | None:
        """Return the position behind so many of the entries."""
        if self.listing is None or not count:
            return self.before
        before, yielded = (None, 0) if self.before is None else (self.before.edge, self.before.yielded)
        edge, index, order = edge_behind(self.entries[:count], before), self.index, self.listing.order
        if index is not None and self.rows is self.entries:
            index += count - len(self.rows)
        elif index is not None:
            first = len(self.rows)  # of those of the edge's second and behind it
            while first and not is_past(edge.second, second_of(self.rows[first - 1].ledger_created_date), order):
                first -= 1
            index += first - len(self.rows) + count - start_of_last_second(self.entries[:count])
        return Position(yielded=yielded + count, edge=edge, window=self.listing.window, index=index, total=self.total)


def batch_of_single_page(listing: Listing, page: LedgerPage, limit: int) -> Batch | None:
    """Return the batch of a first page that is the whole listing, with room for more; None where that is not proven."""
    rows, count = page.entries, len(page.entries)
    entries = listing.entries(rows)
    in_order = entries is rows or is_in_order(rows, listing.order)
    is_whole = 0 < count < limit and count == stated_total(page) and in_order
    return Batch(page, entries, None, rows, count, count, listing) if is_whole else None


@define(eq=False)
class BatchBuilder:
    """Turns rows that were read into batches: seconds that are whole, in order, of the walk's range alone."""

    listing: Listing
    profile: ServerProfile
    skipped: Edge | None = None
    """Entries up to there were yielded before, and are left out; its keys are those that no entry had yet."""
    most_skipped: int | None = None
    """How many entries that are at most, of a listing of ``initial_total``; None where that is not known."""
    initial_total: int = 0
    _skipped_count: int = 0
    _held: list[LedgerEntry] = field(factory=list)
    """Rows that wait for the rest of their second."""
    _total: int | None = None
    """The total by which the first of them was counted."""

    def add(
        self,
        rows: list[LedgerEntry],
        page: LedgerPage,
        before: Position | None,
        index: int | None = None,
        total: int | None = None,
        *,
        ends: bool = False,
    ) -> Batch | None:
        """Return the batch of rows, if there is any; ``index`` rows of a listing of ``total`` are read with them.

        Seconds are yielded whole, and nothing is before it is known that there is an order, unless the listing ends.
        """
        new = len(rows)
        if self._held:
            index, rows = index if total == self._total else None, [*self._held, *rows]
        ready = len(rows) if ends else start_of_last_second(rows)
        if not (ends or self.profile.ordered):
            self.profile.ordered = len({*map(second_of, map(date_of, rows))}) >= _SECONDS_IN_ORDER
            ready = ready if self.profile.ordered else 0
        self._held = rows[ready:]
        if len(self._held) <= new:
            self._total = total
        if ready < len(rows):
            index, rows = None if index is None else index - len(self._held), rows[:ready]
        entries = self._entries(rows, max(0, (total or 0) - self.initial_total))
        if not entries:
            return None
        page = page if entries is page.entries else evolve(page, entries=entries)
        return Batch(page, entries, before, rows, index, total, self.listing)

    def _entries(self, rows: list[LedgerEntry], added: int) -> list[LedgerEntry]:
        """Return the entries to yield: of the walk's range, and not yielded before."""
        entries, skipped, order = self.listing.entries(rows), self.skipped, self.listing.order
        if not entries or skipped is None or is_past(second_of(entries[0].ledger_created_date), skipped.second, order):
            return entries
        behind = entries_behind(entries, skipped, order)
        self._skipped_count += len(entries) - len(behind)
        if self.most_skipped is not None and self._skipped_count > self.most_skipped + added:
            raise Contradiction("edge", "entries before those that were yielded were not read: begin the walk anew")
        return behind
