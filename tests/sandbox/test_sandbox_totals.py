"""What pages state of themselves: totals, echoes, hidden rows, missing keys and empty responses."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from support.sandbox_client import opened

from capledger.sandbox import Rules, SandboxCustomer, SandboxGroup, faults, make_row, synthetic_rows

START = datetime(2024, 1, 1)


def customer(count: int = 25) -> SandboxCustomer:
    """Return a customer with rows 1 to ``count``, one a day; every fifth is a debit."""
    kinds = {True: "DEBIT", False: "CREDIT"}
    rows = [make_row(n, START + n * timedelta(days=1), entry_type=kinds[n % 5 == 0]) for n in range(1, count + 1)]
    return SandboxCustomer("1", rows)


@pytest.mark.parametrize(
    ("rules", "total"),
    [
        (Rules(), 8),
        (Rules(total="all_dates"), 20),
        (Rules(total="customer"), 25),
        (Rules(total="page"), 3),
        (Rules(total_cap=5), 5),
        (Rules(total="customer", total_cap=30), 25),
        (Rules(total_offset=2), 10),
        (Rules(total_offset=-20), 0),
    ],
)
async def test_the_total_counts_what_the_rules_say(rules: Rules, total: int) -> None:
    """Eight credits in ten days, of 20 credits and 25 entries, three on each page; the rows are always the same."""
    query = {"startDate": "2024-01-02T00:00:00", "endDate": "2024-01-11T00:00:00", "ledgerEntryType": "CREDIT"}
    async with opened(customer(), rules=rules) as client:
        page = await client.ledger(query, limit=3, order="ASC", offset=1)

    assert page.ids == [4, 6, 7]
    details = page.body["ledgerDetails"]
    assert (details["totalEntries"], details["pageCount"]) == (total, -(-total // 3))


@pytest.mark.parametrize(
    ("rules", "details"),
    [
        (Rules(), {"pageNumber": 2, "pageSize": 10, "pageCount": 3}),
        (Rules(echo_page_size="rows"), {"pageNumber": 2, "pageSize": 5, "pageCount": 3}),
        (Rules(echo_page_size="zero"), {"pageSize": 0}),
        (Rules(echo_page_size="one_more"), {"pageSize": 11}),
        (Rules(echo_page_size="requested", max_limit=5, cap_silently=True), {"pageNumber": 2, "pageSize": 10}),
        (Rules(echo_page_number="zero"), {"pageNumber": 0}),
        (Rules(echo_page_number="one_more"), {"pageNumber": 3}),
        (Rules(echo_page_number="offset"), {"pageNumber": 2}),
        (Rules(echo_page_count="zero"), {"pageCount": 0}),
        (Rules(echo_page_count="one_more"), {"pageCount": 4}),
    ],
)
async def test_echoes_follow_the_rules(rules: Rules, details: dict[str, int]) -> None:
    """The third page of ten rows each, which has five."""
    async with opened(customer(), rules=rules) as client:
        page = await client.ledger(limit=10, offset=2)

    assert page.body["ledgerDetails"].items() >= details.items()


@pytest.mark.parametrize(
    ("rules", "numbers"),
    [
        (Rules(first_page=1), [1, 1, 2, 3]),
        (Rules(first_page=1, echo_page_number="index"), [0, 0, 1, 2]),
        (Rules(first_page=1, echo_page_number="offset"), [0, 1, 2, 3]),
    ],
)
async def test_pages_can_be_counted_from_1(rules: Rules, numbers: list[int]) -> None:
    """Page 0 and page 1 are the same, and there is one page more."""
    async with opened(customer(), rules=rules) as client:
        found = [await client.ledger(limit=10, offset=number, order="ASC") for number in range(4)]
        beyond = await client.ledger(limit=10, offset=4)

    assert [page.ids[0] for page in found] == [1, 1, 11, 21]
    assert [page.body["ledgerDetails"]["pageNumber"] for page in found] == numbers
    assert beyond.code == 11003


@pytest.mark.parametrize(("echo", "number"), [("page", 1), ("offset", 7)])
async def test_offset_can_be_an_index_for_customers(echo: Any, number: int) -> None:
    """As for groups by the documents, and a group's can be a page number."""
    rules = Rules(offset="index", group_offset="page", first_page=1, echo_page_number=echo)
    group = SandboxGroup("900", customer().rows)
    async with opened(customer(), groups=[group], rules=rules) as client:
        page = await client.ledger(limit=5, offset=7, order="ASC")
        of_group = await client.group("900", limit=5, offset=2, order="ASC")

    assert page.ids == [8, 9, 10, 11, 12]
    assert page.body["ledgerDetails"]["pageNumber"] == number
    assert of_group.ids == [6, 7, 8, 9, 10]


@pytest.mark.parametrize(
    ("omitted", "keys", "details"),
    [
        (("totalEntries", "pageCount"), None, ["pageNumber", "pageSize"]),
        (("pageSize",), None, ["pageNumber", "totalEntries", "pageCount"]),
        (("pageNumber", "pageSize", "totalEntries", "pageCount"), None, []),
        (("ledgerDetails",), ["customerDetails", "ledgerEntries", "warnings"], None),
        (("ledgerDetails", "customerDetails", "warnings"), ["ledgerEntries"], None),
    ],
)
async def test_keys_can_be_missing(omitted: tuple[str, ...], keys: list[str] | None, details: list[str] | None) -> None:
    """Keys of the details, the details, or any other key of the page."""
    async with opened(customer(), rules=Rules(omitted=omitted)) as client:
        page = await client.ledger()

    assert list(page.body) == (keys or ["customerDetails", "ledgerDetails", "ledgerEntries", "warnings"])
    assert details is None or list(page.body["ledgerDetails"]) == details
    assert len(page.ids) == 10


async def test_rows_can_be_hidden_after_paging() -> None:
    """Every fifth row is counted and paged and not shown, so each page of ten shows eight, whatever its size."""
    async with opened(customer(), rules=Rules(hidden_every=5, echo_page_size="rows", empty="error400")) as client:
        found = [await client.ledger(limit=10, offset=number, order="ASC") for number in range(3)]
        single = await client.ledger(limit=1, offset=4, order="ASC")

    assert [page.ids for page in found] == [
        [1, 2, 3, 4, 6, 7, 8, 9],
        [11, 12, 13, 14, 16, 17, 18, 19],
        [21, 22, 23, 24],
    ]
    details = [page.body["ledgerDetails"] for page in found]
    assert [detail["pageSize"] for detail in details] == [8, 8, 4]
    assert [detail["totalEntries"] for detail in details] == [25, 25, 25]
    assert (single.status, single.ids) == (200, [])


@pytest.mark.parametrize("offset", [0, 3])
async def test_a_page_without_entries_can_lack_everything(offset: int) -> None:
    """Neither rows nor details nor 11003."""
    async with opened(customer(), rules=Rules(empty="nothing")) as client:
        page = await client.ledger(offset=offset, startDate="2030-01-01T00:00:00")

    assert (page.status, page.body) == (200, {"ledgerEntries": [], "warnings": []})


async def test_a_response_can_be_empty_once() -> None:
    """``empty_response`` has nothing though there are rows; the next response has them."""
    async with opened(customer(), faults=faults.first(1, faults.empty_response())) as client:
        bodies = [(await client.ledger()).body for _ in range(2)]

    assert bodies[0] == {"ledgerEntries": [], "warnings": []}
    assert len(bodies[1]["ledgerEntries"]) == 10


@pytest.mark.parametrize(("offset", "limit", "refused"), [(0, 20, False), (1, 10, False), (2, 10, True), (0, 21, True)])
@pytest.mark.parametrize("rows", [customer().rows, synthetic_rows(25, START, timedelta(days=1))])
async def test_deep_pages_can_be_errors(rows: Any, offset: int, limit: int, *, refused: bool) -> None:
    """A page that ends beyond the depth has the code, the message and the status of the rules."""
    rules = Rules(max_depth=20, max_depth_code=500, max_depth_message="at most {rows}", max_depth_status=503)
    async with opened(SandboxCustomer("1", rows), rules=rules) as client:
        page = await client.ledger(limit=limit, offset=offset)

    assert page.status == (503 if refused else 200)
    if refused:
        assert (page.code, page.body["errors"][0]["message"]) == (500, "at most 20")


async def test_caps_can_have_any_code_message_and_status() -> None:
    """Those of the limit and of the date range are fields of the rules."""
    rules = Rules(max_limit=5, limit_code=9003, limit_message="too big", limit_status=422)
    async with opened(customer(), rules=rules) as client:
        large = await client.ledger(limit=6)
        client.box.rules = Rules(
            max_days=7, max_days_code=400, max_days_message="only {days} at a time", max_days_status=500
        )
        long = await client.ledger(startDate="2024-01-01T00:00:00", endDate="2024-01-09T00:00:00")

    assert (large.status, large.code, large.body["errors"][0]["message"]) == (422, 9003, "too big")
    assert (long.status, long.code, long.body["errors"][0]["message"]) == (500, 400, "only 7 at a time")


@pytest.mark.parametrize(("counts", "statuses"), [("exact", [200, 200, 400]), ("days", [200, 400, 400])])
async def test_a_date_range_is_counted_exactly_or_by_days(counts: Any, statuses: list[int]) -> None:
    """Six days and some hours, seven days that touch eight, and more."""
    async with opened(customer(), rules=Rules(max_days=7, max_days_counts=counts)) as client:
        ends = ("2024-01-08T11:00:00", "2024-01-09T12:00:00", "2024-01-09T12:00:01")
        replies = [await client.ledger(startDate="2024-01-02T12:00:00", endDate=end) for end in ends]

    assert [reply.status for reply in replies] == statuses


async def test_defaults_have_the_documented_messages() -> None:
    """The messages of 11029, 11010 and of a search engine."""
    async with opened(customer(), rules=Rules(max_depth=10_000)) as client:
        messages = [
            (await client.ledger(query)).body["errors"][0]["message"]
            for query in (
                {"limit": 101},
                {"startDate": "2024-01-01T00:00:00", "endDate": "2024-06-01T00:00:00"},
                {"limit": 100, "offset": 100},
            )
        ]

    assert messages == [
        "Limit cannot be greater than 100",
        "Interval between startDate and endDate greater than 90 days",
        "Result window is too large, from + size must be less than or equal to: [10000]",
    ]
