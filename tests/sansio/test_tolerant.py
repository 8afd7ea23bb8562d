from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bodies import EVENTS, GROUP_LEDGER, LEDGER, body
from support.lossless import losses

from capledger._sansio.json import MalformedJsonError, NotJsonError, parse_json
from capledger._sansio.tolerant import TolerantDecoder
from capledger.models import (
    BehavioralAttribute,
    EntryDetail,
    EventsPage,
    LedgerDetails,
    LedgerEntry,
    LedgerEvent,
    LedgerPage,
    MemberDetails,
    NamedValue,
    PointInTimeSlab,
    PromotionPoints,
    RegularPoints,
    TransactionDetails,
)

DECODER = TolerantDecoder(UTC)
ENTRY = {"eventLogId": 1, "eventName": "TransactionAdd", "ledgerCreatedDate": "2026-02-03 10:11:12.0"}


def structure(document: object, model: type[Any]) -> Any:
    made, problems = DECODER.decode(model, document)
    assert not problems
    return made


def told(document: object, model: type[Any]) -> list[str]:
    return DECODER.decode(model, document)[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"20000.00"', "20000.00"),
        ('"100.000"', "100.000"),
        ('"0"', "0"),
        ('"-311.034"', "-311.034"),
        ("1541.053", "1541.053"),
        ("30.0", "30.0"),
        ("1000", "1000"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("12345678901234567890.12345678901234567890", "12345678901234567890.12345678901234567890"),
        ("1e-7", "1E-7"),
    ],
)
def test_amounts_keep_every_digit(text: str, expected: str) -> None:
    """Digits and scale are those of the response, from a string or a number; no float on the way."""
    detail = structure(parse_json(b'{"points": ' + text.encode() + b"}"), EntryDetail)

    assert str(detail.points) == expected


@pytest.mark.parametrize(
    ("key", "value", "model"),
    [
        ("points", True, EntryDetail),
        ("points", "NaN", EntryDetail),
        ("points", "sNaN", EntryDetail),
        ("points", "-Infinity", EntryDetail),
        ("points", "", EntryDetail),
        ("points", "a lot", EntryDetail),
        ("points", "1_000", EntryDetail),
        ("points", "\u0661\u0662", EntryDetail),
        ("points", "\uff11", EntryDetail),
        ("points", "\xa012", EntryDetail),
        ("points", "1e", EntryDetail),
        ("points", "0x10", EntryDetail),
        ("points", ["1"], EntryDetail),
        ("programId", True, EntryDetail),
        ("programId", Decimal("12.9"), EntryDetail),
        ("programId", Decimal("12.0"), EntryDetail),
        ("programId", "12.9", EntryDetail),
        ("programId", "", EntryDetail),
        ("programId", " 12", EntryDetail),
        ("programId", "1_2", EntryDetail),
        ("programId", "1" * 5000, EntryDetail),
        ("programName", 12, EntryDetail),
        ("programName", False, EntryDetail),
        ("transactionNumber", True, TransactionDetails),
        ("transactionNumber", Decimal("1.5"), TransactionDetails),
        ("date", 1725016677, TransactionDetails),
        ("date", "soon", TransactionDetails),
        ("isDefaultProgram", "false", PointInTimeSlab),
        ("isDefaultProgram", 0, PointInTimeSlab),
        ("ledgerClosingBalance", {}, LedgerDetails),
        ("ledgerClosingBalance", "", LedgerDetails),
        ("identifier", [], MemberDetails),
        ("value", Decimal("NaN"), NamedValue),
    ],
)
def test_nothing_is_coerced(key: str, value: object, model: type[Any]) -> None:
    """A value of another kind is a problem with its path, even where Python could make something of it."""
    (line,) = told({key: value}, model)

    assert line.startswith(f"$.{key}: expected ")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (ENTRY | {"eventLogId": "900000001"}, {"event_log_id": 900000001}),
        (ENTRY | {"customerId": "-3141"}, {"customer_id": -3141}),
        (ENTRY | {"storeCode": 12}, {"store_code": "12"}),
        (ENTRY | {"entryDetails": None}, {"entry_details": []}),
        (ENTRY | {"netAlternateCurrenciesOnEvent": None}, {"net_alternate_currencies_on_event": {}}),
        (ENTRY | {"netAlternateCurrenciesOnEvent": {"Shell": 7}}, {"net_alternate_currencies_on_event": {"Shell": 7}}),
        (ENTRY | {"netPointsOnEvent": 7.5}, {"net_points_on_event": Decimal("7.5")}),
        (ENTRY | {"eventName": "NobodyKnows"}, {"event_name": "NobodyKnows"}),
        (ENTRY | {"aNewKey": {"x": [1]}}, {}),
        (ENTRY | {"customerDetails": {"userId": 0}}, {"customer_details": None}),
        (ENTRY | {"customerDetails": {"userId": 0, "firstName": None}}, {"customer_details": None}),
        (ENTRY | {"customerDetails": {}}, {"customer_details": None}),
        (ENTRY | {"customerDetails": {"userId": 5}}, {"customer_details": MemberDetails(user_id=5)}),
        (
            ENTRY | {"customerDetails": {"userId": 0, "firstName": "Bo"}},
            {"customer_details": MemberDetails("Bo", user_id=0)},
        ),
        (ENTRY | {"transactionDetails": {}}, {"transaction_details": None}),
        (ENTRY | {"eventDetails": {"aNewKey": 1}}, {"event_details": None}),
    ],
)
def test_what_is_tolerated(document: dict[str, Any], expected: dict[str, Any]) -> None:
    """Whole numbers in strings, references in numbers, nulls and blank objects are taken for what they mean."""
    document = json.loads(json.dumps(document), parse_float=Decimal)

    entry = structure(document, LedgerEntry)

    usual = LedgerEntry(1, "TransactionAdd", datetime(2026, 2, 3, 10, 11, 12, tzinfo=UTC))
    for name, value in expected.items():
        setattr(usual, name, value)
    assert entry == usual


@pytest.mark.parametrize("missing", ["eventLogId", "eventName", "ledgerCreatedDate"])
@pytest.mark.parametrize("null", [True, False])
def test_an_entry_needs_its_identity(missing: str, *, null: bool) -> None:
    """Without id, name or date an entry cannot be placed, so the page is refused."""
    entry = {key: value for key, value in ENTRY.items() if key != missing} | ({missing: None} if null else {})

    assert told(entry, LedgerEntry) == [f"$.{missing}: missing"]


def test_twins_are_enough() -> None:
    """When the legacy dates are gone one day, the twins carry the entry."""
    entry = structure(
        {"eventLogId": 1, "eventName": "x", "ledgerCreatedDateISO": "2026-02-03T10:11:12+05:30"}, LedgerEntry
    )

    assert entry.ledger_created_date == datetime(2026, 2, 3, 10, 11, 12, tzinfo=timezone(timedelta(hours=5.5)))
    assert entry.ledger_created_date_iso == entry.ledger_created_date


def test_every_problem_is_named_by_path_without_its_value() -> None:
    """One pass finds all of them, in the response's order, and none shows what stood there."""
    document: Any = parse_json(body(LEDGER))
    first, second = document["ledgerEntries"]
    first["entryDetails"][1]["points"] = True
    first["netAlternateCurrenciesOnEvent"] = {"Shell": "Ada", "Sea Shell": None}
    del second["eventLogId"]
    second["ledgerCreatedDate"] = "Ada's birthday"
    document["ledgerEntries"].append(None)
    document["ledgerDetails"]["pageNumber"] = "one"

    lines = told(document, LedgerPage)

    assert lines == [
        "$.ledgerEntries[0].entryDetails[1].points: expected a decimal number, got true",
        "$.ledgerEntries[0].netAlternateCurrenciesOnEvent.Shell: expected a decimal number, got a string",
        "$.ledgerEntries[0].netAlternateCurrenciesOnEvent['Sea Shell']: expected a decimal number, got null",
        "$.ledgerEntries[1].eventLogId: missing",
        "$.ledgerEntries[1].ledgerCreatedDate: expected a date, got a string",
        "$.ledgerEntries[2]: expected an object, got null",
        "$.ledgerDetails.pageNumber: expected an integer, got a string",
    ]


def test_unknown_events_may_be_null() -> None:
    """The service may put null for an id it does not know; a null entry of a ledger is no such thing."""
    page = structure({"events": [None, {"eventLogId": 1, "eventName": "x"}]}, EventsPage)

    assert page.events == [None, LedgerEvent(1, "x")]


@pytest.mark.parametrize("key", ["returnPoints", "returnedPoints"])
def test_returned_points_have_two_names(key: str) -> None:
    """Regular rows say returnPoints and promotional ones returnedPoints; each takes the other's too."""
    amount = Decimal("1.125")

    assert structure({key: amount}, RegularPoints) == RegularPoints(return_points=amount)
    assert structure({key: amount}, PromotionPoints) == PromotionPoints(returned_points=amount)


@pytest.mark.parametrize("value", ["x", 5, Decimal("5.50"), True, ["x", {"y": Decimal("0.10")}], None])
def test_open_values_are_kept_as_they_came(value: object) -> None:
    """Custom fields and behavioural attributes have no documented type."""
    assert structure({"name": "berth", "value": value}, NamedValue) == NamedValue("berth", value)
    assert structure({"value": value}, BehavioralAttribute) == BehavioralAttribute(value=value)


@pytest.mark.parametrize(
    ("document", "model"), [(LEDGER, LedgerPage), (GROUP_LEDGER, LedgerPage), (EVENTS, EventsPage)]
)
def test_no_key_of_a_response_is_dropped(document: dict[str, Any], model: type[Any]) -> None:
    """Every key of the documented shapes has its attribute, and every value is there as it came."""
    parsed = parse_json(body(document))

    assert list(losses(parsed, structure(parsed, model))) == []


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", NotJsonError),
        (b"<html>busy</html>", NotJsonError),
        (b'{"ledgerEntries": [{"eventLo', NotJsonError),
        (b"\xff<html>", NotJsonError),
        (b'{"a": "\xff"}', MalformedJsonError),
        (b"[" * 100_000 + b"]" * 100_000, MalformedJsonError),
        (b'{"a": ' + b"9" * 5000 + b"}", MalformedJsonError),
    ],
)
def test_what_is_no_readable_json(content: bytes, error: type[Exception]) -> None:
    """A page of something before the service is reported from JSON that cannot be read."""
    with pytest.raises(error) as caught:
        parse_json(content)

    assert caught.value.__context__ is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text() | st.just(Decimal("NaN")), lambda inner: (
    st.lists(inner) | st.dictionaries(st.sampled_from(["ledgerEntries", "entryDetails", "userId", "warnings"]), inner)
)))  # fmt: skip
def test_any_document_is_decoded_or_its_problems_are_reported(document: Any) -> None:
    """Whatever JSON comes, the outcome is a page or a list of paths."""
    page, problems = DECODER.decode(LedgerPage, document)

    assert (page is None) is bool(problems)
    assert all(line.startswith("$") for line in problems)
