"""A span is a range of instants, and the windows that are requested for it cover it without a gap."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capledger import InvalidQueryError
from capledger.moments import to_utc
from capledger.windows import MARGIN_DAYS, Span, Window, count, cut

DAY = timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
#: With summer time at midnight (Santiago), of half an hour (Lord Howe), a day left out (Apia), far east and far west.
ZONE_NAMES = ["America/Santiago", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kiritimati", "Pacific/Midway"]
ZONES = [UTC, BERLIN, *map(ZoneInfo, ZONE_NAMES)]
NOW = datetime(2026, 6, 1, tzinfo=UTC)

instants = st.datetimes(datetime(2008, 1, 1), datetime(2024, 1, 1), timezones=st.just(UTC))
zones = st.sampled_from(ZONES)
windows = st.tuples(instants, st.timedeltas(timedelta(microseconds=1), 400 * DAY)).map(
    lambda pair: Window(pair[0], pair[0] + pair[1])
)


# Windows


@given(windows, st.integers(1, 90), zones, st.booleans())
def test_windows_touch_and_cover_the_whole(whole: Window, days: int, zone: Any, newest_first: bool) -> None:  # noqa: FBT001 - drawn
    """In the order of reading; inner edges are midnights of the server's zone."""
    pieces = list(cut(whole, days, zone, newest_first=newest_first))
    in_order = pieces[::-1] if newest_first else pieces

    assert (in_order[0].start, in_order[-1].end) == (whole.start, whole.end)
    assert all(piece.start < piece.end for piece in pieces)
    for before, after in pairwise(in_order):
        assert before.end == after.start
        assert after.start == to_utc(datetime.combine(after.start.astimezone(zone).date(), time.min, zone))


@given(windows, st.integers(MARGIN_DAYS + 1, 90), zones, st.booleans())
def test_no_window_is_requested_with_more_days_than_allowed(
    whole: Window,
    days: int,
    zone: Any,
    newest_first: bool,  # noqa: FBT001 - drawn
) -> None:
    """The days on both sides are among them."""
    assert all(piece.days(zone) <= days for piece in cut(whole, days, zone, newest_first=newest_first))


@given(windows, st.integers(MARGIN_DAYS + 1, 90), zones)
def test_windows_are_counted_without_cutting(whole: Window, days: int, zone: Any) -> None:
    """Within one of those that are cut in either order."""
    pieces = [len(list(cut(whole, days, zone, newest_first=newest_first))) for newest_first in (False, True)]

    assert all(abs(count(whole, days, zone) - number) <= 1 for number in pieces)


@given(windows, zones)
def test_a_window_is_requested_a_day_wider_on_both_sides(window: Window, zone: Any) -> None:
    """By naive midnights of the server's zone: whatever the service makes of them, the window is inside."""
    start, end = window.requested(zone)

    assert start.tzinfo is end.tzinfo is None
    assert start.time() == end.time() == time.min
    first, last = window.start.astimezone(zone).replace(tzinfo=None), window.end.astimezone(zone).replace(tzinfo=None)
    assert DAY <= first - start < 2 * DAY
    assert DAY - timedelta(hours=1) <= end - last <= 2 * DAY


@given(windows, zones, st.integers(-14 * 60, 14 * 60), st.booleans())
def test_rows_of_a_window_are_explained_however_its_dates_are_read(
    window: Window,
    zone: Any,
    minutes: int,
    whole_days: bool,  # noqa: FBT001 - drawn
) -> None:
    """In any zone up to 14 hours away, the last of them as a midnight or as a whole day."""
    start, end = window.requested(zone)
    first, last = window.explained(zone)

    read_start, read_end = (to_utc(moment.replace(tzinfo=zone)) + timedelta(minutes=minutes) for moment in (start, end))

    assert first <= read_start < read_end + (timedelta(hours=10) if whole_days else timedelta(0)) <= last
    assert first <= window.start < window.end <= last


def test_windows_at_the_edges_of_the_calendar() -> None:
    """They can be requested, and are cut as others are."""
    for whole in (
        Window(datetime.min.replace(tzinfo=UTC), datetime(1, 3, 1, tzinfo=UTC)),
        Window(datetime(9999, 11, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
    ):
        for zone in ZONES:
            assert whole.requested(zone)[0] < whole.requested(zone)[1]
            assert whole.explained(zone)[0] < whole.explained(zone)[1]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("zone", ZONES)
def test_cutting_from_the_beginning_of_the_calendar_ends(zone: Any, *, newest_first: bool) -> None:
    """Each piece is shorter than what is left."""
    whole = Window(datetime.min.replace(tzinfo=UTC), datetime(1, 6, 1, tzinfo=UTC))

    pieces = list(islice(cut(whole, 30, zone, newest_first=newest_first), 20))

    in_order = pieces[::-1] if newest_first else pieces
    assert (in_order[0].start, in_order[-1].end) == (whole.start, whole.end)


# Spans


@pytest.mark.parametrize(
    ("start", "end", "lower", "upper"),
    [
        (date(2025, 7, 1), date(2025, 7, 2), datetime(2025, 6, 30, 22), datetime(2025, 7, 1, 22)),
        (datetime(2025, 1, 1, 12), None, datetime(2025, 1, 1, 11), datetime(2026, 6, 1)),
        (None, datetime(2025, 1, 1, tzinfo=UTC), None, datetime(2025, 1, 1)),
        (None, datetime(2030, 1, 1), None, datetime(2026, 6, 1)),
        (datetime(2025, 7, 1), datetime(2025, 7, 1), datetime(2025, 6, 30, 22), datetime(2025, 6, 30, 22)),
    ],
    ids=["dates", "naive", "aware", "end in the future", "empty"],
)
def test_bounds_are_instants(start: Any, end: Any, lower: datetime | None, upper: datetime) -> None:
    """A date is its midnight, a naive time is the server's, and a walk ends now at the latest."""
    span = Span.resolve(start, end, zone=BERLIN, now=NOW)

    assert span.lower == (None if lower is None else lower.replace(tzinfo=UTC))
    assert span.upper == upper.replace(tzinfo=UTC)


@pytest.mark.parametrize("zone", [UTC, BERLIN])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        (datetime(2022, 10, 30, 0, 30), datetime(2022, 10, 30, 1, 30)),  # 02:30 to 02:30 by the clock on the wall
        (datetime(2022, 10, 30, 0, 50), datetime(2022, 10, 30, 1, 10)),  # 02:50 to 02:10
    ],
)
def test_a_span_within_the_hour_that_comes_twice_is_not_empty(start: datetime, end: datetime, zone: Any) -> None:
    """Bounds are compared as instants, not by the clock on the wall."""
    first, last = start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)

    span = Span.resolve(first.astimezone(zone), last.astimezone(zone), zone=BERLIN, now=NOW)

    assert (span.lower, span.upper) == (first, last)
    assert span.holds(first.astimezone(BERLIN))
    assert span.holds((last - timedelta(microseconds=1)).astimezone(BERLIN))
    assert not span.holds(last.astimezone(BERLIN))
    assert not span.holds((first - timedelta(microseconds=1)).astimezone(BERLIN))


@given(instants, st.timedeltas(timedelta(0), 3 * DAY), st.timedeltas(-4 * DAY, 4 * DAY), zones)
def test_a_span_holds_what_lies_in_it(start: datetime, length: timedelta, distance: timedelta, zone: Any) -> None:
    """Its start belongs to it, and its end does not."""
    span = Span.resolve(start.astimezone(zone), (start + length).astimezone(zone), zone=zone, now=NOW)

    assert span.holds((start + distance).astimezone(zone)) is (timedelta(0) <= distance < length)


@pytest.mark.parametrize("zone", ZONES)
def test_an_end_before_the_start_is_refused(zone: Any) -> None:
    """By a microsecond."""
    start = datetime(2025, 1, 1, tzinfo=UTC)

    with pytest.raises(InvalidQueryError, match="end is before start"):
        Span.resolve(start.astimezone(zone), (start - timedelta(microseconds=1)).astimezone(zone), zone=zone, now=NOW)


def test_a_start_in_the_future_is_an_empty_span() -> None:
    """Nothing of it has been written yet."""
    span = Span.resolve(date(2030, 1, 1), None, zone=UTC, now=NOW)

    assert span.window == Window(datetime(2030, 1, 1, tzinfo=UTC), NOW)
    assert not span.holds(NOW)


def test_a_part_of_a_span_lies_in_a_window() -> None:
    """The whole history is the span itself."""
    span = Span.resolve(date(2025, 1, 1), date(2025, 6, 1), zone=UTC, now=NOW)
    window = Window(datetime(2025, 2, 1, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC))

    assert span.within(None) is span
    assert span.within(window).window == window
    assert span.window == Window(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC))
