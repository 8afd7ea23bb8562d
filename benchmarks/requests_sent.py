"""Requests that typical jobs take: where an organisation has so many a minute, these are the time."""

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
#: Days that one request may span at the most, by the documents.
_LONGEST: Final = timedelta(days=90)


def measure() -> Table:
    """Count the requests of each job, done by a walk, by windows alone, and by reading the history alone."""
    ten_years = CustomerLedgerQuery.mobile(_MOBILE, start=_START, end=_END)
    one_month = evolve(ten_years, start=datetime(2024, 6, 1), end=datetime(2024, 7, 1))
    jobs = (
        ("150 entries in ten years, all of them", 150, ten_years),
        ("20,000 entries in ten years, all of them", 20_000, ten_years),
        ("20,000 entries in ten years, one month asked for", 20_000, one_month),
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
    """The query in parts that one request may span, a second on either side."""
    start, last = (cast("datetime", moment) for moment in (query.start, query.end))
    while start < last:
        end = min(last, start + _LONGEST - timedelta(days=1))
        yield evolve(query, start=start, end=end)
        start = end


async def _sent(url: str, queries: list[CustomerLedgerQuery]) -> int:
    """Walk each to its end, one after another and none ahead of what is known; give the requests of all."""
    sent = 0
    async with LedgerSession(url, AUTH, timezone=UTC) as session:
        for query in queries:
            walk = session.entries(query)
            await walk.collect()
            sent += walk.report.requests
    return sent
