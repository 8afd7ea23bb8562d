"""Events in full: the answer of ``getLedgerExplodeInfo`` (v2 and v2.1).

An event holds what its kind has and what the flags of the request asked for; all else is None or empty.
"""

from attrs import define, field

from capledger.models._fields import wire
from capledger.models.bills import BillDetails
from capledger.models.event_parts import (
    BehavioralEventMetadata,
    EventDetails,
    ImportMeta,
    ManualPointsAdjustmentDetails,
    NamedValue,
    PointInTimeSlab,
    PointsShare,
    TargetCompletedDetails,
    TransferParty,
    VoucherRedemptionDetails,
)
from capledger.models.points import PointsEarned


@define
class LedgerEvent:
    """One event with everything the service tells of it."""

    #: The same id as on the event's ledger entries.
    event_log_id: int
    #: TransactionAdd, GenericEvent, ...: open, kept as it came.
    event_name: str
    event_details: EventDetails | None = None
    #: Bills, with ``get_bill_details``.
    bill_details: BillDetails | None = None
    #: Of events without a bill.
    points_earned: PointsEarned | None = None
    #: TargetCompleted.
    target_completed_details: TargetCompletedDetails | None = None
    #: PointsTransfer: who gave.
    transferred_from: TransferParty | None = None
    #: PointsTransfer: who received.
    transferred_to: TransferParty | None = None
    #: PointsRedemption: from which programmes.
    points_breakup: list[PointsShare] = field(factory=list)
    #: VoucherRedemption.
    voucher_redemption_details: VoucherRedemptionDetails | None = None
    #: ManualPointsAdjustment.
    manual_points_adjustment_details: ManualPointsAdjustmentDetails | None = None
    #: Imported events.
    import_meta: ImportMeta | None = None
    #: GenericEvent.
    behavioral_event_metadata: BehavioralEventMetadata | None = None
    #: With ``get_custom_fields``.
    custom_fields: list[NamedValue] = field(factory=list)
    #: With ``get_extended_fields``.
    extended_fields: list[NamedValue] = field(factory=list)
    #: With ``get_payment_modes``: UPI, CASH, ...
    payment_modes: list[str] = field(factory=list)
    #: Tiers at that time, one a programme.
    point_in_time_slabs: list[PointInTimeSlab] = field(factory=list)
    notes: str | None = field(default=None, repr=False)
    #: The bill, request or import behind it; "-1" for none; the customer's id for redemptions and transfers.
    event_reference_id: str | None = field(default=None, repr=False, metadata=wire(number_as_string=True))
    unique_id: str | None = field(default=None, metadata=wire(number_as_string=True))
    org_id: int | None = None
