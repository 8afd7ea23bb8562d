"""Points earned by an event, in the kinds that the explode answer tells apart.

Regular points come at once, promotional ones by a promotion, promised ones after a while. The documents spell a
returned amount ``returnPoints`` on regular rows and ``returnedPoints`` on promotional ones; either spelling is taken on
both.
"""

from datetime import datetime
from decimal import Decimal

from attrs import define, field

from capledger.models._fields import wire


@define
class RegularPoints:
    """Points of a programme's own rules."""

    program_id: int | None = None
    program_name: str | None = None
    #: Amount in points, or in the alternate currency of the object around it.
    value: Decimal | None = None
    #: End of validity.
    expires_on: datetime | None = None
    #: The twin as it came (2026 answers); ``expires_on`` has its value then.
    expires_on_iso: datetime | None = None
    #: fixed or rolling.
    expiry_type: str | None = None
    #: Taken back by a return.
    return_points: Decimal | None = field(default=None, metadata=wire(aliases=("returnedPoints",)))


@define
class PromotionPoints:
    """Points of a promotion."""

    promotion_id: int | None = None
    promotion_name: str | None = None
    program_id: int | None = None
    program_name: str | None = None
    #: Amount in points, or in the alternate currency of the object around it.
    value: Decimal | None = None
    #: End of validity.
    expires_on: datetime | None = None
    #: The twin as it came (2026 answers); ``expires_on`` has its value then.
    expires_on_iso: datetime | None = None
    #: fixed or rolling.
    expiry_type: str | None = None
    #: Span of the promotion (behavioural events).
    promotion_start_date: datetime | None = None
    promotion_end_date: datetime | None = None
    #: Taken back by a return.
    returned_points: Decimal | None = field(default=None, metadata=wire(aliases=("returnPoints",)))


@define
class PromisedPoints:
    """Points that become usable on a later day."""

    program_id: int | None = None
    program_name: str | None = None
    #: Amount in points, or in the alternate currency of the object around it.
    value: Decimal | None = None
    #: The day they become usable.
    conversion_date: datetime | None = None


@define
class PointsEarned:
    """What an event, a bill or a line item earned."""

    regular: list[RegularPoints] = field(factory=list)
    promo: list[PromotionPoints] = field(factory=list)
    promised: list[PromisedPoints] = field(factory=list)
    #: The last day on which any of it becomes usable (``get_max_conversion_details``, on line items).
    max_conversion_date: datetime | None = None


@define
class AwardAction:
    """The rule that awarded points."""

    id: int | None = None
    name: str | None = None
    ruleset_id: int | None = None
    ruleset_name: str | None = None


@define
class PromotionDetails:
    """The promotion that awarded points."""

    promotion_id: int | None = None
    promotion_name: str | None = None


@define
class PointsBreakdownRow:
    """One award with the rule and the strategies behind it (``get_points_earned_breakup``)."""

    #: Amount in points, or in the alternate currency of the object around it.
    value: Decimal | None = None
    #: When it was awarded.
    awarded_on: datetime | None = None
    #: The twin as it came; unlike other dates its zone may not be the server's. ``awarded_on`` has its value then.
    awarded_on_iso: datetime | None = None
    #: End of validity.
    expires_on: datetime | None = None
    #: The twin as it came (2026 answers); ``expires_on`` has its value then.
    expires_on_iso: datetime | None = None
    #: fixed or rolling.
    expiry_type: str | None = None
    #: The amount of money it was awarded for, in the organisation's currency.
    source_value: Decimal | None = None
    award_action_details: AwardAction | None = None
    program_id: int | None = None
    program_name: str | None = None
    allocation_strategy_id: int | None = None
    allocation_strategy_name: str | None = None
    points_category_id: int | None = None
    #: Main, DelayedAccrualPointCategory, ...
    points_category_name: str | None = None
    expiry_strategy_id: int | None = None
    expiry_strategy_name: str | None = None
    #: Set when a promotion awarded it.
    promotion_details: PromotionDetails | None = None
    #: Day on which a promised row becomes usable.
    conversion_date: datetime | None = None
    #: Taken back by a return.
    return_points: Decimal | None = field(default=None, metadata=wire(aliases=("returnedPoints",)))


@define
class PointsEarnedBreakdown:
    """Awards one by one; promotional rows stand among the regular ones, with ``promotion_details``."""

    regular: list[PointsBreakdownRow] = field(factory=list)
    #: Not in the documents, taken if it comes.
    promo: list[PointsBreakdownRow] = field(factory=list)
    promised: list[PointsBreakdownRow] = field(factory=list)


@define
class AlternateCurrencyEarned:
    """What a bill earned in one alternate currency."""

    alternate_currency_name: str | None = None
    alternate_currency_identifier: str | None = field(default=None, metadata=wire(number_as_string=True))
    regular: list[RegularPoints] = field(factory=list)
    promo: list[PromotionPoints] = field(factory=list)
    promised: list[PromisedPoints] = field(factory=list)


@define
class AlternateCurrencyBreakdown:
    """Awards of a bill in one alternate currency, one by one."""

    alternate_currency_name: str | None = None
    alternate_currency_identifier: str | None = field(default=None, metadata=wire(number_as_string=True))
    regular: list[PointsBreakdownRow] = field(factory=list)
    promo: list[PointsBreakdownRow] = field(factory=list)
    promised: list[PointsBreakdownRow] = field(factory=list)
