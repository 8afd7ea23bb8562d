"""Bills and returns with their line items (``get_bill_details``). Amounts are in the organisation's currency."""

from datetime import datetime
from decimal import Decimal

from attrs import define, field

from capledger.models._fields import wire
from capledger.models.points import (
    AlternateCurrencyBreakdown,
    AlternateCurrencyEarned,
    PointsEarned,
    PointsEarnedBreakdown,
)


@define
class LineItem:
    """One line of a bill; the ``return_`` fields are filled on returns."""

    #: The service's id of the line; can exceed 2**53.
    id: int | None = None
    item_code: str | None = field(default=None, metadata=wire(number_as_string=True))
    #: From 1, on returns.
    serial_number: int | None = None
    #: E.g. instore.
    source: str | None = None
    gross_amount: Decimal | None = None
    discount: Decimal | None = None
    amount: Decimal | None = None
    #: Price of one.
    rate: Decimal | None = None
    #: Pieces, or the unit the item is sold by.
    qty: Decimal | None = None
    return_amount: Decimal | None = None
    return_rate: Decimal | None = None
    return_qty: Decimal | None = None
    return_value: Decimal | None = None
    points_earned: PointsEarned | None = None
    #: With ``get_points_earned_breakup``.
    points_earned_breakup: PointsEarnedBreakdown | None = None


@define
class BillDetails:
    """A bill, or the return of one."""

    #: E.g. loyalty.
    type: str | None = None
    #: The till's own number.
    bill_number: str | None = field(default=None, metadata=wire(number_as_string=True))
    gross_amount: Decimal | None = None
    discount: Decimal | None = None
    #: Net amount, after discounts and taxes.
    bill_amount: Decimal | None = None
    note: str | None = field(default=None, repr=False)
    #: E.g. instore.
    source: str | None = None
    bill_date: datetime | None = None
    #: The twin as it came (2026 answers); ``bill_date`` has its value then.
    bill_date_iso: datetime | None = None
    return_bill_id: int | None = None
    return_date: datetime | None = None
    #: The twin as it came (2026 answers); ``return_date`` has its value then.
    return_date_iso: datetime | None = None
    return_amount: Decimal | None = None
    #: AMOUNT, FULL, LINE_ITEM, CANCELLED.
    return_type: str | None = None
    points_earned: PointsEarned | None = None
    #: With ``get_points_earned_breakup``.
    points_earned_breakup: PointsEarnedBreakdown | None = None
    #: One item a currency, with ``include_alternate_currencies``.
    alternate_currency_value_earned: list[AlternateCurrencyEarned] = field(factory=list)
    #: With ``get_points_earned_breakup`` as well.
    alternate_currency_value_earned_breakup: list[AlternateCurrencyBreakdown] = field(factory=list)
    line_items: list[LineItem] = field(factory=list)
