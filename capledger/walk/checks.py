"""What can be wrong with a page, given what is known of its listing. Pure; a finding is a sentence and the error it would become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import define, field, frozen

from capledger.errors import CapledgerError, IncompleteLedgerError, PaginationError
from capledger.walk.rows import row_key, same_row

if TYPE_CHECKING:
    from capledger.models import LedgerEntry
    from capledger.walk.rows import Segment

Kind = Literal["count", "total", "number", "repeat", "order"]


@frozen
class Doubt:
    """A page contradicts what is known; asking again may settle it."""

    kind: Kind
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
    text = (
        f"{segment.total} entries are stated, so the page at row {segment.position} has {expected}, but {received} came"
    )
    return Doubt("count", text, segment.total, segment.total - expected + received)


def expected_rows(position: int, total: int, page_size: int) -> int:
    """Tell how many rows a page holds, from its place and the total."""
    return min(page_size, max(0, total - position))


def counts_rows(rows: list[LedgerEntry], first_page: list[LedgerEntry], offset: int, moved: int) -> bool:
    """Tell whether a page asked for with this ``offset`` shows that the server counts rows and not pages.

    Then it begins at row ``offset``, so it repeats the rest of the first page: every row that both would hold is compared. ``moved``
    is how far the first page's rows have moved on since, by entries added before them.
    """
    repeated = first_page[max(0, offset - moved) :]
    return bool(rows and repeated) and all(same_row(a, b) for a, b in zip(repeated, rows, strict=False))


@define
class SeenPages:
    """The first and last row of each page, as numbers, to notice a page that comes again in another's place."""

    _ends: dict[int, tuple[int, int, int, int]] = field(factory=dict)
    _by_rows: dict[tuple[int, int, int], int] = field(factory=dict)

    def check(self, number: int, segment: Segment) -> Doubt | None:
        """The rows are not those of another page, and do not begin or end with a neighbour's."""
        entries = segment.page.entries
        if not entries:
            return None
        first, last = row_key(entries[0]), row_key(entries[-1])
        twin = self._by_rows.get((first, last, len(entries)))
        if twin is not None and twin != number and not self._moved_by_growth(twin, segment):
            return Doubt("repeat", f"page {number} repeats page {twin}")
        for neighbour, mine, theirs in ((number - 1, first, 1), (number + 1, last, 0)):
            seen = self._ends.get(neighbour)
            if seen is not None and seen[theirs] == mine and seen[3] == segment.total:
                return Doubt("repeat", f"page {number} repeats a row of page {neighbour}")
        return None

    def note(self, number: int, segment: Segment) -> None:
        """Remember a page that was taken."""
        entries = segment.page.entries
        if entries:
            first, last = row_key(entries[0]), row_key(entries[-1])
            self._ends[number] = (first, last, segment.position, segment.total)
            self._by_rows[first, last, len(entries)] = number

    def clear(self) -> None:
        """Forget everything: pages are cut anew."""
        self._ends.clear()
        self._by_rows.clear()

    def _moved_by_growth(self, twin: int, segment: Segment) -> bool:
        """Newest first, a page's rows move on by as many places as entries were added."""
        _, _, position, total = self._ends[twin]
        return segment.total > total and segment.position - position == segment.total - total
