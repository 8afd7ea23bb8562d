"""Models, pages, outcomes and errors as dictionaries and JSON, and as types of pydantic."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from capledger import (
    BalanceOutcome,
    BalanceQuery,
    BasicAuth,
    CustomerLedgerQuery,
    CustomerNotFoundError,
    EntryDetail,
    EventFlags,
    LedgerEntry,
    LedgerOutcome,
    LedgerPage,
    LedgerSession,
    OrgScope,
    WalkReport,
    models,
)
from capledger.sandbox import DEMO_MOBILE, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EVERYTHING = EventFlags(get_bill_details=True, get_points_earned_breakup=True, get_custom_fields=True)
QUERY = CustomerLedgerQuery.mobile(DEMO_MOBILE, end=date(2026, 7, 2), include_alternate_currencies=True)
MODELS = [getattr(models, name) for name in models.__all__]
ENTRY = LedgerEntry(1, "TransactionAdd", datetime(2026, 1, 1, tzinfo=UTC))

AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
ENTRIES = st.builds(
    LedgerEntry,
    event_log_id=st.integers(),
    event_name=st.text(),
    ledger_created_date=st.datetimes(timezones=ZONES),
    net_points_on_event=st.none() | AMOUNTS,
    net_alternate_currencies_on_event=st.dictionaries(st.text(), AMOUNTS, max_size=3),
    entry_details=st.lists(st.builds(EntryDetail, points=AMOUNTS), max_size=3),
    store=st.none() | st.text(),
)


@pytest.fixture
async def session() -> AsyncIterator[LedgerSession]:
    async with (
        Sandbox() as box,
        LedgerSession(box.url, BasicAuth("store.server", "server123"), timezone=UTC) as session,
    ):
        yield session


def refuse_float(digits: str) -> float:
    raise AssertionError(digits)


def digits_of(entry: LedgerEntry) -> list[str]:
    amounts = [entry.net_points_on_event, *entry.net_alternate_currencies_on_event.values()]
    return [str(amount) for amount in amounts]


@given(ENTRIES)
def test_any_entry_survives_the_trip_with_every_digit(entry: LedgerEntry) -> None:
    """Amounts keep their digits and dates their instant, by our own methods and by pydantic."""
    string = entry.to_json()

    for copy in (LedgerEntry.from_json(string), TypeAdapter(LedgerEntry).validate_json(string)):
        assert copy == entry
        assert digits_of(copy) == digits_of(entry)
        assert copy.ledger_created_date.utcoffset() == entry.ledger_created_date.utcoffset()


async def test_entries_with_their_events_are_plain_json(session: LedgerSession) -> None:
    """No amount becomes a JSON number with a fraction; fields are in the model's order; pydantic writes the same."""
    query = CustomerLedgerQuery.mobile(DEMO_MOBILE, end=date(2026, 7, 2), order="desc")
    walk = session.entries(query, details=EVERYTHING)
    entries = [await anext(walk) for _ in range(60)]
    await walk.aclose()

    assert any(entry.event for entry in entries)
    for entry in entries:
        values = json.loads(entry.to_json(), parse_float=refuse_float)
        assert values == entry.to_dict()
        assert list(values)[:2] == ["event_log_id", "event_name"]
        copy = LedgerEntry.from_dict(values)
        assert (copy, copy.event) == (entry, entry.event)
        assert TypeAdapter(LedgerEntry).dump_json(entry) == entry.to_json().encode()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_is_a_type_of_pydantic(model: type) -> None:
    """Each has a schema with its own fields, without the body of the response."""
    schema = TypeAdapter(model).json_schema()
    found = schema.get("$defs", {}).get(model.__name__, schema)

    assert "raw" not in found["properties"]
    assert found["title"] == model.__name__


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_the_schema_names_required_fields_and_formats(mode: Any) -> None:
    """What OpenAPI shows: required fields, dates as date-time, amounts as strings."""
    schema = TypeAdapter(LedgerEntry).json_schema(mode=mode)
    found = schema.get("$defs", {}).get("LedgerEntry", schema)

    assert found["required"] == ["event_log_id", "event_name", "ledger_created_date"]
    assert found["properties"]["ledger_created_date"]["format"] == "date-time"
    assert "string" in {item.get("type") for item in found["properties"]["net_points_on_event"]["anyOf"]}


def test_pydantic_takes_instances_and_refuses_other_shapes() -> None:
    """An instance is kept as it is; a missing field is an error with its name."""
    adapter = TypeAdapter(list[LedgerEntry])

    assert adapter.validate_python([ENTRY])[0] is ENTRY
    with pytest.raises(ValidationError, match="event_name"):
        adapter.validate_python([{"event_log_id": 1, "ledger_created_date": "2026-01-01T00:00:00Z"}])


def test_a_wrong_dictionary_is_refused_with_its_path_and_without_its_value() -> None:
    """The error says where, and does not repeat what may be personal."""
    values = ENTRY.to_dict() | {"event_log_id": "917406401004"}

    with pytest.raises(ValueError, match=r"event_log_id") as caught:
        LedgerEntry.from_dict(values)

    assert "917406401004" not in str(caught.value)


def test_a_page_leaves_its_body_out() -> None:
    """The body of the response is bytes with keys of its own."""
    page = LedgerPage([ENTRY], raw=b'{"ledgerEntries": []}')

    assert list(page.to_dict()) == ["entries", "details", "customer_details", "warnings"]
    assert TypeAdapter(LedgerPage).dump_python(page, mode="json") == page.to_dict()


async def test_outcomes_have_query_entries_report_and_cursor(session: LedgerSession) -> None:
    """Of a query, what differs from the defaults; the cursor resumes."""
    [outcome] = [outcome async for outcome in session.fetch_many([QUERY])]

    values = json.loads(outcome.to_json())

    assert values == outcome.to_dict()
    assert values["query"] == {
        "identifier_value": DEMO_MOBILE,
        "end": "2026-07-02T00:00:00",
        "identifier_name": "mobile",
        "include_alternate_currencies": True,
    }
    assert len(values["entries"]) == values["report"]["rows_yielded"] > 0
    assert (values["error"], values["cursor"]) == (None, outcome.cursor)
    assert TypeAdapter(LedgerOutcome).dump_python(outcome) == values


async def test_outcomes_of_failures_have_the_error(session: LedgerSession) -> None:
    """Class, message, code and cursor, of ledgers and balances; an item that is no query has none."""
    unknown: dict[str, Any] = {"identifier_name": "mobile", "identifier_value": "910000000404"}
    queries: list[Any] = [CustomerLedgerQuery(**unknown, scope=OrgScope.all()), BalanceQuery(**unknown), "no query"]
    outcomes = [outcome.to_dict() async for outcome in session.fetch_many(queries, ordered=True)]

    assert [outcome["error"]["type"] for outcome in outcomes] == [
        "CustomerNotFoundError",
        "CustomerNotFoundError",
        "InvalidQueryError",
    ]
    assert outcomes[0]["error"]["code"] == 8015
    assert outcomes[0]["query"]["scope"]["data_scope"] == OrgScope.all().data_scope
    assert outcomes[1]["balances"] == []
    assert outcomes[2]["query"] is None
    json.dumps(outcomes)


async def test_balances_are_exported(session: LedgerSession) -> None:
    """Balances, alone and in an outcome, have their amounts as strings."""
    query = BalanceQuery(identifier_name="mobile", identifier_value=DEMO_MOBILE)
    [outcome] = [outcome async for outcome in session.fetch_many([query])]

    assert isinstance(outcome, BalanceOutcome)
    assert outcome.to_dict()["balances"] == [balance.to_dict() for balance in outcome.balances]
    assert Decimal(outcome.balances[0].to_dict()["closing_balance"]) == outcome.balances[0].closing_balance


def test_an_error_is_exported_without_its_query() -> None:
    """The query holds the identifier, which no error states."""
    error = CustomerNotFoundError("no such customer", code=8015, status=200)
    error.query = QUERY

    assert error.to_dict() == {
        "type": "CustomerNotFoundError",
        "message": "no such customer",
        "cursor": None,
        "code": 8015,
        "status": 200,
        "request_id": None,
    }


def test_a_report_is_exported() -> None:
    """Reports are models as well."""
    assert WalkReport.from_json(WalkReport(requests=3).to_json()) == WalkReport(requests=3)
