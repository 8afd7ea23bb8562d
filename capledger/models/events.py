"""Events with all details, as in responses of ``getLedgerExplodeInfo`` (v2 and v2.1).

An event holds what its type has and what the flags of the request selected; all else is None or empty.
"""

from attrs import define, field

from capledger.models._fields import wire
from capledger.models._serializable import Serializable
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
class LedgerEvent(Serializable):
    """One event with all details that the service has."""

    event_log_id: int
    """Id of the event, the same as on its ledger entries (explode and 2026 pages)."""
    event_name: str
    """TransactionAdd, GenericEvent and others; unknown names are kept as received (explode and 2026 pages)."""
    event_details: EventDetails | None = None
    """Time, till and reason of the event (explode and 2026 pages)."""
    bill_details: BillDetails | None = None
    """The bill, with ``get_bill_details`` (explode and 2026 pages)."""
    points_earned: PointsEarned | None = None
    """Points earned by an event without a bill (explode and 2026 pages)."""
    target_completed_details: TargetCompletedDetails | None = None
    """The target, on TargetCompleted (explode and 2026 pages)."""
    transferred_from: TransferParty | None = None
    """The sender, on PointsTransfer (explode and 2026 pages)."""
    transferred_to: TransferParty | None = None
    """The receiver, on PointsTransfer (explode and 2026 pages)."""
    points_breakup: list[PointsShare] = field(factory=list)
    """Points redeemed, one item per programme, on PointsRedemption (explode and 2026 pages)."""
    voucher_redemption_details: VoucherRedemptionDetails | None = None
    """The voucher, on VoucherRedemption (explode and 2026 pages)."""
    manual_points_adjustment_details: ManualPointsAdjustmentDetails | None = None
    """The adjustment, on ManualPointsAdjustment (explode and 2026 pages)."""
    import_meta: ImportMeta | None = None
    """The import, on imported events (explode and 2026 pages)."""
    behavioral_event_metadata: BehavioralEventMetadata | None = None
    """Definition of the event, on GenericEvent (explode and 2026 pages)."""
    custom_fields: list[NamedValue] = field(factory=list)
    """Custom fields, with ``get_custom_fields`` (explode and 2026 pages)."""
    extended_fields: list[NamedValue] = field(factory=list)
    """Extended fields, with ``get_extended_fields`` (explode and 2026 pages)."""
    payment_modes: list[str] = field(factory=list)
    """UPI, CASH and others, with ``get_payment_modes`` (explode and 2026 pages)."""
    point_in_time_slabs: list[PointInTimeSlab] = field(factory=list)
    """Tiers of the customer at the time of the event, one item per programme (explode and 2026 pages)."""
    notes: str | None = field(default=None, repr=False)
    """Notes as entered (explode and 2026 pages)."""
    event_reference_id: str | None = field(default=None, repr=False, metadata=wire(number_as_string=True))
    """Id of the bill, request or import; "-1" for none; the customer's id on redemptions (explode and 2026 pages)."""
    unique_id: str | None = field(default=None, metadata=wire(number_as_string=True))
    """Unique id of the event (explode and 2026 pages)."""
    org_id: int | None = None
    """Id of the organisation (explode and 2026 pages)."""
