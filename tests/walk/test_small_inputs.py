"""Small ledgers on which a proof by rank fails, each with the entries that are owed by exact number."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest
from support.clock import LoopClock, virtual_time
from support.services.behaviour import BERLIN, INDIA, Behaviour, Write
from support.services.model import Service
from support.services.owed import Asked
from support.services.rows import HOUR, MINUTE, SECOND, from_ms, hourly, ledger, sibling, to_ms, utc
from support.services.runner import ModelHttp, Plan, walk_of

from capledger import BasicAuth, CapledgerError, CustomerLedgerQuery, IncompleteLedgerError, LedgerSession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.services.behaviour import Echo
    from support.services.rows import Row
    from support.services.runner import Came

Order = Literal["asc", "desc"]

both_orders = pytest.mark.parametrize("order", ["asc", "desc"])
prefetches = pytest.mark.parametrize("prefetch", [1, 4])


def tags(rows: Sequence[Row], order: Order = "asc") -> list[str]:
    return [row.tag for row in (rows if order == "asc" else rows[::-1])]


def came_tags(came: Came) -> list[str]:
    return [key.tag for key in came.keys]


def assert_exact(came: Came, count: int) -> None:
    """All that is owed came, in order and once, and the walk says that it is complete."""
    assert came.error is None
    assert came.problem is None
    assert came.outcome == "right"
    assert came.complete
    assert len(came.keys) == count


@prefetches
@both_orders
def test_three_rows_of_a_second_that_change_places_on_both_sides_of_a_page_edge(order: Order, prefetch: int) -> None:
    """Page 0 ends with A and page 1 answers C, A: all 12 are owed."""
    rows = ledger([utc("2025-03-01") + hour * HOUR for hour in [*range(9), 9, 9, 9]])

    came = walk_of(Service(rows, Behaviour(ties="rotating")), Asked(order=order), Plan(prefetch=prefetch))

    assert_exact(came, 12)


@prefetches
@both_orders
def test_a_row_written_into_the_past_after_the_first_page(order: Order, prefetch: int) -> None:
    """The 30 that were there are owed once each; the new one may come."""
    rows = hourly("2025-03-01", 30)
    new = ledger([rows[3].ms + 10 * MINUTE], first_id=9_001)

    came = walk_of(
        Service(rows, writes=[Write(request=1, adds=tuple(new))]), Asked(order=order), Plan(prefetch=prefetch)
    )

    assert came.outcome == "right"
    assert came.complete
    assert [tag for tag in came_tags(came) if tag != new[0].tag] == tags(rows, order)


@both_orders
def test_a_row_written_into_the_past_between_a_stop_and_a_resume(order: Order) -> None:
    """After entry 15 come entries 16 to 30, once each, and at the most the new one between."""
    rows = hourly("2025-03-01", 30)
    new = ledger([rows[3].ms + 10 * MINUTE], first_id=9_001)

    came = walk_of(Service(rows, writes=[Write(stop=0, adds=tuple(new))]), Asked(order=order), Plan(stops=(15,)))

    assert came.outcome == "right"
    assert [tag for tag in came_tags(came) if tag != new[0].tag] == tags(rows, order)


@both_orders
def test_totals_that_stop_counting_at_two_hundred(order: Order) -> None:
    """250 rows, pages of 100, every response states 200: 250 are owed."""
    rows = hourly("2025-03-01", 250)

    came = walk_of(Service(rows, Behaviour(total_cap=200)), Asked(order=order, page_size=100))

    assert_exact(came, 250)


@pytest.mark.parametrize("page_size", ["right", "shown", "absent"])
@both_orders
def test_a_first_page_that_shows_one_row_of_a_hundred(order: Order, page_size: Echo) -> None:
    """One odd response does not make the pages of a session small."""
    rows = hourly("2025-03-01", 250)

    came = walk_of(Service(rows, Behaviour(first_short=1, page_size=page_size)), Asked(order=order, page_size=100))

    assert_exact(came, 250)
    assert came.requests <= 5


@prefetches
@both_orders
def test_two_rows_of_one_event_on_both_sides_of_a_page_edge(order: Order, prefetch: int) -> None:
    """Rows 100 and 101 differ in their details alone: both are owed."""
    rows = sibling(hourly("2025-03-01", 150), 99)

    came = walk_of(Service(rows), Asked(order=order, page_size=100), Plan(prefetch=prefetch))

    assert_exact(came, 151)
    assert len({key.details for key in came.keys if key.tag == rows[99].tag}) == 2


@pytest.mark.parametrize("on_incomplete", ["raise", "warn"])
@pytest.mark.parametrize("dated", [False, True])
def test_a_response_that_says_nothing_at_all_proves_no_empty_ledger(
    on_incomplete: Literal["raise", "warn"], *, dated: bool
) -> None:
    """No rows, no total and no 11003: an error, or not complete."""
    asked = Asked(start=datetime(2025, 3, 1), end=datetime(2025, 3, 20)) if dated else Asked()

    came = walk_of(Service([], Behaviour(empty="nothing")), asked, Plan(on_incomplete=on_incomplete))

    assert not came.keys
    assert not came.complete
    assert isinstance(came.error, IncompleteLedgerError) is (on_incomplete == "raise")
    assert came.outcome == "right"


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(day_only="until", cut_bounds="end"),
        Behaviour(day_only="until"),
        Behaviour(day_only="through"),
        Behaviour(zone=INDIA, filter_shift=330),
        Behaviour(zone=INDIA, filter_shift=-330),
        Behaviour(zone=INDIA, filter_shift=840, day_only="until"),
        Behaviour(zone=INDIA, filter_shift=-840, day_only="until"),
    ],
)
@both_orders
def test_request_dates_that_are_cut_to_their_day_or_read_in_another_zone(behaviour: Behaviour, order: Order) -> None:
    """Ten days of hourly rows, asked from the second day to the fifth at noon: 84 are owed."""
    first = to_ms(datetime(2025, 3, 1, tzinfo=behaviour.zone))
    rows = ledger(first + hour * HOUR for hour in range(240))
    asked = Asked(start=datetime(2025, 3, 2), end=datetime(2025, 3, 5, 12), order=order, page_size=100)

    came = walk_of(Service(rows, behaviour), asked)

    assert_exact(came, 84)


@pytest.mark.parametrize("iso", [False, True])
@pytest.mark.parametrize("page_size", [2, 3, 10])
@pytest.mark.parametrize("stop", range(9))
@both_orders
def test_a_stop_within_the_hour_that_comes_twice(stop: int, order: Order, page_size: int, *, iso: bool) -> None:
    """Rows in the order of writing, printed with or without their ISO twins: the rest is owed, once."""
    rows = hourly("2022-10-29 23:00:00", 8, step=HOUR // 2)
    service = Service(rows, Behaviour(zone=BERLIN, iso=iso))

    came = walk_of(service, Asked(order=order, page_size=page_size), Plan(stops=(stop,)))

    assert_exact(came, 8)
    assert sorted(came_tags(came)) == tags(rows)


@pytest.mark.parametrize("stop", range(13))
@both_orders
def test_a_stop_within_a_second_that_is_sorted_as_a_whole(stop: int, order: Order) -> None:
    """Dates have milliseconds and the service sorts by seconds: the rest is owed, once."""
    first = utc("2025-03-01")
    milliseconds = (100, 900, 700, 300, 500, 200, 800, 400, 600, 50, 950, 450)
    rows = ledger(first + second // 5 * SECOND + ms for second, ms in enumerate(milliseconds))
    behaviour = Behaviour(sort_by="second", dates="ms", ties="insertion")

    came = walk_of(Service(rows, behaviour), Asked(order=order, page_size=3), Plan(stops=(stop,)))

    assert_exact(came, 12)


def partly_hidden() -> list[Row]:
    """50 rows, of which the fourth and the eighth of every ten are hidden."""
    rows = hourly("2025-03-01", 50)
    hidden = ledger((row.ms for row in rows), hidden=True)
    return [hidden[index] if index % 10 in {3, 7} else row for index, row in enumerate(rows)]


@both_orders
def test_rows_hidden_after_paging_are_missed(order: Order) -> None:
    """8 of 10 rows of each page are shown, and ``pageSize`` is 8: the 10 that never come are an error."""
    came = walk_of(Service(partly_hidden(), Behaviour(page_size="shown")), Asked(order=order))

    assert isinstance(came.error, IncompleteLedgerError)
    assert not came.complete


@both_orders
def test_rows_hidden_after_paging_are_gone_without_where_allowed(order: Order) -> None:
    """The 8 of each page come, once each."""
    rows = partly_hidden()

    came = walk_of(
        Service(rows, Behaviour(page_size="shown")), Asked(order=order), Plan(on_incomplete="warn", prefetch=1)
    )

    assert came.error is None
    assert not came.complete
    assert came_tags(came) == tags([row for row in rows if not row.hidden], order)
    assert came.requests <= 20


@both_orders
def test_totals_that_ignore_the_dates(order: Order) -> None:
    """130 rows over a month, every response states 130, asked for 20 days of it: 80 are owed."""
    rows = hourly("2025-03-01", 130, step=6 * HOUR)
    asked = Asked(start=datetime(2025, 3, 5), end=datetime(2025, 3, 25), order=order, page_size=100)

    came = walk_of(Service(rows, Behaviour(totals="ignore dates")), asked)

    assert_exact(came, 80)


@pytest.mark.parametrize("on_incomplete", ["raise", "warn"])
@pytest.mark.parametrize("count", [1, 30, 34])
@both_orders
def test_no_totals_at_all(order: Order, on_incomplete: Literal["raise", "warn"], count: int) -> None:
    """Neither ``totalEntries`` nor ``pageCount``: all entries come, and are not said to be all."""
    rows = hourly("2025-03-01", count)
    behaviour = Behaviour(totals="absent", page_count="absent")

    came = walk_of(Service(rows, behaviour), Asked(order=order), Plan(on_incomplete=on_incomplete))

    assert came_tags(came) == tags(rows, order)
    assert not came.complete
    assert isinstance(came.error, IncompleteLedgerError) is (on_incomplete == "raise")


@prefetches
@both_orders
def test_a_row_already_yielded_that_is_deleted(order: Order, prefetch: int) -> None:
    """The total falls by one: every other row is owed, or an error."""
    rows = hourly("2025-03-01", 30)
    gone = 3 if order == "asc" else 26

    came = walk_of(
        Service(rows, writes=[Write(request=2, deletes=(gone,))]), Asked(order=order), Plan(prefetch=prefetch)
    )

    assert came.outcome in {"right", "error"}
    if came.error is None:
        assert [tag for tag in came_tags(came) if tag != rows[gone].tag] == tags(
            [row for row in rows if row is not rows[gone]], order
        )


def summer_time_ends() -> Service:
    """A row every ten minutes of the night in which a Berlin service has an hour twice, with exact ISO twins."""
    return Service(hourly("2022-10-29 22:00:00", 36, step=10 * MINUTE), Behaviour(zone=BERLIN, iso=True))


def at(hour: int, minute: int) -> datetime:
    return datetime(2022, 10, 30, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        (at(0, 30), at(1, 30), 6),
        (at(0, 50), at(1, 10), 2),  # 02:50 to 02:10 by the clock on the wall
        (at(0, 0), at(1, 0), 6),
        (at(1, 0), at(2, 0), 6),
        (at(0, 0), at(2, 0), 12),
    ],
)
@pytest.mark.parametrize("zone", [UTC, BERLIN])
@both_orders
def test_spans_within_the_hour_that_comes_twice(
    start: datetime, end: datetime, count: int, zone: Any, order: Order
) -> None:
    """Aware bounds are instants, whatever the clock on the wall says."""
    came = walk_of(
        summer_time_ends(), Asked(start=start.astimezone(zone), end=end.astimezone(zone), order=order, page_size=4)
    )

    assert_exact(came, count)


def test_hourly_runs_over_the_hour_that_comes_twice_lose_nothing() -> None:
    """Each run from the end of the one before: all 36 rows come, once each."""
    first = datetime(2022, 10, 29, 22, tzinfo=UTC)
    bounds = [first + timedelta(hours=hour) for hour in range(7)]

    runs = [
        walk_of(summer_time_ends(), Asked(start=start.astimezone(BERLIN), end=end.astimezone(BERLIN)))
        for start, end in itertools.pairwise(bounds)
    ]

    assert [len(came.keys) for came in runs] == [6] * 6
    assert [from_ms(key.ms) for came in runs for key in came.keys] == [
        first + timedelta(minutes=10 * number) for number in range(36)
    ]


@pytest.mark.parametrize("stop", range(13))
@both_orders
def test_a_service_that_breaks_ties_by_falling_id_resumed_with_larger_pages(stop: int, order: Order) -> None:
    """Walked by threes and resumed by hundreds: the rest is owed, once."""
    rows = ledger(utc("2025-03-01") + hour * HOUR for hour in (0, 1, 1, 1, 2, 3, 3, 3, 3, 4, 5, 5))

    came = walk_of(
        Service(rows, Behaviour(ties="id desc")),
        Asked(order=order, page_size=3),
        Plan(stops=(stop,), page_sizes=(100,)),
    )

    assert_exact(came, 12)


# Many walks at once


def slow_session() -> LedgerSession:
    service = Service(hourly("2025-03-01", 5), Behaviour(latency=(20.0,)))
    return LedgerSession(
        "https://eu.api.capillarytech.com",
        BasicAuth("store.server", "server123"),
        http=cast("Any", ModelHttp(service)),
        clock=LoopClock(),
    )


def many(session: LedgerSession, kind: str) -> Any:
    return getattr(session, kind)([CustomerLedgerQuery.mobile("917400000001")])


both_kinds = pytest.mark.parametrize("kind", ["fetch_many", "stream_many"])


@both_kinds
@virtual_time
async def test_closing_many_walks_ends_the_consumer_that_waits(kind: str) -> None:
    """It ends at once, with an error that says so."""
    async with slow_session() as session:
        walks = many(session, kind)
        waiting = asyncio.ensure_future(anext(aiter(walks)))
        await asyncio.sleep(1)

        await walks.aclose()

        with pytest.raises(CapledgerError, match="closed"):
            await asyncio.wait_for(waiting, 1)


@both_kinds
@virtual_time
async def test_a_second_consumer_of_many_walks_is_refused_and_the_first_goes_on(kind: str) -> None:
    """The second gets an error at once; the first gets its item."""
    async with slow_session() as session:
        walks = many(session, kind)
        waiting = asyncio.ensure_future(anext(aiter(walks)))
        await asyncio.sleep(1)

        with pytest.raises(CapledgerError):
            await asyncio.wait_for(anext(aiter(walks)), 1)

        assert await asyncio.wait_for(waiting, 100) is not None
        await walks.aclose()
