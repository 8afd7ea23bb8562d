"""Pages: where the rows of a requested page begin, and whether it lies too deep."""

from __future__ import annotations

from attrs import frozen

from capledger.sandbox.responses import ErrorResponse
from capledger.sandbox.rules import Order, Rules


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
