"""What a session has learned from answers about one endpoint, so that each walk need not find it out again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from attrs import define, field

if TYPE_CHECKING:
    from capledger.errors import LimitTooLargeError, SpanTooLongError

Direction = Literal["asc", "desc"]
OffsetRule = Literal["page", "index"]

#: Caps that one document or another has for the days between both dates.
_DOCUMENTED_DAYS = (60, 30)

_NUMBER = re.compile(r"\d+")


@define
class ServerProfile:
    """Limits and habits of one endpoint; the documents disagree about each of them, so the answers decide."""

    #: Rows a page at the most, once the server has said so (11006, 11029).
    page_cap: int | None = None
    #: Days a window at the most (v2 document: 90; the text of 11010: 60; in 2022: 30).
    span_days: int = 90
    #: Whether ``offset`` counts pages (customers, by the documents) or rows (groups, by some of them).
    offset_rule: OffsetRule = "page"
    #: Whether a second page has shown the rule to be right.
    offset_proven: bool = False
    #: Whether ``totalEntries`` was seen to count more than the rows of its own page.
    totals_proven: bool = False
    #: Whether rows came that the dates asked for do not explain: the server filters on another date.
    other_date: bool = False
    #: The order in which rows came, for each order asked for.
    directions: dict[str, Direction] = field(factory=dict)
    #: Names of events that have no details (11014), so that they are not asked for again.
    events_without_details: set[str] = field(factory=set)

    def page_size(self, wished: int) -> int:
        """Give the rows a page to ask for."""
        return min(wished, self.page_cap or wished)

    def take_up(self, offset_rule: OffsetRule | None, page_cap: int | None, span_days: int) -> None:
        """Go on with what an earlier session had learned, where this one has not learned better."""
        if offset_rule is not None and not self.offset_proven:
            self.offset_rule, self.offset_proven = offset_rule, True
        self.page_cap = self.page_cap or page_cap
        self.span_days = min(self.span_days, span_days)

    def lower_page_cap(self, refusal: LimitTooLargeError, asked: int) -> bool:
        """Take the cap from a refusal of so many rows; False when there is nothing smaller to ask for."""
        if self.page_cap is None or self.page_cap >= asked:
            self.page_cap = _stated(refusal.message, asked) or max(1, asked // 10)
        return self.page_cap < asked

    def lower_span(self, refusal: SpanTooLongError, asked: int) -> bool:
        """Take the cap from a refusal of so many days; False when there is nothing shorter to ask for."""
        if self.span_days >= asked:
            shorter = (days for days in _DOCUMENTED_DAYS if days < asked)
            self.span_days = _stated(refusal.message, asked) or next(shorter, max(1, asked // 2))
        return self.span_days < asked


def _stated(text: str, refused: int) -> int | None:
    """Read the cap out of a refusal ("cannot be greater than 10"), if it says one below what was refused."""
    return max((number for number in map(int, _NUMBER.findall(text)) if 0 < number < refused), default=None)
