"""What a response must agree with: its own totals, the order of dates, and the rows that were read before it.

Rows read = total, total unchanged, order kept and no key twice at an edge prove a listing: where a row is lost without
a change of the total, another one comes twice, among the rows of the second in which one page ends and the next begins.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Literal, NamedTuple

from capledger.cursor import Edge
from capledger.errors import CapledgerError, IncompleteLedgerError, PaginationError
from capledger.models.identity import keys_of, row_key
from capledger.moments import second_of
from capledger.walk.ordering import is_in_order, is_past, start_of_last_second

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from capledger.models import LedgerEntry
    from capledger.walk.listing import PageView
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


class EdgeOverlap(NamedTuple):
    """What a page has of the second in which reading stands."""

    first: int
    """Where its rows begin; where they would be, if there are none."""
    last: int
    new: list[int]
    """Which rows of the page are new: those that were not read, of that second and behind it."""
    missing: Counter[int]
    """Keys of rows that were read and that the page lacks."""


def edge_behind(rows: list[LedgerEntry], before: Edge | None) -> Edge:
    """Return the edge behind rows, the last of which may be of the same second as the edge before them."""
    second, keys = second_of(rows[-1].ledger_created_date), keys_of(rows[start_of_last_second(rows) :])
    return Edge(second, keys + before.keys if before is not None and before.second == second else keys)


def check_page(view: PageView, order: ListingOrder, total: int | None) -> None:
    """Check that a page states a total no lower than before, has the rows that its place leaves, and has them in order.

    Raises:
        Contradiction: it does not.
    """
    received = len(view.rows)
    if total is not None:
        if view.total is None:
            raise Contradiction("count", "a page states no total", total, view.first + received)
        if view.total < total:
            raise Contradiction("fall", f"{total} entries were stated and then {view.total}")
        if received != view.expected:
            text = f"{view.total} entries are stated, so this page has {view.expected}; {received} came"
            raise Contradiction("count", text, view.total, view.first + received)
    if not is_in_order(view.rows, order):
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
    rows, is_same = view.rows, view.total == total
    if is_same and view.first == index:
        if edge is None or not rows or is_past(second_of(rows[0].ledger_created_date), edge.second, order):
            return range(len(rows))
    elif edge is None and view.first:
        raise Contradiction("edge", "the page does not begin where reading does")
    if edge is None:
        return range(len(rows))
    first, _, new, missing = overlap(view, edge, order)
    count, read = edge.keys.total(), index - view.first
    known = count - missing.total()
    if is_same and read >= 0:
        continues = first == max(0, read - count) and known == min(read, count)
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


def overlap(view: PageView, edge: Edge, order: ListingOrder) -> EdgeOverlap:
    """Return what a page, which is in order, has of the second of an edge."""
    sign, rest = 1 if order == "asc" else -1, edge.keys.copy()

    def place(row: LedgerEntry) -> int:
        return sign * second_of(row.ledger_created_date)

    first = bisect_left(view.rows, sign * edge.second, key=place)
    last = bisect_right(view.rows, sign * edge.second, key=place)
    new = [index for index in range(first, last) if not _take(rest, view.rows[index])]
    return EdgeOverlap(first, last, [*new, *range(last, len(view.rows))], +rest)


def entries_behind(entries: list[LedgerEntry], edge: Edge, order: ListingOrder) -> list[LedgerEntry]:
    """Return the entries, in the order of reading, that are not up to an edge; take the keys of others out of it."""
    behind = []
    for entry in entries:
        second = second_of(entry.ledger_created_date)
        if is_past(second, edge.second, order) or (second == edge.second and not _take(edge.keys, entry)):
            behind.append(entry)
    return behind


def _take(rest: Counter[int], row: LedgerEntry) -> bool:
    """Take a row's key out of the counter; return whether it was there."""
    key = row_key(row)
    found = rest[key] > 0
    rest[key] -= found
    return found
