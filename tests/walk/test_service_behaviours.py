"""What a walk owes whatever the service's order, its writers and its dates are."""

from __future__ import annotations

from datetime import datetime
from itertools import product
from typing import Any, Literal

import pytest
from attrs import evolve
from support.clock import EPOCH, virtual_time
from support.services.behaviour import BERLIN, INDIA, Behaviour, Refusal, Write
from support.services.expect import assert_exact, walks
from support.services.model import Service
from support.services.owed import Asked
from support.services.rows import DAY, HOUR, MINUTE, SECOND, Row, hourly, ledger, sibling, to_ms, twin, utc
from support.services.runner import Plan, session_of, walk_of

from capledger import CustomerLedgerQuery
from capledger.errors import PaginationError

Order = Literal["asc", "desc"]

#: A row in each six hours of 50 days; asked for from the tenth day to the thirtieth where dates matter.
ROWS = hourly("2025-03-01", 200, step=6 * HOUR)
TWENTY_DAYS = Asked(start=datetime(2025, 3, 10), end=datetime(2025, 3, 30))
NOW = to_ms(EPOCH)

both_orders = pytest.mark.parametrize("order", ["asc", "desc"])
page_sizes = pytest.mark.parametrize("page_size", [3, 10, 100])


def clumps(count: int = 12) -> list[Row]:
    """Return seconds with one to six rows each."""
    moments = [utc("2025-03-01") + number * HOUR for number in range(count) for _ in range(1 + number * 5 % 6)]
    return ledger(moments)


# Order


@pytest.mark.parametrize("ties", ["random", "rotating", "id random"])
@both_orders
@page_sizes
def test_rows_of_one_second_come_in_another_order_with_each_request(page_size: int, order: Order, ties: Any) -> None:
    """Exactly the entries, whether or not all ids of a second differ."""
    rows = sibling(clumps(), 9) if ties == "id random" else clumps()

    assert_exact(rows, Behaviour(ties=ties), Asked(order=order, page_size=page_size), stops=(1, 13))


@both_orders
def test_twins_on_both_sides_of_a_page_edge(order: Order) -> None:
    """Whichever row has a twin, on an edge or not."""
    for index in range(12):
        assert_exact(twin(hourly("2025-03-01", 12), index), Behaviour(), Asked(order=order, page_size=3))


@both_orders
def test_a_page_of_nothing_but_twins(order: Order) -> None:
    """As many of them come as there are."""
    rows = hourly("2025-03-01", 6)

    assert_exact([*rows[:3], *[rows[3]] * 7, *rows[4:]], Behaviour(), Asked(order=order, page_size=3), stops=(5,))


@both_orders
def test_several_rows_of_one_event_on_both_sides_of_a_page_edge(order: Order) -> None:
    """All of them come: the event alone is no identity."""
    for index in range(12):
        rows = sibling(sibling(hourly("2025-03-01", 12), index), index)
        assert_exact(rows, Behaviour(), Asked(order=order, page_size=3), stops=(index + 1,))


@both_orders
def test_a_disputed_edge_costs_a_few_requests(order: Order) -> None:
    """What is requested ahead of a page of another size are the pages behind its rows."""
    service = Service(sevens(), Behaviour(ties="rotating"))

    came = walk_of(service, Asked(order=order, page_size=10))

    assert came.outcome == "right", came.problem
    assert len(service.requests) <= 4 * 101


@both_orders
@virtual_time
async def test_a_disputed_edge_of_the_largest_pages_is_settled_by_a_smaller_one(order: Order) -> None:
    """Entries come before the rest of the ledger is read."""
    service = Service(sevens(), Behaviour(ties="rotating"))
    query = CustomerLedgerQuery.mobile("917400000001", order=order, page_size=100)
    async with session_of(service) as session:
        walk = session.entries(query, prefetch=1)
        for _ in range(350):
            await anext(walk)

        assert all(int(request["offset"]) < 6 for request in service.requests)
        assert len(await walk.collect()) == 1_005 - 350
        assert walk.report.complete


def sevens() -> list[Row]:
    """Return 1,005 rows, seven in a second."""
    return ledger(utc("2025-03-01") + index // 7 * HOUR for index in range(1_005))


@pytest.mark.parametrize("ties", ["along", "id", "id desc", "insertion", "random"])
@both_orders
def test_sorted_by_whole_seconds_and_printed_with_milliseconds(order: Order, ties: Any) -> None:
    """Exactly the entries, sorted by their milliseconds here."""
    first = utc("2025-03-01")
    rows = ledger(first + number // 4 * SECOND + number * 377 % 1_000 for number in range(30))

    assert_exact(rows, Behaviour(sort_by="second", dates="ms", ties=ties), Asked(order=order), stops=(7, 10, 11))


@pytest.mark.parametrize("sort_by", ["ms", "second", "wall"])
@pytest.mark.parametrize("iso", [True, False])
@pytest.mark.parametrize("night", ["2025-10-25 22:00:00", "2025-03-29 22:00:00"])
@both_orders
def test_local_dates_of_a_zone_with_summer_time(order: Order, night: str, sort_by: Any, *, iso: bool) -> None:
    """Exactly the entries, in the order of their instants."""
    if sort_by == "wall" and iso:
        pytest.skip("a service that keeps local dates does not know the instants")
    rows = hourly(night, 40, step=10 * MINUTE)

    assert_exact(rows, Behaviour(zone=BERLIN, iso=iso, sort_by=sort_by), Asked(order=order), stops=(15, 21, 30))


@pytest.mark.parametrize("direction", ["asc", "desc"])
@both_orders
def test_order_is_not_honoured(order: Order, direction: Any) -> None:
    """Exactly the entries in the order of the query, whichever one the service has."""
    assert_exact(ROWS, Behaviour(direction=direction), Asked(order=order), stops=(33,))


@both_orders
def test_no_order_at_all(order: Order) -> None:
    """Exactly the entries, held and sorted."""
    assert_exact(ROWS, Behaviour(direction="shuffled"), Asked(order=order), stops=(33,))
    assert_exact(ROWS, Behaviour(direction="shuffled"), evolve(TWENTY_DAYS, order=order), stops=(33,))


@both_orders
def test_a_new_order_with_each_request_is_never_taken_for_a_ledger(order: Order) -> None:
    """Exactly the entries, or an error."""
    for came in walks(ROWS[:40], Behaviour(direction="reshuffled"), Asked(order=order)):
        assert came.outcome in {"right", "error"}


# Writers


@pytest.mark.parametrize("request_number", [1, 2, 3])
@both_orders
def test_a_row_is_written_into_the_past_while_the_walk_runs(order: Order, request_number: int) -> None:
    """Every entry that was there at the start comes once; the new one may."""
    rows = ROWS[:50]
    for index in (0, 5, 20, 45):
        new = Row(rows[index].ms + HOUR, 9_001, "new")
        assert_exact(rows, Behaviour(), Asked(order=order), writes=[Write(request=request_number, adds=(new,))])


@both_orders
def test_a_row_is_written_into_the_past_between_a_stop_and_a_resume(order: Order) -> None:
    """The walk goes on behind the last entry, or says that the ledger changed."""
    rows = ROWS[:30]
    for index, stop in product((0, 14, 15, 28), (1, 10, 15, 29)):
        new = Row(rows[index].ms + HOUR, 9_001, "new")
        came = walk_of(Service(rows, writes=[Write(stop=0, adds=(new,))]), Asked(order=order), Plan(stops=(stop,)))
        assert came.outcome in {"right", "error"}


@both_orders
def test_a_row_is_deleted_between_a_stop_and_a_resume(order: Order) -> None:
    """The walk goes on behind the last entry, or says that the ledger changed."""
    rows = ROWS[:30]
    for index, stop in product((0, 14, 15, 29), (1, 10, 15, 29)):
        came = walk_of(Service(rows, writes=[Write(stop=0, deletes=(index,))]), Asked(order=order), Plan(stops=(stop,)))
        assert came.outcome in {"right", "error"}


@pytest.mark.parametrize("request_number", [1, 2, 3])
@both_orders
def test_rows_are_deleted_while_the_walk_runs(order: Order, request_number: int) -> None:
    """Exactly what was there less what was deleted, or an error."""
    rows = ROWS[:50]
    for index, prefetch in product((0, 9, 10, 25, 49), (1, 4)):
        service = Service(rows, writes=[Write(request=request_number, deletes=(index,))])
        came = walk_of(service, Asked(order=order), Plan(prefetch=prefetch))
        assert came.outcome in {"right", "error"}


@pytest.mark.parametrize("direction", ["honoured", "asc", "desc"])
@both_orders
def test_rows_are_added_at_the_new_end_while_the_walk_runs(order: Order, direction: Any) -> None:
    """Exactly the entries dated before the walk's end."""
    new = [Row(NOW + number, 9_000 + number, f"new{number}") for number in range(12)]
    writes = [Write(request=number, adds=tuple(new[3 * number - 3 : 3 * number])) for number in (1, 2, 3, 4)]

    assert_exact(ROWS[:50], Behaviour(direction=direction), Asked(order=order), writes=writes)


@both_orders
def test_rows_are_added_between_a_stop_after_the_last_entry_and_a_resume(order: Order) -> None:
    """The walk ends where it stood, also where the page behind the last one is the only one."""
    for size, count in product((2, 3, 5), (2, 3, 6)):
        writes = [Write(request=number, adds=(Row(NOW + number, 9_000 + number, f"new{number}"),)) for number in (1, 3)]
        service = Service(ROWS[:count], writes=writes)
        came = walk_of(service, Asked(order=order, page_size=size), Plan(stops=(count,)))
        assert came.outcome == "right", came.problem


@both_orders
def test_lagging_replicas(order: Order) -> None:
    """The entries before the lag, exact, or an error."""
    for seed in range(20):
        came = walk_of(Service(ROWS[:30], Behaviour(replicas=(0, 2)), seed=seed), Asked(order=order))
        assert came.outcome in {"right", "error"}


# Dates


@pytest.mark.parametrize("cut_bounds", ["both", "start", "end"])
@pytest.mark.parametrize("day_only", ["until", "through"])
@both_orders
def test_request_dates_are_cut_to_their_day(order: Order, day_only: Any, cut_bounds: Any) -> None:
    """Exactly the entries: windows are requested a day wider and filtered here."""
    asked = evolve(TWENTY_DAYS, start=datetime(2025, 3, 10, 12), end=datetime(2025, 3, 29, 18, 30), order=order)

    assert_exact(ROWS, Behaviour(day_only=day_only, cut_bounds=cut_bounds), asked, stops=(40,))


@pytest.mark.parametrize("hours", [-14, -5.5, -1, 1, 9, 14])
@pytest.mark.parametrize("day_only", ["no", "until"])
@both_orders
def test_request_dates_are_read_in_another_zone(order: Order, hours: float, day_only: Any) -> None:
    """Exactly the entries, up to 14 hours away."""
    behaviour = Behaviour(zone=INDIA, filter_shift=int(hours * 60), day_only=day_only)

    assert_exact(ROWS, behaviour, evolve(TWENTY_DAYS, order=order))


@pytest.mark.parametrize("start_inclusive", [True, False])
@pytest.mark.parametrize("end_inclusive", [True, False])
@pytest.mark.parametrize("compare_seconds", [True, False])
@both_orders
def test_edges_belong_to_what_is_asked_or_not(
    order: Order, *, start_inclusive: bool, end_inclusive: bool, compare_seconds: bool
) -> None:
    """Exactly the entries of the half-open range."""
    behaviour = Behaviour(
        start_inclusive=start_inclusive, end_inclusive=end_inclusive, compare_seconds=compare_seconds, dates="ms"
    )

    assert_exact(ROWS, behaviour, evolve(TWENTY_DAYS, order=order))


@pytest.mark.parametrize("days", [2, 40, 400])
@both_orders
def test_the_service_filters_on_another_date(order: Order, days: int) -> None:
    """Exactly the entries where a row outside of the dates is shown in time, else an error: never fewer entries."""
    rows = [evolve(row, other_ms=row.ms - (1 + index % days) * DAY) for index, row in enumerate(ROWS)]

    for came in walks(rows, Behaviour(filter_on="other"), evolve(TWENTY_DAYS, order=order)):
        late = isinstance(came.error, PaginationError)  # the row came after others that should have come behind it
        assert late or came.outcome in {"right", "excused"}  # excused: no row far outside of the dates was ever shown


@pytest.mark.parametrize("span_cap", [90, 60, 30])
@pytest.mark.parametrize("span_counts", ["exact", "days"])
@pytest.mark.parametrize("message", ["Date range cannot be more than 90 days", "", "1 of 12", "too long"])
@both_orders
def test_spans_are_capped_whatever_the_refusal_says(
    order: Order, span_cap: int, span_counts: Any, message: str
) -> None:
    """Exactly the entries, in shorter windows."""
    behaviour = Behaviour(span_cap=span_cap, span_counts=span_counts, span_refusal=Refusal(11010, message))
    dense = hourly("2025-03-01", 800, step=6 * HOUR)

    assert_exact(
        dense, behaviour, Asked(start=datetime(2025, 4, 1), end=datetime(2025, 6, 28), order=order, page_size=50)
    )
