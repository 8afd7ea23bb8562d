"""Bills and returns with their line items (``get_bill_details``).

Amounts of money are in the organisation's currency. Dates are aware, see :mod:`capledger.models.ledger`.
"""

from datetime import datetime
from decimal import Decimal

from attrs import define, field

from capledger.models._fields import wire
from capledger.models._serializable import Serializable
from capledger.models.points import (
    AlternateCurrencyBreakdown,
    AlternateCurrencyEarned,
    PointsEarned,
    PointsEarnedBreakdown,
)


@define
class LineItem(Serializable):
    """One line of a bill; the ``return_`` fields are filled on returns."""

    id: int | None = None
    """Id of the line; can exceed 2**53 (2026 pages)."""
    item_code: str | None = field(default=None, metadata=wire(number_as_string=True))
    """Code of the item (2026 pages)."""
    serial_number: int | None = None
    """Number of the line from 1, on returns (2026 pages)."""
    source: str | None = None
    """Where it was bought, e.g. instore (2026 pages)."""
    gross_amount: Decimal | None = None
    """Amount before discounts (2026 pages)."""
    discount: Decimal | None = None
    """Discount on the line (2026 pages)."""
    amount: Decimal | None = None
    """Amount after discounts (2026 pages)."""
    rate: Decimal | None = None
    """Price of one unit (2026 pages)."""
    qty: Decimal | None = None
    """Quantity, in pieces or in the unit the item is sold by (2026 pages)."""
    return_amount: Decimal | None = None
    """Amount returned (2026 pages)."""
    return_rate: Decimal | None = None
    """Price of one returned unit (2026 pages)."""
    return_qty: Decimal | None = None
    """Quantity returned, in the unit of ``qty`` (2026 pages)."""
    return_value: Decimal | None = None
    """Value returned (2026 pages)."""
    points_earned: PointsEarned | None = None
    """Points that the line earned (2026 pages)."""
    points_earned_breakup: PointsEarnedBreakdown | None = None
    """The same award by award, with ``get_points_earned_breakup`` (2026 pages)."""


@define
class BillDetails(Serializable):
    """A bill, or the return of one."""

    type: str | None = None
    """Type of the bill, e.g. loyalty (2026 pages)."""
    bill_number: str | None = field(default=None, metadata=wire(number_as_string=True))
    """Number that the till gave to the bill (2026 pages)."""
    gross_amount: Decimal | None = None
    """Amount before discounts and taxes (2026 pages)."""
    discount: Decimal | None = None
    """Discount on the bill (2026 pages)."""
    bill_amount: Decimal | None = None
    """Net amount, after discounts and taxes (2026 pages)."""
    note: str | None = field(default=None, repr=False)
    """Free text of the till (2026 pages)."""
    source: str | None = None
    """Where it was bought, e.g. instore (2026 pages)."""
    bill_date: datetime | None = None
    """Date of the bill, aware (2026 pages)."""
    bill_date_iso: datetime | None = None
    """ISO twin of ``bill_date``, which takes its value (2026 pages)."""
    return_bill_id: int | None = None
    """Id of the return, on returns (2026 pages)."""
    return_date: datetime | None = None
    """Date of the return, aware (2026 pages)."""
    return_date_iso: datetime | None = None
    """ISO twin of ``return_date``, which takes its value (2026 pages)."""
    return_amount: Decimal | None = None
    """Amount returned (2026 pages)."""
    return_type: str | None = None
    """AMOUNT, FULL, LINE_ITEM or CANCELLED (2026 pages)."""
    points_earned: PointsEarned | None = None
    """Points that the bill earned (2026 pages)."""
    points_earned_breakup: PointsEarnedBreakdown | None = None
    """The same award by award, with ``get_points_earned_breakup`` (2026 pages)."""
    alternate_currency_value_earned: list[AlternateCurrencyEarned] = field(factory=list)
    """Amounts earned, one item per currency, with ``include_alternate_currencies`` (2026 pages)."""
    alternate_currency_value_earned_breakup: list[AlternateCurrencyBreakdown] = field(factory=list)
    """The same award by award, with ``get_points_earned_breakup`` as well (2026 pages)."""
    line_items: list[LineItem] = field(factory=list)
    """Lines of the bill (2026 pages)."""
