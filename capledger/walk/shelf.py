"""Pages that came and wait for their turn, found again by rank."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from attrs import define, field

from capledger.models import LedgerPage
from capledger.walk.ordering import Shape, age_of, holds_repeats, row_key, same_row, shape_by_age, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from capledger.models import LedgerEntry
    from capledger.walk.server_profile import Direction


@define(eq=False)
class Segment:
    """A page that came: where it lies in the server's order, and of how many rows."""

    #: Rows before it in the server's order.
    position: int
    #: ``totalEntries`` of the same answer.
    total: int
    #: How many positions it stands for; more than its rows only where a short page was let pass.
    size: int
    page: LedgerPage
    #: Keys of its first and last row; 0 where it has none.
    first: int = field(init=False)
    last: int = field(init=False)
    #: In which order its rows came.
    shape: Shape = field(init=False)

    def __attrs_post_init__(self) -> None:
        rows = self.page.entries
        self.first, self.last = (row_key(rows[0]), row_key(rows[-1])) if rows else (0, 0)
        self.shape = shape_of(rows)

    @property
    def key(self) -> tuple[int, int, int]:
        """What tells it from other pages, also if its rows come in the reverse order."""
        return min(self.first, self.last), max(self.first, self.last), len(self.page.entries)

    def lowest(self, direction: Direction) -> int:
        """Give the rank of its oldest row."""
        return lowest_rank(self.position, self.size, self.total, direction)

    def oldest_first(self, direction: Direction) -> list[LedgerEntry]:
        """Give its rows by rank; rows that are out of order within the page are put right."""
        entries = self.page.entries
        rows = entries if direction == "asc" else entries[::-1]
        return rows if self.shape in {direction, "flat"} else sorted(rows, key=age_of)


_position = attrgetter("position")


def lowest_rank(position: int, size: int, total: int, direction: Direction) -> int:
    """Give the rank of the oldest of ``size`` rows from a position on, in a listing of so many."""
    return position if direction == "asc" else total - position - size


def _position_of(rank: int, total: int, direction: Direction) -> int:
    return rank if direction == "asc" else total - 1 - rank


@define
class Shelf:
    """The pages held of one listing."""

    _held: list[Segment] = field(factory=list)

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Segment]:
        """Go through the pages in the server's order."""
        return iter(sorted(self._held, key=_position))

    def add(self, segment: Segment) -> None:
        """Keep a page."""
        self._held.append(segment)

    def remove(self, segment: Segment) -> None:
        """Let a page go."""
        self._held.remove(segment)

    def clear(self, *, keep_first: bool = False) -> None:
        """Let every page go, or every page but the first."""
        self._held = [segment for segment in self._held if keep_first and segment.position == 0]

    def holds(self, position: int) -> bool:
        """Tell whether the page that begins there is here."""
        return any(segment.position == position for segment in self._held)

    def covering(self, rank: int, direction: Direction) -> Segment | None:
        """Give the page that has the row of this rank."""
        for segment in self._held:
            low = segment.lowest(direction)
            if low <= rank < low + segment.size:
                return segment
        return None

    def missing(self, ranks: range, page_size: int, total: int, direction: Direction) -> Iterator[int]:
        """Give the pages of a listing of so many rows on which the ranks lie that are not here, in their order."""
        if not self._held and ranks:
            first, last = (_position_of(rank, total, direction) // page_size for rank in (ranks[0], ranks[-1]))
            yield from range(first, last + 1) if first <= last else range(first, last - 1, -1)
            return
        rank = ranks.start
        while rank in ranks:
            segment = self.covering(rank, direction)
            if segment is None:
                number, size = _position_of(rank, total, direction) // page_size, page_size
                yield number
                low = lowest_rank(number * size, size, total, direction)
            else:
                low, size = segment.lowest(direction), segment.size
            rank = low + size if ranks.step > 0 else low - 1

    def shape(self, rows: list[LedgerEntry], total: int, *, all_here: bool) -> Shape:
        """Tell in which order all rows came; "flat" where it would do for either.

        By their dates, and by their ids within a moment where all are here.
        """
        if all(segment.total == total for segment in self._held):
            return shape_by_age(rows) if all_here else shape_of(rows)
        ascending, descending = self._fits("asc"), self._fits("desc")
        if ascending == descending:
            return "flat" if ascending else "mixed"
        return "asc" if ascending else "desc"

    def _fits(self, direction: Direction) -> bool:
        """Tell whether all rows, put by rank as if the server's order were this, lie in the order of their dates.

        Pages that came at different totals are seen where they belong, and rows that two of them hold are compared; no
        row may come to lie at two places.
        """
        by_rank: dict[int, LedgerEntry] = {}
        for segment in self._held:
            entries = segment.page.entries
            rows = entries if direction == "asc" else reversed(entries)
            for rank, row in enumerate(rows, segment.lowest(direction)):
                if not same_row(by_rank.setdefault(rank, row), row):
                    return False
        rows = [by_rank[rank] for rank in sorted(by_rank)]
        return shape_of(rows) in {"asc", "flat"} and not holds_repeats(rows)

    def rows(self) -> list[LedgerEntry]:
        """Give all rows in the server's order."""
        return [entry for segment in self for entry in segment.page.entries]
