"""Requests: each documented parameter, by its keyword, in its exact place.

The expected URLs are written by hand from ``v2-customer-ledger``, ``v2.1-customer-ledger`` and ``v2.1-explode`` and
from the newer pages of the same endpoints, never taken from what the code gives.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs
import pytest
from yarl import URL

from capledger import CustomerLedgerQuery, EventDetailsQuery, GroupLedgerQuery, OrgScope
from capledger._sansio.requests import LedgerRequests, Request, event_details
from capledger.models import EventsPage, LedgerPage

CUSTOMER = "identifierName=mobile&identifierValue=917406401004&source=INSTORE"
GROUP = "identifierName=groupId&identifierValue=381335652&source=INSTORE&type=USERGROUP2"
PAGE = "offset=0&limit=100&order=ASC"
GROUP_PAGE = "sort=ASC&offset=0&limit=100&order=ASC"


def url_of(request: Request[Any]) -> str:
    return str(URL.build(path=request.path).with_query(request.params))


def customer(**options: Any) -> Request[LedgerPage]:
    query = CustomerLedgerQuery(**{"identifier_name": "mobile", "identifier_value": "917406401004"} | options)
    return LedgerRequests(query).page(offset=0, limit=100, order="ASC")


def group(**options: Any) -> Request[LedgerPage]:
    query = GroupLedgerQuery(**{"identifier_value": "381335652"} | options)
    return LedgerRequests(query).page(offset=0, limit=100, order="ASC")


def events(**options: Any) -> Request[EventsPage]:
    given = {"identifier_name": "mobile", "identifier_value": "917406401004", "event_ids": [18608683]} | options
    query = EventDetailsQuery(**given)
    return event_details(query, ids_or_references=query.event_ids or query.event_reference_ids)


#: Keyword, its value, and the parameter's text; all but the identifier's come after it and before the page's.
CUSTOMER_PARAMETERS = [
    ("account_id", 7, "accountId=7"),
    ("account_id", "wx-7", "accountId=wx-7"),
    ("type", "CUSTOMER", "type=CUSTOMER"),
    ("include_alternate_currencies", True, "includeAlternateCurrencies=true"),
    ("alternate_currency_names", "acNjnkvfgfdeun", "alternateCurrencyNames=acNjnkvfgfdeun"),
    ("alternate_currency_names", ["Stars", "Miles"], "alternateCurrencyNames=Stars,Miles"),
    ("till_id", 50161182, "tillId=50161182"),
    ("till_ids", [12345, 67890], "tillIds=12345,67890"),
    ("store_id", 50681412, "storeId=50681412"),
    ("store_code", "store 1", "storeCode=store+1"),
    ("exclude_point_categories", True, "excludePointCategories=true"),
    ("roles", ["PRIMARY", "SECONDARY"], "roles=PRIMARY,SECONDARY"),
    ("program_id", 973, "programId=973"),
    ("is_filter_based_on_date", False, "isFilterBasedOnDate=false"),
    ("include_last_one_year_data", True, "includeLastOneYearData=true"),
    ("ledger_entry_type", "OPENING_BALANCE", "ledgerEntryType=OPENING_BALANCE"),
    ("point_category_type", "TRIGGER_BASED", "pointCategoryType=TRIGGER_BASED"),
    ("include_concept_details", True, "includeConceptDetails=true"),
    ("is_primary_user", True, "isPrimaryUser=true"),
    ("exclude_events", True, "excludeEvents=true"),
    ("exclude_events", "PointsExpiry", "excludeEvents=PointsExpiry"),
    ("event_filter", ["TransactionAdd", "ReturnBill"], "eventFilter=TransactionAdd,ReturnBill"),
]

GROUP_PARAMETERS = [
    ("account_id", 7, "accountId=7"),
    ("include_alternate_currencies", False, "includeAlternateCurrencies=false"),
    ("alternate_currency_names", ["Stars", "Miles"], "alternateCurrencyNames=Stars,Miles"),
    ("till_id", 50161182, "tillId=50161182"),
    ("till_ids", [12345, 67890], "tillIds=12345,67890"),
    ("store_id", 50681412, "storeId=50681412"),
    ("store_code", "store1", "storeCode=store1"),
    ("exclude_point_categories", True, "excludePointCategories=true"),
    ("roles", ["PRIMARY", "SECONDARY"], "roles=PRIMARY,SECONDARY&role=PRIMARY,SECONDARY"),
]

EVENT_PARAMETERS = [
    ("account_id", "wx-7", "accountId=wx-7"),
    ("type", "USERGROUP2", "type=USERGROUP2"),
    ("include_alternate_currencies", True, "includeAlternateCurrencies=true"),
    ("alternate_currency_names", ["Stars", "Miles"], "alternateCurrencyNames=Stars,Miles"),
    ("get_bill_details", True, "getBillDetails=true"),
    ("get_points_earned_breakup", True, "getPointsEarnedBreakup=true"),
    ("get_custom_fields", True, "getCustomFields=true"),
    ("get_extended_fields", True, "getExtendedFields=true"),
    ("get_max_conversion_details", True, "getMaxConversionDetails=true"),
    ("is_primary_user", False, "isPrimaryUser=false"),
]


@pytest.mark.parametrize(("keyword", "value", "text"), CUSTOMER_PARAMETERS)
def test_customer_parameters(keyword: str, value: object, text: str) -> None:
    """Each documented parameter of a customer's ledger has a keyword and this place in the URL."""
    assert url_of(customer(**{keyword: value})) == f"/v2/pointsLedger/getCustomerLedgerInfo?{CUSTOMER}&{text}&{PAGE}"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"identifier_name": "ID"}, "identifierName=id&identifierValue=917406401004&source=INSTORE"),
        (
            {"identifier_name": "email", "identifier_value": "a+b@example.org"},
            "identifierName=email&identifierValue=a%2Bb@example.org&source=INSTORE",
        ),
        (
            {"identifier_name": "externalId", "identifier_value": "A&B=C d/é"},
            "identifierName=externalId&identifierValue=A%26B%3DC+d/%C3%A9&source=INSTORE",
        ),
        ({"source": "WEB_ENGAGE"}, "identifierName=mobile&identifierValue=917406401004&source=WEB_ENGAGE"),
    ],
)
def test_identifiers(options: dict[str, str], text: str) -> None:
    """The identifier and its source come first, percent-encoded, so that no value can end its parameter."""
    assert url_of(customer(**options)) == f"/v2/pointsLedger/getCustomerLedgerInfo?{text}&{PAGE}"


def test_concept_events_with_their_programme() -> None:
    """``includeTillConceptEvents`` goes out together with the programme that it needs."""
    text = "programId=973&includeTillConceptEvents=true"

    request = customer(include_till_concept_events=True, program_id=973)

    assert url_of(request) == f"/v2/pointsLedger/getCustomerLedgerInfo?{CUSTOMER}&{text}&{PAGE}"


@pytest.mark.parametrize(("keyword", "value", "text"), GROUP_PARAMETERS)
def test_group_parameters(keyword: str, value: object, text: str) -> None:
    """Each documented parameter of a group's ledger has a keyword; roles go out under both documented names."""
    expected = f"/v2/pointsLedger/getCustomerLedgerInfo?{GROUP}&{text}&{GROUP_PAGE}"

    assert url_of(group(**{keyword: value})) == expected


@pytest.mark.parametrize("kind", ["externalId", "primaryUserId", "id"])
def test_group_identifiers(kind: str) -> None:
    """Groups go by each documented kind of identifier."""
    expected = GROUP.replace("groupId", kind)

    request = group(identifier_name=kind)

    assert url_of(request) == f"/v2/pointsLedger/getCustomerLedgerInfo?{expected}&{GROUP_PAGE}"


def test_group_type() -> None:
    """A fleet is asked for like any other group."""
    expected = GROUP.replace("USERGROUP2", "FLEET")

    assert url_of(group(type="FLEET")) == f"/v2/pointsLedger/getCustomerLedgerInfo?{expected}&{GROUP_PAGE}"


@pytest.mark.parametrize(("keyword", "value", "text"), EVENT_PARAMETERS)
def test_event_parameters(keyword: str, value: object, text: str) -> None:
    """Each documented parameter of event details has a keyword and this place in the URL."""
    expected = f"/v2.1/pointsLedger/getLedgerExplodeInfo?{CUSTOMER}&{text}&eventIds=18608683"

    assert url_of(events(**{keyword: value})) == expected


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"event_ids": [18608683, 18608684]}, "eventIds=18608683,18608684"),
        (
            {"event_ids": (), "event_name": "TransactionAdd", "event_reference_ids": [36363905, 36363906]},
            "eventName=TransactionAdd&eventReferenceIds=36363905,36363906",
        ),
    ],
)
def test_events_are_named(options: dict[str, Any], text: str) -> None:
    """Events go out by ids, or by name with references, never by both."""
    assert url_of(events(**options)) == f"/v2.1/pointsLedger/getLedgerExplodeInfo?{CUSTOMER}&{text}"


@pytest.mark.parametrize(
    ("version", "path", "name"),
    [(None, "v2.1", "getPaymentMode"), ("v2.1", "v2.1", "getPaymentMode"), ("v2", "v2", "getPaymentModes")],
)
def test_payment_modes(version: str | None, path: str, name: str) -> None:
    """The flag for means of payment has the spelling of the version that is asked."""
    expected = f"/{path}/pointsLedger/getLedgerExplodeInfo?{CUSTOMER}&eventIds=18608683&{name}=true"

    assert url_of(events(api_version=version, get_payment_modes=True)) == expected


def test_some_of_the_events() -> None:
    """A request takes the events that it is given, in the order given, out of all that the query names."""
    query = EventDetailsQuery(identifier_name="id", identifier_value="1", event_ids=range(1, 30))

    request = event_details(query, ids_or_references=[12, 11])

    assert request.params["eventIds"] == "12,11"


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (
            datetime(2024, 1, 1),
            datetime(2024, 3, 29, 23, 59, 59),
            "startDate=2024-01-01T00:00:00&endDate=2024-03-29T23:59:59",
        ),
        (datetime(2024, 1, 1), None, "startDate=2024-01-01T00:00:00"),
        (None, datetime(2024, 1, 1, 12, 30), "endDate=2024-01-01T12:30:00"),
    ],
)
def test_window_and_page(start: datetime | None, end: datetime | None, text: str) -> None:
    """The window and the page are the caller's, whatever span and page size the query has."""
    query = CustomerLedgerQuery.mobile("917406401004", start=datetime(2020, 1, 1), page_size=10, order="asc")

    request = LedgerRequests(query).page(offset=3, limit=50, order="DESC", start=start, end=end)

    expected = f"/v2/pointsLedger/getCustomerLedgerInfo?{CUSTOMER}&offset=3&limit=50&order=DESC&{text}"
    assert url_of(request) == expected


def test_group_order() -> None:
    """A group's order goes out under the name of its table and under the newer one."""
    query = GroupLedgerQuery(identifier_value="381335652")

    request = LedgerRequests(query).page(offset=10, limit=10, order="DESC")

    expected = f"/v2/pointsLedger/getCustomerLedgerInfo?{GROUP}&sort=DESC&offset=10&limit=10&order=DESC"
    assert url_of(request) == expected


@pytest.mark.parametrize(
    ("scope", "ledger_version", "headers"),
    [
        (None, "v2", ()),
        (OrgScope.own(), "v2.1", (("DATA-SCOPE", "SELF"),)),
        (OrgScope.all(), "v2.1", (("DATA-SCOPE", "ALL"),)),
        (OrgScope.other(50405), "v2.1", (("DATA-SCOPE", "OTHER"), ("DATA-SCOPE-ORG", "50405"))),
        (OrgScope.other(50405, 50406), "v2.1", (("DATA-SCOPE", "OTHER"), ("DATA-SCOPE-ORG", "50405,50406"))),
    ],
)
def test_scopes(scope: OrgScope | None, ledger_version: str, headers: tuple[tuple[str, str], ...]) -> None:
    """A scope goes to v2.1 in the documented headers, on all three kinds of request; without one, ledgers go to v2."""
    for request in (customer(scope=scope), group(scope=scope)):
        assert request.path == f"/{ledger_version}/pointsLedger/getCustomerLedgerInfo"
        assert request.headers == headers
    assert events(scope=scope).path == "/v2.1/pointsLedger/getLedgerExplodeInfo"
    assert events(scope=scope).headers == headers


@pytest.mark.parametrize(
    ("request_", "endpoint", "answer"),
    [
        (customer(), "customer_ledger", LedgerPage),
        (group(), "group_ledger", LedgerPage),
        (events(), "event_details", EventsPage),
    ],
)
def test_requests_know_their_response_type(request_: Request[Any], endpoint: str, answer: type) -> None:
    """A request carries its method, its name for logs, the type of its response and whom to keep quiet about."""
    assert (request_.method, request_.endpoint, request_.response_type) == ("GET", endpoint, answer)
    assert request_.body is None
    assert request_.subject in {"917406401004", "381335652"}
    assert request_.subject not in repr(request_)


@pytest.mark.parametrize(
    ("query", "table", "elsewhere"),
    [
        (
            CustomerLedgerQuery,
            CUSTOMER_PARAMETERS,
            {"include_till_concept_events", "order", "page_size", "start", "end"},
        ),
        (GroupLedgerQuery, GROUP_PARAMETERS, {"type", "order", "page_size", "start", "end"}),
        (
            EventDetailsQuery,
            EVENT_PARAMETERS,
            {"event_ids", "event_name", "event_reference_ids", "get_payment_modes", "api_version"},
        ),
    ],
)
def test_tables_are_whole(query: type, table: list[tuple[str, object, str]], elsewhere: set[str]) -> None:
    """Every keyword of a query stands in a table above or in a test of its own."""
    subject = {"identifier_name", "identifier_value", "source", "scope"}

    assert {item.name for item in attrs.fields(query)} == {row[0] for row in table} | elsewhere | subject
