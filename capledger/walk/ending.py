"""Where a listing ends: at its total, if nothing follows a full last page; else where pages have no more rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from capledger.errors import LimitTooLargeError
from capledger.walk.listing import stated_total
from capledger.walk.ordering import keys_of
from capledger.walk.validation import Contradiction

if TYPE_CHECKING:
    from capledger.models import LedgerPage
    from capledger.walk.prefetch import PageKey
    from capledger.walk.reader import Reader

#: Pages without rows, one after the other, that show the end where totals do not.
_EMPTY_PAGES: Final = 2
#: The same before the stated total is reached, where all rows of a page may be hidden.
_MOST_HIDDEN: Final = 20


async def is_at_end(reader: Reader) -> bool:
    """Return whether a listing was read to its end; a full last page is followed by a look at the next one."""
    progress, layout = reader.progress, reader.layout
    if not layout.counted and not layout.backward:
        enough = _EMPTY_PAGES if progress.index >= (layout.total or 0) else _MOST_HIDDEN
        return progress.empty_pages >= enough
    if progress.index < progress.total or layout.backward or not _may_go_on(reader):
        return progress.index >= progress.total
    try:
        return await _nothing_follows(reader)
    except Contradiction:  # the service refuses to look behind the last page
        if reader.listing.is_shortest:
            return True
        raise


def _may_go_on(reader: Reader) -> bool:
    """Return whether more rows may follow the last page: it is full, and the total may have stopped counting."""
    if reader.progress.total <= reader.profile.counted_to:
        return False
    if reader.last is None:
        return True
    key, view = reader.last
    return len(view.rows) >= key.size


async def _nothing_follows(reader: Reader) -> bool:
    """Request the page behind the last one; if it has rows, the layout is one whose totals do not count them all."""
    progress, layout = reader.progress, reader.layout
    key = layout.key(reader.listing, progress.total // layout.page_size)
    page = await reader.page(key)
    if page.entries and reader.last is None:
        await reader.view(layout.number_of(progress.total - 1, progress.total))
    repeats = bool(page.entries) and _repeats_last(reader, page)
    if repeats and await _goes_on(reader, key, page):
        return False
    if repeats or len(page.entries) <= progress.total % layout.page_size:
        reader.profile.counted_to = progress.total
        return True
    reader.prefetch.keep(key, page)
    stated = stated_total(page)
    if stated is not None and stated > progress.total:
        progress.note_total(stated)
    else:
        reader.layout = evolve(layout, counted=False)
        await _compare_totals(reader)
    return False


def _repeats_last(reader: Reader, page: LedgerPage) -> bool:
    """Return whether a page is the last one again, as some services send it for any page behind the last."""
    return reader.last is not None and keys_of(page.entries) == keys_of(reader.last[1].rows)


async def _goes_on(reader: Reader, key: PageKey, page: LedgerPage) -> bool:
    """Return whether the listing goes on although a further page is the last one again: its rows may be the same."""
    total, usual = reader.progress.total, key.size
    for size in range(usual + 1, max(usual, reader.profile.largest_page()) + 1):
        number = total // size
        if (total - 1) // size == number:
            try:
                whole = await reader.page(reader.layout.key(reader.listing, number, size))
            except LimitTooLargeError as refusal:
                reader.profile.lower_page_cap(refusal, size)
                break
            if len(whole.entries) > total - number * size:
                reader.layout = evolve(reader.layout, counted=False)
                reader.prefetch.keep(key, page)
                return True
            break
    return key.number == 1 and await _counts_from_one(reader, page)


async def _counts_from_one(reader: Reader, page: LedgerPage) -> bool:
    """Return whether a first page that came twice is followed by others: the service counts pages from 1."""
    if reader.profile.offset_rule is not None:
        return False
    further = await reader.page(reader.layout.key(reader.listing, 2))
    if not further.entries or keys_of(further.entries) == keys_of(page.entries):
        return False
    reader.layout = evolve(reader.layout, offset_rule="page from 1", counted=False)
    reader.prefetch.keep(reader.layout.key(reader.listing, 1), further)
    return True


async def _compare_totals(reader: Reader) -> None:
    """Request a larger first page: a total that is less than its rows is not that of the page."""
    size = min(2 * reader.layout.page_size, reader.profile.largest_page())
    if size > reader.layout.page_size and not reader.progress.exceeds:
        await reader.page(reader.layout.key(reader.listing, 0, size))
