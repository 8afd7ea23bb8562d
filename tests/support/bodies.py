"""Invented responses in the shapes of the documents' own: nobody's names, ids or amounts."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

from capledger._sansio.decoder import Decoder
from capledger._sansio.requests import PageT, Request
from capledger._sansio.response import Response
from capledger.models import EventsPage, LedgerPage

#: The identifier that the requests of these tests ask for.
SUBJECT = "ada.quay+sea@example.com"

#: A page of v2 in 2026: twins, alternate currencies, concept details, both kinds of empty object.
LEDGER: dict[str, Any] = {
    "customerDetails": {
        "firstName": "Ada",
        "lastName": "Quay",
        "userId": 712345678,
        "externalId": "HARBOUR-9",
        "entityType": "CUSTOMER",
    },
    "ledgerDetails": {
        "pageNumber": 0,
        "pageSize": 10,
        "totalEntries": 2,
        "pageCount": 1,
        "ledgerClosingBalance": [
            {"pointsCategory": "Main", "programName": "Harbour", "programId": 2117, "closingBalance": "1200.050"},
            {"pointsCategory": "Main", "programId": 2117, "closingBalance": "0.000", "alternateCurrencyName": "Shell"},
        ],
    },
    "ledgerEntries": [
        {
            "eventLogId": 900000002,
            "eventName": "TransactionAdd",
            "customerId": 712345678,
            "ledgerCreatedDate": "2026-02-03 10:11:12.680",
            "ledgerCreatedDateISO": "2026-02-03T10:11:12+05:30",
            "customerDetails": {"userId": 0},
            "entryDetails": [
                {
                    "ledgerEntryType": "CREDIT",
                    "points": "700.00",
                    "pointsCategory": "Main",
                    "programName": "Harbour",
                    "programId": 2117,
                },
                {
                    "ledgerEntryType": "CREDIT",
                    "points": "35.5",
                    "pointsCategory": "Main",
                    "programName": "Harbour",
                    "programId": 2117,
                    "alternateCurrencyName": "Shell",
                },
            ],
            "netPointsOnEvent": "700.000",
            "netAlternateCurrenciesOnEvent": {"Shell": "35.500"},
            "transactionDetails": {
                "transactionId": 55500001,
                "transactionNumber": "HB-0001",
                "date": "2026-02-03 00:00:00.0",
                "dateISO": "2026-02-03T00:00:00+05:30",
                "amount": 7000.0,
                "grossBillAmount": 7350.25,
                "source": "instore",
            },
            "store": "Pier One",
            "storeCode": "pier1",
            "tillCode": "pier1.till",
            "eventDetails": {
                "eventDisplayName": "Spring tide",
                "promotionName": "Spring tide",
                "promotionDescription": "Twice the points at high water",
                "promotionIdentifier": "a1b2-c3",
                "promotionId": 4711,
                "eventDate": "2026-02-03 00:00:00.0",
                "eventDateISO": "2026-02-03T00:00:00+05:30",
                "reason": "POINTS_ISSUE",
            },
            "sourceProgramId": 2117,
            "sourceProgramName": "Harbour",
            "orgId": 8080,
            "conceptId": -1,
            "conceptName": "Quayside",
        },
        {
            "eventLogId": 900000001,
            "eventName": "PointsExpiry",
            "customerId": 2117,
            "ledgerCreatedDate": "2026-02-02 03:00:00.0",
            "customerDetails": None,
            "entryDetails": [
                {
                    "ledgerEntryType": "DEBIT",
                    "points": "12.345",
                    "pointsCategory": "DelayedAccrualPointCategory",
                    "programName": "Harbour",
                    "programId": 2117,
                }
            ],
            "netPointsOnEvent": "-12.345",
            "netAlternateCurrenciesOnEvent": {},
            "transactionDetails": {},
            "store": "",
            "storeCode": "",
            "tillCode": "",
            "eventDetails": {},
            "sourceProgramId": 2117,
            "sourceProgramName": None,
            "orgId": None,
        },
    ],
    "warnings": [{"code": 9018, "message": "alternate currency not found, name: Pearl", "status": False}],
}

#: A page of a user group: no customer at the top, the member on the entry, a negative customer id.
GROUP_LEDGER: dict[str, Any] = {
    "ledgerDetails": {"pageNumber": 0, "pageSize": 10, "totalEntries": 1, "pageCount": 1},
    "ledgerEntries": [
        {
            "eventLogId": 900000003,
            "eventName": "AllocateGoodwillPoints",
            "customerId": -3141,
            "ledgerCreatedDate": "2025-06-01 08:00:00",
            "customerDetails": {
                "firstName": "Bo",
                "lastName": "Mast",
                "identifier": {"type": "MOBILE", "value": "4915550001", "role": "DRIVER"},
                "userId": 712000111,
            },
            "entryDetails": [{"ledgerEntryType": "CREDIT", "points": "5", "pointsCategory": "Main", "programId": 2117}],
            "netPointsOnEvent": "5.000",
        }
    ],
    "warnings": [],
}

_REGULAR = {
    "value": 12.50,
    "expiresOn": "2027-01-31 23:59:59.999",
    "expiresOnISO": "2027-01-31T23:59:59Z",
    "programId": 2117,
    "programName": "Harbour",
    "returnPoints": 1.125,
    "expiryType": "rolling",
}
_PROMO = {
    "promotionId": 4711,
    "promotionName": "Spring tide",
    "programId": 2117,
    "programName": "Harbour",
    "value": 3,
    "expiresOn": "2027-01-31 23:59:59.0",
    "expiresOnISO": "2027-01-31T23:59:59Z",
    "returnedPoints": 2.25,
    "promotionStartDate": "2026-01-01 00:00:00.0",
    "promotionEndDate": "2026-03-31 23:59:59.0",
    "expiryType": "fixed",
}
_PROMISED = {"value": 9, "conversionDate": "2026-04-01 00:00:00.0", "programId": 2117, "programName": "Harbour"}
_EARNED = {"regular": [_REGULAR], "promo": [_PROMO], "promised": [_PROMISED]}
_BREAKDOWN_ROW = {
    "value": 12.50,
    "expiresOn": "2027-01-31 23:59:59.0",
    "expiresOnISO": "2027-01-31T23:59:59Z",
    "awardedOn": "2026-02-03 10:11:12.0",
    "awardedOnISO": "2026-02-03T10:11:12Z",
    "sourceValue": 1250,
    "awardActionDetails": {"id": 31, "name": "BILL_POINTS_ACTION", "rulesetId": 32, "rulesetName": "tides"},
    "programId": 2117,
    "programName": "Harbour",
    "allocationStrategyId": 33,
    "allocationStrategyName": "One a hundred",
    "pointsCategoryId": 34,
    "pointsCategoryName": "Main",
    "expiryStrategyId": 35,
    "expiryStrategyName": "A year",
    "promotionDetails": {"promotionId": 4711, "promotionName": "Spring tide"},
    "returnPoints": 0.5,
    "expiryType": "rolling",
}
_BREAKDOWN = {"regular": [_BREAKDOWN_ROW], "promised": []}
_LINE = {
    "id": 5291920451004507633,
    "itemCode": "ROPE-12",
    "serialNumber": 1,
    "source": "instore",
    "grossAmount": 0,
    "discount": 0.10,
    "amount": 1250.00,
    "rate": 125,
    "qty": 10.0,
    "returnAmount": 125,
    "returnRate": 125,
    "returnQty": 1,
    "returnValue": 0,
    "pointsEarned": _EARNED,
    "pointsEarnedBreakup": _BREAKDOWN,
}
_CURRENCY = {"alternateCurrencyName": "Shell", "alternateCurrencyIdentifier": "shell-1"}
_BILL = {
    "type": "loyalty",
    "billNumber": "HB-0001",
    "grossAmount": 0,
    "discount": 0.10,
    "billAmount": 1250.00,
    "note": "",
    "source": "instore",
    "billDate": "2026-02-03 10:11:12.0",
    "billDateISO": "2026-02-03T10:11:12Z",
    "returnBillId": 77,
    "returnDate": "2026-02-05 09:00:00.0",
    "returnDateISO": "2026-02-05T09:00:00Z",
    "returnAmount": 125,
    "returnType": "LINE_ITEM",
    "pointsEarned": _EARNED,
    "pointsEarnedBreakup": _BREAKDOWN,
    "alternateCurrencyValueEarned": [_CURRENCY | _EARNED],
    "alternateCurrencyValueEarnedBreakup": [_CURRENCY | _BREAKDOWN],
    "lineItems": [_LINE],
}
_SHARE = {"points": "803.009", "programId": "2117", "programName": "Harbour"}
_PARTY = {
    "userId": "712345678",
    "firstName": "Ada",
    "lastName": "Quay",
    "transferType": "TRANSFER",
    "pointsTransferDetails": [_SHARE],
}
_TARGET = {
    "targetGroupID": 46,
    "targetGroupName": "Voyages",
    "targetId": 47,
    "targetName": "Ten voyages",
    "targetDescription": "Sail ten times",
    "targetPeriodID": 48,
    "targetPeriodName": "Spring",
    "targetValue": "10.000",
    "achievedValue": "11.000",
    "triggerValue": "5.000",
    "sourceId": 49,
    "sourceType": "MILESTONE",
    "pointsEarned": {"promo": [_PROMO], "promised": []},
    "mileStoneName": "Half way",
}
_DEDUCTION = {
    "awardedTillDate": "2026-01-01 00:00:00.0",
    "awardedTillDateISO": "2026-01-01T00:00:00Z",
    "awardedTillId": 61,
    "customerId": 712345678,
    "deductionType": "CANCELLED",
    "loyaltyId": 62,
    "pointAwardedRefId": 63,
    "pointAwardedRefType": "BILL",
    "pointsDeducted": 4.5,
    "pointsDeductedBy": "harbour master",
    "pointsDeductedById": 64,
    "pointsDeductedCurrencyValue": 0.45,
    "pointsDeductedCurrencyValueStr": "0.450",
    "pointsDeductedOn": "2026-02-03 10:11:12.0",
    "pointsDeductedOnISO": "2026-02-03T10:11:12Z",
    "pointsDeductedStr": "4.500",
    "programId": 2117,
    "programName": "Harbour",
    "promotionId": 4711,
    "promotionName": "Spring tide",
    "sourceType": "MANUAL",
}

#: One event with every object that any kind of event can have.
FULL_EVENT: dict[str, Any] = {
    "eventLogId": 900000002,
    "eventName": "TransactionAdd",
    "eventDetails": {
        "eventTime": "2026-02-03 10:11:12.0",
        "eventTimeISO": "2026-02-03T10:11:12Z",
        "tillId": 61,
        "eventDisplayName": "A bill",
        "displayName": "a_bill",
        "reason": "POINTS_ISSUE",
        "comments": "For patience",
        "assocId": 0,
        "requestId": 65,
        "maxConversionDate": "2026-04-01 00:00:00.0",
        "redemptionDetails": {
            "pointsRedeemed": "101.000",
            "redemptionPurpose": "A rope",
            "transactionNumber": "HB-0002",
            "billingTime": "2026-02-03 10:11:12.0",
            "billingTimeISO": "2026-02-03T10:11:12Z",
            "externalReferenceNumber": "26ec",
            "redemptionId": "kH4m",
            "notes": "",
            "groupRedemption": False,
        },
    },
    "billDetails": _BILL,
    "pointsEarned": _EARNED,
    "targetCompletedDetails": _TARGET,
    "transferredFrom": _PARTY,
    "transferredTo": _PARTY,
    "pointsBreakup": [_SHARE],
    "voucherRedemptionDetails": {
        "redeemDate": "2026-02-03 10:11:12.0",
        "redeemedVoucherCode": "SEA-5",
        "voucherIssuedId": 66,
        "voucherSeriesId": 67,
    },
    "manualPointsAdjustmentDetails": {
        "createdOn": "2026-02-03 10:11:12",
        "createdOnISO": "2026-02-03T10:11:12Z",
        "customerId": 712345678,
        "orgId": 8080,
        "pointsDeductionBreakUpDetails": [_DEDUCTION],
        "reason": "A slip",
        "totalPointsDeducted": "4.500",
    },
    "importMeta": {
        "fileName": "tides.csv",
        "importStartTime": "2026-02-03 10:11:12.0",
        "importEndTime": "2026-02-03 10:12:12.0",
        "profileName": "Tides",
        "profileType": "Promotional",
    },
    "behavioralEventMetadata": {
        "label": "first_voyage",
        "fields": [
            {
                "fieldName": "vessel",
                "fieldType": "string",
                "attributes": {
                    "isRequired": {"valueType": "BOOLEAN", "value": "false"},
                    "regex": {"valueType": "STRING"},
                },
            }
        ],
    },
    "customFields": [{"name": "berth", "value": "12"}],
    "extendedFields": [{"name": "nights", "value": "3"}],
    "paymentModes": ["UPI", "CASH"],
    "pointInTimeSlabs": [
        {
            "pointInTimeSlabNumber": 1,
            "pointInTimeSlabName": "Deckhand",
            "programId": 2117,
            "isDefaultProgram": True,
        }
    ],
    "notes": "calm sea",
    "eventReferenceId": "55500001",
    "uniqueId": "aBcD",
    "orgId": 8080,
}

EVENTS: dict[str, Any] = {
    "events": [FULL_EVENT, {"eventLogId": 900000004, "eventName": "CustomerUpdate"}],
    "warnings": [{"code": 9004, "message": "Warning while fetching ledger info : tides", "status": False}],
}


def body(document: object) -> bytes:
    """Return the bytes of a JSON document."""
    return json.dumps(document).encode()


def ledger_request() -> Request[LedgerPage]:
    path = "/v2/pointsLedger/getCustomerLedgerInfo"
    return Request(path=path, response_type=LedgerPage, endpoint="x", subject=SUBJECT)


def events_request() -> Request[EventsPage]:
    path = "/v2.1/pointsLedger/getLedgerExplodeInfo"
    return Request(path=path, response_type=EventsPage, endpoint="x", subject=SUBJECT)


def decode(request: Request[PageT], document: object, status: int = 200, **headers: str) -> PageT:
    """Decode a document, or bytes as they are; headers are given with underscores for dashes."""
    content = document if isinstance(document, bytes) else body(document)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Decoder(UTC).decode(request, Response(status, named, content))
