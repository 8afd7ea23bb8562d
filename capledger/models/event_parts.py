"""The objects that only some kinds of event carry."""

from datetime import datetime
from decimal import Decimal

from attrs import define, field

from capledger.models._fields import wire
from capledger.models.points import PointsEarned


@define
class RedemptionDetails:
    """Points redeemed (PointsRedemption)."""

    #: In points.
    points_redeemed: Decimal | None = None
    redemption_purpose: str | None = field(default=None, repr=False)
    transaction_number: str | None = field(default=None, metadata=wire(number_as_string=True))
    #: When it was billed.
    billing_time: datetime | None = None
    #: The twin as it came (2026 answers); ``billing_time`` has its value then.
    billing_time_iso: datetime | None = None
    external_reference_number: str | None = field(default=None, metadata=wire(number_as_string=True))
    redemption_id: str | None = field(default=None, metadata=wire(number_as_string=True))
    notes: str | None = field(default=None, repr=False)
    #: Whether a group's points were redeemed.
    group_redemption: bool | None = None


@define
class EventDetails:
    """When, where and why an event took place."""

    #: Business time.
    event_time: datetime | None = None
    #: The twin as it came (2026 answers); ``event_time`` has its value then.
    event_time_iso: datetime | None = None
    #: -1 where no till took part.
    till_id: int | None = None
    event_display_name: str | None = None
    #: Of a behavioural event.
    display_name: str | None = None
    reason: str | None = field(default=None, repr=False)
    comments: str | None = field(default=None, repr=False)
    #: The associate who caused it; 0 for none.
    assoc_id: int | None = None
    request_id: int | None = None
    redemption_details: RedemptionDetails | None = None
    #: The last day on which any points of a bill become usable (``get_max_conversion_details``).
    max_conversion_date: datetime | None = None
    #: The twin, should there be one; ``max_conversion_date`` has its value then.
    max_conversion_date_iso: datetime | None = None


@define
class PointsShare:
    """Points of one programme in a redemption or a transfer."""

    #: In points.
    points: Decimal | None = None
    #: Text in the answers, unlike elsewhere.
    program_id: str | None = field(default=None, metadata=wire(number_as_string=True))
    program_name: str | None = None


@define
class TransferParty:
    """One side of a PointsTransfer."""

    #: Text in the answers, unlike elsewhere.
    user_id: str | None = field(default=None, repr=False, metadata=wire(number_as_string=True))
    first_name: str | None = field(default=None, repr=False)
    last_name: str | None = field(default=None, repr=False)
    #: E.g. TRANSFER.
    transfer_type: str | None = None
    points_transfer_details: list[PointsShare] = field(factory=list)


@define
class TargetCompletedDetails:
    """A target or milestone reached (TargetCompleted). Values are in the target's own unit."""

    target_group_id: int | None = field(default=None, metadata=wire(key="targetGroupID"))
    target_group_name: str | None = None
    target_id: int | None = None
    target_name: str | None = None
    target_description: str | None = None
    target_period_id: int | None = field(default=None, metadata=wire(key="targetPeriodID"))
    target_period_name: str | None = None
    target_value: Decimal | None = None
    achieved_value: Decimal | None = None
    #: Value at which a milestone is reached.
    trigger_value: Decimal | None = None
    source_id: int | None = None
    #: USERTARGET or MILESTONE.
    source_type: str | None = None
    points_earned: PointsEarned | None = None
    mile_stone_name: str | None = None


@define
class VoucherRedemptionDetails:
    """A voucher used (VoucherRedemption)."""

    redeem_date: datetime | None = None
    #: The twin, should there be one; ``redeem_date`` has its value then.
    redeem_date_iso: datetime | None = None
    redeemed_voucher_code: str | None = field(default=None, repr=False, metadata=wire(number_as_string=True))
    voucher_issued_id: int | None = None
    voucher_series_id: int | None = None


@define
class PointsDeduction:
    """One award that a manual adjustment took points from."""

    awarded_till_date: datetime | None = None
    #: The twin as it came (2026 answers); ``awarded_till_date`` has its value then.
    awarded_till_date_iso: datetime | None = None
    awarded_till_id: int | None = None
    customer_id: int | None = field(default=None, repr=False)
    deduction_type: str | None = None
    loyalty_id: int | None = field(default=None, repr=False)
    point_awarded_ref_id: int | None = None
    point_awarded_ref_type: str | None = None
    #: In points.
    points_deducted: Decimal | None = None
    #: The same as the service writes it.
    points_deducted_str: str | None = field(default=None, metadata=wire(number_as_string=True))
    points_deducted_by: str | None = None
    points_deducted_by_id: int | None = None
    #: Worth in the organisation's currency.
    points_deducted_currency_value: Decimal | None = None
    #: The same as the service writes it.
    points_deducted_currency_value_str: str | None = field(default=None, metadata=wire(number_as_string=True))
    points_deducted_on: datetime | None = None
    #: The twin as it came (2026 answers); ``points_deducted_on`` has its value then.
    points_deducted_on_iso: datetime | None = None
    program_id: int | None = None
    program_name: str | None = None
    promotion_id: int | None = None
    promotion_name: str | None = None
    source_type: str | None = None


@define
class ManualPointsAdjustmentDetails:
    """Points taken back by hand (ManualPointsAdjustment)."""

    created_on: datetime | None = None
    #: The twin as it came (2026 answers); ``created_on`` has its value then.
    created_on_iso: datetime | None = None
    customer_id: int | None = field(default=None, repr=False)
    org_id: int | None = None
    points_deduction_break_up_details: list[PointsDeduction] = field(factory=list)
    reason: str | None = field(default=None, repr=False)
    #: In points.
    total_points_deducted: Decimal | None = None


@define
class ImportMeta:
    """The file that brought an imported event."""

    file_name: str | None = None
    import_start_time: datetime | None = None
    import_end_time: datetime | None = None
    profile_name: str | None = None
    profile_type: str | None = None


@define
class BehavioralAttribute:
    """One property of a behavioural event's field."""

    #: BOOLEAN, ENUM, STRING, ...
    value_type: str | None = None
    #: Text in the answers, also "true" and "false"; any other JSON value is kept, a fraction as a Decimal.
    value: object = None


@define
class BehavioralField:
    """One field of a behavioural event: what it is, not what it held."""

    field_name: str | None = None
    #: customer, double, date, string, tillCode, ...
    field_type: str | None = None
    #: By the property's name: isRequired, regex, ...
    attributes: dict[str, BehavioralAttribute] = field(factory=dict)


@define
class BehavioralEventMetadata:
    """The shape of a behavioural event (GenericEvent)."""

    label: str | None = None
    fields: list[BehavioralField] = field(factory=list)


@define
class NamedValue:
    """A custom or extended field of the organisation."""

    name: str | None = None
    #: Text in the answers; any other JSON value is kept, a fraction as a Decimal. Can be personal.
    value: object = field(default=None, repr=False)


@define
class PointInTimeSlab:
    """The tier that the customer had in a programme when the event took place."""

    point_in_time_slab_number: int | None = None
    point_in_time_slab_name: str | None = None
    program_id: int | None = None
    is_default_program: bool | None = None
