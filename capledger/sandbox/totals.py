"""What ``ledgerDetails`` state of a page: totals, numbers and sizes, true or as the rules falsify or omit them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from capledger.sandbox.paging import PageRequest
    from capledger.sandbox.rules import Rules


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
