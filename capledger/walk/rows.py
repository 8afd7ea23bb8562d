"""Comparing and ordering rows as they came, before anybody sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from attrs import define, frozen

from capledger.models import LedgerEntry, LedgerPage
from capledger.walk.cursor import Place

if TYPE_CHECKING:
    from datetime import datetime

    from capledger.walk.facts import Direction

#: "flat": all of one moment, so nothing can be said; "mixed": neither ascending nor descending.
Shape = Literal["asc", "desc", "flat", "mixed"]


def age_of(entry: LedgerEntry) -> tuple[datetime, int]:
    """Give what rows are put in order by, where the server's order cannot be kept."""
    return entry.ledger_created_date, entry.event_log_id


def shape_of(entries: Sequence[LedgerEntry]) -> Shape:
    """Tell in which order rows came."""
    moments = [entry.ledger_created_date for entry in entries]
    if not moments or moments[0] == moments[-1]:
        return "flat" if all(moment == moments[0] for moment in moments) else "mixed"
    if moments[0] < moments[-1]:
        return "asc" if all(a <= b for a, b in pairwise(moments)) else "mixed"
    return "desc" if all(a >= b for a, b in pairwise(moments)) else "mixed"


def same_row(one: LedgerEntry, other: LedgerEntry) -> bool:
    """Tell whether two rows are one and the same."""
    return one.event_log_id == other.event_log_id and one == other


def row_key(entry: LedgerEntry) -> int:
    """Give a small number that differs for different rows."""
    return hash((entry.event_log_id, entry.event_name, entry.ledger_created_date, entry.customer_id, entry.till_code))


@frozen
class Batch:
    """Entries in the order of the query, with the rank of each; what one page adds to the walk."""

    entries: list[LedgerEntry]
    ranks: Sequence[int]
    page: LedgerPage
    #: From a rank to the place after it.
    place: Callable[[int], Place]

    def without(self, count: int) -> Batch | None:
        """Leave out the first entries; None when nothing is left."""
        self.page.entries = self.entries[count:]
        return Batch(self.page.entries, self.ranks[count:], self.page, self.place) if self.page.entries else None


@define
class Segment:
    """A page that came: where it lies in the server's order, and of how many rows."""

    #: Rows before it in the server's order.
    position: int
    #: ``totalEntries`` of the same answer.
    total: int
    #: How many positions it stands for; more than its rows only where a short page was let pass.
    size: int
    page: LedgerPage

    def lowest(self, direction: Direction) -> int:
        """Give the rank of its oldest row."""
        return lowest_rank(self.position, self.size, self.total, direction)

    def oldest_first(self, direction: Direction) -> list[LedgerEntry]:
        """Give its rows by rank; rows that are out of order within the page are put right."""
        entries = self.page.entries
        rows = entries if direction == "asc" else entries[::-1]
        return rows if shape_of(entries) in {direction, "flat"} else sorted(rows, key=age_of)


def lowest_rank(position: int, size: int, total: int, direction: Direction) -> int:
    """Give the rank of the oldest of ``size`` rows from a position on, in a listing of so many."""
    return position if direction == "asc" else total - position - size
