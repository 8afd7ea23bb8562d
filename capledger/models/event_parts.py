"""Objects that only some types of event carry. Dates are aware, see :mod:`capledger.models.ledger`."""

from datetime import datetime
from decimal import Decimal

from attrs import define, field

from capledger.models._fields import wire
from capledger.models._serializable import Serializable
from capledger.models.points import PointsEarned


@define
class RedemptionDetails(Serializable):
    """Points redeemed (PointsRedemption)."""

    points_redeemed: Decimal | None = None
    """Amount redeemed, in points (2026 pages)."""
    redemption_purpose: str | None = field(default=None, repr=False)
    """Purpose as entered (2026 pages)."""
    transaction_number: str | None = field(default=None, metadata=wire(number_as_string=True))
    """Number that the till gave to the bill (2026 pages)."""
    billing_time: datetime | None = None
    """When it was billed, aware (2026 pages)."""
    billing_time_iso: datetime | None = None
    """ISO twin of ``billing_time``, which takes its value (2026 pages)."""
    external_reference_number: str | None = field(default=None, metadata=wire(number_as_string=True))
    """Reference of the calling system (2026 pages)."""
    redemption_id: str | None = field(default=None, metadata=wire(number_as_string=True))
    """Id of the redemption (2026 pages)."""
    notes: str | None = field(default=None, repr=False)
    """Notes as entered (2026 pages)."""
    group_redemption: bool | None = None
    """Whether points of a user group were redeemed (2026 pages)."""


@define
class EventDetails(Serializable):
    """When, where and why an event took place."""

    event_time: datetime | None = None
    """Business time, aware (explode and 2026 pages)."""
    event_time_iso: datetime | None = None
    """ISO twin of ``event_time``, which takes its value (2026 pages)."""
    till_id: int | None = None
    """Id of the till; -1 where no till took part (explode and 2026 pages)."""
    event_display_name: str | None = None
    """Name of the event for people (explode and 2026 pages)."""
    display_name: str | None = None
    """Name of a behavioural event for people (explode and 2026 pages)."""
    reason: str | None = field(default=None, repr=False)
    """Reason as entered (explode and 2026 pages)."""
    comments: str | None = field(default=None, repr=False)
    """Comments as entered (explode and 2026 pages)."""
    assoc_id: int | None = None
    """Id of the associate who caused it; 0 for none (explode and 2026 pages)."""
    request_id: int | None = None
    """Id of the request that caused it (explode and 2026 pages)."""
    redemption_details: RedemptionDetails | None = None
    """The redemption, on PointsRedemption (explode and 2026 pages)."""
    max_conversion_date: datetime | None = None
    """Last day on which points become usable, aware, with ``get_max_conversion_details`` (explode and 2026 pages)."""
    max_conversion_date_iso: datetime | None = None
    """ISO twin of ``max_conversion_date``, in case the service adds one (2026 pages)."""


@define
class PointsShare(Serializable):
    """Points of one programme in a redemption or a transfer."""

    points: Decimal | None = None
    """Amount, in points (2026 pages)."""
    program_id: str | None = field(default=None, metadata=wire(number_as_string=True))
    """Id of the programme; a string here, unlike elsewhere (2026 pages)."""
    program_name: str | None = None
    """Name of the programme (2026 pages)."""


@define
class TransferParty(Serializable):
    """One side of a PointsTransfer."""

    user_id: str | None = field(default=None, repr=False, metadata=wire(number_as_string=True))
    """Id of the customer; a string here, unlike elsewhere (2026 pages)."""
    first_name: str | None = field(default=None, repr=False)
    """First name of the customer (2026 pages)."""
    last_name: str | None = field(default=None, repr=False)
    """Last name of the customer (2026 pages)."""
    transfer_type: str | None = None
    """Type of the transfer, e.g. TRANSFER (2026 pages)."""
    points_transfer_details: list[PointsShare] = field(factory=list)
    """Points transferred, one item per programme (2026 pages)."""


@define
class TargetCompletedDetails(Serializable):
    """A target or milestone that was reached (TargetCompleted). Values are in the target's own unit."""

    target_group_id: int | None = field(default=None, metadata=wire(key="targetGroupID"))
    """Id of the target group (2026 pages)."""
    target_group_name: str | None = None
    """Name of the target group (2026 pages)."""
    target_id: int | None = None
    """Id of the target (2026 pages)."""
    target_name: str | None = None
    """Name of the target (2026 pages)."""
    target_description: str | None = None
    """Description of the target (2026 pages)."""
    target_period_id: int | None = field(default=None, metadata=wire(key="targetPeriodID"))
    """Id of the period (2026 pages)."""
    target_period_name: str | None = None
    """Name of the period (2026 pages)."""
    target_value: Decimal | None = None
    """Value to be reached (2026 pages)."""
    achieved_value: Decimal | None = None
    """Value that was reached (2026 pages)."""
    trigger_value: Decimal | None = None
    """Value at which a milestone is reached (2026 pages)."""
    source_id: int | None = None
    """Id of the source (2026 pages)."""
    source_type: str | None = None
    """USERTARGET or MILESTONE (2026 pages)."""
    points_earned: PointsEarned | None = None
    """Points that the target earned (2026 pages)."""
    mile_stone_name: str | None = None
    """Name of the milestone (2026 pages)."""


@define
class VoucherRedemptionDetails(Serializable):
    """A voucher that was redeemed (VoucherRedemption)."""

    redeem_date: datetime | None = None
    """Date of the redemption, aware (2026 pages)."""
    redeem_date_iso: datetime | None = None
    """ISO twin of ``redeem_date``, in case the service adds one (2026 pages)."""
    redeemed_voucher_code: str | None = field(default=None, repr=False, metadata=wire(number_as_string=True))
    """Code of the voucher (2026 pages)."""
    voucher_issued_id: int | None = None
    """Id of the issued voucher (2026 pages)."""
    voucher_series_id: int | None = None
    """Id of the voucher series (2026 pages)."""


@define
class PointsDeduction(Serializable):
    """One award that a manual adjustment took points from."""

    awarded_till_date: datetime | None = None
    """Date of the award at the till, aware (2026 pages)."""
    awarded_till_date_iso: datetime | None = None
    """ISO twin of ``awarded_till_date``, which takes its value (2026 pages)."""
    awarded_till_id: int | None = None
    """Id of the till of the award (2026 pages)."""
    customer_id: int | None = field(default=None, repr=False)
    """Id of the customer (2026 pages)."""
    deduction_type: str | None = None
    """Type of the deduction (2026 pages)."""
    loyalty_id: int | None = field(default=None, repr=False)
    """Loyalty id of the customer (2026 pages)."""
    point_awarded_ref_id: int | None = None
    """Id of the award (2026 pages)."""
    point_awarded_ref_type: str | None = None
    """Type of the award (2026 pages)."""
    points_deducted: Decimal | None = None
    """Amount deducted, in points (2026 pages)."""
    points_deducted_str: str | None = field(default=None, metadata=wire(number_as_string=True))
    """``points_deducted`` as the service formats it (2026 pages)."""
    points_deducted_by: str | None = None
    """Name of the user who deducted (2026 pages)."""
    points_deducted_by_id: int | None = None
    """Id of the user who deducted (2026 pages)."""
    points_deducted_currency_value: Decimal | None = None
    """Value of the points, in the organisation's currency (2026 pages)."""
    points_deducted_currency_value_str: str | None = field(default=None, metadata=wire(number_as_string=True))
    """``points_deducted_currency_value`` as the service formats it (2026 pages)."""
    points_deducted_on: datetime | None = None
    """Date of the deduction, aware (2026 pages)."""
    points_deducted_on_iso: datetime | None = None
    """ISO twin of ``points_deducted_on``, which takes its value (2026 pages)."""
    program_id: int | None = None
    """Id of the programme (2026 pages)."""
    program_name: str | None = None
    """Name of the programme (2026 pages)."""
    promotion_id: int | None = None
    """Id of the promotion (2026 pages)."""
    promotion_name: str | None = None
    """Name of the promotion (2026 pages)."""
    source_type: str | None = None
    """Type of the source (2026 pages)."""


@define
class ManualPointsAdjustmentDetails(Serializable):
    """Points taken back by hand (ManualPointsAdjustment)."""

    created_on: datetime | None = None
    """Date of the adjustment, aware (2026 pages)."""
    created_on_iso: datetime | None = None
    """ISO twin of ``created_on``, which takes its value (2026 pages)."""
    customer_id: int | None = field(default=None, repr=False)
    """Id of the customer (2026 pages)."""
    org_id: int | None = None
    """Id of the organisation (2026 pages)."""
    points_deduction_break_up_details: list[PointsDeduction] = field(factory=list)
    """The awards that points were taken from (2026 pages)."""
    reason: str | None = field(default=None, repr=False)
    """Reason as entered (2026 pages)."""
    total_points_deducted: Decimal | None = None
    """Amount deducted from all awards, in points (2026 pages)."""


@define
class ImportMeta(Serializable):
    """The file that an imported event came from."""

    file_name: str | None = None
    """Name of the file (2026 pages)."""
    import_start_time: datetime | None = None
    """Start of the import, aware (2026 pages)."""
    import_end_time: datetime | None = None
    """End of the import, aware (2026 pages)."""
    profile_name: str | None = None
    """Name of the import profile (2026 pages)."""
    profile_type: str | None = None
    """Type of the import profile (2026 pages)."""


@define
class BehavioralAttribute(Serializable):
    """One property of a behavioural event's field."""

    value_type: str | None = None
    """BOOLEAN, ENUM, STRING and others (2026 pages)."""
    value: object = None
    """A string as a rule, even "true"; other JSON values are kept, fractions as ``Decimal`` (2026 pages)."""


@define
class BehavioralField(Serializable):
    """The definition of one field of a behavioural event; responses do not include its value."""

    field_name: str | None = None
    """Name of the field (2026 pages)."""
    field_type: str | None = None
    """customer, double, date, string, tillCode and others (2026 pages)."""
    attributes: dict[str, BehavioralAttribute] = field(factory=dict)
    """Properties by name: isRequired, regex and others (2026 pages)."""


@define
class BehavioralEventMetadata(Serializable):
    """The definition of a behavioural event (GenericEvent)."""

    label: str | None = None
    """Label of the event (2026 pages)."""
    fields: list[BehavioralField] = field(factory=list)
    """Fields of the event (2026 pages)."""


@define
class NamedValue(Serializable):
    """A custom or extended field of the organisation."""

    name: str | None = None
    """Name of the field (2026 pages)."""
    value: object = field(default=None, repr=False)
    """A string as a rule; other JSON values are kept, fractions as ``Decimal``. Can be personal (2026 pages)."""


@define
class PointInTimeSlab(Serializable):
    """The tier of the customer in one programme at the time of the event."""

    point_in_time_slab_number: int | None = None
    """Number of the tier (2026 pages)."""
    point_in_time_slab_name: str | None = None
    """Name of the tier (2026 pages)."""
    program_id: int | None = None
    """Id of the programme (2026 pages)."""
    is_default_program: bool | None = None
    """Whether it is the organisation's default programme (2026 pages)."""
