"""The span of a query as instants, and the date windows that are requested for it.

The service takes dates without a zone, in whole seconds, and no document says whether its edges belong to the range,
whether it reads more than the day of a date, or in which zone. So a window is *requested* a day wider on both sides,
from midnight to midnight, and the rows that come are *filtered* to the half-open range that was meant.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING

from attrs import define, frozen

from capledger.errors import InvalidQueryError
from capledger.moments import from_posix, to_local, to_utc

if TYPE_CHECKING:
    from collections.abc import Iterator

_DAY = timedelta(days=1)
#: No two zones are further apart than this from UTC, in either direction.
_ZONES = timedelta(hours=14)
#: The first day that leaves room for margins and zones.
_FIRST_DAY = date.min + 3 * _DAY
#: Days of a requested window that are not its own: one on either side.
MARGIN_DAYS = 2

#: Where a search for the first entry begins; loyalty programmes of this platform are younger.
EARLIEST_SEARCHED = datetime(2000, 1, 1, tzinfo=UTC)


@frozen
class Window:
    """Half-open ``[start, end)``, in UTC; inner edges of a plan are midnights of the server's zone."""

    start: datetime
    end: datetime

    def requested(self, zone: tzinfo) -> tuple[datetime, datetime]:
        """Return the dates to request: naive midnights of the server's zone, a day wider on both sides."""
        last = _day(self.end, zone)
        last = last if _midnight(last, zone) >= self.end else last + _DAY
        return _at_midnight(_day(self.start, zone) - _DAY), _at_midnight(last + _DAY)

    def days(self, zone: tzinfo) -> int:
        """Return how many days the request for the window spans."""
        start, end = self.requested(zone)
        return (end - start).days

    def explained(self, zone: tzinfo) -> tuple[datetime, datetime]:
        """Return the range of rows that a service which filters on the row's own date may send for this window.

        It may read the dates in any zone, and the last of them as a whole day.
        """
        start, end = self.requested(zone)
        return _midnight(start, zone) - _ZONES, _midnight(end, zone) + _DAY


@define
class Span:
    """The range of a walk: ``lower <= ledger_created_date < upper``, in UTC; without ``lower``, from the beginning."""

    lower: datetime | None
    upper: datetime
    zone: tzinfo

    @classmethod
    def resolve(cls, start: date | None, end: date | None, *, zone: tzinfo, now: datetime) -> Span:
        """Return the span of a query: a date is its midnight, a naive time is the server's; it ends now at the latest.

        Raises:
            InvalidQueryError: the end is before the start.
        """
        lower, now = None if start is None else _instant(start, zone), to_utc(now)
        if end is None:
            return cls(lower, now, zone)
        upper = _instant(end, zone)
        if lower is not None and upper < lower:
            raise InvalidQueryError("end is before start: pass an end that is later than start")
        return cls(lower, min(upper, now), zone)

    @property
    def window(self) -> Window | None:
        """Return the whole span as one window, or None when it has no beginning."""
        return None if self.lower is None else Window(self.lower, self.upper)

    def within(self, window: Window | None) -> Span:
        """Return the part of the span that lies in a window."""
        return self if window is None else Span(window.start, window.end, self.zone)

    def holds(self, moment: datetime) -> bool:
        """Return whether an entry of this moment belongs to the span."""
        return (self.lower is None or self.lower <= moment) and moment < self.upper


def cut(whole: Window, days: int, zone: tzinfo, *, newest_first: bool) -> Iterator[Window]:
    """Cut a window into touching ones that are requested with at most so many days, in the order of reading."""
    step = max(1, days - MARGIN_DAYS) * _DAY
    if newest_first:
        end = whole.end
        while end > whole.start:
            last = _day(end, zone)
            last = last if _midnight(last, zone) >= end else last + _DAY
            start = whole.start if last - _FIRST_DAY <= step else max(whole.start, _midnight(last - step, zone))
            yield Window(start, end)
            end = start
    else:
        start = whole.start
        while start < whole.end:
            end = min(whole.end, _midnight(_day(start, zone) + step, zone))
            yield Window(start, end)
            start = end


def rest_of(whole: Window, window: Window, *, newest_first: bool) -> Window:
    """Return what is read after a window."""
    if newest_first:
        return Window(min(whole.start, window.start), window.start)
    return Window(window.end, max(whole.end, window.end))


def left_of(whole: Window, second: int, *, newest_first: bool) -> Window:
    """Return what is left of a window after rows up to a second, and the day before that."""
    reached = from_posix(second)
    if newest_first:
        return Window(whole.start, max(whole.start, min(reached + _DAY, whole.end)))
    return Window(min(max(whole.start, reached - _DAY), whole.end), whole.end)


def count(whole: Window, days: int, zone: tzinfo) -> int:
    """Return how many windows :func:`cut` yields."""
    return -(-(whole.days(zone) - MARGIN_DAYS) // max(1, days - MARGIN_DAYS))


def cost(whole: Window, number: int, moments: list[datetime], total: int, page_size: int) -> float:
    """Estimate the requests that so many windows take, from how densely the first of ``total`` rows lie."""
    if not moments:
        return number
    oldest, newest = to_utc(min(moments)), to_utc(max(moments))
    if moments[0] <= moments[-1]:
        reach, spread, rows = whole.end - max(whole.start, oldest), whole.end - oldest, total
    else:
        reach, spread, rows = min(whole.end, newest) - whole.start, newest - oldest, len(moments)
    expected = min(total, rows * max(0.0, (reach + number * MARGIN_DAYS * _DAY) / max(_DAY, spread)))
    return max(number, expected / page_size + number / 2)


def _instant(moment: date, zone: tzinfo) -> datetime:
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time.min)
    return to_utc(moment.replace(tzinfo=zone) if moment.tzinfo is None else moment)


def _day(moment: datetime, zone: tzinfo) -> date:
    """Return the day of a moment in the server's zone, at least two days from the edges of the calendar."""
    return min(max(to_local(moment, zone).date(), _FIRST_DAY), date.max - 3 * _DAY)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return to_utc(datetime.combine(day, time.min, zone))


def _at_midnight(day: date) -> datetime:
    return datetime.combine(day, time.min)
