"""Settling an edge: what is new behind the rows that were read, where a page does not continue them.

Rows of one second may come in another order with each request, be the same, be written into the past or deleted, and
replicas may disagree. One response is one query of the service, so it is consistent: a page of another size that holds
the edge's whole second says how many rows that second has and which they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from capledger.errors import LimitTooLargeError
from capledger.walk.validation import Contradiction, check_page, overlap, rows_vanished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from capledger.cursor import Edge
    from capledger.walk.listing import PageView
    from capledger.walk.reader import Reader

#: How many pages are requested for one edge.
_ATTEMPTS: Final = 8


async def settled(reader: Reader, edge: Edge) -> tuple[PageView, Sequence[int]]:
    """Return a page that shows how the listing continues behind the edge, and which of its rows are new.

    Raises:
        Contradiction: no page shows it.
    """
    order, profile, count = reader.discovery.listing.order, reader.discovery.profile, edge.keys.total()
    grown = max(0, reader.discovery.highest - (reader.total or 0)) if order == "desc" else 0  # at the newer end
    low, high = reader.index - count - 1 + grown, reader.index + grown
    largest = max(reader.layout.page_size, profile.largest_page())
    before: object = None
    for _ in range(_ATTEMPTS):
        number, size = _page_around(reader, max(0, low), max(0, high), largest)
        try:
            view = await reader.view(number, size)
        except LimitTooLargeError as refusal:
            profile.lower_page_cap(refusal, size, reader.layout.page_size)
            largest = profile.largest_page()
            continue
        check_page(view, order, None)
        first, last, new, missing = overlap(view, edge, order)
        begins, ends = first > 0 or view.first == 0, last < len(view.rows) or view.ends
        if begins and ends:
            known = first + count - missing.total()
            vanished = rows_vanished(view, known, index=reader.index, total=reader.total)
            if (not missing and not vanished) or (missing, vanished, view.total) == before:
                if vanished and (reader.total is None or view.total is None or view.total >= reader.total):
                    raise Contradiction("order", "entries that were not read stand before those that were")
                # a total that no response of this session states is of before a stop, and so are the rows deleted since
                if vanished and (view.total or 0) < reader.discovery.highest:
                    reader.lost = True
                return view, new
            before = missing, vanished, view.total
        elif first == last:
            low, high = (low - size, low) if first == 0 else (high, high + size)
        else:
            low, high = low - (not begins) * (1 + last - first), high + (not ends) * (1 + last - first)
    raise Contradiction("edge", "no page shows how the rows continue those read before")


def _page_around(reader: Reader, low: int, high: int, largest: int) -> tuple[int, int]:
    """Return number and size of a page that holds the rows from low to high: of the usual size, or near to it."""
    for size in (*range(reader.layout.page_size, largest + 1), *range(reader.layout.page_size - 1, high - low, -1)):
        if low // size == high // size:
            return low // size, size
    raise Contradiction("edge", "more entries of one second than a page can hold")
