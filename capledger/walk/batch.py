"""The entries that rows read add to a walk, and the position behind each of them."""

from __future__ import annotations

from collections import Counter
from typing import Final

from attrs import define, evolve, field

from capledger.models import LedgerEntry, LedgerPage
from capledger.moments import second_of
from capledger.walk.cursor import Position
from capledger.walk.listing import Listing
from capledger.walk.ordering import by_date, start_of_last_second
from capledger.walk.server_profile import ServerProfile
from capledger.walk.validation import Contradiction, Edge, entries_behind, is_past

#: How many different seconds in order show that the service has an order.
_SECONDS_IN_ORDER: Final = 8


@define(eq=False)
class Batch:
    """A page whose entries are those to yield, in the order of the query."""

    page: LedgerPage
    entries: list[LedgerEntry]
    """The entries to yield."""
    rows: list[LedgerEntry]
    """The rows that were read for it in the order of reading, also those outside the walk's range."""
    index: int | None
    """Rows of the listing up to the last of them; None where that is not known."""
    total: int | None
    """The total by which ``index`` was counted."""
    before: Position | None
    """Where the walk stood before it."""
    listing: Listing

    def position(self, count: int) -> Position | None:
        """Return the position behind so many of the entries."""
        if not count:
            return self.before
        edge = Edge.behind(self.entries[:count], None if self.before is None else self.before.edge)
        index = None if self.index is None else self.index - self._left(count, edge.second)
        return Position(edge=edge, window=self.listing.window, index=index, total=self.total)

    def _left(self, count: int, second: int) -> int:
        """Return how many rows lie behind so many entries, the last of which are of this second."""
        left = 0
        for row in reversed(self.rows):
            moment = second_of(row.ledger_created_date)
            if moment != second and not is_past(moment, second, self.listing.order):
                break
            left += 1
        return left - (count - start_of_last_second(self.entries[:count]))


@define(eq=False)
class BatchBuilder:
    """Turns rows that were read into batches: seconds that are whole, in order, of the walk's range alone."""

    listing: Listing
    profile: ServerProfile
    skipped: Edge | None = None
    """Entries up to there were yielded before, and are left out."""
    most_skipped: int | None = None
    """How many entries that are at most; None where that is not known."""
    _skipped_count: int = 0
    _rest: Counter[int] = field(init=False)
    """Keys of the edge that no entry had yet."""
    _held: list[LedgerEntry] = field(factory=list)
    """Rows that wait for the rest of their second."""
    _total: int | None = None
    """The total by which the first of the rows held was counted."""

    def __attrs_post_init__(self) -> None:
        self._rest = Counter() if self.skipped is None else self.skipped.keys.copy()

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
        """Return the batch of rows, if there is any; ``index`` rows of a listing of ``total`` are read with them."""
        all_rows = [*self._held, *rows] if self._held else rows
        if self._held and total != self._total:
            index, total = None, self._total
        ready = len(all_rows) if ends else self._ready(all_rows)
        self._held, ready_rows = all_rows[ready:], all_rows if ready == len(all_rows) else all_rows[:ready]
        if len(self._held) <= len(rows):
            self._total = total
        entries = self._entries(ready_rows)
        if not entries:
            return None
        index = None if index is None else index - len(self._held)
        page = page if entries is page.entries else evolve(page, entries=entries)
        return Batch(page, entries, ready_rows, index, total, before, self.listing)

    def _ready(self, rows: list[LedgerEntry]) -> int:
        """Return how many rows may be yielded: whole seconds, and none before it is known that there is an order."""
        if not self.profile.ordered:
            seconds = {second_of(row.ledger_created_date) for row in rows}
            self.profile.ordered = len(seconds) >= _SECONDS_IN_ORDER
        return start_of_last_second(rows) if self.profile.ordered else 0

    def _entries(self, rows: list[LedgerEntry]) -> list[LedgerEntry]:
        """Return the entries to yield: of the walk's range, and not yielded before."""
        order, span = self.listing.order, self.listing.span
        entries = by_date(rows, order)
        if entries and not (span.holds(entries[0].ledger_created_date) and span.holds(entries[-1].ledger_created_date)):
            entries = [entry for entry in entries if span.holds(entry.ledger_created_date)]
        if self.skipped is None:
            return entries
        behind = entries_behind(entries, self.skipped, order, self._rest)
        self._skipped_count += len(entries) - len(behind)
        if self.most_skipped is not None and self._skipped_count > self.most_skipped:
            raise Contradiction("edge", "entries before those that were yielded were not read: begin the walk anew")
        return behind
