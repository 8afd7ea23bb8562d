"""Event details, built from the ledger entry of the event; one builder for each kind of event."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from attrs import frozen

from capledger.sandbox.event_points import (
    PROGRAM,
    Details,
    Earning,
    breakdown,
    currency_breakdown,
    currency_item,
    earned,
    midnight,
)
from capledger.sandbox.rows import (
    PROGRAM_ID,
    PROGRAM_NAME,
    LedgerRow,
    event_reference,
    legacy_date,
    nearest_date,
    plain_date,
)
from capledger.sandbox.zones import shifted

if TYPE_CHECKING:
    from collections.abc import Callable

_TILL: Final = 9301
_NAMED: Final = {"customFields": [{"name": "gift_wrap", "value": "yes"}], "extendedFields": []}


@frozen
class _SourceEntry:
    """The ledger entry that event details are built from."""

    row: LedgerRow

    @property
    def moment(self) -> datetime:
        """Creation time of the entry, naive server time."""
        return nearest_date(self.row["ledgerCreatedDate"])

    @property
    def time(self) -> str:
        """Creation time as a string."""
        return legacy_date(self.moment)

    @property
    def number(self) -> int:
        """Event log id, from which all other ids are derived."""
        return int(self.row["eventLogId"])

    @property
    def points(self) -> Decimal:
        """Points of the entry's first detail without alternate currency; 0 if there is none."""
        amounts = [detail for detail in self.row["entryDetails"] if "alternateCurrencyName" not in detail]
        return Decimal(amounts[0]["points"]) if amounts else Decimal(0)

    @property
    def earning(self) -> Earning:
        return Earning(self.points, self.moment)

    def currencies(self) -> dict[str, Earning]:
        """Return the amounts earned by alternate currency."""
        return {
            detail["alternateCurrencyName"]: Earning(Decimal(detail["points"]), self.moment)
            for detail in self.row["entryDetails"]
            if "alternateCurrencyName" in detail
        }


def whole_event(row: LedgerRow) -> Details | None:
    """Return the event details with every optional part; None for kinds of events without details."""
    shape = _SHAPES.get(row["eventName"])
    if shape is None:
        return None
    source = _SourceEntry(row)
    event = {"eventLogId": source.number, "eventName": row["eventName"]} | shape(source)
    tail = {"eventReferenceId": event_reference(row), "uniqueId": f"hb{source.number:x}", "orgId": row.get("orgId")}
    return event | tail


def _details(source: _SourceEntry, **more: object) -> Details:
    return {"eventDetails": {"eventTime": source.time, "tillId": _TILL, **more}}


def _bill(source: _SourceEntry) -> Details:
    regular, number = source.earning.regular(), _bill_number(source)
    bill = {
        "type": "loyalty",
        "billNumber": number,
        "grossAmount": 1300.0,
        "discount": 49.5,
        "billAmount": 1250.5,
        "billDate": source.time,
        "note": "",
        "source": "instore",
        "pointsEarned": earned([regular]),
        "pointsEarnedBreakup": breakdown([source.earning.breakdown(action=False)]),
        "alternateCurrencyValueEarned": [currency_item(*item) for item in source.currencies().items()],
        "alternateCurrencyValueEarnedBreakup": [currency_breakdown(*item) for item in source.currencies().items()],
        "lineItems": [_line(source)],
    }
    conversion = {"maxConversionDate": legacy_date(shifted(midnight(source.moment), timedelta(days=15)))}
    return (
        _details(source, **conversion)
        | {"billDetails": bill}
        | {"customFields": [{"name": "gift_wrap", "value": "yes"}]}
        | {"extendedFields": [{"name": "room_nights", "value": "2"}]}
        | {"paymentModes": ["UPI", "CASH"], "pointInTimeSlabs": [_slab()]}
    )


def _bill_number(source: _SourceEntry) -> str:
    return str((source.row.get("transactionDetails") or {}).get("transactionNumber", f"HB-{source.number}"))


def _slab() -> Details:
    slab = {"pointInTimeSlabNumber": 2, "pointInTimeSlabName": "Skipper"}
    return slab | {"programId": PROGRAM_ID, "isDefaultProgram": True}


def _line(source: _SourceEntry) -> Details:
    return {
        "id": 5_000_000_000_000_000_000 + source.number,
        "itemCode": f"SKU{source.number % 1000}",
        "source": "instore",
        "grossAmount": 1300,
        "discount": 49.5,
        "amount": 1250.5,
        "rate": 625.25,
        "qty": 2.0,
        "pointsEarned": earned([source.earning.regular()], [source.earning.promo()]),
        "pointsEarnedBreakup": breakdown([source.earning.breakdown()]),
    }


def _return(source: _SourceEntry) -> Details:
    earning = source.earning
    regular = earning.returned(earning.regular(), "returnPoints")
    promo = earning.returned(earning.promo(), "returnedPoints")
    returned = {"returnPoints": earning.amount}
    broken = breakdown([earning.breakdown() | returned])
    bill = {
        "billNumber": _bill_number(source),
        "billAmount": 1250.5,
        "note": "",
        "returnBillId": source.number + 1,
        "returnDate": source.time,
        "returnAmount": 625,
        "billDate": legacy_date(shifted(source.moment, -timedelta(days=2))),
        "returnType": "LINE_ITEM",
        "pointsEarned": earned([regular], [promo]),
        "pointsEarnedBreakup": breakdown([earning.breakdown(action=False) | returned]),
        "lineItems": [
            _returned_line(source) | {"pointsEarned": earned([regular], [promo]), "pointsEarnedBreakup": broken}
        ],
    }
    return _details(source) | {"billDetails": bill, "customFields": [], "extendedFields": [], "paymentModes": ["CASH"]}


def _returned_line(source: _SourceEntry) -> Details:
    returned = {"serialNumber": 1, "returnAmount": 625, "returnRate": 625, "returnQty": 1, "returnValue": 625}
    line = _line(source)
    return {key: line[key] for key in ("id", "itemCode", "grossAmount", "amount", "rate", "qty")} | returned


def _profile(source: _SourceEntry) -> Details:
    earning = source.earning
    return _details(source) | {"pointsEarned": earned([earning.regular()], [earning.promo()], [earning.promised()])}


def _behaviour(source: _SourceEntry) -> Details:
    attributes = {
        "accountId": {"valueType": "ENUM"},
        "addCustomerIfNotExists": {"valueType": "BOOLEAN", "value": "false"},
        "identifierType": {"valueType": "ENUM", "value": "externalId"},
        "isPsiData": {"valueType": "BOOLEAN", "value": "false"},
        "isRequired": {"valueType": "BOOLEAN", "value": "true"},
        "isUniqueKeyField": {"valueType": "BOOLEAN", "value": "true"},
        "regex": {"valueType": "STRING"},
        "source": {"valueType": "ENUM", "value": "INSTORE"},
    }
    fields = [
        {"fieldName": "sailor", "fieldType": "customer", "attributes": attributes},
        {"fieldName": "knots", "fieldType": "double", "attributes": {"isRequired": attributes["isRequired"]}},
    ]
    return _details(source, eventDisplayName="First sail", displayName="first_sail") | {
        "pointsEarned": earned(promo=[source.earning.campaign()]),
        "behavioralEventMetadata": {"label": "first_sail", "fields": fields},
    }


def _goodwill(source: _SourceEntry) -> Details:
    reason = {"reason": "POINTS_ISSUE", "comments": "With our apologies", "assocId": 0, "requestId": source.number + 7}
    details = {"eventDetails": {"eventTime": source.time, **reason}}
    return details | {"pointsEarned": earned(promo=[source.earning.promo()])}


def _transfer(source: _SourceEntry) -> Details:
    def party(user_id: int, first_name: str) -> Details:
        moved = {"points": str(source.points), "programId": str(PROGRAM_ID), "programName": PROGRAM_NAME}
        name = {"userId": str(user_id), "firstName": first_name, "lastName": "Example", "transferType": "TRANSFER"}
        return name | {"pointsTransferDetails": [moved]}

    parties = {"transferredFrom": party(910_000_001, "Ada"), "transferredTo": party(910_000_002, "Grace")}
    return {"eventDetails": {"eventTime": source.time}} | parties | {"notes": "For the crossing"}


def _redemption(source: _SourceEntry) -> Details:
    redeemed = {
        "pointsRedeemed": str(source.points),
        "redemptionPurpose": "Discount",
        "transactionNumber": f"RD-{source.number}",
        "billingTime": source.time,
        "externalReferenceNumber": f"ext{source.number:x}",
        "redemptionId": f"rd{source.number:x}",
        "notes": "",
        "groupRedemption": False,
    }
    share = {"points": str(source.points), "programId": str(PROGRAM_ID), "programName": PROGRAM_NAME}
    return _details(source, redemptionDetails=redeemed) | _NAMED | {"pointsBreakup": [share]}


def _target(source: _SourceEntry) -> Details:
    milestone = source.number % 2 == 1
    kind = {"sourceType": "MILESTONE", "mileStoneName": "Half way"} if milestone else {"sourceType": "USERTARGET"}
    values = {"triggerValue": "500.000"} if milestone else {"targetValue": "1000.000", "achievedValue": "1200.000"}
    target = {
        "targetGroupID": 301,
        "targetGroupName": "Summer on the water",
        "targetId": 302,
        "targetName": "Ten crossings",
        "targetDescription": "Cross ten times",
        "targetPeriodID": 303,
        "targetPeriodName": "Cycle 4",
        **values,
        "sourceId": 304,
        "pointsEarned": {"promo": [source.earning.promo()], "promised": [source.earning.promised()]},
        **kind,
    }
    return _details(source) | {"targetCompletedDetails": target}


def _adjustment(source: _SourceEntry) -> Details:
    deduction = {
        "pointsDeducted": source.points,
        "pointsDeductedStr": str(source.points),
        "pointsDeductedCurrencyValue": source.points,
        "pointsDeductedCurrencyValueStr": str(source.points),
        "pointsDeductedOn": source.time,
        "pointsDeductedBy": "helm",
        "pointsDeductedById": 21,
        "deductionType": "MANUAL_ADJUSTMENT",
        "pointAwardedRefId": source.number - 1,
        "pointAwardedRefType": "BILL",
        "awardedTillId": _TILL,
        "awardedTillDate": legacy_date(shifted(source.moment, -timedelta(days=40))),
        "sourceType": "POINTS_AWARDED",
        "loyaltyId": 31,
        "customerId": source.row["customerId"],
        **PROGRAM,
        "promotionId": -1,
        "promotionName": "",
    }
    adjustment = {
        "orgId": source.row.get("orgId"),
        "customerId": source.row["customerId"],
        "totalPointsDeducted": str(source.points),
        "reason": "Counted twice",
        "createdOn": plain_date(source.moment),
        "pointsDeductionBreakUpDetails": [deduction],
    }
    return _details(source) | {"manualPointsAdjustmentDetails": adjustment}


def _import(source: _SourceEntry) -> Details:
    meta = {
        "fileName": "tide.csv",
        "importStartTime": source.time,
        "importEndTime": legacy_date(shifted(source.moment, timedelta(minutes=1))),
        "profileName": "Customer Promotion",
        "profileType": "Promotional Rewards",
    }
    promo = source.earning.campaign()
    return _details(source, eventDisplayName="Double Tide") | {
        "pointsEarned": earned(promo=[promo]),
        "importMeta": meta,
    }


def _voucher(source: _SourceEntry) -> Details:
    voucher = {
        "voucherSeriesId": 41,
        "voucherIssuedId": source.number + 3,
        "redeemedVoucherCode": f"TIDE{source.number % 10_000}",
        "redeemDate": source.time,
    }
    return _details(source) | {"voucherRedemptionDetails": voucher}


_SHAPES: Final[dict[str, Callable[[_SourceEntry], Details]]] = {
    "NewBill": _bill,
    "TransactionAdd": _bill,
    "GroupTransactionAdd": _bill,
    "LineItemsPointsPromotionImport": _import,
    "BillPointsPromotionImport": _import,
    "CustomerPromotionImport": _import,
    "GenericEvent": _behaviour,
    "CustomerRegistration": _profile,
    "CustomerUpdate": _profile,
    "AllocateGoodwillPoints": _goodwill,
    "PointsTransfer": _transfer,
    "PointsRedemption": _redemption,
    "ReturnBill": _return,
    "TargetCompleted": _target,
    "ManualPointsAdjustment": _adjustment,
    "VoucherRedemption": _voucher,
}
#: The kinds of events that event details know (the list of the 2026 page).
EXPLAINED_EVENTS: Final = frozenset(_SHAPES)
