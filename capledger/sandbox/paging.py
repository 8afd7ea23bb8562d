"""Pages: the rows of a page, in the order of the rules, and what its ``ledgerDetails`` state."""

from __future__ import annotations

from datetime import tzinfo
from hashlib import blake2b
from itertools import groupby
from typing import TYPE_CHECKING, Any

from attrs import frozen

from capledger.sandbox.ledger import Ledger
from capledger.sandbox.responses import ErrorResponse
from capledger.sandbox.rules import Order, Rules
from capledger.sandbox.zones import converted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@frozen
class PageRequest:
    """The requested page."""

    limit: int
    """Rows of the page, at most the largest page of the rules."""
    requested_limit: int
    """``limit`` as sent."""
    offset: int
    """``offset`` as sent."""
    by_page: bool
    """Whether ``offset`` is a page number; if not, it is the index of a row."""
    order: Order
    rules: Rules

    @property
    def first(self) -> int:
        """Index of the first row of the page."""
        return max(0, self.offset - self.rules.first_page) * self.limit if self.by_page else self.offset

    def first_of(self, count: int) -> int:
        """Return the index of the first row to show of so many: beyond the last page, the rules may show that."""
        if self.rules.beyond == "last_page" and self.first >= count > 0:
            return (count - 1) // self.limit * self.limit
        return self.first

    def check_depth(self) -> None:
        """Raise the error of the rules for a page beyond ``max_depth``."""
        rules = self.rules
        if rules.max_depth is not None and self.first + self.limit > rules.max_depth:
            message = rules.max_depth_message.format(rows=rules.max_depth)
            raise ErrorResponse(rules.max_depth_code, message, status=rules.max_depth_status)


@frozen
class Totals:
    """The counts of entries that ``totalEntries`` may state."""

    date_range: int
    """Entries that match the filters and the date range."""
    all_dates: int
    """Entries that match the filters."""
    customer: int
    """Entries of the customer."""

    def stated(self, rules: Rules, shown: int) -> int:
        """Return the ``totalEntries`` of a page that shows so many rows."""
        counts = {"range": self.date_range, "all_dates": self.all_dates, "customer": self.customer, "page": shown}
        total = max(0, counts[rules.total] + rules.total_offset)
        return total if rules.total_cap is None else min(total, rules.total_cap)


def ledger_details(page: PageRequest, totals: Totals, shown: int) -> dict[str, Any]:
    """Return the ``ledgerDetails`` of a page that shows so many rows."""
    rules = page.rules
    total = totals.stated(rules, shown)
    index = page.first // page.limit
    number = index + rules.first_page if page.by_page else index
    count = -(-total // page.limit)
    numbers = {"page": number, "offset": page.offset, "index": index, "zero": 0, "one_more": number + 1}
    limit = page.limit
    sizes = {"capacity": limit, "requested": page.requested_limit, "rows": shown, "zero": 0, "one_more": limit + 1}
    details = {
        "pageNumber": numbers[rules.echo_page_number],
        "pageSize": sizes[rules.echo_page_size],
        "totalEntries": total,
        "pageCount": {"pages": count, "zero": 0, "one_more": count + 1}[rules.echo_page_count],
    }
    return {key: value for key, value in details.items() if key not in rules.omitted}


@frozen
class Sorting:
    """The order of the rows in the response to one request."""

    ledger: Ledger
    order: Order
    rules: Rules
    zone: tzinfo
    """The zone of the dates in rows."""
    request_number: int
    """Number of the ledger request, from 1; random orders depend on it."""

    @property
    def replica(self) -> int:
        """Number of the replica that serves the request, from 0."""
        return (self.request_number - 1) % self.rules.replicas

    def page(self, ranks: Sequence[int], first: int, limit: int) -> Sequence[int]:
        """Return a slice of the ranks, which are ascending, in the order of the response."""
        if self.order in {"SHUFFLED", "RANDOM"}:
            return self._shuffled(ranks, each_request=self.order == "RANDOM")[first : first + limit]
        if self.rules.sort_by == "local":
            ranks = sorted(ranks, key=self._sort_date)
        count = len(ranks)
        if self.order == "ASC":
            return self._slice(ranks, first, min(first + limit, count))
        return self._slice(ranks, max(0, count - first - limit), count - first)[::-1]

    def _slice(self, ranks: Sequence[int], start: int, end: int) -> Sequence[int]:
        """Return the ranks between two positions in ascending order, with ties sorted by the rules."""
        if self.rules.sort_precision == "full" and self.rules.tie_order == "same":
            return ranks[start : max(start, end)]
        if start >= end:
            return ()
        low, high = self._start_of_ties(ranks, start), self._end_of_ties(ranks, end)
        groups = (self._sorted_ties(list(group)) for _, group in groupby(ranks[low:high], key=self._sort_date))
        return [rank for group in groups for rank in group][start - low : end - low]

    def _start_of_ties(self, ranks: Sequence[int], position: int) -> int:
        date = self._sort_date(ranks[position])
        while position > 0 and self._sort_date(ranks[position - 1]) == date:
            position -= 1
        return position

    def _end_of_ties(self, ranks: Sequence[int], position: int) -> int:
        date = self._sort_date(ranks[position - 1])
        while position < len(ranks) and self._sort_date(ranks[position]) == date:
            position += 1
        return position

    def _sort_date(self, rank: int) -> datetime:
        created = self.ledger.created(rank)
        if self.rules.sort_by == "local" and self.rules.response_zone is not None:
            created = converted(created, self.zone, self.rules.response_zone).replace(fold=0)
        return created if self.rules.sort_precision == "full" else created.replace(microsecond=0)

    def _sorted_ties(self, ranks: list[int]) -> list[int]:
        """Return ranks of equal dates in the order for ascending dates; it is reversed for descending ones."""
        tie_order = self.rules.tie_order
        if tie_order in {"random", "replica"}:
            return self._shuffled(ranks, each_request=tie_order == "random")
        descending = self.order == "DESC"
        reverse = {"same": False, "opposite": True, "ascending": descending, "descending": not descending}[tie_order]
        return sorted(ranks, key=lambda rank: (self.ledger.event_log_id(rank), rank), reverse=reverse)

    def _shuffled(self, ranks: Sequence[int], *, each_request: bool) -> list[int]:
        """Return the ranks in an order that depends on the ids and on the request, or on the replica only."""
        salt = f"{self.rules.seed}:{self.request_number if each_request else self.replica}"

        def number(rank: int) -> bytes:
            key = f"{salt}:{self.ledger.event_log_id(rank)}:{rank if each_request else 0}"
            return blake2b(key.encode(), digest_size=8).digest()

        return sorted(ranks, key=number)
