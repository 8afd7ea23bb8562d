"""What the walk hands out at once: the entries that one page adds to it, and where each of them stands."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from capledger.models import LedgerEntry, LedgerPage
from capledger.walk.cursor import Place
from capledger.walk.server_profile import Direction
from capledger.walk.windows import Window


@define
class Extent:
    """What is known of a listing once its first answer has come."""

    #: Rows stated now, and rows stated first: what was added later is not of this walk.
    total: int
    snapshot: int
    #: The rank that the walk needs next.
    next_rank: int
    #: The order in which the server gives rows; None while all that came are of one moment.
    direction: Direction | None = None
    #: Whether the server has no order and the rows were put in order here.
    sorted_here: bool = False

    def left(self, order: Direction) -> range:
        """Give the ranks still to be given, in the order of the walk."""
        return range(self.next_rank, self.snapshot) if order == "asc" else range(self.next_rank, -1, -1)

    def all_given(self, order: Direction) -> bool:
        """Whether the walk is past the last row."""
        return not self.left(order)

    def wanted_of(self, rows: list[LedgerEntry], low: int, order: Direction) -> tuple[list[LedgerEntry], range]:
        """Give those of a page's rows (oldest first, from rank ``low``) that come next, in order, and their ranks."""
        if order == "asc":
            first, end = self.next_rank, min(low + len(rows), self.snapshot)
            return rows[first - low : end - low], range(first, end)
        first = min(self.next_rank, low + len(rows) - 1)
        return rows[: first - low + 1][::-1], range(first, low - 1, -1)

    def go_past(self, low: int, size: int, order: Direction) -> None:
        """Move on behind a page of so many ranks from ``low``."""
        self.next_rank = min(low + size, self.snapshot) if order == "asc" else low - 1


@define(eq=False)
class Places:
    """Where the entries of a batch stand."""

    ranks: Sequence[int]
    _window: Window | None
    _extent: Extent
    _order: Direction

    def after(self, index: int) -> Place:
        """Give the place after one of the entries."""
        rank = self.ranks[index]
        return Place(
            window=self._window,
            next_rank=rank + 1 if self._order == "asc" else rank - 1,
            snapshot=self._extent.snapshot,
            total=self._extent.total,
            direction="mixed" if self._extent.sorted_here else self._extent.direction or self._order,
        )

    def behind(self, count: int) -> Places:
        """Leave out the first entries."""
        return Places(self.ranks[count:], self._window, self._extent, self._order)


@define(eq=False)
class Batch:
    """A page whose entries are those to hand out, in the order of the query, and their places."""

    page: LedgerPage
    places: Places

    @property
    def entries(self) -> list[LedgerEntry]:
        """The entries of the page."""
        return self.page.entries

    def without(self, count: int) -> Batch | None:
        """Leave out the first entries; None when nothing is left."""
        self.page.entries = self.entries[count:]
        return Batch(self.page, self.places.behind(count)) if self.entries else None
