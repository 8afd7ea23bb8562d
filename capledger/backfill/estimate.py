"""How long a job will take, from a sample of its customers."""

from __future__ import annotations

import asyncio
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import define, frozen

from capledger.backfill.database import JOB_FILE, Store
from capledger.backfill.plan import check_plan, is_planned, make_plan, noted_identity, reader_for
from capledger.backfill.sinks import sink_for
from capledger.backfill.state import Job
from capledger.backfill.verdict import FOR_ALL
from capledger.errors import CapledgerError

if TYPE_CHECKING:
    from datetime import datetime
    from os import PathLike

    from capledger.backfill.state import Customer
    from capledger.many import Queries
    from capledger.queries import LedgerQuery
    from capledger.session import LedgerSession
    from capledger.walk import LedgerWalk

#: Requests for a sample, retries included.
MOST_REQUESTS: Final = 50
#: What one more page may cost at the worst: the attempts of a session as it comes.
_RESERVE: Final = 6
#: Requests for one customer, or more where there are few of them.
_PAGES: Final = 4


@frozen(kw_only=True)
class Estimate:
    """What is left of a job, about."""

    #: Each once.
    customers: int
    #: Repeats among the queries.
    duplicates: int
    #: Customers still to be fetched.
    left: int
    #: Customers that were asked for, of these.
    sampled: int
    #: Of the sample, those who would be set aside.
    failed: int
    #: Sent for the sample.
    sample_requests: int
    #: Still to be sent.
    requests: int
    #: Entries still to come.
    entries: int
    #: The limit; None: what the sample's answers allow with as many customers at once.
    requests_per_minute: float
    #: Whether that is a limit that was stated.
    limited: bool
    seconds: float


@define
class _Sample:
    customers: int = 0
    failed: int = 0
    sent: int = 0
    requests: float = 0.0
    entries: float = 0.0
    seconds: float = 0.0

    def add(self, requests: int, entries: int) -> None:
        """Count a customer."""
        self.customers += 1
        self.requests += requests
        self.entries += entries


async def estimate(
    session: LedgerSession,
    queries: Queries,
    *,
    out: str | PathLike[str] | None = None,
    format: str = "parquet",  # noqa: A002  (as for a backfill)
    requests_per_minute: int | None = None,
    concurrency: int = 8,
) -> Estimate:
    """Ask for some customers, 50 requests at the most, and reckon what all of them take; writes nothing.

    Args:
        session: open.
        queries: as for a backfill.
        out: its directory. Where the job is begun already, what is left of it is reckoned.
        format: as for a backfill.
        requests_per_minute: the limit that it will go by.
        concurrency: customers at once; counts where no limit is given.

    Raises:
        InvalidQueryError: a query is none, or the directory is of another job.
    """
    begun = out is not None and (Path(out) / JOB_FILE).exists()
    store = Store(Path(out) if out is not None and begun else None)
    try:
        reader = reader_for(session, sink_for(format).format)
        if is_planned(store):
            await check_plan(store, queries, reader)
        else:
            await make_plan(store, queries, reader)
        sample = await _take(session, Job(store).sample(MOST_REQUESTS))
        return _reckon(store, sample, requests_per_minute, concurrency)
    finally:
        store.close()


async def _take(session: LedgerSession, customers: list[Customer]) -> _Sample:
    """Ask one after the other, so that no request is sent that was not counted on."""
    sample = _Sample()
    loop = asyncio.get_running_loop()
    for number, customer in enumerate(customers):
        allowed = MOST_REQUESTS - sample.sent - _RESERVE
        if allowed < 0:
            break
        walk = session.entries(customer.query, prefetch=1, resume_from=customer.cursor)
        began = loop.time()
        try:
            await _walk(sample, customer, walk, min(allowed, max(_PAGES, allowed // (len(customers) - number))))
        except FOR_ALL:
            raise
        except CapledgerError:
            sample.failed += 1
            sample.add(walk.report.requests, walk.report.rows_yielded)
        await walk.aclose()
        sample.sent += walk.report.requests
        sample.seconds += loop.time() - began
    return sample


async def _walk(sample: _Sample, customer: Customer, walk: LedgerWalk, most_requests: int) -> None:
    """Walk as far as the requests go; what is beyond is reckoned."""
    report = walk.report
    async for page in walk.pages():
        if report.requests > most_requests:
            left = _left(walk, customer.query, page.entries[-1].ledger_created_date) if page.entries else 0
            sample.add(report.pages + ceil(left / customer.query.page_size), report.rows_yielded + left)
            return
    sample.add(report.requests, report.rows_yielded)


def _left(walk: LedgerWalk, query: LedgerQuery, reached: datetime) -> int:
    """Reckon the entries beyond: from the part of the range that is left, or from the total that the service states."""
    report, start = walk.report, walk.start
    if start is None:
        return max(0, (report.rows_expected or 0) - report.rows_received)
    through = abs(reached - start) / (walk.end - start)
    through = max(0.01, through if query.order == "asc" else 1 - through)
    return round(report.rows_yielded / through * (1 - through))


def _reckon(store: Store, sample: _Sample, requests_per_minute: int | None, concurrency: int) -> Estimate:
    left = store.number("SELECT count(*) FROM customers WHERE state IN ('planned', 'running')")
    customers = store.number("SELECT count(*) FROM customers")
    each = left / sample.customers if sample.customers else 0.0
    requests = round(sample.requests * each)
    possible = concurrency * sample.sent / max(sample.seconds, 0.001) * 60
    rate = possible if requests_per_minute is None else min(possible, requests_per_minute)
    return Estimate(
        customers=customers,
        duplicates=noted_identity(store).customers - customers,
        left=left,
        sampled=sample.customers,
        failed=sample.failed,
        sample_requests=sample.sent,
        requests=requests,
        entries=round(sample.entries * each),
        requests_per_minute=rate or 1.0,
        limited=requests_per_minute is not None and rate == requests_per_minute,
        seconds=requests / rate * 60 if rate else 0.0,
    )
