"""A walk gives exactly its entries, whatever the server's habits, wherever it is stopped and taken up again."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ledgers import customer, expected_ids, group, group_sandbox, ids, sandbox, session, take

from capledger import PaginationError
from capledger.sandbox import LoggedRequest, Rules, Sandbox, make_row, seed_rows

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("response_size")

START = datetime(2023, 1, 1)
SEAMS = [START + days * timedelta(days=88) for days in range(5)]

#: Moments where mistakes hide: on the seams of windows, within the same second, a fraction away.
moments = st.one_of(
    st.builds(
        lambda seam, distance: seam + timedelta(milliseconds=distance),
        st.sampled_from(SEAMS),
        st.sampled_from([-1001, -1000, -999, -500, -1, 0, 0, 1, 500, 999, 1000, 1001]),
    ),
    st.datetimes(START, SEAMS[-1]),
)


#: A ledger as the dates of its entries, oldest first.
ledgers = st.lists(moments, max_size=25).map(sorted)


def rows_of(dates: list[datetime]) -> list[dict[str, Any]]:
    return [make_row(5_000_000 + rank, date) for rank, date in enumerate(dates)]


habits = st.builds(
    Rules,
    edges=st.sampled_from(["both", "start", "end", "none"]),
    edge_precision=st.sampled_from(["full", "second"]),
    max_days=st.sampled_from([90, 60, 30]),
    order_parameters=st.sampled_from([("order",), ("sort",), ()]),
    default_order=st.sampled_from(["DESC", "ASC", "SHUFFLED"]),
    offset=st.sampled_from(["page", "index"]),
    echo_page_number=st.sampled_from(["page", "offset"]),
    echo_page_size=st.sampled_from(["capacity", "rows"]),
    max_limit=st.sampled_from([100, 10, 3]),
    limit_code=st.sampled_from([11029, 11006]),
    cap_silently=st.booleans(),
    empty=st.sampled_from(["error400", "error200", "warning", "plain"]),
)
edges = st.one_of(st.none(), st.sampled_from(SEAMS), moments)
Order = Literal["asc", "desc"]
orders: st.SearchStrategy[Order] = st.sampled_from(["asc", "desc"])


Span = tuple[datetime | None, datetime | None]


def in_order(span: Span) -> Span:
    start, end = span
    return (end, start) if start and end and end < start else span


spans = st.tuples(edges, edges).map(in_order)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("rule", ["both", "none"])
async def test_seeded_ledgers_with_entries_on_every_seam_come_back_exactly(
    rule: Literal["both", "none"], order: Order
) -> None:
    """200 ledgers over both edge rules and both orders: windows cut, pages walked, nothing lost and nothing twice."""
    for seed in range(50):
        rows = seed_rows(seed, 30 + seed, START, SEAMS[-1])
        start, end = START + timedelta(days=seed), SEAMS[-1] - timedelta(hours=seed)
        async with sandbox(rows, Rules(edges=rule)) as box, session(box) as ledger:
            walk = ledger.entries(customer(start=start, end=end, order=order, page_size=1 + seed % 7))
            came = ids(await walk.collect())

        assert came == expected_ids(rows, start, end, order)
        assert walk.report.complete


@given(dates=ledgers, rules=habits, span=spans, order=orders, size=st.integers(1, 12), prefetch=st.integers(1, 6))
async def test_any_ledger_from_any_server_comes_back_exactly(
    *, dates: list[datetime], rules: Rules, span: Span, order: Order, size: int, prefetch: int
) -> None:
    """Whatever the server's reading of edges, order, offset, caps and emptiness, the entries are the same."""
    rows = rows_of(dates)
    async with sandbox(rows, rules) as box, session(box) as ledger:
        query = customer(start=span[0], end=span[1], order=order, page_size=size)
        walk = ledger.entries(query, prefetch=prefetch)
        came = ids(await walk.collect())

    assert came == expected_ids(rows, *span, order)
    assert walk.report.complete
    assert walk.report.rows_yielded == len(came)
    assert walk.report.requests == len(box.requests) or prefetch > 1  # one that is ended early is not received
    assert box.max_in_flight <= prefetch


@given(dates=ledgers, rules=habits, span=spans, order=orders, size=st.integers(1, 8), data=st.data())
async def test_a_walk_stopped_anywhere_goes_on_from_its_cursor(
    *, dates: list[datetime], rules: Rules, span: Span, order: Order, size: int, data: st.DataObject
) -> None:
    """The entries before the stop and those of a new session's walk from the cursor are the uninterrupted walk."""
    rows = rows_of(dates)
    expected = expected_ids(rows, *span, order)
    stops = data.draw(st.lists(st.integers(0, 12), min_size=1, max_size=3))
    query = customer(start=span[0], end=span[1], order=order, page_size=size)
    came: list[int] = []
    cursor = None
    async with sandbox(rows, rules) as box:
        for stop in [*stops, len(rows) + 1]:
            async with session(box) as ledger:
                walk = ledger.entries(query, resume_from=cursor)
                came += await take(walk, stop)
                cursor = walk.cursor

    assert came == expected


def writer(every: int, last: datetime) -> Callable[[Sandbox, LoggedRequest], None]:
    """Return the hook of a sandbox that adds an entry after *last* with every so many requests."""

    def write(box: Sandbox, _: LoggedRequest) -> None:
        number = len(box.requests)
        if number > every and number % every == 0:
            box.append(customer().identifier_value, make_row(6_000_000 + number, last + timedelta(seconds=number)))

    return write


@pytest.mark.parametrize(("order_parameter", "order"), [("sort", "asc"), ("order", "desc")])
async def test_every_reading_may_meet_a_new_row(order_parameter: Literal["sort", "order"], order: Order) -> None:
    """Rows that are read in the other order, or by pages that overlap, are whole once all that are stated are known."""
    rows = rows_of([START + timedelta(days=day) for day in range(25)])
    rules = Rules(order_parameters=(order_parameter,), default_order="DESC", offset="index", max_limit=10)
    async with sandbox(rows, rules) as box:
        box.on_request = writer(3, START + timedelta(days=30))
        async with session(box) as ledger:
            query = customer(end=START + timedelta(days=30), order=order, page_size=1)
            came = ids(await ledger.entries(query, prefetch=1).collect())

    assert came == expected_ids(rows, None, START + timedelta(days=30), order)


@given(dates=ledgers, rules=habits, order=orders, size=st.integers(1, 8), every=st.integers(3, 12), data=st.data())
async def test_entries_written_meanwhile_change_nothing(
    *, dates: list[datetime], rules: Rules, order: Order, size: int, every: int, data: st.DataObject
) -> None:
    """A writer that adds an entry behind the range every few requests neither shifts, doubles nor hides another.

    An error may come only where the rows of one second and one more on either side may lie on two pages whatever their
    size, so that no response shows that they are all.
    """
    rows = rows_of(dates)
    largest_second = max(Counter(date.replace(microsecond=0) for date in dates).values(), default=0)
    last = SEAMS[-1] + timedelta(seconds=5)
    bounded = data.draw(st.booleans())
    span: Span = (START - timedelta(seconds=9) if bounded else None, last)
    rules = rules if rules.default_order != "SHUFFLED" else Rules(order_parameters=())

    async with sandbox(rows, rules) as box:
        box.on_request = writer(every, last)
        async with session(box) as ledger:
            walk = ledger.entries(customer(start=span[0], end=span[1], order=order, page_size=size), prefetch=1)
            try:
                came = ids(await walk.collect())
            except PaginationError:
                assert 2 * (largest_second + 2) > rules.max_limit
                return

    assert came == expected_ids(rows, *span, order)


@given(dates=ledgers, rules=habits, rule=st.sampled_from(["page", "index"]), order=orders, size=st.integers(1, 8))
async def test_groups_are_right_under_either_offset_rule(
    *, dates: list[datetime], rules: Rules, rule: Literal["page", "index"], order: Order, size: int
) -> None:
    """The documents call a group's offset a starting index and a page number; the walk finds out which it is."""
    rows = rows_of(dates)
    rules = Rules(group_offset=rule, order_parameters=rules.order_parameters, default_order=rules.default_order)
    async with group_sandbox(rows, rules) as box, session(box) as ledger:
        walk = ledger.entries(group(order=order, page_size=size, include_alternate_currencies=True))
        came = ids(await walk.collect())

    assert came == expected_ids(rows, None, None, order)
    assert walk.report.complete
