"""Dates: what a date range selects, which ranges are errors, and the styles of dates."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from support.sandbox_client import opened

from capledger.sandbox import Rules, SandboxCustomer, make_row

START = datetime(2024, 1, 1)
END = datetime(2024, 2, 1)
HALF = timedelta(milliseconds=500)


def customer(*moments: datetime, **overrides: object) -> SandboxCustomer:
    return SandboxCustomer("1", [make_row(number, moment, **overrides) for number, moment in enumerate(moments)])  # type: ignore[arg-type]  # overrides by name


@pytest.mark.parametrize(
    ("rules", "ids"),
    [
        (Rules(edges="both"), [1, 2, 3, 4]),
        (Rules(edges="start"), [1, 2, 3]),
        (Rules(edges="end"), [2, 3, 4]),
        (Rules(edges="none"), [2, 3]),
        (Rules(edges="both", edge_precision="second"), [1, 2, 3, 4, 5]),
        (Rules(edges="start", edge_precision="second"), [1, 2, 3]),
        (Rules(edges="end", edge_precision="second"), [3, 4, 5]),
        (Rules(edges="none", edge_precision="second"), [3]),
    ],
)
@pytest.mark.parametrize("filter_on", ["created", "event"])
async def test_bounds_are_inclusive_by_the_rules(rules: Rules, ids: list[int], filter_on: Any) -> None:
    """Rows on the bounds, and within their second, are selected by the rules, whichever date is filtered on."""
    rules = Rules(edges=rules.edges, edge_precision=rules.edge_precision, filter_on=filter_on)
    rows = customer(START - HALF, START, START + HALF, END - HALF, END, END + HALF)
    async with opened(rows, rules=rules) as client:
        page = await client.ledger(startDate="2024-01-01T00:00:00", endDate="2024-02-01T00:00:00", order="ASC")

    assert page.ids == ids
    assert page.body["ledgerDetails"]["totalEntries"] == len(ids)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"startDate": "2024-01-01T00:00:00"}, [2, 3]),
        ({"endDate": "2024-01-01T00:00:00"}, [1, 2]),
        ({"startDate": "2024-01-01T00:00:00", "includeLastOneYearData": "true"}, [2, 3, 4]),
        ({"endDate": "2024-01-01T00:00:00", "includeLastOneYearData": "true"}, [0, 1, 2]),
        ({"startDate": "2024-01-01T00:00:00", "isFilterBasedOnDate": "false"}, [0, 1, 2, 3, 4]),
        ({}, [0, 1, 2, 3, 4]),
    ],
)
async def test_one_date_reaches_90_days_or_a_year(query: dict[str, str], ids: list[int]) -> None:
    """One date selects from it or up to it; without dates, or without the filter, all rows are selected."""
    days = [timedelta(days=number) for number in (-91, -90, 0, 90, 91)]
    async with opened(customer(*(START + day for day in days))) as client:
        page = await client.ledger(query, order="ASC")

    assert page.ids == ids


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        ("2024-01-01T00:00:00", "2024-03-31T00:00:00", None),
        ("2024-01-01T00:00:00", "2024-03-31T00:00:01", 11010),
        ("2024-01-01T00:00:01", "2024-01-01T00:00:00", 11009),
        ("2024-01-01", "2024-01-02T00:00:00", 11011),
        ("2024-01-01T00:00:00", "2024-01-02T00:00:00Z", 11011),
        ("2024-02-30T00:00:00", "2024-03-02T00:00:00", 11011),
    ],
)
async def test_date_ranges_are_checked(start: str, end: str, code: int | None) -> None:
    """90 days to the second are allowed, and each error has its code."""
    async with opened(customer(START), rules=Rules(edges="both")) as client:
        reply = await client.ledger(startDate=start, endDate=end)

    assert reply.body.get("errors", [{}])[0].get("code") == code


async def test_the_longest_date_range_is_a_rule() -> None:
    """The message has the number of days of the rule."""
    async with opened(customer(START), rules=Rules(max_days=30)) as client:
        reply = await client.ledger(startDate="2024-01-01T00:00:00", endDate="2024-02-01T00:00:00")

    assert reply.code == 11010
    assert "greater than 30 days" in reply.body["errors"][0]["message"]


async def test_filtering_on_the_event_date_selects_other_rows() -> None:
    """With ``filter_on="event"`` the date in ``eventDetails`` is compared."""
    row = make_row(1, START, eventDetails={"eventDate": "2023-06-01 00:00:00.0"})
    async with opened(SandboxCustomer("1", [row]), rules=Rules(filter_on="event", empty="plain")) as client:
        replies = [await client.ledger(startDate=start) for start in ("2024-01-01T00:00:00", "2023-06-01T00:00:00")]

    assert [reply.ids for reply in replies] == [[], [1]]


@pytest.mark.parametrize(
    ("style", "created", "date"),
    [
        ("fraction", "2024-01-01 10:20:30.68", "2024-01-01 10:20:30.68"),
        ("plain", "2024-01-01 10:20:30", "2024-01-01 10:20:30"),
        ("java", "Mon Jan 01 10:20:30 IST 2024", "2024-01-01 10:20:30.68"),
        ("iso", "2024-01-01 10:20:30.68", "2024-01-01 10:20:30.68"),
    ],
)
async def test_dates_are_written_in_each_style(style: Any, created: str, date: str) -> None:
    """Java's style is used for ``ledgerCreatedDate`` only, and ISO dates are added to the legacy dates on v2."""
    india = timezone(timedelta(hours=5, minutes=30), "IST")
    row = customer(datetime(2024, 1, 1, 10, 20, 30, 680_000))
    async with opened(row, rules=Rules(date_style=style), timezone=india) as client:
        (entry,) = (await client.ledger()).body["ledgerEntries"]
        (scoped,) = (await client.scoped()).body["ledgerEntries"]

    iso_date = "2024-01-01T10:20:30+05:30" if style == "iso" else None
    assert (entry["ledgerCreatedDate"], entry["transactionDetails"]["date"]) == (created, date)
    assert entry["eventDetails"]["eventDate"] == date
    assert entry.get("ledgerCreatedDateISO") == iso_date
    assert entry["transactionDetails"].get("dateISO") == iso_date
    assert entry["eventDetails"].get("eventDateISO") == iso_date
    assert "ledgerCreatedDateISO" not in scoped


async def test_utc_is_printed_as_on_the_vendors_pages() -> None:
    """``Z`` in ISO dates, ``GMT`` in Java's, and ``.0`` where there is no fraction."""
    async with opened(customer(START), rules=Rules(date_style="iso")) as client:
        (iso,) = (await client.ledger()).body["ledgerEntries"]
        client.box.rules = Rules(date_style="java")
        (java,) = (await client.ledger()).body["ledgerEntries"]

    assert (iso["ledgerCreatedDate"], iso["ledgerCreatedDateISO"]) == ("2024-01-01 00:00:00.0", "2024-01-01T00:00:00Z")
    assert java["ledgerCreatedDate"] == "Mon Jan 01 00:00:00 GMT 2024"
