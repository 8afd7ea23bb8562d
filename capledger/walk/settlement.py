"""Settling an edge: what is new behind the rows that were read, where the pages on both sides do not agree on it.

Rows of one second may come in another order with each request, be the same, be written into the past or deleted, and
replicas may disagree. One response is one query of the service, so it is consistent: a page of another size that holds
the edge's whole second in its middle says how many rows that second has and which they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from capledger.errors import LimitTooLargeError
from capledger.walk.listing import page_count
from capledger.walk.ordering import keys_of
from capledger.walk.validation import Contradiction, check_order, new_rows, second_range

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence

    from capledger.walk.listing import PageView
    from capledger.walk.reader import Reader
    from capledger.walk.validation import Edge

#: How many pages are requested for one edge, and how often a second that no page can hold is read.
_ATTEMPTS: Final = 6
_READINGS: Final = 6
#: How many readings, one after the other, must agree on rows that are the same.
_AGREEING: Final = 3


async def settled(reader: Reader, edge: Edge, disputed: PageView | None = None) -> tuple[PageView, Sequence[int]]:
    """Return a page that shows how the listing continues behind the edge, and which of its rows are new.

    Raises:
        Contradiction: no page shows it.
    """
    progress = reader.progress
    first, last = (0, 0) if disputed is None else second_range(disputed, edge.second, reader.listing.order)
    low, high = progress.index - edge.count - 1, progress.index + last - first + 1
    before: tuple[Counter[int], int | None] | None = None
    largest = max(reader.layout.page_size, reader.profile.largest_page())
    for _ in range(_ATTEMPTS):
        place = _page_around(reader, low, high, largest)
        if place is None:
            return await _large_second(reader, edge, low)
        try:
            view = await reader.view(*place)
        except LimitTooLargeError as refusal:
            reader.profile.lower_page_cap(refusal, place[1])
            largest = reader.profile.largest_page()
            continue
        if view.total is not None and view.total > progress.total:
            progress.note_total(view.total)
        if view.total is not None and place[1] > reader.layout.page_size and len(view.rows) < view.expected:
            largest = max(len(view.rows), reader.layout.page_size)  # smaller pages than requested
            continue
        check_order(view, reader.listing.order)
        first, last = second_range(view, edge.second, reader.listing.order)
        begins, ends = _shows_begin(view, first), _shows_end(view, last, place[1])
        if first == last and not (begins and ends):
            low = await _index_of(reader, edge)
            low, high = low - 1, low + edge.count + 1
        elif not (begins and ends):
            low, high = low - (not begins) * (1 + last - first), high + (not ends) * (1 + last - first)
        else:
            new, missing = new_rows(view, edge, first, last)
            falls = view.total is not None and view.total < progress.total
            if (not missing and not falls) or (missing, view.total) == before:
                progress.vanished += missing.total()
                return view, new
            before = missing, view.total
    raise Contradiction("edge", "no page shows how the rows continue those read before")


def _page_around(reader: Reader, low: int, high: int, largest: int) -> tuple[int, int] | None:
    """Return number and size of a page that holds the rows with these indexes, both included; None if none can."""
    total, page_size = reader.progress.total, reader.layout.page_size
    low = max(low, 0)
    if reader.layout.counted or reader.layout.backward:
        high = min(high, total - 1)
    first, last = (total - 1 - high, total - 1 - low) if reader.layout.backward else (low, high)
    for size in _sizes(page_size, largest):
        if first // size == last // size:
            return first // size, size
    return None


def _sizes(usual: int, largest: int) -> Iterator[int]:
    """Yield page sizes to try: the usual one, larger ones, smaller ones."""
    yield from range(usual, largest + 1)
    yield from range(usual - 1, 0, -1)


def _shows_begin(view: PageView, first: int) -> bool:
    return first > 0 or view.at_start


def _shows_end(view: PageView, last: int, size: int) -> bool:
    return last < len(view.rows) or view.at_end or (view.total is None and len(view.rows) < size)


async def _index_of(reader: Reader, edge: Edge) -> int:
    """Search for the index at which the rows of the edge's second begin, by halving the listing."""
    order, layout = reader.listing.order, reader.layout
    low, high = 0, page_count(max(reader.progress.total, reader.progress.index), layout.page_size) - 1
    while True:
        middle = (low + high) // 2
        pages = page_count(reader.progress.total, layout.page_size)
        view = await reader.view(pages - 1 - middle if layout.backward else middle)
        check_order(view, order)
        first, last = second_range(view, edge.second, order)
        if low >= high or (first < last or 0 < first < len(view.rows)):
            return view.first_index + first
        low, high = (low, middle) if last == 0 else (middle + 1, high)


async def _large_second(reader: Reader, edge: Edge, low: int) -> tuple[PageView, Sequence[int]]:
    """Read a second that no page can hold until readings agree, or one has no key twice."""
    before: Counter[int] | None = None
    agreeing = 0
    seen: set[int] = set()
    for _ in range(_READINGS):
        view = await _whole_second(reader, edge, low, seen)
        first, last = second_range(view, edge.second, reader.listing.order)
        keys = keys_of(view.rows[first:last])
        new, missing = new_rows(view, edge, first, last)
        agreeing = agreeing + 1 if keys == before else 1
        if not missing and (agreeing >= _AGREEING or len(keys) == last - first):
            return view, new
        before = keys
    raise Contradiction("edge", "more entries of one second than a page can hold, in another order with each request")


async def _whole_second(reader: Reader, edge: Edge, low: int, seen: set[int]) -> PageView:
    """Return all pages that hold rows of the edge's second as one; add the keys of those rows to ``seen``."""
    order, layout = reader.listing.order, reader.layout
    index, rows, begin = max(low, 0), [], None
    while True:
        view = await reader.view(layout.number_of(index, reader.progress.total))
        check_order(view, order)
        begin = view.first_index if begin is None else begin
        rows += view.rows
        first, last = second_range(view, edge.second, order)
        keys = keys_of(view.rows[first:last])
        if not seen.issuperset(keys):
            seen.update(keys)
            reader.prefetch.note_new_rows()
        if last < len(view.rows) or view.at_end or not view.rows:
            whole = evolve(view, rows=rows, first_index=begin, expected=view.end_index - begin)
            check_order(whole, order)
            return whole
        index = view.end_index
