"""``session.balances(query)``: every balance of a customer, or an error."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from support.ledgers import MOBILE, sandbox, session

from capledger import (
    Balance,
    BalanceOutcome,
    BalancePage,
    BalanceQuery,
    BasicAuth,
    ConcurrentUseError,
    ConnectedOrgError,
    CustomerLedgerQuery,
    CustomerNotFoundError,
    IncompleteLedgerError,
    InvalidQueryError,
    LedgerOutcome,
    LedgerSession,
    OrgScope,
    PaginationError,
)
from capledger.balances import BalanceWalk
from capledger.models import LedgerDetails, Notice
from capledger.sandbox import Rules, faults, make_row, seed_rows
from capledger.server_profile import ServerProfile

if TYPE_CHECKING:
    from capledger._sansio.context import RequestContext
    from capledger._sansio.requests import Request

START, END = datetime(2024, 1, 1), datetime(2025, 1, 1)
ROWS = seed_rows(3, 80, START, END)


def query(**options: Any) -> BalanceQuery:
    return BalanceQuery(**{"identifier_name": "mobile", "identifier_value": MOBILE} | options)


def summed(rows: list[dict[str, Any]]) -> dict[tuple[str, str | None], Decimal]:
    """Return the balances of rows by category and currency, by hand."""
    sums: dict[tuple[str, str | None], Decimal] = {}
    for detail in (detail for row in rows for detail in row["entryDetails"]):
        key = detail["pointsCategory"], detail.get("alternateCurrencyName")
        sign = -1 if detail["ledgerEntryType"] == "DEBIT" else 1
        sums[key] = sums.get(key, Decimal(0)) + sign * Decimal(detail["points"])
    return {key: value for key, value in sums.items() if value}


def by_account(balances: list[Balance]) -> dict[tuple[str | None, str | None], Decimal]:
    return {(item.points_category, item.alternate_currency_name): item.closing_balance for item in balances}


async def test_balances_are_the_sums_of_the_ledger() -> None:
    """The balances of all accounts equal the sums of the rows, in all currencies, with three decimals."""
    async with sandbox(ROWS) as box, session(box) as ledger:
        walk = ledger.balances(query(include_alternate_currencies=True))

        balances = by_account(await walk.collect())

    assert {key: value for key, value in balances.items() if value} == summed(ROWS)
    assert str(balances["Main", None]).partition(".")[2] != ""
    assert walk.report.complete
    assert (walk.report.requests, walk.report.rows_yielded) == (1, len(balances))


async def test_request_has_the_documented_parameters() -> None:
    """The request has the documented path and parameters, and the moment as ``endDate``."""
    async with sandbox(ROWS) as box, session(box) as ledger:
        asked = query(
            at=datetime(2024, 6, 1, 12, tzinfo=UTC),
            include_till_concept_events=False,
            ledger_entry_type="CREDIT",
            point_category_type="REGULAR",
            alternate_currency_names="Stars",
        )
        await ledger.balances(asked).collect()
        sent = box.requests[0]

    assert sent.path == "/v2/pointsLedger/getCustomerLedgerBalance"
    assert sent.query == {
        "identifierName": "mobile",
        "identifierValue": MOBILE,
        "source": "INSTORE",
        "alternateCurrencyNames": "Stars",
        "includeTillConceptEvents": "false",
        "ledgerEntryType": "CREDIT",
        "pointCategoryType": "REGULAR",
        "offset": "0",
        "limit": "100",
        "endDate": "2024-06-01T12:00:00",
    }


@pytest.mark.parametrize(
    ("at", "sent"),
    [
        (date(2024, 6, 1), "2024-06-01T00:00:00"),
        (datetime(2024, 6, 1, 9, 30, 0, 999_000), "2024-06-01T09:30:00"),
        (datetime(2024, 6, 1, tzinfo=UTC), "2024-06-01T05:30:00"),
    ],
)
async def test_moment_is_sent_in_the_time_of_the_server(at: date, sent: str) -> None:
    """Days are their midnight, naive moments are server time, aware ones are converted."""
    async with sandbox(ROWS) as box:
        zone = ZoneInfo("Asia/Kolkata")
        async with LedgerSession(box.url, BasicAuth("store.server", "server123"), timezone=zone) as ledger:
            await ledger.balances(query(at=at)).collect()

        assert box.requests[0].query["endDate"] == sent


async def test_balances_of_a_moment() -> None:
    """Balances at a moment are the sums of the rows up to it; accounts that are empty then are zero."""
    moment = datetime(2024, 7, 15, 13)
    before = [row for row in ROWS if datetime.fromisoformat(row["ledgerCreatedDate"]) <= moment]
    async with sandbox(ROWS) as box, session(box) as ledger:
        at_that_time = by_account(await ledger.balances(query(at=moment, include_alternate_currencies=True)).collect())
        at_first = await ledger.balances(query(at=START - timedelta(days=1))).collect()

    assert {key: value for key, value in at_that_time.items() if value} == summed(before)
    assert {item.closing_balance for item in at_first} == {Decimal(0)}


async def test_a_naive_moment_needs_no_zone() -> None:
    """Only an aware moment needs the zone of the server."""
    async with sandbox(ROWS) as box, LedgerSession(box.url, BasicAuth("store.server", "server123")) as ledger:
        assert await ledger.balances(query(at=END)).collect()
        with pytest.raises(InvalidQueryError, match="time zone"):
            ledger.balances(query(at=END.replace(tzinfo=UTC)))


@pytest.mark.parametrize("rules", [Rules(max_limit=2), Rules(max_limit=2, cap_silently=True)])
async def test_all_pages_are_read(rules: Rules) -> None:
    """Pages smaller than requested are read to their end, whether the service refuses a limit or caps it."""
    async with sandbox(ROWS, rules) as box, session(box) as ledger:
        balances = await ledger.balances(query(include_alternate_currencies=True)).collect()
        again = ledger.balances(query(include_alternate_currencies=True))
        await again.collect()

    assert len(balances) == 5
    assert again.report.requests == 3


async def test_customer_without_entries_has_no_balances() -> None:
    """A customer without entries has no balances, which is no error."""
    async with sandbox([]) as box, session(box) as ledger:
        walk = ledger.balances(query())

        assert await walk.collect() == []
    assert walk.report.complete


async def test_errors_of_the_service() -> None:
    """An unknown customer and an organisation that is not connected are their own errors; v2.1 has the scope."""
    async with sandbox(ROWS) as box, session(box) as ledger:
        with pytest.raises(CustomerNotFoundError):
            await ledger.balances(query(identifier_value="917400000999")).collect()
        with pytest.raises(ConnectedOrgError):
            await ledger.balances(query(scope=OrgScope.other(5))).collect()
        assert await ledger.balances(query(scope=OrgScope.own())).collect()

        assert box.requests[-1].path == "/v2.1/pointsLedger/getCustomerLedgerBalance"
        assert box.requests[-1].headers["data-scope"] == "SELF"


async def test_session_refuses_other_queries() -> None:
    """A ledger query is no query of balances, and the other way round."""
    async with sandbox(ROWS) as box, session(box) as ledger:
        with pytest.raises(InvalidQueryError, match="BalanceQuery"):
            ledger.balances(CustomerLedgerQuery.mobile(MOBILE))  # type: ignore[arg-type]  # the wrong query
        with pytest.raises(InvalidQueryError, match="CustomerLedgerQuery"):
            ledger.entries(query())  # type: ignore[arg-type]  # the wrong query


async def test_sandbox_can_have_an_error_in_its_books() -> None:
    """``faults.wrong_balance`` changes one balance and leaves ledgers as they are."""
    script = faults.always(faults.wrong_balance("-0.500", row=1))
    async with sandbox(ROWS, faults=script) as box, session(box) as ledger:
        wrong = await ledger.balances(query()).collect()
        box.faults = None
        right = await ledger.balances(query()).collect()

    differences = [a.closing_balance - b.closing_balance for a, b in zip(wrong, right, strict=True)]
    assert differences == [Decimal(0), Decimal("-0.500"), Decimal(0)]


# Pages that contradict each other, without a network


def balance(number: int) -> Balance:
    return Balance(number, "Harbour Rewards", "Main", closing_balance=Decimal(number))


def page(number: int, numbers: range, *, total: int = 5, pages: int = 3, page_size: int = 2) -> BalancePage:
    return BalancePage(LedgerDetails(number, page_size, total, pages, [balance(item) for item in numbers]))


PAGES = [page(0, range(2)), page(1, range(2, 4)), page(2, range(4, 5))]
PAST_THE_END = BalancePage(warnings=[Notice(11003)])


class Service:
    """Responds with the given pages, in order, and counts requests."""

    def __init__(self, *pages: BalancePage) -> None:
        self.pages = list(pages)
        self.offsets: list[str] = []

    async def __call__(self, request: Request[Any], context: RequestContext) -> Any:
        self.offsets.append(dict(request.params)["offset"])
        context.counters.requests += 1
        await asyncio.sleep(0)
        return self

    async def value(self) -> Any:
        return self.pages.pop(0)


def walk_of(service: Service) -> BalanceWalk:
    return BalanceWalk(query(), at=None, send=service, profile=ServerProfile())


async def test_pages_are_read_in_order() -> None:
    """Pages are requested by number until the stated end."""
    service = Service(*PAGES)

    balances = await walk_of(service).collect()

    assert balances == [balance(number) for number in range(5)]
    assert service.offsets == ["0", "1", "2"]


@pytest.mark.parametrize(
    "broken",
    [
        [page(0, range(2)), page(0, range(2))],
        [page(0, range(2)), page(1, range(2))],
        [page(0, range(2)), page(1, range(2, 4), total=6)],
        [page(0, range(2)), page(1, range(2, 3)), page(2, range(4, 5)), page(3, range(0))],
        [page(0, range(2)), page(1, range(2, 3)), page(2, range(4, 5)), PAST_THE_END],
        [page(0, range(2)), page(1, range(0))],
        [page(0, range(6), pages=1)],
    ],
    ids=["repeated page", "repeated rows", "another total", "short page", "11003", "empty page", "more than stated"],
)
async def test_contradictions_are_read_again(broken: list[BalancePage]) -> None:
    """Pages that contradict each other are read again; only the balances of a sound reading are yielded."""
    service = Service(*broken, *PAGES)

    assert await walk_of(service).collect() == [balance(number) for number in range(5)]


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ([page(0, range(2)), page(0, range(2))], PaginationError),
        ([page(0, range(2)), page(1, range(2, 4), total=6)], PaginationError),
        ([page(0, range(2)), page(1, range(2, 3)), page(2, range(4, 5)), PAST_THE_END], IncompleteLedgerError),
        ([BalancePage(LedgerDetails(0, 2, None, None, [balance(1)])), PAST_THE_END], IncompleteLedgerError),
    ],
)
async def test_lasting_contradictions_are_errors(broken: list[BalancePage], error: type[Exception]) -> None:
    """Contradictions that last end the walk in an error after three readings; the walk can be iterated again."""
    service = Service(*broken, *broken, *broken, *PAGES)
    walk = walk_of(service)

    with pytest.raises(error):
        await walk.collect()
    assert not walk.report.complete
    assert len(await walk.collect()) == 5
    assert await walk.collect() == []


async def test_two_balances_of_one_account_are_an_error() -> None:
    """Two balances of one account, such as of currencies whose name is missing, are an error and never both yielded."""
    with pytest.raises(PaginationError, match="one account"):
        await walk_of(Service(*[BalancePage(LedgerDetails(0, 10, 2, 1, [balance(1), balance(1)]))] * 3)).collect()


async def test_pending_events_leave_the_walk_incomplete() -> None:
    """The warning of pending events is in the report, which is not complete then."""
    pending = BalancePage(LedgerDetails(0, 10, 1, 1, [balance(1)]), warnings=[Notice(11002, "pending")])
    walk = walk_of(Service(pending))

    await walk.collect()

    assert walk.report.warnings == [Notice(11002, "pending")]
    assert not walk.report.complete


async def test_one_consumer_at_a_time() -> None:
    """A second task on the same walk is refused."""
    walk = walk_of(Service(*PAGES))

    results = await asyncio.gather(walk.collect(), walk.collect(), return_exceptions=True)

    assert [type(result) for result in results] == [list, ConcurrentUseError]


async def test_fetch_many_takes_queries_of_balances() -> None:
    """Ledgers and balances can be fetched together; a failure is an outcome, and equal queries are sent once."""
    queries: list[CustomerLedgerQuery | BalanceQuery] = [
        query(),
        CustomerLedgerQuery.mobile(MOBILE),
        query(identifier_value="917400000999"),
        query(page_size=5),
    ]
    async with sandbox([make_row(1, START)]) as box, session(box) as ledger:
        many = ledger.fetch_many(queries, ordered=True, deduplicate=True)
        first, second, third = [outcome async for outcome in many]

    assert many.progress.duplicates == 1
    assert isinstance(first, BalanceOutcome)
    assert isinstance(second, LedgerOutcome)
    assert [item.closing_balance for item in first.balances] == [0, 0, Decimal("100.000")]
    assert [entry.event_log_id for entry in second.entries] == [1]
    assert isinstance(third.error, CustomerNotFoundError)
    assert "917400000999" not in repr(third)
