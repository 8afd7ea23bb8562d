"""What a response must agree with: its own totals, the order of dates, and the rows that were read before it.

Rows read = total, total unchanged, order kept and no key twice at an edge prove a listing: where a row is lost without
a change of the total, another one comes twice, among the rows of the second in which one page ends and the next begins.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from attrs import define, field

from capledger.errors import CapledgerError, IncompleteLedgerError, PaginationError
from capledger.models import LedgerEntry
from capledger.models.identity import keys_of, row_key
from capledger.moments import second_of
from capledger.walk.ordering import is_in_order, start_of_last_second

if TYPE_CHECKING:
    from collections.abc import Sequence

    from capledger.models import LedgerPage
    from capledger.walk.listing import Listing, PageView
    from capledger.walk.ordering import ListingOrder

#: "count": rows that do not fit the total; "fall": a total lower than before; "order": dates that run backwards;
#: "edge": rows that do not continue those read before; "depth": a page that is refused although it was stated;
#: "dates": rows or totals that the window does not explain; "silence": a response that says nothing.
ContradictionKind = Literal["count", "fall", "order", "edge", "depth", "dates", "silence"]


class Contradiction(Exception):  # noqa: N818 - raised and caught within a walk; may be settled
    """A response contradicts what is known; another request may settle it."""

    def __init__(
        self, kind: ContradictionKind, text: str, expected: int | None = None, received: int | None = None
    ) -> None:
        super().__init__(text)
        self.kind: ContradictionKind = kind
        self.text = text
        self.expected = expected
        self.received = received

    def error(self) -> CapledgerError:
        """Return the error to raise where nothing settles it."""
        if self.kind in {"count", "silence"}:
            return IncompleteLedgerError(self.text, self.expected, self.received)
        return PaginationError(self.text)


def total_unknown(received: int) -> IncompleteLedgerError:
    """Return the error of a listing that was read to its end and has no total that counts it."""
    text = "the service does not state how many entries there are, so nothing proves that these are all"
    return IncompleteLedgerError(text, None, received)


@define(eq=False)
class Edge:
    """How far rows were read: the second of the last one, and all rows that were read in that second."""

    second: int
    rows: list[LedgerEntry] = field(factory=list, repr=False)
    known: Counter[int] = field(factory=Counter)
    """Keys of rows of that second that were read earlier, of which no more is known."""

    @classmethod
    def behind(cls, rows: list[LedgerEntry], before: Edge | None) -> Edge:
        """Return the edge behind rows, the last of which may be of the same second as the edge before them."""
        second, start = second_of(rows[-1].ledger_created_date), start_of_last_second(rows)
        if start == 0 and before is not None and before.second == second:
            return cls(second, [*before.rows, *rows], before.known)
        return cls(second, rows[start:])

    @property
    def count(self) -> int:
        """How many rows were read in that second."""
        return len(self.rows) + self.known.total()

    @cached_property
    def keys(self) -> Counter[int]:
        """Return the keys of the rows that were read in that second."""
        return keys_of(self.rows) + self.known


def check_dates(listing: Listing, page: LedgerPage) -> None:
    """Check that the dates that were requested explain each row; else the service filters on another date."""
    range_ = listing.explained
    if range_ is None or not page.entries:
        return
    moments = [row.ledger_created_date for row in page.entries]
    if min(moments) < range_[0] or max(moments) > range_[1]:
        raise Contradiction("dates", "rows came that the dates requested do not explain")


def check_total(view: PageView, before: int) -> None:
    """Check that a page states a total no lower than before, and has the rows that its place and the total say."""
    received, total = len(view.rows), view.total
    if total is None:
        raise Contradiction("count", "a page states no total", before, view.first + received)
    if total < before:
        raise Contradiction("fall", f"{before} entries were stated and then {total}")
    if received != view.expected:
        text = f"{total} entries are stated, so this page has {view.expected}; {received} came"
        raise Contradiction("count", text, total, view.first + received)


def check_order(rows: Sequence[LedgerEntry], order: ListingOrder) -> None:
    """Check that rows are in the order of their seconds."""
    if not is_in_order(rows, order):
        raise Contradiction("order", "the rows are not in the order of their dates")


def rows_behind(
    view: PageView, edge: Edge | None, order: ListingOrder, *, index: int, total: int | None
) -> Sequence[int]:
    """Return which rows of a page were not read before, as indexes; ``index`` rows of ``total`` were read.

    Where the total is the same, the page has as many of the rows read as its place says. Where it is not, the page must
    show where the edge's second begins and all rows of it that were read, and leave no fewer rows behind them.

    Raises:
        Contradiction: the page does not show how it continues what was read.
    """
    is_same = view.total == total
    if edge is None:
        if view.first == 0 or (view.first == index and is_same):
            return range(len(view.rows))
        raise Contradiction("edge", "the page does not begin where reading does")
    if is_same and view.first == index and _begins_past(view, edge, order):
        return range(len(view.rows))
    first, last = second_range(view, edge.second, order)
    new, missing = new_rows(view, edge, first, last)
    known, read = edge.count - missing.total(), index - view.first
    if is_same and read >= 0:
        continues = first == max(0, read - edge.count) and known == min(read, edge.count)
    else:
        begins = first > 0 or view.first == 0
        continues = begins and not missing and not rows_vanished(view, first + known, index=index, total=total)
    if not continues:
        raise Contradiction("edge", "the rows do not continue those read before")
    return new


def rows_vanished(view: PageView, known: int, *, index: int, total: int | None) -> int:
    """Return how many rows fewer lie behind the first ``known`` ones of a page than lay behind those read."""
    behind = view.first + known
    if total is None or view.total is None:
        return max(0, behind - index)
    return max(0, (total - index) - (view.total - behind))


def new_rows(view: PageView, edge: Edge, first: int, last: int) -> tuple[list[int], Counter[int]]:
    """Return which rows of a page are new behind an edge, and the keys of the edge that the page lacks.

    The rows of the edge's second are those from ``first`` to ``last``.
    """
    rest = edge.keys.copy()
    new = [index for index in range(first, last) if not _take(rest, view.rows[index])]
    return [*new, *range(last, len(view.rows))], +rest


def entries_behind(
    entries: list[LedgerEntry], edge: Edge, order: ListingOrder, rest: Counter[int] | None = None
) -> list[LedgerEntry]:
    """Return the entries, in the order of reading, that were not yielded up to an edge.

    ``rest`` has the keys of the edge that no entry had yet; they are taken out.
    """
    rest = edge.keys.copy() if rest is None else rest
    behind = []
    for entry in entries:
        second = second_of(entry.ledger_created_date)
        if is_past(second, edge.second, order) or (second == edge.second and not _take(rest, entry)):
            behind.append(entry)
    return behind


def second_range(view: PageView, second: int, order: ListingOrder) -> tuple[int, int]:
    """Return where the rows of a second begin and end in a page in order; where they would be, if there are none."""
    sign = 1 if order == "asc" else -1

    def place(row: LedgerEntry) -> int:
        return sign * second_of(row.ledger_created_date)

    return bisect_left(view.rows, sign * second, key=place), bisect_right(view.rows, sign * second, key=place)


def _begins_past(view: PageView, edge: Edge, order: ListingOrder) -> bool:
    """Return whether no row of a page is of the edge's second."""
    return not view.rows or is_past(second_of(view.rows[0].ledger_created_date), edge.second, order)


def is_past(second: int, edge: int, order: ListingOrder) -> bool:
    """Return whether a second lies behind another one in the order of reading."""
    return second > edge if order == "asc" else second < edge


def _take(rest: Counter[int], row: LedgerEntry) -> bool:
    """Take a row's key out of the counter; return whether it was there."""
    key = row_key(row)
    found = rest[key] > 0
    rest[key] -= found
    return found
