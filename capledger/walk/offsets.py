"""Whether ``offset`` counts pages or rows: assumed at first, proven by the second page.

Customers' documents call it a page number, those of user groups a starting index, and no printed answer shows which.
The first page is the same under either rule; the second, asked for as ``offset=1``, repeats the first page's rows
where rows are counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import define

from capledger.models import LedgerEntry
from capledger.walk.ordering import same_row
from capledger.walk.server_profile import ServerProfile

if TYPE_CHECKING:
    from capledger.walk.server_profile import Direction
    from capledger.walk.shelf import Segment


#: What a page says about the rule that it was asked for by.
Verdict = Literal["proven", "refuted", "unclear"]


@define
class OffsetProof:
    """The first page of a listing, kept until another page has proven the rule."""

    _facts: ServerProfile
    _rows: list[LedgerEntry] | None = None
    _total: int = 0

    @property
    def has_first(self) -> bool:
        """Whether there is something to compare with."""
        return self._rows is not None

    def offset_of(self, number: int, page_size: int) -> int:
        """Give the ``offset`` that asks for a page."""
        return number * page_size if self._facts.offset_rule == "index" else number

    def judge(self, number: int, segment: Segment, direction: Direction | None) -> Verdict | None:
        """Learn from another page than the first, unless the rule is known: every row that both would hold is compared.

        Entries that were added in between have moved the first page's rows on, where the newest come first; some moves
        look the same under both rules.
        """
        came, first = segment.page.entries, self._rows
        if self._facts.offset_proven or not number or first is None or not came:
            return None
        grown = segment.total - self._total
        moves = {"asc": {0}, "desc": {grown}}.get(direction or "", {0, grown})
        fits_index = any(self._repeats(came, number - moved) for moved in moves)
        fits_page = any(self._repeats(came, segment.position - moved) for moved in moves)
        if fits_index and fits_page:
            return "unclear"
        if not fits_index and not all(moved - len(came) < number < len(first) + moved for moved in moves):
            return "unclear" if grown else None
        self._facts.offset_rule, self._facts.offset_proven = "index" if fits_index else "page", True
        self._rows = None
        return "refuted" if fits_index else "proven"

    def _repeats(self, came: list[LedgerEntry], start: int) -> bool:
        """Whether rows that begin at this place of the first page are its rows, as far as both reach."""
        first = (self._rows or [])[max(0, start) :]
        pairs = list(zip(first, came[max(0, -start) :], strict=False))
        return bool(pairs) and all(same_row(one, other) for one, other in pairs)

    def note_first(self, segment: Segment) -> None:
        """Keep the first page to compare with."""
        if not self._facts.offset_proven:
            self._rows, self._total = list(segment.page.entries), segment.total

    def forget(self) -> None:
        """Forget the first page; pages are cut anew."""
        self._rows = None
