"""Event details: which events, which parts of them, and the errors."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from support.sandbox_client import opened

from capledger.sandbox import EVENT_NAMES, Rules, SandboxCustomer, SandboxGroup, make_row

START = datetime(2024, 1, 1, 10, 20, 30)
HOUR = timedelta(hours=1)
FLAGS = {
    "getBillDetails": "true",
    "getPointsEarnedBreakup": "true",
    "getCustomFields": "true",
    "getExtendedFields": "true",
    "getMaxConversionDetails": "true",
    "getPaymentModes": "true",
    "getPaymentMode": "true",
    "includeAlternateCurrencies": "true",
}


def customer(**options: Any) -> SandboxCustomer:
    """Event n is the n-th of the names, from 1; all have 12.340 points and 5.00 Stars."""
    rows = [
        make_row(
            number, START + number * timedelta(hours=1), event_name=name, points="12.340", currencies={"Stars": "5.00"}
        )
        for number, name in enumerate(EVENT_NAMES, start=1)
    ]
    return SandboxCustomer("1", rows, **options)


def numbered(name: str) -> int:
    return EVENT_NAMES.index(name) + 1


async def test_events_are_in_the_order_of_the_request() -> None:
    """Each event has its name, reference and organisation."""
    async with opened(customer()) as client:
        reply = await client.events(eventIds="5,1,3")

    assert reply.status == 200
    assert [event["eventLogId"] for event in reply.body["events"]] == [5, 1, 3]
    assert reply.body["warnings"] == []
    first = reply.body["events"][0]
    assert (first["eventName"], first["eventReferenceId"], first["orgId"]) == ("CustomerRegistration", "5", 70001)
    assert first["eventDetails"] == {"eventTime": "2024-01-01 15:20:30.0", "tillId": 9301}


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("TransactionAdd", ["billDetails", "customFields", "extendedFields", "paymentModes", "pointInTimeSlabs"]),
        ("NewBill", ["billDetails", "customFields", "extendedFields", "paymentModes", "pointInTimeSlabs"]),
        ("GroupTransactionAdd", ["billDetails", "customFields", "extendedFields", "paymentModes", "pointInTimeSlabs"]),
        ("ReturnBill", ["billDetails", "customFields", "extendedFields", "paymentModes"]),
        ("PointsRedemption", ["customFields", "extendedFields", "pointsBreakup"]),
        ("PointsTransfer", ["transferredFrom", "transferredTo", "notes"]),
        ("AllocateGoodwillPoints", ["pointsEarned"]),
        ("CustomerRegistration", ["pointsEarned"]),
        ("CustomerUpdate", ["pointsEarned"]),
        ("GenericEvent", ["pointsEarned", "behavioralEventMetadata"]),
        ("TargetCompleted", ["targetCompletedDetails"]),
        ("ManualPointsAdjustment", ["manualPointsAdjustmentDetails"]),
        ("CustomerPromotionImport", ["pointsEarned", "importMeta"]),
        ("LineItemsPointsPromotionImport", ["pointsEarned", "importMeta"]),
        ("BillPointsPromotionImport", ["pointsEarned", "importMeta"]),
        ("VoucherRedemption", ["voucherRedemptionDetails"]),
    ],
)
@pytest.mark.parametrize("version", ["v2", "v2.1"])
async def test_each_kind_of_event_has_its_parts(name: str, keys: list[str], version: str) -> None:
    """With every flag, an event has the parts of its kind, on both versions."""
    async with opened(customer()) as client:
        reply = await client.events(FLAGS, version=version, eventIds=numbered(name))

    (event,) = reply.body["events"]
    common = ["eventLogId", "eventName", "eventDetails", "eventReferenceId", "uniqueId", "orgId"]
    assert sorted(event) == sorted(common + keys)


async def test_without_flags_a_bill_has_only_event_details() -> None:
    """Details and ids, and nothing else."""
    async with opened(customer()) as client:
        (event,) = (await client.events(eventIds=1)).body["events"]

    assert list(event) == ["eventLogId", "eventName", "eventDetails", "eventReferenceId", "uniqueId", "orgId"]
    assert list(event["eventDetails"]) == ["eventTime", "tillId"]


@pytest.mark.parametrize(
    ("flag", "key"),
    [
        ("getCustomFields", "customFields"),
        ("getExtendedFields", "extendedFields"),
        ("getPaymentModes", "paymentModes"),
    ],
)
async def test_a_flag_adds_only_its_part(flag: str, key: str) -> None:
    """Each flag by itself."""
    async with opened(customer()) as client:
        (without,) = (await client.events(eventIds=1)).body["events"]
        (event,) = (await client.events({flag: "true"}, eventIds=1)).body["events"]

    assert set(event) - set(without) == {key}


@pytest.mark.parametrize(
    ("version", "flag", "shown"),
    [
        ("v2", "getPaymentModes", True),
        ("v2", "getPaymentMode", False),
        ("v2.1", "getPaymentModes", False),
        ("v2.1", "getPaymentMode", True),
    ],
)
async def test_the_flag_of_payment_modes_differs_by_version(version: str, flag: str, *, shown: bool) -> None:
    """The flag is plural on v2, singular on v2.1."""
    async with opened(customer()) as client:
        (event,) = (await client.events({flag: "true"}, version=version, eventIds=1)).body["events"]

    assert ("paymentModes" in event) == shown


def line_has_breakdown(event: dict[str, Any]) -> bool:
    """Return whether the line of the bill has its breakdown."""
    return "pointsEarnedBreakup" in event["billDetails"]["lineItems"][0]


async def test_a_bill_has_the_parts_of_its_flags() -> None:
    """Breakdowns and currencies only with their flags, the conversion date in ``eventDetails``."""
    plain = {"getBillDetails": "true"}
    async with opened(customer()) as client:
        bills = [
            (await client.events(plain | more, eventIds=1)).body["events"][0]
            for more in (
                {},
                {"getPointsEarnedBreakup": "true"},
                {"includeAlternateCurrencies": "true"},
                {"getPointsEarnedBreakup": "true", "alternateCurrencyNames": "Stars"},
                {"getMaxConversionDetails": "true"},
            )
        ]

    extra = ["pointsEarnedBreakup", "alternateCurrencyValueEarned", "alternateCurrencyValueEarnedBreakup"]
    shown = [[key in event["billDetails"] for key in extra] for event in bills]
    assert shown == [[False] * 3, [True, False, False], [False, True, False], [True] * 3, [False] * 3]
    assert [line_has_breakdown(event) for event in bills] == [False, True, False, True, False]
    assert bills[0]["billDetails"]["pointsEarned"]["regular"][0]["value"] == 12.34
    assert bills[4]["eventDetails"]["maxConversionDate"] == "2024-01-16 00:00:00.0"


async def test_a_breakdown_alone_has_no_line_items() -> None:
    """With ``getPointsEarnedBreakup`` alone there are no line items and no amounts."""
    async with opened(customer()) as client:
        (event,) = (await client.events(getPointsEarnedBreakup="true", eventIds=1)).body["events"]

    assert sorted(event["billDetails"]) == ["lineItems", "pointsEarnedBreakup"]
    assert event["billDetails"]["lineItems"] == []


async def test_unknown_currencies_are_a_warning_of_event_details() -> None:
    """The warning is 9018, and the events have no other currencies."""
    async with opened(customer()) as client:
        reply = await client.events(getBillDetails="true", alternateCurrencyNames="Doubloons", eventIds=1)

    assert reply.warning_codes == [9018]
    assert reply.body["events"][0]["billDetails"]["alternateCurrencyValueEarned"] == []


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("TransactionAdd", 800_000_001),
        ("PointsRedemption", 910_000_001),
        ("GenericEvent", numbered("GenericEvent")),
        ("AllocateGoodwillPoints", -1),
    ],
)
async def test_events_are_found_by_reference(name: str, reference: int) -> None:
    """A bill by its transaction, a redemption by the customer, goodwill by -1, others by their own id."""
    async with opened(customer()) as client:
        (event,) = (await client.events(eventName=name, eventReferenceIds=reference)).body["events"]

    assert (event["eventName"], event["eventReferenceId"]) == (name, str(reference))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"eventIds": "1", "eventName": "NewBill", "eventReferenceIds": "1"}, 11021),
        ({}, 11023),
        ({"eventName": "NewBill"}, 11023),
        ({"eventIds": "1,x"}, 11017),
        ({"eventIds": ",".join(["1"] * 11)}, 11014),
        ({"eventName": "DelayedAccrual", "eventReferenceIds": "1"}, 11014),
        ({"eventIds": str(numbered("PointsExpiry"))}, 11014),
        ({"eventIds": "1,6275461750"}, 9021),
        ({"eventName": "NewBill", "eventReferenceIds": "6275461750"}, 9022),
        ({"eventIds": "1", "identifierValue": "2"}, 8015),
        ({"eventIds": "1", "getBillDetails": "1"}, 400),
    ],
)
async def test_invalid_requests_for_events_are_errors(query: dict[str, str], code: int) -> None:
    """Each error has its documented code."""
    async with opened(customer()) as client:
        assert (await client.events(query)).code == code


@pytest.mark.parametrize(
    ("unknown", "events", "notices"), [("null", [1, None, 2], []), ("omit", [1, 2], []), ("warning", [1, 2], [9021])]
)
async def test_unknown_ids_by_the_rules(unknown: Any, events: list[int | None], notices: list[int]) -> None:
    """A null in their place, nothing, or a warning; the other events are returned."""
    async with opened(customer(), rules=Rules(unknown_events=unknown)) as client:
        reply = await client.events(eventIds="1,999,2")

    assert [event and event["eventLogId"] for event in reply.body["events"]] == events
    assert reply.warning_codes == notices


@pytest.mark.parametrize(("unsupported", "events"), [("null", [None]), ("omit", [])])
async def test_events_without_details_by_the_rules(unsupported: Any, events: list[None]) -> None:
    """A null or nothing for a kind that has no details."""
    async with opened(customer(), rules=Rules(unsupported_events=unsupported)) as client:
        reply = await client.events(eventIds=numbered("PointsExpiry"))

    assert reply.body["events"] == events


async def test_a_breakdown_is_an_error_where_source_values_are_not_recorded() -> None:
    """The code is 11019."""
    async with opened(customer(), rules=Rules(source_values_recorded=False)) as client:
        assert (await client.events(getPointsEarnedBreakup="true", eventIds=1)).code == 11019


async def test_event_details_of_a_customer_replace_the_built_ones() -> None:
    """The ``events`` of a customer are sent, with the flags applied to them."""
    details = {"eventLogId": 1, "eventName": "TransactionAdd", "customFields": [], "notes": "ours"}
    async with opened(customer(events={1: details})) as client:
        (event,) = (await client.events(eventIds=1)).body["events"]

    assert event == {"eventLogId": 1, "eventName": "TransactionAdd", "notes": "ours"}


async def test_iso_dates_are_added_on_v2_only() -> None:
    """ISO dates are added at any depth, in the server's zone."""
    async with opened(customer(), rules=Rules(date_style="iso")) as client:
        (event,) = (await client.events(FLAGS, eventIds=1)).body["events"]
        (scoped,) = (await client.events(FLAGS, version="v2.1", eventIds=1)).body["events"]

    assert event["eventDetails"]["eventTimeISO"] == "2024-01-01T11:20:30Z"
    assert event["billDetails"]["billDateISO"] == "2024-01-01T11:20:30Z"
    assert event["billDetails"]["pointsEarned"]["regular"][0]["expiresOnISO"] == "2024-12-30T23:59:59Z"
    assert "eventTimeISO" not in scoped["eventDetails"]


async def test_a_groups_events_are_found() -> None:
    """``type=USERGROUP2`` selects the events of a group."""
    group = SandboxGroup("900", customer().rows)
    about = {"type": "USERGROUP2", "identifierName": "groupId", "identifierValue": "900"}
    async with opened(groups=[group]) as client:
        reply = await client.events(about, eventIds="1,2")

    assert len(reply.body["events"]) == 2
