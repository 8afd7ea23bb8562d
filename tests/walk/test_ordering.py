"""Rows are sorted by their second, and are the same by what identifies them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from support.pages import START, entries, entry, seconds_of

from capledger.models import EntryDetail
from capledger.walk.identity import keys_of, row_key
from capledger.walk.ordering import by_date, is_in_order, second_of, start_of_last_second

BERLIN, NEW_YORK, LORD_HOWE = map(ZoneInfo, ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"))
ZONES = [UTC, BERLIN, NEW_YORK, LORD_HOWE, ZoneInfo("Asia/Kolkata")]

instants = st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


# The second by which a service may sort


@given(instants, st.sampled_from(ZONES))
def test_a_second_is_the_whole_one_of_its_instant(instant: datetime, zone: Any) -> None:
    """Milliseconds are cut off, in every zone; only the repeated hour counts as its beginning."""
    second = second_of(instant.astimezone(zone))

    assert 0 <= int(instant.timestamp()) - second < (7_200 if zone is not UTC else 1)


@given(instants, st.timedeltas(timedelta(0), timedelta(days=2)), st.sampled_from(ZONES))
def test_seconds_follow_the_instants(instant: datetime, later: timedelta, zone: Any) -> None:
    """A later instant never has an earlier second, whatever the clock on the wall does."""
    assert second_of(instant.astimezone(zone)) <= second_of((instant + later).astimezone(zone))


def test_seconds_before_1970_are_cut_towards_the_past() -> None:
    """Not towards zero, where two seconds would be one."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    assert [second_of(epoch + timedelta(seconds=second)) for second in (-1.5, -1, -0.5, 0)] == [-2, -1, -1, 0]


@pytest.mark.parametrize(
    ("zone", "begin", "minutes"),
    [
        (BERLIN, datetime(2022, 10, 30, 0, tzinfo=UTC), 120),
        (NEW_YORK, datetime(2025, 11, 2, 5, tzinfo=UTC), 120),
        (LORD_HOWE, datetime(2025, 4, 5, 14, 30, tzinfo=UTC), 60),
    ],
)
def test_an_hour_that_comes_twice_is_one_second(zone: ZoneInfo, begin: datetime, minutes: int) -> None:
    """Its local times do not say which of the two they mean."""
    twice = [second_of((begin + timedelta(minutes=minute)).astimezone(zone)) for minute in range(minutes)]

    assert set(twice) == {int(begin.timestamp())}
    assert second_of((begin - timedelta(seconds=1)).astimezone(zone)) == int(begin.timestamp()) - 1
    after = begin + timedelta(minutes=minutes)
    assert second_of(after.astimezone(zone)) == int(after.timestamp())


def test_the_edges_of_the_calendar_have_seconds() -> None:
    """No zone moves them out of it."""
    assert second_of(datetime.min.replace(tzinfo=UTC)) < 0 < second_of(datetime.max.replace(tzinfo=UTC))


# Identity


def detail(**fields: Any) -> EntryDetail:
    return evolve(EntryDetail("CREDIT", Decimal("10.5"), "Main", "Rewards", 469), **fields)


ROW = entry(5, entry_details=[detail(), detail(points=Decimal(3), program_id=470)])


@pytest.mark.parametrize(
    "same",
    [
        evolve(ROW),
        evolve(ROW, entry_details=[detail(program_name="Renamed"), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(points=Decimal("10.50")), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(points=Decimal("1.05E+1")), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=ROW.entry_details[::-1]),
        evolve(ROW, ledger_created_date=ROW.ledger_created_date.astimezone(ZoneInfo("Asia/Kolkata"))),
        evolve(ROW, store="Another", org_id=5, source_program_name="Renamed", net_points_on_event=Decimal(9)),
    ],
    ids=["twin", "programme renamed", "scale", "exponent", "order of details", "zone", "further fields"],
)
def test_a_key_stays_the_same(same: Any) -> None:
    """Whatever a release, a renaming or another printing of the same values changes."""
    assert row_key(same) == row_key(ROW)


@pytest.mark.parametrize(
    "other",
    [
        evolve(ROW, event_log_id=6),
        evolve(ROW, event_name="PointsRedeemed"),
        evolve(ROW, ledger_created_date=ROW.ledger_created_date + timedelta(milliseconds=1)),
        evolve(ROW, ledger_created_date=ROW.ledger_created_date + timedelta(seconds=1)),
        evolve(ROW, entry_details=ROW.entry_details[:1]),
        evolve(ROW, entry_details=[*ROW.entry_details, ROW.entry_details[0]]),
        evolve(ROW, entry_details=[detail(ledger_entry_type="DEBIT"), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(points=Decimal("-10.5")), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(points=Decimal(105)), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(points=None), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(points_category="Promised"), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(program_id=470), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(alternate_currency_name="Stars"), *ROW.entry_details[1:]]),
    ],
)
def test_a_key_tells_other_rows_apart(other: Any) -> None:
    """Each value that identifies a row is in its key."""
    assert row_key(other) != row_key(ROW)


@given(st.decimals(allow_nan=False, allow_infinity=False), st.integers(0, 30))
def test_the_scale_of_an_amount_does_not_matter(amount: Decimal, zeros: int) -> None:
    """However many zeros follow, and whatever the precision of decimals is; zero has no sign."""
    sign, digits, exponent = amount.as_tuple()
    longer = Decimal((sign, (*digits, *[0] * zeros), int(exponent) - zeros))

    keys = [row_key(entry(5, entry_details=[detail(points=points)])) for points in (amount, longer)]

    assert keys[0] == keys[1]


@given(st.decimals(allow_nan=False, allow_infinity=False), st.decimals(allow_nan=False, allow_infinity=False))
def test_amounts_that_differ_have_different_keys(one: Decimal, other: Decimal) -> None:
    """Two amounts have the same key if they are equal, and only then."""
    keys = [row_key(entry(5, entry_details=[detail(points=points)])) for points in (one, other)]

    assert (keys[0] == keys[1]) is (one == other)


def test_keys_are_counted() -> None:
    """Two rows may be the same."""
    assert keys_of([ROW, entry(6), ROW]) == {row_key(ROW): 2, row_key(entry(6)): 1}


def test_a_lone_surrogate_has_a_key() -> None:
    """A string that cannot be encoded is no reason to lose its row."""
    assert row_key(evolve(ROW, event_name="\ud83d")) != row_key(ROW)


# Order


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
