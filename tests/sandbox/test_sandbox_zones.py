"""Zones and precision of dates: what requests select, and how moments are printed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from support.sandbox_client import Query, opened

from capledger.sandbox import Rules, SandboxCustomer, make_row, synthetic_rows

START = datetime(2024, 1, 1)
INDIA = timezone(timedelta(hours=5, minutes=30))
BERLIN = ZoneInfo("Europe/Berlin")


def hourly(days: int = 10) -> SandboxCustomer:
    """Return a customer with a row every hour, numbered from 0."""
    return SandboxCustomer("1", [make_row(hour, START + timedelta(hours=hour)) for hour in range(24 * days)])


async def selected(rules: Rules, start: str, end: str, **options: Any) -> tuple[int, int, int]:
    """Return the first and the last id that a date range selects, and their number."""
    async with opened(hourly(), rules=rules, **options) as client:
        query: Query = {"startDate": start, "endDate": end, "limit": 100, "order": "ASC"}
        pages = [await client.ledger(query, offset=number) for number in range(3)]
    ids = [number for page in pages if page.status == 200 for number in page.ids]
    return ids[0], ids[-1], len(ids)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (Rules(), (30, 84, 55)),
        (Rules(start_date_precision="day"), (24, 84, 61)),
        (Rules(end_date_precision="day"), (30, 72, 43)),
        (Rules(end_date_precision="whole_day"), (30, 95, 66)),
        (Rules(start_date_precision="day", end_date_precision="day"), (24, 72, 49)),
        (Rules(request_zone=INDIA), (25, 78, 54)),
        (Rules(response_zone=INDIA), (25, 78, 54)),
        (Rules(request_zone=UTC, response_zone=INDIA), (30, 84, 55)),
        (Rules(request_zone=timezone(timedelta(hours=-14))), (44, 98, 55)),
        (Rules(request_zone=INDIA, end_date_precision="whole_day"), (25, 90, 66)),
    ],
)
async def test_the_dates_of_requests_are_read_by_the_rules(rules: Rules, expected: tuple[int, int, int]) -> None:
    """Only their day is kept, or they are read in another zone than that of the rows."""
    assert await selected(rules, "2024-01-02T06:00:00", "2024-01-04T12:00:00") == expected


async def test_dates_are_printed_in_the_zone_of_the_responses() -> None:
    """Rows in UTC are printed with the clock of the zone, in each field of a row."""
    row = make_row(1, datetime(2024, 1, 1, 20, 0, 0, 250_000))
    rules = Rules(response_zone=INDIA, date_style="iso")
    async with opened(SandboxCustomer("1", [row]), rules=rules) as client:
        (entry,) = (await client.ledger()).body["ledgerEntries"]

    assert entry["ledgerCreatedDate"] == "2024-01-02 01:30:00.25"
    assert entry["ledgerCreatedDateISO"] == "2024-01-02T01:30:00+05:30"
    assert entry["transactionDetails"]["date"] == entry["eventDetails"]["eventDate"] == "2024-01-02 01:30:00.25"


async def test_an_hour_comes_twice_when_summer_time_ends() -> None:
    """Rows stay in the order of their instants, which the local dates do not show; ISO dates have the offset."""
    moments = [datetime(2022, 10, 29, 23, 30) + number * timedelta(minutes=30) for number in range(6)]
    rows = [make_row(number, moment) for number, moment in enumerate(moments)]
    rules = Rules(response_zone=BERLIN, date_style="iso")
    async with opened(SandboxCustomer("1", rows), rules=rules) as client:
        page = await client.ledger(order="ASC")
        java = Rules(response_zone=BERLIN, date_style="java")
        client.box.rules = java
        zones = [entry["ledgerCreatedDate"].split()[4] for entry in (await client.ledger()).body["ledgerEntries"]]

    clocks = [entry["ledgerCreatedDate"].split()[1] for entry in page.body["ledgerEntries"]]
    offsets = [entry["ledgerCreatedDateISO"][-6:] for entry in page.body["ledgerEntries"]]
    assert page.ids == [0, 1, 2, 3, 4, 5]
    assert clocks == ["01:30:00.0", "02:00:00.0", "02:30:00.0", "02:00:00.0", "02:30:00.0", "03:00:00.0"]
    assert offsets == ["+02:00"] * 3 + ["+01:00"] * 3
    assert zones == ["CET"] * 3 + ["CEST"] * 3


async def test_a_date_range_can_begin_in_the_hour_that_comes_twice() -> None:
    """An ambiguous date is the earlier instant, as in Java."""
    rows = [make_row(number, datetime(2022, 10, 29, 23) + number * timedelta(minutes=30)) for number in range(7)]
    async with opened(SandboxCustomer("1", rows), rules=Rules(response_zone=BERLIN)) as client:
        page = await client.ledger(startDate="2022-10-30T02:30:00", endDate="2022-10-30T03:00:00", order="ASC")

    assert page.ids == [3, 4, 5, 6]


@pytest.mark.parametrize("style", ["fraction", "plain", "java", "iso"])
async def test_a_synthetic_ledger_is_printed_in_the_zone_too(style: Any) -> None:
    """The same pages as of stored rows, through the end of summer time."""
    synthetic = synthetic_rows(50, datetime(2022, 10, 29, 12), timedelta(minutes=27, milliseconds=250))
    stored = [synthetic.row(rank) for rank in range(50)]
    customers = SandboxCustomer("1", synthetic), SandboxCustomer("2", stored)
    async with opened(*customers, rules=Rules(response_zone=BERLIN, date_style=style)) as client:
        pages = [await client.ledger(identifierValue=value, limit=100) for value in ("1", "2")]

    assert pages[0].body == pages[1].body
    assert pages[0].body["ledgerEntries"][-1]["ledgerCreatedDate"].split()[1 if style != "java" else 3][:5] == "14:00"


async def test_event_details_are_in_the_zone_too() -> None:
    """Dates of event details have the clock and the ISO date of the same instant."""
    row = make_row(1, datetime(2022, 10, 30, 1, 10))
    rules = Rules(response_zone=BERLIN, date_style="iso")
    async with opened(SandboxCustomer("1", [row]), rules=rules) as client:
        (event,) = (await client.events(eventIds=1)).body["events"]

    assert event["eventDetails"]["eventTime"] == "2022-10-30 02:10:00.0"
    assert event["eventDetails"]["eventTimeISO"] == "2022-10-30T02:10:00+01:00"


@pytest.mark.parametrize("zone", [None, INDIA, timezone(timedelta(hours=-11))])
@pytest.mark.parametrize("style", ["fraction", "plain", "java", "iso"])
async def test_dates_at_the_edges_of_the_calendar_are_printed(zone: timezone | None, style: Any) -> None:
    """The first and the last second of the calendar are rows like others, first and last in order."""
    edges = [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)]
    rows = [make_row(number, moment) for number, moment in enumerate([*edges, START])]
    rules = Rules(response_zone=zone, date_style=style)
    async with opened(SandboxCustomer("1", rows), rules=rules) as client:
        page = await client.ledger(order="ASC")
        ranges = [
            await client.ledger({name: date}, order="ASC")
            for name, date in (("endDate", "0001-01-10T00:00:00"), ("startDate", "9999-12-01T00:00:00"))
        ]
        event = await client.events(FLAGS, eventIds="0,1")

    assert page.ids == [0, 2, 1]
    assert [reply.ids for reply in ranges] == [[0], [1]]
    assert len(event.body["events"]) == 2
    if zone is None and style == "fraction":
        dates = [entry["ledgerCreatedDate"] for entry in page.body["ledgerEntries"]]
        assert dates == ["0001-01-01 00:00:00.0", "2024-01-01 00:00:00.0", "9999-12-31 23:59:59.0"]


FLAGS = {"getBillDetails": "true", "getPointsEarnedBreakup": "true", "getMaxConversionDetails": "true"}


async def test_dates_that_no_calendar_has_are_printed_as_they_are() -> None:
    """A row may have any string as its date; zeros are sorted first, all else last."""
    dates = {1: "0000-00-00 00:00:00", 2: "10000-01-01 00:00:00.0", 3: "2024-01-01 00:00:00.0"}
    rows = [make_row(number, START, ledgerCreatedDate=date) for number, date in dates.items()]
    async with opened(SandboxCustomer("1", rows), rules=Rules(response_zone=INDIA)) as client:
        page = await client.ledger(order="ASC")

    assert [(entry["eventLogId"], entry["ledgerCreatedDate"]) for entry in page.body["ledgerEntries"]] == [
        (1, "0000-00-00 00:00:00"),
        (3, "2024-01-01 05:30:00.0"),
        (2, "10000-01-01 00:00:00.0"),
    ]
