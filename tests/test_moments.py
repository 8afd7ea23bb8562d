"""Moments keep to the calendar in every zone, and have the second by which a service may sort them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capledger.moments import from_posix, is_same_second, second_of, to_local, to_utc

BERLIN, NEW_YORK, LORD_HOWE = map(ZoneInfo, ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"))
ZONES = [UTC, BERLIN, NEW_YORK, LORD_HOWE, ZoneInfo("Asia/Kolkata")]
#: With summer time at midnight (Santiago), a day left out (Apia), far east and far west, besides.
FURTHER_NAMES = ["America/Santiago", "Pacific/Apia", "Pacific/Kiritimati", "Pacific/Midway"]
FURTHER_ZONES = [*ZONES, *map(ZoneInfo, FURTHER_NAMES)]

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


@given(instants, st.timedeltas(timedelta(0), timedelta(hours=3)), st.sampled_from(ZONES), st.sampled_from(ZONES))
def test_the_distance_tells_what_the_seconds_do(instant: datetime, later: timedelta, zone: Any, other: Any) -> None:
    """In either order, and in two zones."""
    one, two = instant.astimezone(zone), (instant + later).astimezone(other)
    near = (instant + later / 3_600).astimezone(other)

    for pair in [(one, two), (two, one), (one, near), (near, one)]:
        assert is_same_second(*pair) == (second_of(pair[0]) == second_of(pair[1]))


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


# The edges of the calendar


@pytest.mark.parametrize("zone", FURTHER_ZONES)
def test_moments_at_the_edges_of_the_calendar_stay_there(zone: Any) -> None:
    """No conversion raises."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

    assert to_local(first, zone).year == 1
    assert to_local(last, zone).year == 9999
    assert to_utc(datetime.min.replace(tzinfo=zone)) <= to_utc(datetime.max.replace(tzinfo=zone))
    assert from_posix(-(2**50)) == first
    assert from_posix(2**50) == last
