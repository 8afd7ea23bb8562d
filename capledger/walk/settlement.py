"""Settling an edge: what is new behind the rows that were read, where a page does not continue them.

Rows of one second may come in another order with each request, be the same, be written into the past or deleted, and
replicas may disagree. One response is one query of the service, so it is consistent: a page of another size that holds
the edge's whole second says how many rows that second has and which they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from capledger.errors import LimitTooLargeError
from capledger.walk.validation import Contradiction, check_order, new_rows, rows_vanished, second_range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from capledger.walk.listing import PageView
    from capledger.walk.reader import Reader
    from capledger.walk.validation import Edge

#: How many pages are requested for one edge.
_ATTEMPTS: Final = 8


async def settled(reader: Reader, edge: Edge, disputed: PageView) -> tuple[PageView, Sequence[int]]:
    """Return a page that shows how the listing continues behind the edge, and which of its rows are new.

    Raises:
        Contradiction: no page shows it.
    """
    order = reader.order
    grown = (disputed.total or 0) - (reader.total or 0) if disputed.total is not None else 0
    low, high = reader.index - edge.count - 1 + min(0, grown), reader.index + max(0, grown)
    largest = max(reader.layout.page_size, reader.discovery.profile.largest_page())
    if high - low >= largest // 2:  # rows are added at the newer end
        moved = grown if order == "desc" else 0
        low, high = reader.index - edge.count - 1 + moved, reader.index + moved
    before: object = None
    for _ in range(_ATTEMPTS):
        number, size = _page_around(reader, max(0, low), high, largest)
        try:
            view = await reader.view(number, size)
        except LimitTooLargeError as refusal:
            reader.discovery.profile.lower_page_cap(refusal, size)
            largest = reader.discovery.profile.largest_page()
            continue
        if size > reader.layout.page_size and view.total is not None and 0 < len(view.rows) < view.expected:
            largest = max(len(view.rows), reader.layout.page_size)  # smaller pages than requested
            continue
        check_order(view.rows, order)
        first, last = second_range(view, edge.second, order)
        begins, ends = first > 0 or view.first == 0, last < len(view.rows) or view.ends
        if begins and ends:
            new, missing = new_rows(view, edge, first, last)
            known = first + edge.count - missing.total()
            vanished = rows_vanished(view, known, index=reader.index, total=reader.total)
            if (not missing and not vanished) or (missing, vanished, view.total) == before:
                _accept(reader, edge, view, vanished)
                return view, new
            before = missing, vanished, view.total
        elif first == last:
            low, high = (low - size, low) if first == 0 else (high, high + size)
        else:
            low, high = low - (not begins) * (1 + last - first), high + (not ends) * (1 + last - first)
    raise Contradiction("edge", "no page shows how the rows continue those read before")


def _accept(reader: Reader, edge: Edge, view: PageView, vanished: int) -> None:
    """Note that rows that were not read have vanished; without a fall of the total, they stand before the edge."""
    if not vanished:
        return
    if reader.total is None or view.total is None or view.total >= reader.total:
        raise Contradiction("order", "entries that were not read stand before those that were")
    if edge.rows:  # what was deleted before a resumed walk went on is not of this walk
        reader.lost = True


def _page_around(reader: Reader, low: int, high: int, largest: int) -> tuple[int, int]:
    """Return number and size of a page that holds the rows with these indexes, both included.

    The usual size is tried first, then larger ones, then smaller ones.
    """
    usual = reader.layout.page_size
    for size in (*range(usual, largest + 1), *range(usual - 1, 0, -1)):
        if low // size == high // size:
            return low // size, size
    raise Contradiction("edge", "more entries of one second than a page can hold")
