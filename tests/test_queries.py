"""Queries: what they accept, what they refuse with which message, and that they are plain values."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capledger import (
    CustomerLedgerQuery,
    EventDetailsQuery,
    GroupLedgerQuery,
    InvalidQueryError,
    OrgScope,
)
from capledger.queries.options import CustomerLedgerOptions

MOBILE = "917406401004"
NEW_YEAR = datetime(2024, 1, 1)

CUSTOMER: dict[str, Any] = {"identifier_name": "mobile", "identifier_value": MOBILE}
GROUP: dict[str, Any] = {"identifier_value": "381335652"}
EVENTS: dict[str, Any] = {**CUSTOMER, "event_ids": [13499091]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"identifier_name": ""}, "identifier_name is empty"),
        ({"identifier_value": ""}, "identifier_value is empty"),
        ({"identifier_value": "  "}, "identifier_value is empty"),
        ({"identifier_value": None}, "identifier_value is empty or not a string"),
        ({"identifier_value": True}, "identifier_value is empty or not a string"),
        ({"identifier_value": 9.17}, "identifier_value is empty or not a string"),
        ({"source": ""}, "source is empty"),
        ({"account_id": ""}, "account_id is empty"),
        ({"account_id": True}, "account_id is empty or not a string"),
        ({"start": NEW_YEAR, "end": NEW_YEAR - timedelta(seconds=1)}, "end is before start"),
        (
            {
                "start": datetime(2024, 1, 1, tzinfo=UTC),
                "end": datetime(2024, 1, 1, 5, 29, tzinfo=timezone(timedelta(hours=5, minutes=30))),
            },
            "end is before start",
        ),
        ({"start": "2024-01-01"}, "start is not a date"),
        ({"end": 1704067200}, "end is not a date"),
        ({"order": "ASC"}, "oldest first"),
        ({"order": ["asc"]}, "oldest first"),
        ({"page_size": 0}, "page_size must be a whole number of 1 or more"),
        ({"page_size": -1}, "page_size must be"),
        ({"page_size": 10.0}, "page_size must be"),
        ({"page_size": True}, "page_size must be"),
        ({"page_size": None}, "page_size must be"),
        ({"till_id": True}, "till_id is not a whole number"),
        ({"till_id": "12"}, "till_id is not a whole number"),
        ({"till_ids": "12,13"}, "till_ids contains something that is not a whole number"),
        ({"till_ids": [12, False]}, "till_ids contains something"),
        ({"store_code": ""}, "store_code is empty"),
        ({"till_id": 1, "till_ids": [1, 2]}, "only one of till_id, till_ids, store_id, store_code"),
        ({"till_id": 1, "store_id": 2}, "only one of"),
        ({"till_ids": [1], "store_code": "a"}, "only one of"),
        ({"store_id": 1, "store_code": "a"}, "only one of"),
        ({"include_till_concept_events": True}, "pass program_id too"),
        ({"include_alternate_currencies": 1}, "include_alternate_currencies must be True, False or None"),
        (
            {"include_alternate_currencies": True, "alternate_currency_names": ["Stars"]},
            "include_alternate_currencies=True all of them: pass only one",
        ),
        ({"alternate_currency_names": "Stars,Miles"}, "alternate_currency_names contains a string with a comma"),
        ({"alternate_currency_names": ["Stars", ""]}, "alternate_currency_names contains an empty item"),
        ({"alternate_currency_names": [1]}, "alternate_currency_names contains an empty item or no string"),
        ({"roles": ["PRIMARY,SECONDARY"]}, "roles contains a string with a comma"),
        ({"exclude_events": 1}, "exclude_events contains an empty item"),
        ({"type": "USERGROUP2"}, "use GroupLedgerQuery"),
        ({"scope": "SELF"}, r"scope must be None, OrgScope.own\(\)"),
    ],
)
def test_customer_query_refuses_what_cannot_work(options: dict[str, Any], message: str) -> None:
    """A query that cannot work is refused where it is written, with a message that says what to do and names nobody."""
    with pytest.raises(InvalidQueryError, match=message) as caught:
        CustomerLedgerQuery(**(CUSTOMER | options))

    assert isinstance(caught.value, ValueError)
    assert MOBILE not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"start": NEW_YEAR, "end": NEW_YEAR},
        {"start": NEW_YEAR, "end": datetime(2023, 12, 31, 20, tzinfo=UTC)},
        {"start": datetime(2024, 1, 1, tzinfo=UTC), "end": datetime(2024, 1, 1)},
        {"end": NEW_YEAR},
        {"page_size": 1000},
        {"till_ids": range(2000)},
        {"include_alternate_currencies": False, "alternate_currency_names": "Stars"},
        {"include_till_concept_events": True, "program_id": 973},
        {"include_till_concept_events": False},
        {"till_id": 0},
        {"identifier_name": "loyaltyCard"},
        {"exclude_events": True},
        {"type": "CUSTOMER", "scope": OrgScope.all()},
    ],
)
def test_customer_query_accepts_what_the_service_may_accept(options: dict[str, Any]) -> None:
    """A value that the service may accept in spite of its documents is not refused."""
    CustomerLedgerQuery(**(CUSTOMER | options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"identifier_value": ""}, "identifier_value is empty"),
        ({"type": ""}, "type is empty"),
        ({"type": None}, "type is empty or not a string"),
        ({"till_id": 1, "store_id": 2}, "only one of"),
        ({"start": NEW_YEAR, "end": date(2023, 12, 31)}, "end is before start"),
    ],
)
def test_group_query_refuses_what_cannot_work(options: dict[str, Any], message: str) -> None:
    """The query of a group is checked like that of a customer."""
    with pytest.raises(InvalidQueryError, match=message):
        GroupLedgerQuery(**(GROUP | options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"event_ids": []}, "no event is named"),
        ({"event_ids": None}, "no event is named"),
        ({"event_ids": ["13499091x"]}, "event_ids contains something that is not a whole number"),
        ({"event_ids": "13499091,13499092"}, "event_ids contains something that is not a whole number"),
        ({"event_ids": [True]}, "event_ids contains something"),
        ({"event_ids": ["\u0661"]}, "event_ids contains something"),
        ({"event_ids": ["9" * 5000]}, "event_ids contains something"),
        ({"event_name": "TransactionAdd"}, "but not both"),
        ({"event_reference_ids": [1]}, "but not both"),
        ({"event_ids": (), "event_reference_ids": [1]}, "no event is named"),
        ({"event_ids": (), "event_name": "TransactionAdd"}, "pass event_reference_ids too"),
        ({"event_ids": (), "event_name": "", "event_reference_ids": [1]}, "event_name is empty"),
        ({"event_ids": (), "event_name": "ReturnBill", "event_reference_ids": ["1,2"]}, "a string with a comma"),
        ({"event_ids": (), "event_name": "ReturnBill", "event_reference_ids": [True]}, "an empty item or no string"),
        ({"get_bill_details": "true"}, "get_bill_details must be True, False or None"),
        ({"api_version": "v3"}, "api_version must be"),
        ({"api_version": "v2", "scope": OrgScope.own()}, "scope needs v2.1"),
    ],
)
def test_event_details_query_refuses_what_cannot_work(options: dict[str, Any], message: str) -> None:
    """Events must be named in exactly one of the two ways that the service accepts."""
    with pytest.raises(InvalidQueryError, match=message) as caught:
        EventDetailsQuery(**(EVENTS | options))

    assert MOBILE not in str(caught.value)


def test_event_ids_may_be_strings_of_digits() -> None:
    """Ids read from a file as strings are the same ids, in the same order, repeats kept."""
    expected = (13499092, 13499091, 13499092)

    query = EventDetailsQuery(**(CUSTOMER | {"event_ids": ["13499092", 13499091, 13499092]}))

    assert query.event_ids == expected


def test_event_references_may_be_integers() -> None:
    """Bill ids are integers and request ids are strings; both are kept as strings."""
    query = EventDetailsQuery(**CUSTOMER, event_name="TransactionAdd", event_reference_ids=[36363905, "aB1"])

    assert query.event_reference_ids == ("36363905", "aB1")


@pytest.mark.parametrize("ids", [(), (1, 2, 3)])
def test_other_scope_takes_one_or_two_organisations(ids: tuple[int, ...]) -> None:
    """The service accepts one or two organisations in a scope, so any other number is refused."""
    with pytest.raises(InvalidQueryError, match="one or two organisation ids"):
        OrgScope.other(*ids)


@pytest.mark.parametrize(
    ("scope", "data_scope", "org_ids"),
    [
        (OrgScope.own(), "SELF", ()),
        (OrgScope.other(50405), "OTHER", (50405,)),
        (OrgScope.other(50405, 50406), "OTHER", (50405, 50406)),
        (OrgScope.all(), "ALL", ()),
    ],
)
def test_scopes_have_the_documented_header_values(scope: OrgScope, data_scope: str, org_ids: tuple[int, ...]) -> None:
    """Each way to make a scope results in the documented header values."""
    assert (scope.data_scope, scope.org_ids) == (data_scope, org_ids)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("own",), "SELF, OTHER or ALL"),
        (("SELF", (1,)), "only OrgScope.other"),
        (("OTHER", ("50405",)), "org_ids contains something that is not a whole number"),
        (("OTHER", (True,)), "org_ids contains something"),
    ],
)
def test_scope_made_by_its_constructor_is_checked(arguments: tuple[Any, ...], message: str) -> None:
    """A scope made by its constructor follows the same rules."""
    with pytest.raises(InvalidQueryError, match=message):
        OrgScope(*arguments)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (CustomerLedgerQuery.mobile(MOBILE), "mobile"),
        (CustomerLedgerQuery.email("a@example.org"), "email"),
        (CustomerLedgerQuery.customer_id(98662653), "id"),
        (CustomerLedgerQuery.external_id("X-1"), "externalId"),
        (GroupLedgerQuery(identifier_value="1"), "groupId"),
    ],
)
def test_class_methods_set_the_identifier_name(query: CustomerLedgerQuery | GroupLedgerQuery, name: str) -> None:
    """Each class method sets the identifier name in the spelling of the service."""
    assert query.identifier_name == name


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("MOBILE", "mobile"),
        ("ID", "id"),
        ("CustomerID", "customerId"),
        ("EXTERNALID", "externalId"),
        ("primaryuserid", "primaryUserId"),
        ("GroupId", "groupId"),
        ("CUID", "cuid"),
        ("Wechat_Id", "Wechat_Id"),
    ],
)
def test_identifier_names_match_in_any_case(given: str, expected: str) -> None:
    """Documented names match in any case, since the documents disagree; other names are unchanged."""
    assert CustomerLedgerQuery(identifier_name=given, identifier_value="1").identifier_name == expected


@pytest.mark.parametrize(
    ("given", "expected"), [("instore", "INSTORE"), ("Web_Engage", "WEB_ENGAGE"), ("Kiosk", "Kiosk")]
)
def test_sources_match_in_any_case(given: str, expected: str) -> None:
    """Documented sources match in any case, since entries have them in small letters; other sources are unchanged."""
    assert CustomerLedgerQuery.mobile(MOBILE, source=given).source == expected


def test_identifier_value_may_be_an_integer() -> None:
    """An integer is the same identifier as the string of its digits."""
    assert CustomerLedgerQuery.mobile(917406401004) == CustomerLedgerQuery.mobile(MOBILE)


def test_days_are_midnights() -> None:
    """A day as start or end is its first instant, so that consecutive spans neither overlap nor leave a gap."""
    expected = CustomerLedgerQuery.mobile(MOBILE, start=datetime(2024, 1, 1), end=datetime(2024, 2, 1))

    assert CustomerLedgerQuery.mobile(MOBILE, start=date(2024, 1, 1), end=date(2024, 2, 1)) == expected


def test_class_methods_accept_every_keyword() -> None:
    """The typed keywords of the class methods are exactly those of the query."""
    own = {item.name for item in attrs.fields(CustomerLedgerQuery)} - {"identifier_name", "identifier_value"}

    assert set(CustomerLedgerOptions.__annotations__) == own


@pytest.mark.parametrize(
    "query",
    [
        CustomerLedgerQuery.mobile(MOBILE, start=NEW_YEAR, till_ids=[2, 1], scope=OrgScope.other(50405)),
        GroupLedgerQuery(identifier_value=MOBILE, roles="PRIMARY"),
        EventDetailsQuery(**EVENTS, scope=OrgScope.all()),
    ],
)
def test_queries_are_values(query: CustomerLedgerQuery | GroupLedgerQuery | EventDetailsQuery) -> None:
    """A query survives pickling, equals and hashes like its copy, is immutable, and hides its identifier."""
    copy = pickle.loads(pickle.dumps(query))  # noqa: S301 - our own pickle

    assert copy == query
    assert hash(copy) == hash(query)
    assert attrs.evolve(query) == query
    assert attrs.evolve(query, source="ALL") != query
    assert MOBILE not in repr(query)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        query.source = "ALL"  # type: ignore[misc]  # what is tested


def test_changed_copies_are_checked() -> None:
    """``attrs.evolve`` cannot make a query that its constructor refuses."""
    query = CustomerLedgerQuery.mobile(MOBILE, start=NEW_YEAR)

    with pytest.raises(InvalidQueryError, match="end is before start"):
        attrs.evolve(query, end=NEW_YEAR - timedelta(days=1))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"page_size": 10}, {"page_size": 100}),
        ({"till_ids": [1, 2]}, {"till_ids": [2, 1]}),
        ({"roles": {"a", "b"}}, {"roles": ["b", "a"]}),
        ({"start": date(2024, 1, 1)}, {"start": NEW_YEAR}),
        (
            {"start": datetime(2024, 1, 1, tzinfo=UTC)},
            {"start": datetime(2024, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))},
        ),
    ],
)
def test_fingerprint_ignores_how_entries_are_fetched(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Queries that yield the same entries in the same order have the same fingerprint fields."""
    first = CustomerLedgerQuery(**CUSTOMER, **one).fingerprint_fields()

    assert first == CustomerLedgerQuery(**CUSTOMER, **other).fingerprint_fields()


@pytest.mark.parametrize(
    "changes",
    [
        {"identifier_value": "1"},
        {"identifier_name": "id"},
        {"source": "ALL"},
        {"account_id": 7},
        {"order": "desc"},
        {"start": NEW_YEAR},
        {"start": datetime(2024, 1, 1, tzinfo=UTC)},
        {"end": NEW_YEAR},
        {"till_id": 0},
        {"exclude_point_categories": False},
        {"scope": OrgScope.own()},
        {"scope": OrgScope.other(50405)},
        {"exclude_events": True},
        {"exclude_events": "TransactionAdd"},
        {"event_filter": "TransactionAdd"},
    ],
)
def test_fingerprint_covers_what_is_yielded(changes: dict[str, Any]) -> None:
    """Whatever changes which entries are yielded, or their order, changes the fingerprint fields."""
    query = CustomerLedgerQuery(**CUSTOMER)

    assert attrs.evolve(query, **changes).fingerprint_fields() != query.fingerprint_fields()


def test_fingerprint_tells_groups_from_customers() -> None:
    """A group and a customer with the same identifier have different fingerprint fields."""
    customer = CustomerLedgerQuery(identifier_name="id", identifier_value="1", type="CUSTOMER")
    group = GroupLedgerQuery(identifier_name="id", identifier_value="1", type="CUSTOMER")

    assert customer.fingerprint_fields() != group.fingerprint_fields()


@given(moments=st.lists(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)), min_size=2, max_size=2))
def test_a_span_has_its_start_first(moments: list[datetime]) -> None:
    """Two datetimes are a span in one order and refused in the other."""
    start, end = sorted(moments)

    assert CustomerLedgerQuery.mobile(MOBILE, start=start, end=end).start == start
    if start != end:
        with pytest.raises(InvalidQueryError):
            CustomerLedgerQuery.mobile(MOBILE, start=end, end=start)
