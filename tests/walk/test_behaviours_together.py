"""Behaviours of a service that hid rows, or spun, only where two of them came together."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from support.clock import virtual_time
from support.services.behaviour import Behaviour, Write
from support.services.model import Service
from support.services.owed import Asked
from support.services.rows import DAY, HOUR, MINUTE, hourly, ledger, twin, utc
from support.services.runner import FAILURES, Plan, session_of, walk_of

from capledger import CustomerLedgerQuery, IncompleteLedgerError, PaginationError

if TYPE_CHECKING:
    from support.services.rows import Row

DENSE = hourly("2025-03-04", 11, step=HOUR)
TWINS = twin(DENSE[:1], 0)


def late(number: int) -> list[Row]:
    """Return a row that is written after the end of a walk."""
    return ledger([utc("2026-01-01") + number * HOUR], first_id=8_000 + number)


@pytest.mark.parametrize("page_size", [1, 3, 10])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_deep_pages_are_refused_where_totals_stop_counting(order: Any, page_size: int) -> None:
    """In a day with more rows than are counted, nothing shows how many there are: an error."""
    service = Service(DENSE, Behaviour(total_cap=10, deep_rows=10))

    came = walk_of(service, Asked(order=order, page_size=page_size))

    assert came.error is not None
    assert not came.complete


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_window_that_ends_where_deep_pages_are_refused(order: Any) -> None:
    """What may lie behind its last page is of the day that was requested besides, and is not of the walk."""
    service = Service(hourly("2025-03-04", 72, step=HOUR), Behaviour(deep_rows=72))
    asked = Asked(start=datetime(2025, 3, 5), end=datetime(2025, 3, 6), order=order, page_size=3)

    came = walk_of(service, asked)

    assert came.outcome == "right", came.problem
    assert len(came.keys) == 24


@pytest.mark.parametrize("offset", ["index", "from 1"])
def test_pages_are_cut_silently_and_rows_are_of_one_second(offset: Any) -> None:
    """Neither dates nor a larger page show what offset counts: keys and the page behind the last one do."""
    rows = ledger([utc("2025-03-04")] * 8)

    came = walk_of(Service(rows, Behaviour(offset=offset, limit_cap=3, limit_refusal=None)), Asked(page_size=3))

    assert came.outcome == "right", came.problem


def test_rows_are_written_at_the_newer_end_while_an_edge_is_settled() -> None:
    """Newest first, each of them moves the rows of the edge further back."""
    rows = ledger(utc("2025-03-04") + (place // 3) * HOUR for place in range(12))
    writes = [Write(request=3 * number, adds=tuple(late(number))) for number in range(1, 20)]

    came = walk_of(
        Service(rows, Behaviour(limit_cap=10), writes=writes), Asked(order="desc", page_size=1), Plan(prefetch=1)
    )

    assert came.outcome == "right", came.problem


def test_pages_are_counted_from_1_and_state_their_own_rows() -> None:
    """The first page, which comes twice, is not the last one."""
    came = walk_of(Service(hourly("2025-03-04", 301), Behaviour(totals="page", offset="from 1")), Asked(page_size=100))

    assert len(came.keys) == 301
    assert isinstance(came.error, IncompleteLedgerError)


@pytest.mark.parametrize("asked", [Asked(page_size=1), Asked(page_size=1, start=datetime(2025, 3, 1))])
def test_twins_on_pages_of_one_row_that_state_their_own_rows(asked: Asked) -> None:
    """The second one is not the first page again."""
    came = walk_of(Service(TWINS, Behaviour(totals="page")), asked)

    assert came.outcome not in FAILURES, came.problem


def test_rows_are_written_while_pages_behind_the_stated_end_are_under_way() -> None:
    """A page that was empty before the rows moved shows no end."""
    rows = hourly("2025-01-01", 49, step=6 * HOUR)
    write = Write(request=4, adds=tuple(ledger([utc("2024-12-01"), utc("2024-12-02")], first_id=8_000)))
    plan = Plan(prefetch=8)

    came = walk_of(Service(rows, Behaviour(total_cap=40), writes=[write]), Asked(page_size=50), plan)

    assert came.outcome not in FAILURES, came.problem


def test_rows_take_turns_on_pages_of_one_row() -> None:
    """Readings that agree because turns and requests keep step with each other prove nothing."""
    moments = [utc("2025-12-31") + offset * HOUR for offset in (0, 3, 3, 6, 7, 7)]
    service = Service(ledger(moments), Behaviour(ties="rotating", limit_cap=1))

    came = walk_of(service, Asked(page_size=1))

    assert came.outcome not in FAILURES, came.problem


@pytest.mark.parametrize("beyond", ["empty", "last page"])
def test_deep_pages_are_refused_after_pages_that_state_their_own_rows(beyond: Any) -> None:
    """What was read without a total stays unproven."""
    behaviour = Behaviour(totals="page", deep_rows=41, beyond=beyond)

    came = walk_of(Service(hourly("2025-03-04", 40, step=7 * DAY), behaviour), Asked(page_size=2))

    assert len(came.keys) == 40
    assert isinstance(came.error, IncompleteLedgerError)


@pytest.mark.parametrize(
    ("count", "behaviour"),
    [
        (300, Behaviour(beyond="last page", replicas=(3, 0, 0))),
        (300, Behaviour(offset="index", replicas=(0, 2))),
        (151, Behaviour(offset="from 1", replicas=(3, 0, 0))),
    ],
    ids=["last page again", "index", "from 1"],
)
@pytest.mark.parametrize("seed", range(8))
def test_replicas_lag_where_pages_are_counted_or_end_otherwise(count: int, behaviour: Behaviour, seed: int) -> None:
    """It ends soon, in the entries or in an error."""
    service = Service(rows_of_minutes(count), behaviour, seed=seed)

    came = walk_of(service, Asked(page_size=100), Plan(prefetch=4))

    assert came.outcome not in FAILURES, came.problem
    assert isinstance(came.error, PaginationError | IncompleteLedgerError | None)


def rows_of_minutes(count: int) -> list[Row]:
    """Return rows a minute apart that begin an hour before now, so that some are new."""
    return ledger(utc("2025-12-31") - (count - index) * MINUTE for index in range(count))


def test_a_page_size_that_was_refused_for_a_proof_does_not_shrink_the_usual_pages() -> None:
    """A page of twice the usual size is refused where 100 rows are the limit, which stays the limit."""
    service = Service(hourly("2025-01-01", 250, step=DAY // 4), Behaviour(offset="from 1"))

    came = walk_of(service, Asked(page_size=100))

    assert came.outcome == "right", came.problem
    assert [int(request["limit"]) for request in service.requests].count(100) >= len(service.requests) - 2


HIDDEN = [*DENSE, *ledger((row.ms for row in hourly("2025-03-05", 2)), first_id=9_000, hidden=True)]


@pytest.mark.parametrize("stop", [1, 5, 11])
def test_a_walk_that_is_left_before_it_could_say_what_is_missing(stop: int) -> None:
    """Its cursor says it: the walk that resumes it is not complete, although all that is left comes."""
    came = walk_of(Service(HIDDEN, Behaviour()), Asked(page_size=20), Plan(stops=(stop,)))

    assert len(came.keys) == len(DENSE)
    assert isinstance(came.error, IncompleteLedgerError)
    assert "before the cursor" in str(came.error)


@virtual_time
async def test_what_an_error_said_is_not_said_again() -> None:
    """A row that was not read yet was deleted, which is raised at the end; the cursor of that error continues."""
    service = Service(hourly("2025-03-04", 40), Behaviour(), writes=[Write(request=2, deletes=(35,))])
    query = CustomerLedgerQuery.mobile("917400000001", page_size=10)
    async with session_of(service) as session:
        walk = session.entries(query, prefetch=1)
        with pytest.raises(IncompleteLedgerError, match="total fell"):
            await walk.collect()
        rest = session.entries(query, resume_from=walk.cursor)

        assert walk.report.rows_yielded == 39
        assert await rest.collect() == []
        assert rest.report.complete
