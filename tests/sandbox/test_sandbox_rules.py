"""Rules together: every combination has a response of the service, and pages of a consistent one hold each row once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from support.sandbox_client import ServerResponse, opened

from capledger.sandbox import Rules, SandboxCustomer, add_twins, make_row, synthetic_rows

START = datetime(2024, 10, 26)
BERLIN = ZoneInfo("Europe/Berlin")
ROWS = add_twins([make_row(n, START + n // 3 * timedelta(minutes=20, milliseconds=400)) for n in range(200)], 1)
IDS = [row["eventLogId"] for row in ROWS]
SYNTHETIC = synthetic_rows(230, START, timedelta(minutes=7))

#: Readings under which pages that are read one after the other hold each row once.
CONSISTENT: dict[str, list[Any]] = {
    "tie_order": ["same", "opposite", "ascending", "descending"],
    "sort_precision": ["full", "second"],
    "sort_by": ["instant", "local"],
    "default_order": ["ASC", "DESC", "SHUFFLED"],
    "response_zone": [None, BERLIN, timezone(timedelta(hours=-11))],
    "request_zone": [None, UTC, BERLIN],
    "total": ["range", "all_dates", "customer", "page"],
    "total_cap": [None, 0, 50],
    "total_offset": [0, 0, -3, 5],
    "echo_page_number": ["page", "offset", "index", "zero", "one_more"],
    "echo_page_size": ["capacity", "requested", "rows", "zero", "one_more"],
    "echo_page_count": ["pages", "zero", "one_more"],
    "omitted": [(), ("totalEntries", "pageCount"), ("ledgerDetails",), ("pageSize", "warnings")],
    "empty": ["error400", "error200", "warning", "plain", "nothing"],
    "date_style": ["fraction", "plain", "java", "iso"],
    "edges": ["both", "start", "end", "none"],
    "edge_precision": ["full", "second"],
    "max_limit": [100, 20],
    "cap_silently": [True],
}
#: All others.
INCONSISTENT: dict[str, list[Any]] = {
    "tie_order": ["random", "replica", "same"],
    "default_order": ["RANDOM", "SHUFFLED", "DESC"],
    "replicas": [1, 3],
    "lag": [0, 1, 10],
    "lag_every": [1, 2, 3],
    "first_page": [0, 1],
    "beyond": ["nothing", "last_page"],
    "hidden_every": [None, 2, 5],
    "max_depth": [None, 60],
    "max_days": [90, 1],
    "max_days_counts": ["exact", "days"],
    "start_date_precision": ["second", "day"],
    "end_date_precision": ["second", "day", "whole_day"],
    "filter_on": ["created", "event"],
    "offset": ["page", "index"],
}


def drawn(random: Random, readings: dict[str, list[Any]]) -> dict[str, Any]:
    return {name: random.choice(values) for name, values in readings.items()}


def ids_of(reply: ServerResponse) -> list[int]:
    return reply.ids if "ledgerEntries" in reply.body else []


@pytest.mark.parametrize("rows", [ROWS, SYNTHETIC])
@pytest.mark.parametrize("seed", range(8))
async def test_pages_of_any_consistent_reading_hold_each_row_once(rows: Any, seed: int) -> None:
    """Ten random combinations each, in either order, with three sizes of pages."""
    random = Random(seed)
    expected = sorted(SYNTHETIC.event_log_id(n) for n in range(230)) if rows is SYNTHETIC else sorted(IDS)
    async with opened(SandboxCustomer("1", rows)) as client:
        for _ in range(10):
            client.box.rules = rules = Rules(**drawn(random, CONSISTENT))
            order, limit = random.choice(["ASC", "DESC"]), random.choice([7, 20, 99])
            pages = [
                ids_of(await client.ledger(order=order, limit=limit, offset=number))
                for number in range(len(expected) // min(limit, rules.max_limit) + 2)
            ]

            assert sorted(number for page in pages for number in page) == expected, rules


@pytest.mark.parametrize("rows", [ROWS, SYNTHETIC])
@pytest.mark.parametrize("seed", range(8))
async def test_any_combination_of_readings_has_a_response(rows: Any, seed: int) -> None:
    """Each of 25 random combinations responds with a page or an error of the service, never with a failure."""
    random = Random(seed)
    async with opened(SandboxCustomer("1", rows)) as client:
        for _ in range(25):
            client.box.rules = rules = Rules(**drawn(random, CONSISTENT) | drawn(random, INCONSISTENT))
            start = START + random.randint(-5, 5) * timedelta(hours=11)
            dates = {"startDate": start, "endDate": start + random.randint(0, 40) * timedelta(hours=3)}
            query = {name: date.isoformat() for name, date in dates.items() if random.random() < 0.5}
            reply = await client.ledger(query, limit=random.choice([7, 50]), offset=random.randint(0, 8))

            assert set(reply.body) & {"ledgerEntries", "errors"}, rules
