"""What a session has learned about one endpoint, so that each walk need not find it out again.

Only what the service said itself (a cap in a refusal) or what two responses prove is kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from attrs import define, field

if TYPE_CHECKING:
    from capledger.errors import LimitTooLargeError, SpanTooLongError

#: What ``offset`` counts: pages from 0, pages from 1, or rows.
OffsetRule = Literal["page", "page from 1", "row"]

#: Rows a page at the most by the current documents, and days a window by one or another.
DOCUMENTED_CAP: Final = 100
_OLDER_CAP: Final = 10
_DOCUMENTED_DAYS: Final = (60, 30)

_NUMBER = re.compile(r"\d+")


class Learned(NamedTuple):
    """What a cursor carries of a profile to another session."""

    offset_rule: OffsetRule | None = None
    page_cap: int | None = None
    span_days: int = 90


@define
class ServerProfile:
    """Limits and habits of one endpoint; the documents disagree about each of them, so the responses decide."""

    page_cap: int | None = None
    """Rows a page at the most, once the service has shown it (codes 11006, 11029, or shorter pages)."""
    span_days: int = 90
    """Days a window at the most (90 in the v2 document, 60 in the message of code 11010, 30 in 2022)."""
    offset_rule: OffsetRule | None = None
    """What ``offset`` counts, once a second page has proven it."""
    counted_to: int = 0
    """The largest total after which nothing followed: totals below it are totals."""
    ordered: bool = False
    """Whether so many rows came in the order of their dates that it is no accident."""
    ignores_dates: bool = False
    """Whether dates are no filter on ``ledger_created_date``, or totals ignore them: the history is read instead."""
    events_without_details: set[str] = field(factory=set)
    """Names of events that have no details (code 11014)."""

    def page_size(self, requested: int) -> int:
        """Return the rows a page to request."""
        return min(requested, self.page_cap or requested)

    def largest_page(self) -> int:
        """Return the rows that one response can hold, as far as known."""
        return self.page_cap or DOCUMENTED_CAP

    def learned(self) -> Learned:
        """Return what a later session may adopt."""
        return Learned(self.offset_rule, self.page_cap, self.span_days)

    def adopt(self, earlier: Learned) -> None:
        """Take over what an earlier session had learned, where this one has not learned better."""
        self.offset_rule = self.offset_rule or earlier.offset_rule
        self.page_cap = self.page_cap or earlier.page_cap
        self.span_days = min(self.span_days, earlier.span_days)

    def lower_page_cap(self, refusal: LimitTooLargeError, requested: int, accepted: int = 1) -> None:
        """Take the cap from a refusal of so many rows, where so many were accepted; raise it if that is no less."""
        if self.page_cap is None or self.page_cap >= requested:
            documented = (cap for cap in (DOCUMENTED_CAP, _OLDER_CAP) if cap < requested)
            cap = _stated(refusal.message, requested) or next(documented, max(1, requested // 2))
            self.page_cap = max(cap, accepted)
        if self.page_cap >= requested:
            raise refusal

    def lower_span(self, refusal: SpanTooLongError, requested: int) -> None:
        """Take the cap from a refusal of so many days; raise the refusal if nothing shorter can be requested."""
        if self.span_days >= requested:
            shorter = (days for days in _DOCUMENTED_DAYS if days < requested)
            self.span_days = _stated(refusal.message, requested) or next(shorter, max(1, requested // 2))
        if self.span_days >= requested:
            raise refusal


def _stated(text: str, refused: int) -> int | None:
    """Return the cap that a refusal states ("cannot be greater than 10"): below what was refused, and more than 1."""
    return max((number for number in map(int, _NUMBER.findall(text)) if 1 < number < refused), default=None)
