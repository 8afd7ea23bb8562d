"""Moments in other zones and as POSIX times; no conversion leaves the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo

_SECOND = timedelta(seconds=1)
#: Longer than clocks were ever set back, twice.
_LONGEST_REPEATED = timedelta(days=3)
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def to_utc(moment: datetime) -> datetime:
    """Return an aware moment in UTC; one beyond the edge of the calendar is the edge."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return _EARLIEST if moment.year == 1 else _LATEST


def from_posix(second: int) -> datetime:
    """Return the moment of a POSIX time; one beyond the edge of the calendar is the edge."""
    try:
        return datetime.fromtimestamp(second, UTC)
    except (ValueError, OverflowError, OSError):
        return _EARLIEST if second < 0 else _LATEST


def to_local(moment: datetime, zone: tzinfo) -> datetime:
    """Return an aware moment in another zone; one beyond the edge of the calendar is the edge."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return (datetime.min if moment.year == 1 else datetime.max).replace(tzinfo=zone)  # noqa: DTZ901 - gets its zone


def is_same_second(one: datetime, other: datetime) -> bool:
    """Return whether :func:`second_of` is the same; mostly the distance tells, which takes a fifth of the time."""
    far = _SECOND if isinstance(one.tzinfo, timezone) and one.tzinfo == other.tzinfo else _LONGEST_REPEATED
    return abs(one - other) < far and second_of(one) == second_of(other)


def second_of(moment: datetime) -> int:
    """Return the second by which a service may sort a row, as a POSIX time.

    Where clocks are set back, local times of the repeated hour do not say which of the two they mean: all of that hour
    counts as the second in which it begins.
    """
    zone = moment.tzinfo
    if not isinstance(zone, timezone):
        first, second = moment.replace(fold=0).utcoffset(), moment.replace(fold=1).utcoffset()
        if first is not None and second is not None and first > second:
            length = int((first - second).total_seconds())
            clock = moment.hour * 3600 + moment.minute * 60 + moment.second
            return int(moment.replace(fold=0, microsecond=0).timestamp()) - clock % length
    return int(moment.timestamp() // 1)
