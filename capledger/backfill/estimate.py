"""How long a job will take, extrapolated from a sample of its customers."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from attrs import define, field, frozen

from capledger.backfill.batches import Batches
from capledger.backfill.database import JOB_FILE, Database
from capledger.backfill.manifest import check_not_sharded
from capledger.backfill.plan import make_reader, update_plan
from capledger.backfill.query_codec import decode_template
from capledger.backfill.sinks import sink_for
from capledger.backfill.state import JobState, describe_error
from capledger.backfill.verification import check_files
from capledger.backfill.workers import FATAL_ERRORS, is_of_service
from capledger.errors import CapledgerError, ConnectionFailedError, RequestTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from os import PathLike

    from capledger.backfill.plan import ListChange
    from capledger.backfill.state import PlannedCustomer
    from capledger.many import Queries
    from capledger.queries import EventFlags, LedgerQuery
    from capledger.session import LedgerSession
    from capledger.walk import LedgerWalk

#: Most requests for a sample, retries included.
_MAX_REQUESTS: Final = 50
#: Most requests that one more page may cost: the attempts of a session with default settings.
_RESERVE: Final = 6
#: Requests for one customer, or more where there are few customers.
_REQUESTS_PER_CUSTOMER: Final = 4
#: Estimates below this are not rounded.
_EXACT: Final = 1_000


@frozen(kw_only=True)
class Estimate:
    """What is left of a job, approximately."""

    customers: int
    """Number of customers, each once."""
    duplicates: int
    """Number of duplicates among the queries."""
    left: int
    """Number of customers that the run would fetch."""
    sampled: int
    """Number of customers in the sample."""
    failed: int
    """Number of customers in the sample that failed."""
    errors: dict[str, int]
    """Number of customers in the sample by their error, the most frequent errors first."""
    sample_requests: int
    """Number of requests sent for the sample."""
    requests: int
    """Number of requests still to be sent, with three significant digits."""
    balance_requests: int
    """Number of those for balances: one for each customer, and another where the range has a start."""
    entries: int
    """Number of entries still to be received, with three significant digits."""
    requests_per_minute: float
    """The rate assumed: the limit, or what the response times of the sample allow."""
    limited: bool
    """Whether that rate is the limit stated."""
    seconds: float
    """Time that the requests take at that rate."""


@define
class _Sample:
    customers: int = 0
    failed: int = 0
    sent: int = 0
    requests: float = 0.0
    entries: float = 0.0
    seconds: float = 0.0
    errors: Counter[str] = field(factory=Counter)
    balance_requests: int = 0
    """Requests for balances, which are counted and not sampled."""

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
    format: str = "parquet",  # noqa: A002 - as for a backfill
    requests_per_minute: int | None = None,
    concurrency: int = 8,
    retry_set_aside: bool = False,
    exact: bool = False,
    repair: bool = False,
    on_incomplete: Literal["raise", "warn"] = "raise",
    details: bool | EventFlags = False,
    balances: bool = False,
) -> Estimate:
    """Fetch a sample of the customers, with at most 50 requests, and extrapolate; write nothing.

    Args:
        session: open.
        queries: as for a backfill.
        out: its directory. Where the job was started already, the rest of it is estimated.
        format: as for a backfill.
        requests_per_minute: the limit of the backfill.
        concurrency: customers at once; matters where no limit is given.
        retry_set_aside: as for a backfill.
        exact: as for a backfill.
        repair: as for a backfill.
        on_incomplete: as for a backfill.
        details: as for a backfill.
        balances: as for a backfill; they are estimated and not part of the sample.

    Raises:
        InvalidQueryError: an item is not a query, or the directory belongs to another job.
        DamagedFilesError: data files are missing or were changed, and ``repair`` is False.
        CapledgerError: the service cannot be reached, or fails for every customer of the sample.
    """
    if out is not None:
        check_not_sharded(Path(out))
    started = out is not None and (Path(out) / JOB_FILE).exists()
    database = Database(Path(out) if out is not None and started else None)
    try:
        reader = make_reader(session, sink_for(format).format, details=details, balances=balances)
        with database.trial():
            change = await update_plan(database, queries, reader, exact=exact, replaceable=True)
            state = JobState(database)
            if out is not None and started:
                _begin_run(state, Batches(database), Path(out), retry=retry_set_aside, repair=repair)
            open_walk = partial(session.entries, prefetch=1, on_incomplete=on_incomplete, details=details)
            sample = await _fetch_sample(open_walk, state.sample(_MAX_REQUESTS, only_retried=retry_set_aside))
            if balances:
                sample.balance_requests = _count_balance_requests(database, only_retried=retry_set_aside)
            return _extrapolate(
                database,
                sample,
                change,
                state.planned(only_retried=retry_set_aside),
                requests_per_minute=requests_per_minute,
                concurrency=concurrency,
            )
    finally:
        database.close()


def _begin_run(state: JobState, batches: Batches, out: Path, *, retry: bool, repair: bool) -> None:
    """Change the state as a run of the job does at its beginning."""
    state.start_run()
    for problem in check_files(out, batches, repair=repair, contents=not state.planned()):
        batches.drop_file(Path(problem.file).name)
    if retry:
        state.replan_failed()


async def _fetch_sample(open_walk: Callable[..., LedgerWalk], customers: list[PlannedCustomer]) -> _Sample:
    """Fetch one customer after the other, so that the number of requests stays known.

    Raises:
        CapledgerError: the service cannot be reached, or fails for everybody.
    """
    sample = _Sample()
    failure: CapledgerError | None = None
    loop = asyncio.get_running_loop()
    for number, customer in enumerate(customers):
        allowed = _MAX_REQUESTS - sample.sent - _RESERVE
        if allowed < 0:
            break
        walk = open_walk(customer.query, resume_from=customer.cursor)
        started = loop.time()
        share = max(_REQUESTS_PER_CUSTOMER, allowed // (len(customers) - number))
        try:
            await _walk(sample, customer, walk, min(allowed, share))
        except (*FATAL_ERRORS, ConnectionFailedError, RequestTimeoutError):
            raise
        except CapledgerError as error:
            sample.errors[describe_error(error)] += 1
            failure = error if is_of_service(error) else failure
            sample.failed += 1
            sample.add(walk.report.requests, walk.report.rows_yielded)
        await walk.aclose()
        sample.sent += walk.report.requests
        sample.seconds += loop.time() - started
    if failure is not None and sample.failed == sample.customers:
        raise failure
    return sample


async def _walk(sample: _Sample, customer: PlannedCustomer, walk: LedgerWalk, max_requests: int) -> None:
    """Walk until the requests are used up, and extrapolate the rest."""
    report = walk.report
    async for page in walk.pages():
        if report.requests > max_requests:
            left = _entries_left(walk, customer.query, page.entries[-1].ledger_created_date) if page.entries else 0
            sample.add(report.pages + ceil(left / customer.query.page_size), report.rows_yielded + left)
            return
    sample.add(report.requests, report.rows_yielded)


def _entries_left(walk: LedgerWalk, query: LedgerQuery, reached: datetime) -> int:
    """Estimate the entries left, from the part of the range that is left or from the total the service states."""
    report, start = walk.report, walk.start
    if start is None:
        return max(0, (report.rows_expected or 0) - report.rows_received)
    part = abs(reached - start) / (walk.end - start)
    part = max(0.01, part if query.order == "asc" else 1 - part)
    return round(report.rows_yielded / part * (1 - part))


def _about(number: float) -> int:
    """Return a number with three significant digits, since a sample is not more exact."""
    return int(float(f"{number:.3g}")) if number >= _EXACT else round(number)


def _count_balance_requests(database: Database, *, only_retried: bool) -> int:
    """Return how many requests the balances of customers take that are still to be fetched."""
    rows = database.fetch_all(
        "SELECT query, count(*) FROM customers JOIN templates ON templates.id = template "
        "WHERE state = 'planned' AND retry >= ? GROUP BY query",
        int(only_retried),
    )
    return sum(count * (1 if decode_template(query).get("start") is None else 2) for query, count in rows)


def _extrapolate(
    database: Database,
    sample: _Sample,
    change: ListChange,
    left: int,
    *,
    requests_per_minute: int | None,
    concurrency: int,
) -> Estimate:
    customers = database.fetch_number("SELECT count(*) FROM customers")
    factor = left / sample.customers if sample.customers else 0.0
    requests = _about(sample.requests * factor + sample.balance_requests)
    possible = concurrency * sample.sent / max(sample.seconds, 0.001) * 60
    rate = possible if requests_per_minute is None else min(possible, requests_per_minute)
    return Estimate(
        customers=customers,
        duplicates=change.duplicates,
        left=left,
        sampled=sample.customers,
        failed=sample.failed,
        errors=dict(sample.errors.most_common()),
        sample_requests=sample.sent,
        requests=requests,
        balance_requests=_about(sample.balance_requests),
        entries=_about(sample.entries * factor),
        requests_per_minute=rate or 1.0,
        limited=requests_per_minute is not None and rate == requests_per_minute,
        seconds=requests / rate * 60 if rate else 0.0,
    )
