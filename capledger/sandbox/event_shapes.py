"""The details of an event, whole: made from its ledger entry, one shape for each kind of event."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from capledger.sandbox.earnings import Earning, broken_down, currency, currency_breakdown, earned
from capledger.sandbox.rows import PROGRAM_ID, PROGRAM_NAME, Row, event_reference, legacy_date, plain_date, read_date

if TYPE_CHECKING:
    from collections.abc import Callable

Details = dict[str, Any]
_TILL: Final = 9301
_NAMED: Final = {"customFields": [{"name": "gift_wrap", "value": "yes"}], "extendedFields": []}


@frozen
class Source:
    """A ledger entry, read for its event."""

    row: Row

    @property
    def moment(self) -> datetime:
        """When the entry was written: naive server time."""
        return read_date(self.row["ledgerCreatedDate"])

    @property
    def time(self) -> str:
        """The same as text."""
        return legacy_date(self.moment)

    @property
    def number(self) -> int:
        """The event log id, from which all other ids are made."""
        return int(self.row["eventLogId"])

    @property
    def points(self) -> Decimal:
        """The points of the entry's first detail that is no alternate currency; 0 without one."""
        amounts = [detail for detail in self.row["entryDetails"] if "alternateCurrencyName" not in detail]
        return Decimal(amounts[0]["points"]) if amounts else Decimal(0)

    @property
    def earning(self) -> Earning:
        """What was earned."""
        return Earning(self.points, self.moment)

    def currencies(self) -> dict[str, Earning]:
        """What was earned in other currencies."""
        return {
            detail["alternateCurrencyName"]: Earning(Decimal(detail["points"]), self.moment)
            for detail in self.row["entryDetails"]
            if "alternateCurrencyName" in detail
        }


def whole_event(row: Row) -> Details | None:
    """All that there is to say of an entry's event, every flag on; None for kinds of events without details."""
    shape = _SHAPES.get(row["eventName"])
    if shape is None:
        return None
    source = Source(row)
    event = {"eventLogId": source.number, "eventName": row["eventName"]} | shape(source)
    tail = {"eventReferenceId": event_reference(row), "uniqueId": f"hb{source.number:x}", "orgId": row.get("orgId")}
    return event | tail


def _details(source: Source, **more: object) -> Details:
    return {"eventDetails": {"eventTime": source.time, "tillId": _TILL, **more}}


def _bill(source: Source) -> Details:
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
        "pointsEarnedBreakup": broken_down([source.earning.breakdown(action=False)]),
        "alternateCurrencyValueEarned": [currency(*item) for item in source.currencies().items()],
        "alternateCurrencyValueEarnedBreakup": [currency_breakdown(*item) for item in source.currencies().items()],
        "lineItems": [_line(source)],
    }
    conversion = {"maxConversionDate": legacy_date(_midnight(source) + timedelta(days=15))}
    return (
        _details(source, **conversion)
        | {"billDetails": bill}
        | {"customFields": [{"name": "gift_wrap", "value": "yes"}]}
        | {"extendedFields": [{"name": "room_nights", "value": "2"}]}
        | {"paymentModes": ["UPI", "CASH"], "pointInTimeSlabs": [_slab()]}
    )


def _bill_number(source: Source) -> str:
    return str((source.row.get("transactionDetails") or {}).get("transactionNumber", f"HB-{source.number}"))


def _midnight(source: Source) -> datetime:
    return source.moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _slab() -> Details:
    slab = {"pointInTimeSlabNumber": 2, "pointInTimeSlabName": "Skipper"}
    return slab | {"programId": PROGRAM_ID, "isDefaultProgram": True}


def _line(source: Source) -> Details:
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
        "pointsEarnedBreakup": broken_down([source.earning.breakdown()]),
    }


def _return(source: Source) -> Details:
    earning = source.earning
    regular = earning.given_back(earning.regular(), "returnPoints")
    promo = earning.given_back(earning.promo(), "returnedPoints")
    returned = {"returnPoints": earning.amount}
    broken = broken_down([earning.breakdown() | returned])
    bill = {
        "billNumber": _bill_number(source),
        "billAmount": 1250.5,
        "note": "",
        "returnBillId": source.number + 1,
        "returnDate": source.time,
        "returnAmount": 625,
        "billDate": legacy_date(source.moment - timedelta(days=2)),
        "returnType": "LINE_ITEM",
        "pointsEarned": earned([regular], [promo]),
        "pointsEarnedBreakup": broken_down([earning.breakdown(action=False) | returned]),
        "lineItems": [
            _returned_line(source) | {"pointsEarned": earned([regular], [promo]), "pointsEarnedBreakup": broken}
        ],
    }
    return _details(source) | {"billDetails": bill, "customFields": [], "extendedFields": [], "paymentModes": ["CASH"]}


def _returned_line(source: Source) -> Details:
    returned = {"serialNumber": 1, "returnAmount": 625, "returnRate": 625, "returnQty": 1, "returnValue": 625}
    line = _line(source)
    return {key: line[key] for key in ("id", "itemCode", "grossAmount", "amount", "rate", "qty")} | returned


def _profile(source: Source) -> Details:
    earning = source.earning
    return _details(source) | {"pointsEarned": earned([earning.regular()], [earning.promo()], [earning.promised()])}


def _behaviour(source: Source) -> Details:
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


def _goodwill(source: Source) -> Details:
    reason = {"reason": "POINTS_ISSUE", "comments": "With our apologies", "assocId": 0, "requestId": source.number + 7}
    details = {"eventDetails": {"eventTime": source.time, **reason}}
    return details | {"pointsEarned": earned(promo=[source.earning.promo()])}


def _transfer(source: Source) -> Details:
    def party(user_id: int, first_name: str) -> Details:
        moved = {"points": str(source.points), "programId": str(PROGRAM_ID), "programName": PROGRAM_NAME}
        name = {"userId": str(user_id), "firstName": first_name, "lastName": "Example", "transferType": "TRANSFER"}
        return name | {"pointsTransferDetails": [moved]}

    parties = {"transferredFrom": party(910_000_001, "Ada"), "transferredTo": party(910_000_002, "Grace")}
    return {"eventDetails": {"eventTime": source.time}} | parties | {"notes": "For the crossing"}


def _redemption(source: Source) -> Details:
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


def _target(source: Source) -> Details:
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


def _adjustment(source: Source) -> Details:
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
        "awardedTillDate": legacy_date(source.moment - timedelta(days=40)),
        "sourceType": "POINTS_AWARDED",
        "loyaltyId": 31,
        "customerId": source.row["customerId"],
        "programId": PROGRAM_ID,
        "programName": PROGRAM_NAME,
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


def _import(source: Source) -> Details:
    meta = {
        "fileName": "tide.csv",
        "importStartTime": source.time,
        "importEndTime": legacy_date(source.moment + timedelta(minutes=1)),
        "profileName": "Customer Promotion",
        "profileType": "Promotional Rewards",
    }
    promo = source.earning.campaign()
    return _details(source, eventDisplayName="Double Tide") | {
        "pointsEarned": earned(promo=[promo]),
        "importMeta": meta,
    }


def _voucher(source: Source) -> Details:
    voucher = {
        "voucherSeriesId": 41,
        "voucherIssuedId": source.number + 3,
        "redeemedVoucherCode": f"TIDE{source.number % 10_000}",
        "redeemDate": source.time,
    }
    return _details(source) | {"voucherRedemptionDetails": voucher}


_SHAPES: Final[dict[str, Callable[[Source], Details]]] = {
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
