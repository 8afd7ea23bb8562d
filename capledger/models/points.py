"""Points earned by an event, as responses of ``getLedgerExplodeInfo`` divide them.

Regular points are usable at once, promotional ones come from a promotion, promised ones become usable later. The
vendor's pages spell a returned amount ``returnPoints`` on regular rows and ``returnedPoints`` on promotional ones; both
spellings are accepted on both. Dates are aware, see :mod:`capledger.models.ledger`.
"""

from datetime import datetime
from decimal import Decimal

from attrs import define, field

from capledger.models._fields import wire
from capledger.models._serializable import Serializable


@define
class RegularPoints(Serializable):
    """Points earned by the rules of a programme."""

    program_id: int | None = None
    """Id of the programme (2026 pages)."""
    program_name: str | None = None
    """Name of the programme (2026 pages)."""
    value: Decimal | None = None
    """Amount in points, or in the alternate currency of the enclosing object (2026 pages)."""
    expires_on: datetime | None = None
    """End of validity, aware (2026 pages)."""
    expires_on_iso: datetime | None = None
    """ISO twin of ``expires_on``, which takes its value (2026 pages)."""
    expiry_type: str | None = None
    """fixed or rolling (2026 pages)."""
    return_points: Decimal | None = field(default=None, metadata=wire(aliases=("returnedPoints",)))
    """Amount taken back by a return, in the unit of ``value`` (2026 pages)."""


@define
class PromotionPoints(Serializable):
    """Points earned by a promotion."""

    promotion_id: int | None = None
    """Id of the promotion (2026 pages)."""
    promotion_name: str | None = None
    """Name of the promotion (2026 pages)."""
    program_id: int | None = None
    """Id of the programme (2026 pages)."""
    program_name: str | None = None
    """Name of the programme (2026 pages)."""
    value: Decimal | None = None
    """Amount in points, or in the alternate currency of the enclosing object (2026 pages)."""
    expires_on: datetime | None = None
    """End of validity, aware (2026 pages)."""
    expires_on_iso: datetime | None = None
    """ISO twin of ``expires_on``, which takes its value (2026 pages)."""
    expiry_type: str | None = None
    """fixed or rolling (2026 pages)."""
    promotion_start_date: datetime | None = None
    """Start of the promotion, aware, on behavioural events (2026 pages)."""
    promotion_end_date: datetime | None = None
    """End of the promotion, aware, on behavioural events (2026 pages)."""
    returned_points: Decimal | None = field(default=None, metadata=wire(aliases=("returnPoints",)))
    """Amount taken back by a return, in the unit of ``value`` (2026 pages)."""


@define
class PromisedPoints(Serializable):
    """Points that become usable on a later day."""

    program_id: int | None = None
    """Id of the programme (2026 pages)."""
    program_name: str | None = None
    """Name of the programme (2026 pages)."""
    value: Decimal | None = None
    """Amount in points, or in the alternate currency of the enclosing object (2026 pages)."""
    conversion_date: datetime | None = None
    """Day on which they become usable, aware (2026 pages)."""


@define
class PointsEarned(Serializable):
    """Points earned by an event, a bill or a line item."""

    regular: list[RegularPoints] = field(factory=list)
    """Points of the programmes' rules (2026 pages)."""
    promo: list[PromotionPoints] = field(factory=list)
    """Points of promotions (2026 pages)."""
    promised: list[PromisedPoints] = field(factory=list)
    """Points that become usable later (2026 pages)."""
    max_conversion_date: datetime | None = None
    """Last day on which they become usable, aware, on line items with ``get_max_conversion_details`` (2026 pages)."""


@define
class AwardAction(Serializable):
    """The rule that awarded points."""

    id: int | None = None
    """Id of the action (2026 pages)."""
    name: str | None = None
    """Name of the action (2026 pages)."""
    ruleset_id: int | None = None
    """Id of the ruleset (2026 pages)."""
    ruleset_name: str | None = None
    """Name of the ruleset (2026 pages)."""


@define
class PromotionDetails(Serializable):
    """The promotion that awarded points."""

    promotion_id: int | None = None
    """Id of the promotion (2026 pages)."""
    promotion_name: str | None = None
    """Name of the promotion (2026 pages)."""


@define
class PointsBreakdownRow(Serializable):
    """One award with its rule and strategies (``get_points_earned_breakup``)."""

    value: Decimal | None = None
    """Amount in points, or in the alternate currency of the enclosing object (2026 pages)."""
    awarded_on: datetime | None = None
    """Date of the award, aware (2026 pages)."""
    awarded_on_iso: datetime | None = None
    """ISO twin of ``awarded_on``, which takes its value; its zone can differ from the server's (2026 pages)."""
    expires_on: datetime | None = None
    """End of validity, aware (2026 pages)."""
    expires_on_iso: datetime | None = None
    """ISO twin of ``expires_on``, which takes its value (2026 pages)."""
    expiry_type: str | None = None
    """fixed or rolling (2026 pages)."""
    source_value: Decimal | None = None
    """Amount of money it was awarded for, in the organisation's currency (2026 pages)."""
    award_action_details: AwardAction | None = None
    """The rule that awarded it (2026 pages)."""
    program_id: int | None = None
    """Id of the programme (2026 pages)."""
    program_name: str | None = None
    """Name of the programme (2026 pages)."""
    allocation_strategy_id: int | None = None
    """Id of the allocation strategy (2026 pages)."""
    allocation_strategy_name: str | None = None
    """Name of the allocation strategy (2026 pages)."""
    points_category_id: int | None = None
    """Id of the points category (2026 pages)."""
    points_category_name: str | None = None
    """Main, DelayedAccrualPointCategory and others (2026 pages)."""
    expiry_strategy_id: int | None = None
    """Id of the expiry strategy (2026 pages)."""
    expiry_strategy_name: str | None = None
    """Name of the expiry strategy (2026 pages)."""
    promotion_details: PromotionDetails | None = None
    """The promotion, where one awarded it (2026 pages)."""
    conversion_date: datetime | None = None
    """Day on which a promised award becomes usable, aware (2026 pages)."""
    return_points: Decimal | None = field(default=None, metadata=wire(aliases=("returnedPoints",)))
    """Amount taken back by a return, in the unit of ``value`` (2026 pages)."""


@define
class PointsEarnedBreakdown(Serializable):
    """Awards one by one; those of promotions are among the regular ones, with ``promotion_details``."""

    regular: list[PointsBreakdownRow] = field(factory=list)
    """Awards that are usable at once (2026 pages)."""
    promo: list[PointsBreakdownRow] = field(factory=list)
    """Not on any page of the vendor; read if a response has it."""
    promised: list[PointsBreakdownRow] = field(factory=list)
    """Awards that become usable later (2026 pages)."""


@define
class AlternateCurrencyEarned(Serializable):
    """Amounts that a bill earned in one alternate currency."""

    alternate_currency_name: str | None = None
    """Name of the currency (2026 pages)."""
    alternate_currency_identifier: str | None = field(default=None, metadata=wire(number_as_string=True))
    """Identifier of the currency (2026 pages)."""
    regular: list[RegularPoints] = field(factory=list)
    """Amounts of the programmes' rules (2026 pages)."""
    promo: list[PromotionPoints] = field(factory=list)
    """Amounts of promotions (2026 pages)."""
    promised: list[PromisedPoints] = field(factory=list)
    """Amounts that become usable later (2026 pages)."""


@define
class AlternateCurrencyBreakdown(Serializable):
    """Awards of a bill in one alternate currency, one by one."""

    alternate_currency_name: str | None = None
    """Name of the currency (2026 pages)."""
    alternate_currency_identifier: str | None = field(default=None, metadata=wire(number_as_string=True))
    """Identifier of the currency (2026 pages)."""
    regular: list[PointsBreakdownRow] = field(factory=list)
    """Awards that are usable at once (2026 pages)."""
    promo: list[PointsBreakdownRow] = field(factory=list)
    """Awards of promotions (2026 pages)."""
    promised: list[PointsBreakdownRow] = field(factory=list)
    """Awards that become usable later (2026 pages)."""
