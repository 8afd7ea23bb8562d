"""Five hundred walks through a service that fails in three requests of ten, and eight under a limit."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from support.clock import LoopClock, VirtualTimeLoop

from capledger import BasicAuth, CustomerLedgerQuery, LedgerSession, RateLimit
from capledger.sandbox import FaultScript, Rules, Sandbox, SandboxCustomer, faults, seed_rows
from capledger.sandbox.request_log import busiest_minute
from capledger.sandbox.rows import read_date

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from capledger import LedgerEntry

Ledger = list[dict[str, Any]]

START, END = datetime(2024, 1, 1), datetime(2024, 6, 1)
FAULTS = [
    *(faults.status(code) for code in (500, 502, 503, 521)),
    faults.too_many(),
    faults.too_many("1"),
    faults.reset(),
    faults.cut_body(),
    faults.html(),
    faults.slow(0.5),
]


def run(main: Coroutine[Any, Any, Any]) -> None:
    """In virtual time, without asyncio's debug mode, which would take most of the time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(main)


def mobile(number: int) -> str:
    return str(917_400_000_000 + number)


def ledgers(count: int, rows: int) -> list[Ledger]:
    return [seed_rows(number, rows, START, END) for number in range(count)]


@asynccontextmanager
async def service(
    rows: list[Ledger], script: FaultScript | None, rules: Rules | None = None, **options: Any
) -> AsyncIterator[tuple[Sandbox, LedgerSession]]:
    holders = [SandboxCustomer(mobile(number), ledger) for number, ledger in enumerate(rows)]
    async with Sandbox(holders, faults=script, rules=rules, clock=asyncio.get_running_loop().time) as box:
        auth = BasicAuth("store.server", "server123")
        async with LedgerSession(box.url, auth, timezone=UTC, clock=LoopClock(), **options) as session:
            yield box, session


async def walk(session: LedgerSession, number: int, **options: Any) -> list[LedgerEntry]:
    query = CustomerLedgerQuery.mobile(mobile(number), include_alternate_currencies=True, **options)
    walk = session.entries(query)
    entries = await walk.collect()
    assert walk.report.complete
    return entries


def ids(entries: list[LedgerEntry]) -> list[int]:
    return [entry.event_log_id for entry in entries]


def expected(ledger: Ledger) -> list[int]:
    return [number for _, number in sorted((read_date(row["ledgerCreatedDate"]), row["eventLogId"]) for row in ledger)]


@pytest.mark.parametrize("together", [1, 40])
def test_five_hundred_walks_through_a_storm_are_exact(together: int) -> None:
    """With the usual policy, one after another or forty at once, each of 500 walks gives exactly its entries."""
    rows = ledgers(500, 12)

    async def main() -> None:
        script = faults.random_faults(together, 0.3, FAULTS)
        async with service(rows, script, Rules(latency=0.01)) as (box, session):
            turns = asyncio.Semaphore(together)

            async def one(number: int) -> list[int]:
                async with turns:
                    return ids(await walk(session, number, page_size=8))

            came = await asyncio.gather(*(one(number) for number in range(500)))

            assert came == [expected(ledger) for ledger in rows]
            assert 0.25 < len([logged for logged in box.requests if logged.fault]) / len(box.requests) < 0.35
            assert asyncio.get_running_loop().time() < 150

    run(main())


def test_a_storm_under_a_limit_keeps_the_limit() -> None:
    """Faults, retries and HTTP 429 responses included, no minute has more than its 600 requests."""
    rows = ledgers(8, 600)

    async def main() -> None:
        script = faults.random_faults(3, 0.3, FAULTS)
        rules = Rules(latency=0.05, requests_per_minute=600)
        async with service(rows, script, rules, rate_limit=RateLimit(600), max_connections=16) as (box, session):
            came = await asyncio.gather(*(walk(session, number, page_size=10) for number in range(8)))

            assert [ids(entries) for entries in came] == [expected(ledger) for ledger in rows]
            assert busiest_minute(box.requests) <= 600

    run(main())


def test_eight_walks_use_their_limit_and_never_exceed_it() -> None:
    """Of 600 a minute at least 95% are used while eight walks have pages to ask for; none is above, none refused."""
    rows = ledgers(8, 1_505)

    async def main() -> None:
        rules = Rules(latency=0.2, requests_per_minute=600)
        async with service(rows, None, rules, rate_limit=RateLimit(600), max_connections=16) as (box, session):
            came = await asyncio.gather(*(walk(session, number, page_size=10) for number in range(8)))

            assert [ids(entries) for entries in came] == [expected(ledger) for ledger in rows]
            assert busiest_minute(box.requests) <= 600
            assert {logged.status for logged in box.requests} == {200}
            assert len([logged for logged in box.requests if logged.started < 120]) >= 0.95 * 1_200

    run(main())
