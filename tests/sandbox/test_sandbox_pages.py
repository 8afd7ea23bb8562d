"""Pages of the ledger endpoint: their shape, order, limits and ends."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from support.sandbox_client import opened

from capledger.sandbox import Rules, SandboxCustomer, SandboxGroup, make_member, make_row

START = datetime(2024, 1, 1)


def seven() -> SandboxCustomer:
    rows = [make_row(number, START + number * timedelta(days=1)) for number in (3, 1, 2, 7, 5, 6, 4)]
    return SandboxCustomer("1", rows, customer_id=55, external_id="X1", email="a@b.example")


async def test_a_page_has_the_documented_parts() -> None:
    """A v2 page has customer, details, rows and warnings, newest first, ten rows on a page."""
    async with opened(seven()) as client:
        page = await client.ledger()

    assert page.status == 200
    assert list(page.body) == ["customerDetails", "ledgerDetails", "ledgerEntries", "warnings"]
    assert page.body["customerDetails"] == {
        "firstName": "Ada",
        "lastName": "Example",
        "userId": 55,
        "externalId": "X1",
        "entityType": "CUSTOMER",
    }
    assert page.body["ledgerDetails"] == {"pageNumber": 0, "pageSize": 10, "totalEntries": 7, "pageCount": 1}
    assert page.ids == [7, 6, 5, 4, 3, 2, 1]
    assert page.body["ledgerEntries"][6] == make_row(1, START + timedelta(days=1))
    assert page.body["warnings"] == []


async def test_offset_is_a_page_number_for_customers() -> None:
    """Page 1 of three rows each has rows 4 to 6, and its number."""
    async with opened(seven()) as client:
        page = await client.ledger(limit=3, offset=1, order="ASC")

    assert page.ids == [4, 5, 6]
    assert page.body["ledgerDetails"] == {"pageNumber": 1, "pageSize": 3, "totalEntries": 7, "pageCount": 3}


@pytest.mark.parametrize(
    ("rules", "ids", "number"),
    [
        (Rules(), [2, 3], 0),
        (Rules(echo_page_number="offset"), [2, 3], 1),
        (Rules(group_offset="page"), [3, 4], 1),
    ],
)
async def test_offset_for_groups_goes_by_the_rules(rules: Rules, ids: list[int], number: int) -> None:
    """A group's offset is an index or a page number, and ``pageNumber`` follows the rules."""
    group = SandboxGroup("900", seven().rows)
    async with opened(groups=[group], rules=rules) as client:
        page = await client.group("900", limit=2, offset=1, order="ASC")

    assert page.ids == ids
    assert page.body["ledgerDetails"]["pageNumber"] == number
    assert "customerDetails" not in page.body


@pytest.mark.parametrize(
    ("rules", "query", "ids"),
    [
        (Rules(), {"order": "ASC"}, [1, 2, 3]),
        (Rules(), {"order": "desc"}, [7, 6, 5]),
        (Rules(), {"sort": "ASC"}, [7, 6, 5]),
        (Rules(order_parameters=("sort", "sortOrder")), {"sortOrder": "ASC"}, [1, 2, 3]),
        (Rules(order_parameters=()), {"order": "ASC"}, [7, 6, 5]),
        (Rules(default_order="ASC"), {}, [1, 2, 3]),
    ],
)
async def test_the_order_follows_the_parameters_of_the_rules(
    rules: Rules, query: dict[str, str], ids: list[int]
) -> None:
    """Only the parameters of the rules set the order; without one, it is the default."""
    async with opened(seven(), rules=rules) as client:
        page = await client.ledger(query, limit=3)

    assert page.ids == ids


async def test_a_shuffled_order_is_the_same_each_time() -> None:
    """Pages in random order still have every row once."""
    async with opened(seven(), rules=Rules(default_order="SHUFFLED")) as client:
        pages = [(await client.ledger(limit=4, offset=number)).ids for number in (0, 1)]
        again = (await client.ledger(limit=7)).ids

    assert sum(pages, []) == again  # noqa: RUF017 - two short lists
    assert sorted(again) == [1, 2, 3, 4, 5, 6, 7]
    assert again not in ([1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1])


@pytest.mark.parametrize(
    ("rules", "limit", "code"),
    [
        (Rules(), 101, 11029),
        (Rules(max_limit=10, limit_code=11006), 11, 11006),
        (Rules(), 0, 400),
        (Rules(), "ten", 400),
    ],
)
async def test_a_limit_out_of_bounds_is_an_error(rules: Rules, limit: str | int, code: int) -> None:
    """The code is that of the rules above the maximum, 400 for an invalid number."""
    async with opened(seven(), rules=rules) as client:
        reply = await client.ledger(limit=limit)

    assert (reply.status, reply.code) == (400, code)


async def test_a_limit_can_be_capped_silently() -> None:
    """The page is the largest one, and ``pageSize`` is its size."""
    async with opened(seven(), rules=Rules(max_limit=2, cap_silently=True)) as client:
        page = await client.ledger(limit=100, order="ASC", offset=1)

    assert page.ids == [3, 4]
    assert page.body["ledgerDetails"] == {"pageNumber": 1, "pageSize": 2, "totalEntries": 7, "pageCount": 4}


async def test_v21_can_have_a_smaller_page() -> None:
    """The OpenAPI description of v2.1 allows ten rows, v2 a hundred."""
    async with opened(seven(), rules=Rules(max_limit_v21=5)) as client:
        allowed, rejected = await client.ledger(limit=6), await client.scoped(limit=6)

    assert allowed.status == 200
    assert rejected.code == 11029


@pytest.mark.parametrize("query", [{"offset": 1}, {"startDate": "2030-01-01T00:00:00"}])
@pytest.mark.parametrize(("empty", "status"), [("error400", 400), ("error200", 200)])
async def test_a_page_without_entries_is_an_error(empty: str, status: int, query: dict[str, str | int]) -> None:
    """Beyond the end and in an empty date range, the error is 11003 with either HTTP status."""
    async with opened(seven(), rules=Rules(empty=empty)) as client:  # type: ignore[arg-type]  # one of its literals
        reply = await client.ledger(query)

    assert (reply.status, reply.code) == (status, 11003)


async def test_a_page_without_entries_can_be_empty() -> None:
    """With a warning or without, the page is empty and has the total."""
    async with opened(seven(), rules=Rules(empty="warning")) as client:
        warned = await client.ledger(offset=1)
        client.box.rules = Rules(empty="plain")
        plain = await client.ledger(offset=1)

    assert (warned.ids, warned.warning_codes) == ([], [11003])
    assert (plain.ids, plain.warning_codes) == ([], [])
    assert plain.body["ledgerDetails"] == {"pageNumber": 1, "pageSize": 10, "totalEntries": 7, "pageCount": 1}


async def test_totals_and_sizes_can_be_wrong() -> None:
    """The total can be wrong, and the page size can be the rows on the page."""
    async with opened(seven(), rules=Rules(total_offset=-2, echo_page_size="rows")) as client:
        page = await client.ledger(limit=3, offset=2)

    assert page.body["ledgerDetails"] == {"pageNumber": 2, "pageSize": 1, "totalEntries": 5, "pageCount": 2}


@pytest.mark.parametrize(
    ("name", "value"), [("mobile", "1"), ("MOBILE", "1"), ("id", "55"), ("externalId", "X1"), ("email", "a@b.example")]
)
async def test_a_customer_is_found_by_each_identifier(name: str, value: str) -> None:
    """Names of identifiers match in any case."""
    async with opened(seven()) as client:
        page = await client.ledger(identifierName=name, identifierValue=value, source="instore")

    assert page.body["customerDetails"]["userId"] == 55


@pytest.mark.parametrize(
    ("changed", "v2", "v21"),
    [
        ({"identifierName": ""}, 11013, 8013),
        ({"identifierValue": ""}, 11013, 8015),
        ({"source": ""}, 11013, 8003),
        ({"identifierName": "nickname"}, 8013, 8013),
        ({"identifierValue": "2"}, 8015, 8015),
        ({"source": "PIGEON"}, 8003, 8003),
        ({"source": "WECHAT"}, 8015, 8015),
        ({"identifierName": "id", "identifierValue": "me"}, 11012, 11012),
        ({"type": "CREW"}, 9003, 9003),
        ({"type": "USERGROUP2", "identifierName": "mobile"}, 8013, 8013),
        ({"type": "USERGROUP2", "identifierName": "groupId"}, 1632, 1632),
    ],
)
async def test_invalid_identifiers_are_errors(changed: dict[str, str], v2: int, v21: int) -> None:
    """Each error of the identifier has its documented code."""
    async with opened(seven()) as client:
        codes = [(await client.ledger(changed, version=version)).code for version in ("v2", "v2.1")]

    assert codes == [v2, v21]


async def test_an_account_is_selected_by_its_id() -> None:
    """With the id of another account, the customer of a source is not found."""
    async with opened(SandboxCustomer("1", seven().rows, source="WECHAT", account_id="a1")) as client:
        replies = [await client.ledger(source="WECHAT", accountId=account) for account in ("a1", "a2")]
        any_source = await client.ledger(source="ALL")

    assert [reply.status for reply in (*replies, any_source)] == [200, 400, 200]


async def test_pending_events_are_a_warning() -> None:
    """The warning 11002 is added to the rows."""
    async with opened(SandboxCustomer("1", seven().rows, pending=True)) as client:
        page = await client.ledger()

    assert page.warning_codes == [11002]


async def test_groups_are_found_and_filtered_by_role() -> None:
    """A group has several identifiers; roles select entries of its members, and unknown roles are 11018."""
    members = [
        make_member(1, first_name="A", last_name="B", mobile="11"),
        make_member(2, first_name="C", last_name="D", mobile="12", role="SECONDARY"),
    ]
    rows = [make_row(number, START, customerDetails=members[number % 2], customerId=-900) for number in range(4)]
    group = SandboxGroup("900", rows, external_id="G", primary_user_id="1")
    async with opened(groups=[group]) as client:
        found = [await client.group(*names) for names in (("900", "id"), ("G", "externalId"), ("1", "primaryUserId"))]
        second = await client.group("900", role="SECONDARY")
        unknown = await client.group("900", roles="CAPTAIN")

    assert [reply.status for reply in found] == [200, 200, 200]
    assert sorted(second.ids) == [1, 3]
    assert second.body["ledgerEntries"][0]["customerDetails"]["identifier"]["role"] == "SECONDARY"
    assert unknown.code == 11018


async def test_scopes_reach_connected_organisations() -> None:
    """SELF is the own organisation, OTHER the named ones, ALL both; rows have their organisation; v2 has only SELF."""
    other = SandboxCustomer("1", [make_row(100, START)], org_id=70002)
    async with opened(seven(), other) as client:
        own = await client.scoped()
        child = await client.scoped({"DATA-SCOPE": "OTHER", "DATA-SCOPE-ORG": "70002"})
        both = await client.scoped({"DATA-SCOPE": "ALL"})
        unscoped = await client.ledger()

    assert own.body["ledgerDetails"]["totalEntries"] == 7
    assert [entry["orgId"] for entry in child.body["ledgerEntries"]] == [70002]
    assert both.body["ledgerDetails"]["totalEntries"] == 8
    assert both.body["ledgerDetails"]["ledgerClosingBalance"] == []
    assert unscoped.body["ledgerDetails"]["totalEntries"] == 7


@pytest.mark.parametrize(
    "headers",
    [
        {"DATA-SCOPE": "OTHER"},
        {"DATA-SCOPE": "OTHER", "DATA-SCOPE-ORG": "1"},
        {"DATA-SCOPE": "OTHER", "DATA-SCOPE-ORG": "70002,70003,70004"},
        {"DATA-SCOPE": "OTHER", "DATA-SCOPE-ORG": "seventy"},
        {"DATA-SCOPE": "ALL"},
        {"DATA-SCOPE": "MINE"},
    ],
)
async def test_invalid_scopes_are_310144(headers: dict[str, str]) -> None:
    """No name, an unknown one, more than two, and ALL of a parent with three children are errors."""
    async with opened(seven(), connected_orgs=(70002, 70003, 70004)) as client:
        reply = await client.scoped(headers)

    assert reply.code == 310144


async def test_closing_balances_are_sent_on_v21() -> None:
    """The ``closing_balance`` of a customer is sent in the details of the page."""
    balance = [{"pointsCategory": "Main", "programName": "P", "programId": 1, "closingBalance": "30.000"}]
    async with opened(SandboxCustomer("1", seven().rows, closing_balance=balance)) as client:
        scoped, plain = await client.scoped(), await client.ledger()

    assert scoped.body["ledgerDetails"]["ledgerClosingBalance"] == balance
    assert "ledgerClosingBalance" not in plain.body["ledgerDetails"]
