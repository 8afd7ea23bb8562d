"""Rows are sorted by their second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pages import START, entries, entry, seconds_of

from capledger.walk.ordering import by_date, is_in_order, start_of_last_second


@pytest.mark.parametrize(
    ("seconds", "order"),
    [
        ([], "one second"),
        ([1], "one second"),
        ([1, 1.9, 1.2], "one second"),
        ([1, 2, 2, 3], "asc"),
        ([1, 2.5, 2.1, 3], "asc"),
        ([3, 2.1, 2.5, 1], "desc"),
        ([1, 3, 2], "none"),
    ],
)
def test_the_order_of_rows_is_that_of_their_seconds(seconds: list[float], order: str) -> None:
    """Milliseconds may run either way."""
    assert is_in_order(entries(*seconds), "asc") is (order in {"one second", "asc"})
    assert is_in_order(entries(*seconds), "desc") is (order in {"one second", "desc"})


def test_rows_are_sorted_by_date_and_those_of_one_moment_by_id() -> None:
    """Newest first is the reverse of oldest first."""
    rows = [entry(2.5, 1), entry(2, 9), entry(2, 4), entry(1, 7)]

    assert [row.event_log_id for row in by_date(rows, "asc")] == [7, 4, 9, 1]
    assert [row.event_log_id for row in by_date(rows, "desc")] == [1, 9, 4, 7]


@given(st.lists(st.integers(0, 5), max_size=8))
def test_the_last_second_begins_behind_all_others(seconds: list[int]) -> None:
    """Of rows in order, those behind the returned place are the ones of the last second."""
    rows = entries(*sorted(seconds))

    place = start_of_last_second(rows)

    assert seconds_of(rows[place:]) == [second for second in sorted(seconds) if second == max(seconds)]


def test_entries_begin_at_the_start() -> None:
    """The helper's dates are what the tests say."""
    assert entry(0).ledger_created_date == START
