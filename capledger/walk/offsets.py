"""Whether ``offset`` counts pages or rows: assumed at first, proven by the second page.

Customers' documents call it a page number, those of user groups a starting index, and no printed answer shows which.
The first page is the same under either rule; the second, asked for as ``offset=1``, repeats the first page's rows
where rows are counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from capledger.models import LedgerEntry
from capledger.walk.facts import EndpointFacts
from capledger.walk.rows import same_row

if TYPE_CHECKING:
    from capledger.walk.shelf import Segment


@define
class OffsetProof:
    """The first page of a listing, kept until another page has proven the rule."""

    _facts: EndpointFacts
    _rows: list[LedgerEntry] | None = None
    _total: int = 0

    @property
    def has_first(self) -> bool:
        """Whether there is something to compare with."""
        return self._rows is not None

    def offset_of(self, number: int, page_size: int) -> int:
        """Give the ``offset`` that asks for a page."""
        return number * page_size if self._facts.offset_rule == "index" else number

    def refuted(self, number: int, segment: Segment, *, newest_first: bool) -> bool:
        """Tell whether a page proves that the server counts rows; remember it for the session.

        Every row that this page and the first would both hold is compared. Entries that were added in between have
        moved the rows of the first page on, where the newest come first.
        """
        if self._facts.offset_proven or number == 0 or self._rows is None:
            return False
        moved = segment.total - self._total if newest_first else 0
        repeated = self._rows[max(0, number - moved) :]
        came = segment.page.entries
        if not (came and repeated and all(same_row(a, b) for a, b in zip(repeated, came, strict=False))):
            return False
        self._facts.offset_rule, self._facts.offset_proven = "index", True
        return True

    def note(self, number: int, segment: Segment) -> None:
        """Learn from a page that was taken: another one than the first, that did not refute the rule, proves it."""
        if number == 0 and not self._facts.offset_proven:
            self._rows, self._total = list(segment.page.entries), segment.total
        elif self._rows is not None and segment.page.entries and number < len(self._rows):
            self._facts.offset_proven = True
        if self._facts.offset_proven:
            self._rows = None

    def forget(self) -> None:
        """Forget the first page; pages are cut anew."""
        self._rows = None
