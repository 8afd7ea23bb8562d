"""A walk sends the fewest requests that give the answer, learns a server's caps once, and reads ahead within bounds."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, Literal

import pytest
from support.ledgers import MOBILE, customer, expected_ids, ids, sandbox, session, take

from capledger import CustomerLedgerQuery
from capledger.sandbox import LoggedRequest, Rules, Sandbox, SandboxCustomer, make_row

END = datetime(2026, 1, 1)
ORDERS: tuple[Literal["asc", "desc"], ...] = ("asc", "desc")
MINUTE = timedelta(minutes=1)
OTHER = "917400000002"
TEN_YEARS_AGO = END - timedelta(days=3652)


def spread(count: int, start: datetime, end: datetime) -> list[dict[str, Any]]:
    step = (end - start) / count
    return [make_row(1_000 + rank, start + rank * step) for rank in range(count)]


@pytest.mark.parametrize(
    ("count", "start", "end", "most"),
    [
        pytest.param(150, TEN_YEARS_AGO, END, 3, id="sparse ledger, ten years: windows would take 41 and more"),
        pytest.param(150, None, END, 2, id="sparse ledger, all of it"),
        pytest.param(150, END - timedelta(days=400), None, 2, id="sparse ledger, since a date"),
        pytest.param(20_000, END - timedelta(days=61), END - timedelta(days=31), 2 + 2, id="dense ledger, one month"),
        pytest.param(20_000, END - timedelta(days=365), END, 20 + 6, id="dense ledger, one year of ten"),
        pytest.param(60, None, None, 1, id="one page"),
        pytest.param(0, TEN_YEARS_AGO, END, 1, id="nothing in ten years"),
        pytest.param(0, None, None, 1, id="nothing at all"),
    ],
)
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_the_fewest_requests_are_sent(
    order: Literal["asc", "desc"], count: int, start: datetime | None, end: datetime | None, most: int
) -> None:
    """The whole history in pages or date windows, whichever takes fewer requests; the entries are the same."""
    rows = spread(count, TEN_YEARS_AGO, END) if count else []
    async with sandbox(rows) as box, session(box) as ledger:
        walk = ledger.entries(customer(start=start, end=end, order=order))
        came = ids(await walk.collect())

    assert came == expected_ids(rows, start, end, order)
    assert len(box.requests) <= most
    assert walk.report.complete


@pytest.mark.parametrize(
    ("rules", "refusals"),
    [
        (Rules(empty="plain", max_limit=10, limit_code=11006), 1),
        (Rules(empty="plain", max_limit=10, limit_code=11029), 1),
        (Rules(empty="plain", max_limit=10, cap_silently=True), 0),
        (Rules(empty="plain", max_days=60), 1),
        (Rules(empty="plain", max_days=30), 1),
    ],
)
async def test_caps_are_learned_once_a_session(rules: Rules, refusals: int) -> None:
    """A refused page size or span is taken from the refusal, goes on unseen, and is not tried again."""
    rows = spread(2_000, TEN_YEARS_AGO, END)
    start = END - timedelta(days=85)
    async with sandbox(rows, rules) as box, session(box) as ledger:
        for _ in range(2):
            came = ids(await ledger.entries(customer(start=start, end=END), prefetch=1).collect())

            assert came == expected_ids(rows, start, END, "asc")

    assert sum(request.status == 400 for request in box.requests) == refusals


@pytest.mark.parametrize("message", ["Limit cannot be greater than {limit}", "Limit cannot be greater than 100", ""])
async def test_walks_that_are_refused_at_once_lower_the_cap_once(message: str) -> None:
    """A refusal of 100 rows says nothing about 10, which another walk's refusal has shown meanwhile."""
    rows = spread(95, TEN_YEARS_AGO, END)
    mobiles = [f"91740000000{number}" for number in range(8)]
    rules = Rules(max_limit=10, limit_message=message)
    boxed = [SandboxCustomer(mobile, rows) for mobile in mobiles]
    async with Sandbox(boxed, rules=rules) as box, session(box) as ledger:
        walks = [ledger.entries(CustomerLedgerQuery.mobile(mobile)) for mobile in mobiles]
        came = await asyncio.gather(*(walk.collect() for walk in walks))

    assert [len(entries) for entries in came] == [95] * 8
    assert {request.query["limit"] for request in box.requests} == {"100", "10"}


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_resuming_fetches_one_page_again_at_the_most(order: Literal["asc", "desc"]) -> None:
    """A stop in the middle of a page costs that page; one at its end costs nothing."""
    rows = spread(990, TEN_YEARS_AGO, END)
    for stop, again in ((250, 1), (300, 0)):
        async with sandbox(rows) as box:
            async with session(box) as ledger:
                walk = ledger.entries(customer(order=order))
                first = await take(walk, stop)
            async with session(box) as ledger:
                rest = ledger.entries(customer(order=order), resume_from=walk.cursor)
                second = ids(await rest.collect())

        assert first + second == expected_ids(rows, None, None, order)
        assert rest.report.requests == 7 + again


async def test_resuming_after_entries_were_added_gives_the_first_walk(subtests: pytest.Subtests) -> None:
    """Entries dated after the first walk's start are not part of it, also when it is taken up later."""
    for rules in (Rules(), Rules(order_parameters=()), Rules(order_parameters=(), default_order="ASC")):
        with subtests.test(rules.default_order, rules=rules.order_parameters):
            rows = spread(1_000, TEN_YEARS_AGO, END)
            async with sandbox(rows, rules) as box:
                async with session(box) as ledger:
                    walk = ledger.entries(customer())
                    first = await take(walk, 333)
                for number in range(150):
                    box.append(MOBILE, make_row(50_000 + number, walk.end.replace(tzinfo=None) + number * MINUTE))
                async with session(box) as ledger:
                    second = ids(await ledger.entries(customer(), resume_from=walk.cursor).collect())

            assert first + second == expected_ids(rows[:1_000], None, None, "asc")


async def test_resuming_after_entries_were_added_into_the_range_loses_nothing(subtests: pytest.Subtests) -> None:
    """New ones that are dated before the walk's end come in their places, or not at all."""
    for order, newest_first in product(ORDERS, (False, True)):
        with subtests.test(order, newest_first=newest_first):
            rows = spread(1_000, TEN_YEARS_AGO, END)
            rules = Rules(order_parameters=(), default_order="DESC" if newest_first else "ASC")
            async with sandbox(rows, rules) as box:
                async with session(box) as ledger:
                    walk = ledger.entries(customer(order=order))
                    first = await take(walk, 333)
                for number in range(150):
                    box.append(MOBILE, make_row(50_000 + number, END + number * MINUTE))
                async with session(box) as ledger:
                    second = ids(await ledger.entries(customer(order=order), resume_from=walk.cursor).collect())

            came = first + second
            new = [number for number in came if number >= 50_000]
            assert [number for number in came if number < 50_000] == expected_ids(rows[:1_000], None, None, order)
            assert new == ([] if order == "desc" else list(range(50_000, 50_150)))


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_full_last_page_is_followed_by_an_empty_one_unless_a_larger_total_was_right(
    order: Literal["asc", "desc"],
) -> None:
    """A total that is a multiple of the page size may be where the service stops counting; a smaller one is not."""
    rows = spread(300, TEN_YEARS_AGO, END)
    boxed = [SandboxCustomer(MOBILE, rows), SandboxCustomer(OTHER, rows[:200])]
    async with Sandbox(boxed) as box, session(box) as ledger:
        requests = []
        for mobile, size in ((MOBILE, 100), (MOBILE, 100), (OTHER, 100), (OTHER, 50)):
            query = CustomerLedgerQuery.mobile(mobile, order=order, page_size=size, include_alternate_currencies=True)
            walk = ledger.entries(query)
            assert ids(await walk.collect()) == expected_ids(
                rows if mobile == MOBILE else rows[:200], None, None, order
            )
            requests.append((walk.report.requests, walk.report.pages, walk.report.complete))

    assert requests == [(4, 4, True), (4, 4, True), (2, 2, True), (4, 4, True)]


@pytest.mark.parametrize(
    ("rules", "first"),
    [
        pytest.param(Rules(total_cap=100), 100, id="the number at which totals stop"),
        pytest.param(Rules(total="page"), 100, id="the rows of a page"),
        pytest.param(Rules(total_cap=200), 200, id="the number at which totals stop, after two pages"),
    ],
)
async def test_a_total_that_was_right_for_one_ledger_does_not_prove_another(rules: Rules, first: int) -> None:
    """The ledger of one customer ends where totals stop; that of the next one goes on."""
    rows = spread(250, TEN_YEARS_AGO, END)
    boxed = [SandboxCustomer(MOBILE, rows[:first]), SandboxCustomer(OTHER, rows)]
    async with Sandbox(boxed, rules=rules) as box, session(box) as ledger:
        for mobile, page_size in ((MOBILE, 100), (OTHER, 100), (OTHER, 50)):
            walk = ledger.entries(CustomerLedgerQuery.mobile(mobile, page_size=page_size), on_incomplete="warn")

            assert len(await walk.collect()) == (first if mobile == MOBILE else 250)


async def test_pages_are_fetched_ahead_and_no_further() -> None:
    """While an entry is worked on, as many pages as ``prefetch`` says are under way or waiting, and no more."""
    rows = spread(3_000, TEN_YEARS_AGO, END)
    all_ahead, go_on = asyncio.Event(), asyncio.Event()

    async def hold(box: Sandbox, _: LoggedRequest) -> None:
        if len(box.requests) == 1 + 3:
            all_ahead.set()
        if len(box.requests) > 1:
            await go_on.wait()

    async with sandbox(rows, on_request=hold) as box, session(box) as ledger:
        walk = ledger.entries(customer(), prefetch=3)
        async for _ in walk:
            await all_ahead.wait()
            go_on.set()
            for _ in range(50):
                await asyncio.sleep(0)  # a turn of the loop, for whatever might still be sent
            break

        assert len(box.requests) == 1 + 3
        assert box.max_in_flight == 3


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_the_report_is_live(order: Literal["asc", "desc"]) -> None:
    """Rows so far and rows expected are known while the walk runs, fit for a progress bar."""
    rows = spread(490, TEN_YEARS_AGO, END)
    async with sandbox(rows) as box, session(box) as ledger:
        walk = ledger.entries(customer(order=order))
        seen = [(walk.report.rows_yielded, walk.report.rows_expected) async for _ in walk]

    assert seen == [(number, 490) for number in range(1, 491)]
    assert (walk.report.rows_received, walk.report.pages, walk.report.complete) == (490, 5, True)
    assert walk.report.windows == 1


async def test_the_report_has_the_total_as_stated() -> None:
    """Also where the service hides some of the rows that it counts."""
    rows = spread(20, TEN_YEARS_AGO, END)
    async with sandbox(rows, Rules(hidden_every=5)) as box, session(box) as ledger:
        walk = ledger.entries(customer(), on_incomplete="warn")
        came = await walk.collect()

    assert (len(came), walk.report.rows_expected, walk.report.complete) == (16, 20, False)


async def test_the_end_is_fixed_when_the_walk_starts() -> None:
    """Without an end, entries of after the start are not given, and ``walk.end`` is where the next one begins."""
    rows = spread(250, TEN_YEARS_AGO, END)
    async with sandbox(rows) as box, session(box) as ledger:
        walk = ledger.entries(customer())
        first = await take(walk, 10)
        end = walk.end
        box.append(MOBILE, make_row(9_000, datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=1)))
        came = first + ids(await walk.collect())

    assert came == expected_ids(rows[:250], None, None, "asc")
    assert end == walk.end
    assert abs(end - datetime.now(UTC)) < timedelta(minutes=1)
