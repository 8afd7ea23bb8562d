"""The public names as a program uses them: read by mypy, never run."""

from __future__ import annotations

import ssl
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, assert_type
from zoneinfo import ZoneInfo

from attrs import evolve

from capledger import (
    ApiError,
    Balance,
    BalanceOutcome,
    BalanceQuery,
    BalanceWalk,
    BasicAuth,
    CapledgerError,
    ConcurrentUseError,
    CustomerLedgerQuery,
    EventDetailsQuery,
    EventFlags,
    EventWalk,
    GroupLedgerQuery,
    LeaseBook,
    LeasedRateLimiter,
    LedgerEntry,
    LedgerEvent,
    LedgerOutcome,
    LedgerPage,
    LedgerQuery,
    LedgerSession,
    LedgerWalk,
    ManyWalks,
    OAuthClientCredentials,
    OrgScope,
    Progress,
    RateLimit,
    RateLimiter,
    RetryPolicy,
    WalkReport,
)
from capledger.blocking import BlockingSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


customer = CustomerLedgerQuery(
    identifier_name="mobile",
    identifier_value="917406401004",
    start=date(2024, 1, 1),
    end=datetime(2024, 2, 1, tzinfo=UTC),
    order="desc",
    alternate_currency_names="Stars",
)
assert_type(customer, CustomerLedgerQuery)
assert_type(customer.start, datetime | None)
assert_type(customer.alternate_currency_names, tuple[str, ...])
assert_type(evolve(customer, till_ids=[1, 2]), CustomerLedgerQuery)
assert_type(customer.fingerprint_fields(), tuple[tuple[str, str], ...])

assert_type(CustomerLedgerQuery.mobile(917406401004, till_ids=[1], scope=OrgScope.other(50405)), CustomerLedgerQuery)
CustomerLedgerQuery.mobile("1", order="ascending")  # type: ignore[arg-type]  # only asc and desc
CustomerLedgerQuery.mobile("1", tills=[1])  # type: ignore[call-arg]  # no such keyword
CustomerLedgerQuery.email(1)  # type: ignore[arg-type]  # an address is a text

group: LedgerQuery = GroupLedgerQuery(identifier_value=381335652, roles={"PRIMARY"})

events = EventDetailsQuery(identifier_name="id", identifier_value=1, event_ids=["13499091", 13499092], api_version="v2")
EventDetailsQuery(identifier_name="id", identifier_value=1, event_name="ReturnBill", event_reference_ids=[1, "a"])
EventDetailsQuery(identifier_name="id", identifier_value=1, event_ids=[1.5])  # type: ignore[list-item]  # whole numbers

balance_query = BalanceQuery(identifier_name="mobile", identifier_value=1, at=date(2024, 1, 1))


def is_concurrent(error: CapledgerError) -> bool:
    return isinstance(error, ConcurrentUseError)


def code_of(error: ApiError) -> int:
    assert_type(error.request_id, str | None)
    return error.code


async def queries() -> AsyncIterator[CustomerLedgerQuery]:
    yield customer


async def walk() -> None:
    auth = BasicAuth("store.server", "server123")
    async with LedgerSession(
        "https://eu.api.capillarytech.com",
        auth,
        timezone=ZoneInfo("Europe/Dublin"),
        rate_limit=RateLimit(requests_per_minute=600),
        retry=RetryPolicy(attempts=6),
        max_connections=8,
        timeout=30.0,
    ) as session:
        entries = session.entries(customer, prefetch=4, resume_from=None, on_incomplete="raise")
        assert_type(entries, LedgerWalk)
        async for entry in entries:
            assert_type(entry, LedgerEntry)
            assert_type(entry.net_points_on_event, Decimal | None)
            assert_type(entry.net_alternate_currencies_on_event, dict[str, Decimal])
            assert_type(entry.ledger_created_date, datetime)
        assert_type(entries.cursor, str)
        assert_type(entries.report, WalkReport)
        async for page in session.entries(group).pages():
            assert_type(page, LedgerPage)
        assert_type(await session.entries(customer).collect(), list[LedgerEntry])
        async for entry in session.entries(customer, details=True):
            assert_type(entry.event, LedgerEvent | None)
        session.entries(customer, details=EventFlags(get_bill_details=True))
        session.entries(customer, details="bills")  # type: ignore[arg-type]  # a flag, or flags
        assert_type(session.events(events, prefetch=4), EventWalk)
        async for event in session.events(events):
            assert_type(event, LedgerEvent)
        assert_type(session.events(events).missing, list[int | str])
        many = session.fetch_many([customer, group], max_in_flight=32, ordered=True)
        assert_type(many, ManyWalks[LedgerOutcome])
        assert_type(many.progress, Progress)
        assert_type(many.progress.seconds_left, float | None)
        async for outcome in many:
            assert_type(outcome.query, LedgerQuery)
            assert_type(outcome.entries, list[LedgerEntry])
            assert_type(outcome.error, CapledgerError | None)
            assert_type(outcome.report, WalkReport)
            assert_type(outcome.cursor, str | None)
        async for query, page in session.stream_many(queries(), on_outcome=print):
            assert_type(query, LedgerQuery)
            assert_type(page, LedgerPage)
        balances = session.balances(balance_query)
        assert_type(balances, BalanceWalk)
        async for balance in balances:
            assert_type(balance.closing_balance, Decimal)
        assert_type(await balances.collect(), list[Balance])
        assert_type(session.fetch_many([balance_query]), ManyWalks[BalanceOutcome])
        assert_type(session.fetch_many([customer, balance_query]), ManyWalks[LedgerOutcome | BalanceOutcome])
        session.fetch_many(["917406401004"])  # type: ignore[list-item]  # queries, not identifiers
    LedgerSession("https://eu.api.capillarytech.com", OAuthClientCredentials("key", "secret"))
    LedgerSession(
        "https://eu.api.capillarytech.com",
        BasicAuth("store.server", "server123"),
        retry=RetryPolicy(statuses=RetryPolicy().statuses | {418}, codes=[9003]),
        headers={"User-Agent": "app/1.2"},
        proxy="http://proxy.example:3128",
        ssl=ssl.create_default_context(),
    )


def without_async() -> None:
    """Check the types of the session without ``async``."""
    with LedgerSession.sync("https://eu.api.capillarytech.com", BasicAuth("till", "secret"), timeout=5.0) as session:
        assert_type(session, BlockingSession)
        walk = session.entries(customer, prefetch=2, on_incomplete="warn")
        assert_type(list(walk), list[LedgerEntry])
        assert_type(list(walk.pages()), list[LedgerPage])
        assert_type((walk.collect(), walk.cursor, walk.report), tuple[list[LedgerEntry], str, WalkReport])
        assert_type(list(session.fetch_many([customer])), list[LedgerOutcome])
        assert_type(list(session.stream_many([customer])), list[tuple[LedgerQuery, LedgerPage]])


class BookInThisProcess:
    """A source of leases as a user writes it."""

    grace = 60.0

    def __init__(self) -> None:
        self._book = LeaseBook(600, 0.0, grace=self.grace, closed_for=0)

    async def lease(
        self, want: int, settled: Sequence[tuple[int, float]], unused: Sequence[int]
    ) -> tuple[int, int, float]:
        return self._book.lease(1.0, want, settled, unused)


limiter: RateLimiter = LeasedRateLimiter(BookInThisProcess(), max_wait=timedelta(minutes=5))
LedgerSession("https://eu.api.capillarytech.com", BasicAuth("user", "password"), rate_limiter=limiter)
