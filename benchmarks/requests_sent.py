"""Count the requests of typical jobs, which decide how long they take under a rate limit."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, cast

from attrs import evolve

from benchmarks.measure import Table
from benchmarks.server import AUTH
from capledger import CustomerLedgerQuery, LedgerSession
from capledger.sandbox import Sandbox, SandboxCustomer, synthetic_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOBILE: Final = "917000000000"
_START: Final = datetime(2015, 1, 1)
_END: Final = datetime(2025, 1, 1)
#: Longest span of one request, by the v2 ledger page.
_MAX_SPAN: Final = timedelta(days=90)


def measure() -> Table:
    """Return the requests of each job: by a walk, by windows only, and by the whole history only."""
    ten_years = CustomerLedgerQuery.mobile(_MOBILE, start=_START, end=_END)
    one_month = evolve(ten_years, start=datetime(2024, 6, 1), end=datetime(2024, 7, 1))
    jobs = (
        ("150 entries in ten years, all of them", 150, ten_years),
        ("20,000 entries in ten years, all of them", 20_000, ten_years),
        ("20,000 entries in ten years, one month of them", 20_000, one_month),
    )
    rows = [(title, *map(str, asyncio.run(_count(rows, query)))) for title, rows, query in jobs]
    return Table("Requests sent", ("", "a walk", "windows only", "history only"), rows)


async def _count(rows: int, query: CustomerLedgerQuery) -> tuple[int, int, int]:
    ledger = synthetic_rows(rows, _START, (_END - _START) / rows)
    async with Sandbox([SandboxCustomer(_MOBILE, ledger)]) as box:
        return (
            await _sent(box.url, [query]),
            await _sent(box.url, list(_windows(query))),
            await _sent(box.url, [evolve(query, start=None, end=None)]),
        )


def _windows(query: CustomerLedgerQuery) -> Iterator[CustomerLedgerQuery]:
    """Yield the query in windows that one request may span, with a margin on either side."""
    start, last = (cast("datetime", value) for value in (query.start, query.end))
    while start < last:
        end = min(last, start + _MAX_SPAN - timedelta(days=1))
        yield evolve(query, start=start, end=end)
        start = end


async def _sent(url: str, queries: list[CustomerLedgerQuery]) -> int:
    """Walk the queries one after another and return the number of requests."""
    sent = 0
    async with LedgerSession(url, AUTH, timezone=UTC) as session:
        for query in queries:
            walk = session.entries(query)
            await walk.collect()
            sent += walk.report.requests
    return sent
