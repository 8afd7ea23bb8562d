"""What a walk owes whatever the service's totals, its pages and its values are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from attrs import evolve
from support.services.behaviour import BERLIN, INDIA, Behaviour, Refusal
from support.services.expect import assert_exact, walks
from support.services.model import Service
from support.services.owed import Asked
from support.services.rows import DAY, HOUR, Row, hourly, to_ms
from support.services.runner import Plan, walk_of

from capledger import DecodeError, IncompleteLedgerError

Order = Literal["asc", "desc"]

#: A row in each six hours of 50 days; asked for from the tenth day to the thirtieth where dates matter.
ROWS = hourly("2025-03-01", 200, step=6 * HOUR)
TWENTY_DAYS = Asked(start=datetime(2025, 3, 10), end=datetime(2025, 3, 30))
#: Four years with a row in each week.
WEEKLY = hourly("2022-01-01", 200, step=7 * DAY)

both_orders = pytest.mark.parametrize("order", ["asc", "desc"])


@pytest.mark.parametrize("asked", [Asked(), TWENTY_DAYS, evolve(TWENTY_DAYS, end=datetime(2025, 3, 11))])
@both_orders
def test_totals_ignore_the_dates(order: Order, asked: Asked) -> None:
    """Exactly the entries: the whole history proves itself."""
    assert_exact(ROWS, Behaviour(totals="ignore dates"), evolve(asked, order=order), stops=(3,))


@pytest.mark.parametrize("count", [39, 40, 41, 60, 130])
@both_orders
def test_totals_stop_counting(order: Order, count: int) -> None:
    """Exactly the entries: a full last page is not the end."""
    rows = hourly("2025-03-01", count, step=12 * HOUR)

    assert_exact(rows, Behaviour(total_cap=40), Asked(order=order), stops=(25,))


@pytest.mark.parametrize("asked", [Asked(), evolve(Asked(), start=datetime(2021, 6, 1), end=datetime(2025, 6, 1))])
@pytest.mark.parametrize(
    "refusal", [Refusal(500_001, "Result window is too large"), Refusal(9003, ""), Refusal(1, "no", 200)]
)
@both_orders
def test_deep_pages_are_refused(order: Order, refusal: Refusal, asked: Asked) -> None:
    """Exactly the entries, by windows."""
    assert_exact(WEEKLY, Behaviour(deep_rows=50, deep_refusal=refusal), evolve(asked, order=order), stops=(70,))


@pytest.mark.parametrize("behaviour", [Behaviour(totals="absent"), Behaviour(details="never")])
@pytest.mark.parametrize("count", [1, 10, 30, 34])
@pytest.mark.parametrize("on_incomplete", ["raise", "warn"])
@both_orders
def test_no_total_is_stated(order: Order, on_incomplete: Any, count: int, behaviour: Behaviour) -> None:
    """All entries up to an empty page, and then an error, or not complete."""
    came = walk_of(Service(ROWS[:count], behaviour), Asked(order=order), Plan(on_incomplete=on_incomplete))

    assert len(came.keys) == count
    assert came.outcome == "right"
    assert not came.complete
    assert isinstance(came.error, IncompleteLedgerError) is (on_incomplete == "raise")


@pytest.mark.parametrize("count", [1, 9, 10, 11, 30, 34])
@pytest.mark.parametrize("on_incomplete", ["raise", "warn"])
@both_orders
def test_the_rows_of_the_page_are_stated_as_the_total(order: Order, on_incomplete: Any, count: int) -> None:
    """As without a total, once a further page has rows."""
    came = walk_of(
        Service(ROWS[:count], Behaviour(totals="page")), Asked(order=order), Plan(on_incomplete=on_incomplete)
    )

    assert len(came.keys) == count
    assert came.outcome == "right"
    assert came.complete is (count <= 10)


@pytest.mark.parametrize("hidden", [{3, 7}, {0}, set(range(10, 20)), {9, 10, 11}, set(range(40, 50))])
@pytest.mark.parametrize("page_size", ["right", "shown"])
@both_orders
def test_rows_are_hidden_after_paging(order: Order, page_size: Any, hidden: set[int]) -> None:
    """What is shown comes once, up to the stated last page; what is not is an error, or not complete."""
    rows = [evolve(row, hidden=index in hidden) for index, row in enumerate(ROWS[:50])]
    service, behaviour = Asked(order=order), Behaviour(page_size=page_size)

    raised = walk_of(Service(rows, behaviour), service)
    warned = walk_of(Service(rows, behaviour), service, Plan(on_incomplete="warn"))

    assert isinstance(raised.error, IncompleteLedgerError)
    assert warned.outcome == "right"
    assert not warned.complete
    assert len(warned.keys) == 50 - len(hidden)


@pytest.mark.parametrize("on_incomplete", ["raise", "warn"])
@pytest.mark.parametrize("asked", [Asked(), TWENTY_DAYS, evolve(TWENTY_DAYS, start=datetime(2022, 1, 1))])
def test_nothing_at_all_is_not_an_empty_ledger(asked: Asked, on_incomplete: Any) -> None:
    """It is an error, or not complete."""
    came = walk_of(Service([], Behaviour(empty="nothing")), asked, Plan(on_incomplete=on_incomplete))

    assert came.outcome == "right"
    assert not came.complete
    assert isinstance(came.error, IncompleteLedgerError) is (on_incomplete == "raise")


@pytest.mark.parametrize("empty", ["error400", "error200", "text code", "warning", "plain"])
@pytest.mark.parametrize("asked", [Asked(), TWENTY_DAYS, evolve(TWENTY_DAYS, start=datetime(2022, 1, 1))])
@both_orders
def test_a_ledger_that_is_said_to_be_empty_is(order: Order, asked: Asked, empty: Any) -> None:
    """Nothing comes, and that is all."""
    assert_exact([], Behaviour(empty=empty), evolve(asked, order=order))


# Pages


@pytest.mark.parametrize("page_size", ["shown", "absent", "zero", "more"])
@pytest.mark.parametrize("page_count", ["right", "absent", "zero", "more"])
@pytest.mark.parametrize("page_number", ["right", "absent", "zero", "more"])
@both_orders
def test_what_pages_say_of_themselves_is_evidence_and_not_law(
    order: Order, page_size: Any, page_count: Any, page_number: Any
) -> None:
    """Exactly the entries, whatever is stated of pages."""
    behaviour = Behaviour(page_size=page_size, page_count=page_count, page_number=page_number)

    assert_exact(ROWS[:34], behaviour, Asked(order=order), stops=(15,))


@pytest.mark.parametrize("offset", ["from 1", "index"])
@pytest.mark.parametrize("page_number", ["right", "absent", "zero", "more"])
@pytest.mark.parametrize("count", [1, 10, 11, 34])
@both_orders
def test_offset_counts_from_one_or_is_an_index(order: Order, count: int, page_number: Any, offset: Any) -> None:
    """Exactly the entries."""
    assert_exact(ROWS[:count], Behaviour(offset=offset, page_number=page_number), Asked(order=order), stops=(1, 10))


@pytest.mark.parametrize("message", ["Limit cannot be greater than 100", "", "max 1", "20 of 500"])
@pytest.mark.parametrize("code", [11006, 11029])
@pytest.mark.parametrize("status", [200, 400])
@both_orders
def test_limits_are_refused_whatever_the_refusal_says(order: Order, status: int, code: int, message: str) -> None:
    """Exactly the entries, in smaller pages."""
    behaviour = Behaviour(limit_cap=20, limit_refusal=Refusal(code, message, status))

    assert_exact(ROWS[:70], behaviour, Asked(order=order, page_size=100), stops=(30,))


@pytest.mark.parametrize("page_size", ["right", "shown", "absent", "zero"])
@both_orders
def test_limits_are_cut_silently(order: Order, page_size: Any) -> None:
    """Exactly the entries, in the pages that come."""
    behaviour = Behaviour(limit_cap=20, limit_refusal=None, page_size=page_size)

    assert_exact(ROWS[:70], behaviour, Asked(order=order, page_size=100), stops=(30,))


# Values


@pytest.mark.parametrize("text", ["0001-01-01 00:00:00.0", "9999-12-31 23:59:59.0", "9999-12-31 23:59:59.9999999"])
@pytest.mark.parametrize("zone", [UTC, INDIA, BERLIN])
@both_orders
def test_dates_at_the_edge_of_the_calendar(order: Order, zone: Any, text: str) -> None:
    """The entry, or an error with the path of the field where no date can hold it."""
    ms = to_ms(datetime.fromisoformat(text[:19]).replace(tzinfo=UTC))
    edge = Row(ms, 4_000, "edge", date_text=text)
    rows = [edge, *ROWS[:20]] if text < "2" else [*ROWS[:20], edge]

    for came in walks(rows, Behaviour(zone=zone), Asked(order=order)):
        assert came.outcome in {"right", "error"}
        if came.error is not None:
            assert isinstance(came.error, DecodeError)
            assert "Date" in str(came.error.paths)


@both_orders
def test_a_lone_surrogate_in_a_string(order: Order) -> None:
    """The entry, or an error with the path of the field."""
    rows = [evolve(row, store_json='"\\ud83d half"') if index == 7 else row for index, row in enumerate(ROWS[:20])]

    for came in walks(rows, Behaviour(), Asked(order=order)):
        assert came.outcome in {"right", "error"}
        if came.error is not None:
            assert isinstance(came.error, DecodeError)
            assert "store" in str(came.error.paths)
