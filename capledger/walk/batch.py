"""The entries that a page adds to a walk, and the position behind each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import define, evolve, field

from capledger.models import LedgerEntry, LedgerPage
from capledger.walk.cursor import Position
from capledger.walk.listing import Listing, PageView
from capledger.walk.ordering import by_date, second_of, start_of_last_second
from capledger.walk.server_profile import ServerProfile
from capledger.walk.validation import Contradiction, Edge, entries_behind
from capledger.walk.windows import Window

#: How many different seconds in order show that the service has an order.
_SECONDS_IN_ORDER: Final = 8


@define(eq=False)
class Batch:
    """A page whose entries are those to yield, in the order of the query."""

    page: LedgerPage
    rows: list[LedgerEntry]
    """The rows that were read for it in the order of reading, also those outside the walk's range."""
    indexes: Sequence[int]
    """The index of each of them in its listing."""
    end_index: int
    """The index of the next row."""
    total: int
    """The total by which the indexes were counted; 0 where it changed among them."""
    before: Position | None
    """Where the walk stood before it."""
    window: Window | None
    backward: bool | None
    """Whether the listing is read from its last page back; None where that must be discovered again."""

    entries: list[LedgerEntry] = field(init=False)
    """The entries to yield."""
    end: Position | None = field(init=False)
    """Where the walk stands behind all of them."""

    def __attrs_post_init__(self) -> None:
        self.entries = self.page.entries
        self.end = self.position(len(self.entries))

    def release(self) -> None:
        """Let go of the page, so that it makes room before the next one is decoded; all entries were yielded."""
        self.page, self.rows, self.entries = LedgerPage(), [], []

    def position(self, count: int) -> Position | None:
        """Return the position behind so many of the entries."""
        if not count:
            return self.before
        return Position(
            edge=self._edge(count),
            window=self.window,
            index=self._index(count),
            total=self.total,
            backward=self.backward,
        )

    def _edge(self, count: int) -> Edge:
        before = None if self.before is None else self.before.edge
        return Edge.behind(self.entries[:count], before)

    def _index(self, count: int) -> int:
        """Return the index of the first row that is still to be yielded."""
        if count == len(self.entries):
            return self.end_index
        left = {id(entry) for entry in self.entries[count:]}
        return next(index for index, row in zip(self.indexes, self.rows, strict=False) if id(row) in left)


@define
class HeldRows:
    """HeldRows of a listing and their indexes."""

    indexes: list[int] = field(factory=list)
    rows: list[LedgerEntry] = field(factory=list)
    total: int = 0
    """The total by which the indexes were counted; 0 where it changed among them."""


@define(eq=False)
class BatchBuilder:
    """Turns rows that were read into batches: seconds that are whole, in order, of the walk's range alone."""

    listing: Listing
    profile: ServerProfile
    position: Position | None
    """Behind the last entry of the batches so far."""
    yielded: Edge | None
    """What was yielded from another listing: entries up to there are left out."""
    yielded_count: int | None = None
    """How many entries that were, if all of them must be in this listing as well."""
    left_out: int = 0
    held: HeldRows = field(factory=HeldRows)
    """HeldRows that wait for the rest of their second."""

    def add(self, view: PageView, new: Sequence[int], total: int, *, backward: bool | None) -> Batch | None:
        """Return the batch of a page's new rows, if there is any; ``total`` is that of their indexes."""
        held = self.held
        indexes = [*held.indexes, *view.indexes(new)]
        rows = [*held.rows, *view.select(new)]
        total = total if not held.rows or held.total == total else 0
        ready = len(rows) if view.at_end else self._ready(rows)
        self.held = HeldRows(indexes[ready:], rows[ready:], total)
        return self._batch(HeldRows(indexes, rows[:ready], total), view.page, backward)

    def finish(self, page: LedgerPage, *, backward: bool | None) -> Batch | None:
        """Return the batch of the rows that still wait when the listing has ended; ``page`` may be yielded already."""
        held, self.held = self.held, HeldRows()
        return self._batch(held, evolve(page), backward)

    def _ready(self, rows: list[LedgerEntry]) -> int:
        """Return how many rows may be yielded: whole seconds, and none before it is known that there is an order."""
        if not self.profile.ordered:
            seconds = {second_of(row.ledger_created_date) for row in rows}
            self.profile.ordered = len(seconds) >= _SECONDS_IN_ORDER
        return start_of_last_second(rows) if self.profile.ordered else 0

    def _batch(self, ready: HeldRows, page: LedgerPage, backward: bool | None) -> Batch | None:  # noqa: FBT001 - not an option
        order, span = self.listing.order, self.listing.span
        entries = by_date(ready.rows, order)
        if entries and not (span.holds(entries[0].ledger_created_date) and span.holds(entries[-1].ledger_created_date)):
            entries = [entry for entry in entries if span.holds(entry.ledger_created_date)]
        if self.yielded is not None:
            behind = entries_behind(entries, self.yielded, order)
            self.left_out += len(entries) - len(behind)
            if self.yielded_count is not None and self.left_out > self.yielded_count:
                raise Contradiction(
                    "dates", "entries before those that were yielded were not read: begin the walk anew"
                )
            entries = behind
        if not entries:
            return None
        page.entries = entries
        end_index = ready.indexes[len(ready.rows) - 1] + 1
        window = self.listing.window
        batch = Batch(page, ready.rows, ready.indexes, end_index, ready.total, self.position, window, backward)
        self.position = batch.end
        return batch
