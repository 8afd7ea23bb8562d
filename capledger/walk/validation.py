"""What can be wrong with a page, given what is known of its listing.

Pure; a finding is a sentence and the error that it becomes if asking again does not settle it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import define, field, frozen

from capledger.errors import CapledgerError, IncompleteLedgerError, PaginationError
from capledger.walk.ordering import row_key

if TYPE_CHECKING:
    from capledger.walk.shelf import Segment


@frozen
class Doubt:
    """A page contradicts what is known; asking again may settle it."""

    kind: Literal["count", "total", "number", "repeat"]
    text: str
    expected: int | None = None
    received: int | None = None

    def error(self) -> CapledgerError:
        """Give what to raise when asking again did not settle it."""
        if self.kind == "count":
            return IncompleteLedgerError(self.text, self.expected, self.received)
        return PaginationError(self.text)


def check_number(asked: int, echoed: int | None) -> Doubt | None:
    """The answer names the page that was asked for."""
    if echoed is None or echoed == asked:
        return None
    return Doubt("number", f"page {asked} was asked for and the answer calls itself page {echoed}")


def check_total(known: int | None, stated: int) -> Doubt | None:
    """A total never falls: nothing is ever taken out of a ledger."""
    if known is None or stated >= known:
        return None
    return Doubt("total", f"the server stated {known} entries and then {stated}: its totals contradict each other")


def check_count(segment: Segment, page_size: int) -> Doubt | None:
    """A page holds as many rows as its place and the total say."""
    expected, received = expected_rows(segment.position, segment.total, page_size), len(segment.page.entries)
    if received == expected:
        return None
    text = f"{segment.total} entries are stated, so the page at row {segment.position} has {expected}; {received} came"
    return Doubt("count", text, segment.total, segment.total - expected + received)


def expected_rows(position: int, total: int, page_size: int) -> int:
    """Tell how many rows a page holds, from its place and the total."""
    return min(page_size, max(0, total - position))


def other_page_size(segment: Segment, page_size: int) -> int | None:
    """Give the page size that an answer goes by, when it shows one that was not asked for.

    ``pageSize`` is the capacity of a page, or on some servers its rows; ``pageCount`` tells which.
    """
    details, rows, total = segment.page.details, len(segment.page.entries), segment.total
    if details is None or not rows:
        return None
    stated, pages = details.page_size, details.page_count
    if stated and stated < page_size and pages == _pages(total, stated) != _pages(total, page_size):
        return stated
    if stated == page_size and pages == _pages(total, page_size):
        return None
    goes_by_rows = rows == stated or pages == _pages(total, rows) or (stated is None and pages is None)
    return rows if goes_by_rows and rows != expected_rows(segment.position, total, page_size) else None


def _pages(total: int, page_size: int) -> int:
    return -(-total // page_size)


@define
class _Ends:
    first: int
    last: int
    position: int
    total: int


@define
class SeenPages:
    """The first and last row of each page, as numbers, to notice a page that comes again in another's place."""

    _ends: dict[int, _Ends] = field(factory=dict)
    _by_rows: dict[tuple[int, int, int], int] = field(factory=dict)

    def check(self, number: int, segment: Segment, *, newest_first: bool) -> Doubt | None:
        """The rows are not those of another page, nor a neighbour's first or last, and moved as the total did."""
        if not segment.page.entries:
            return None
        twin = self._by_rows.get(segment.key)
        if twin is not None and twin != number and not self._moved_by_growth(twin, segment):
            return Doubt("repeat", f"page {number} repeats page {twin}")
        before, after = self._ends.get(number - 1), self._ends.get(number + 1)
        if before is not None and before.total == segment.total and before.last == segment.first:
            return Doubt("repeat", f"page {number} begins with the last row of the page before")
        if after is not None and after.total == segment.total and after.first == segment.last:
            return Doubt("repeat", f"page {number} ends with the first row of the page after")
        if newest_first and before is not None and not _moved_along(before, segment):
            return Doubt("total", f"the server stated {before.total} entries and then {segment.total}; no row moved")
        return None

    def moved(self, segment: Segment) -> bool:
        """Tell whether the same rows came before, and entries added before them have moved them on since."""
        twin = self._by_rows.get(segment.key)
        return twin is not None and self._moved_by_growth(twin, segment)

    def note(self, number: int, segment: Segment) -> None:
        """Remember a page that was taken."""
        if segment.page.entries:
            self._ends[number] = _Ends(segment.first, segment.last, segment.position, segment.total)
            self._by_rows[segment.key] = number

    def clear(self) -> None:
        """Forget everything: pages are cut anew."""
        self._ends.clear()
        self._by_rows.clear()

    def _moved_by_growth(self, twin: int, segment: Segment) -> bool:
        """Newest first, a page's rows move on by as many places as entries were added."""
        seen = self._ends[twin]
        return segment.total > seen.total and segment.position - seen.position == segment.total - seen.total


def _moved_along(before: _Ends, segment: Segment) -> bool:
    """Tell whether rows added in front have moved the last row of the page before on to this page."""
    growth, rows = segment.total - before.total, segment.page.entries
    return not 0 < growth <= len(rows) or row_key(rows[growth - 1]) == before.last
