from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capledger._sansio.dates import NotADateError, ZoneNeededError, read_date

if TYPE_CHECKING:
    from datetime import tzinfo

INDIA = ZoneInfo("Asia/Kolkata")
NEW_YORK = ZoneInfo("America/New_York")
HALF_PAST_FIVE = timezone(timedelta(hours=5.5))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-08-30 11:17:57.0", datetime(2024, 8, 30, 11, 17, 57, tzinfo=INDIA)),
        ("2024-08-30 11:17:57.680", datetime(2024, 8, 30, 11, 17, 57, 680_000, tzinfo=INDIA)),
        ("2024-08-30 23:59:59.999", datetime(2024, 8, 30, 23, 59, 59, 999_000, tzinfo=INDIA)),
        ("2024-08-30 11:17:57.123456", datetime(2024, 8, 30, 11, 17, 57, 123_456, tzinfo=INDIA)),
        ("2024-08-30 11:17:57.123456500", datetime(2024, 8, 30, 11, 17, 57, 123_457, tzinfo=INDIA)),
        ("2024-08-30 11:17:57.123456499", datetime(2024, 8, 30, 11, 17, 57, 123_456, tzinfo=INDIA)),
        ("2024-12-31 23:59:59.9999999", datetime(2025, 1, 1, tzinfo=INDIA)),
        ("9999-12-31 23:59:59.999999999", datetime.max.replace(tzinfo=INDIA)),
        ("2026-01-07 05:43:40", datetime(2026, 1, 7, 5, 43, 40, tzinfo=INDIA)),
        ("2026-01-07T05:43:40", datetime(2026, 1, 7, 5, 43, 40, tzinfo=INDIA)),
        ("2026-01-07", datetime(2026, 1, 7, tzinfo=INDIA)),
        ("2024-03-26T10:38:00+05:30", datetime(2024, 3, 26, 10, 38, tzinfo=HALF_PAST_FIVE)),
        ("2019-12-02T12:31:15.000+0530", datetime(2019, 12, 2, 12, 31, 15, tzinfo=HALF_PAST_FIVE)),
        ("2019-12-02T12:31:15-03", datetime(2019, 12, 2, 12, 31, 15, tzinfo=timezone(-timedelta(hours=3)))),
        ("2026-01-05T04:48:48Z", datetime(2026, 1, 5, 4, 48, 48, tzinfo=UTC)),
        ("Fri Aug 30 11:17:57 GMT 2024", datetime(2024, 8, 30, 11, 17, 57, tzinfo=UTC)),
        ("Fri Aug 30 11:17:57 UTC 2024", datetime(2024, 8, 30, 11, 17, 57, tzinfo=UTC)),
        ("Fri Aug 30 11:17:57 IST 2024", datetime(2024, 8, 30, 11, 17, 57, tzinfo=INDIA)),
        ("Fri Aug 30 11:17:57 GMT+08:00 2024", datetime(2024, 8, 30, 11, 17, 57, tzinfo=timezone(timedelta(hours=8)))),
    ],
)
def test_every_documented_variant_is_read(text: str, expected: datetime) -> None:
    """Each spelling of a date gives the moment it stands for, with its zone or the server's."""
    read = read_date(text, INDIA)

    assert read == expected
    assert read.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2024-13-01 00:00:00.0",
        "2024-02-30 00:00:00.0",
        "2024-08-30 24:00:00.0",
        "2024-08-30 11:17",
        "2024-08-30 11:17:57.",
        "2024-08-30 11:17:57.0 ",
        "2024-08-30T11:17:57+24:00",
        "Fri Aug 30 11:17:57 2024",
        "Fri Abc 30 11:17:57 GMT 2024",
        "Fri Aug 30 11:17:57 CST 2024",
        "Fri Aug 30 11:17:57 XYZ 2024",
        "٢٠٢٤-08-30 11:17:57.0",
        "1725016677",
    ],
)
def test_invalid_dates_are_refused(text: str) -> None:
    """A text that is no date, or whose zone cannot be told, is refused and never guessed."""
    with pytest.raises(NotADateError):
        read_date(text, INDIA)


@pytest.mark.parametrize(
    ("name", "zone", "hours"),
    [
        ("EST", NEW_YORK, -5),
        ("EDT", NEW_YORK, -4),
        ("CST", ZoneInfo("Asia/Shanghai"), 8),
        ("CST", ZoneInfo("America/Chicago"), -6),
        ("IST", ZoneInfo("Europe/Dublin"), 5.5),
        ("SGT", None, 8),
    ],
)
def test_an_abbreviation_is_the_sessions_own_zone_first(name: str, zone: tzinfo | None, hours: float) -> None:
    """In the hour that New York has twice, EST and EDT tell which; Dublin calls itself GMT then, so IST is India's."""
    read = read_date(f"Sun Nov 03 01:30:00 {name} 2024", zone)

    assert read.utcoffset() == timedelta(hours=hours)


def test_an_hour_that_comes_twice_is_the_first() -> None:
    """Without a zone in the text nothing tells the two apart."""
    assert read_date("2024-11-03 01:30:00.0", NEW_YORK).utcoffset() == timedelta(hours=-4)


@pytest.mark.parametrize("text", ["2024-08-30 11:17:57.0", "2024-08-30"])
def test_a_date_without_a_zone_needs_one(text: str) -> None:
    """Nobody's zone is assumed."""
    with pytest.raises(ZoneNeededError, match="timezone="):
        read_date(text, None)


def test_a_date_with_a_zone_needs_no_other() -> None:
    """Java's dates and the ISO twins are complete by themselves."""
    assert read_date("Fri Aug 30 11:17:57 GMT 2024", None) == read_date("2024-08-30T11:17:57Z", None)


@given(st.datetimes())
def test_naive_dates_come_back(moment: datetime) -> None:
    """Whatever the service's clock showed is what the entry says, to the microsecond."""
    assert read_date(moment.isoformat(" ", "microseconds"), UTC) == moment.replace(tzinfo=UTC)


@given(st.text())
def test_any_string_is_parsed_or_refused(text: str) -> None:
    """Nothing but a NotADateError comes out of a string that is no date."""
    try:
        read = read_date(text, UTC)
    except NotADateError:
        return
    assert read.tzinfo is not None
