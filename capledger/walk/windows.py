"""Which time a query means in the server's own clock, and how it is cut into windows that the server accepts.

The server takes dates without a zone, in whole seconds, and does not say whether its edges belong to the range
(``yyyy-MM-ddTHH:mm:ss``, at most 90 days in the v2 document). So a window is *asked* one second wider on both sides
and what comes is *filtered* to the half-open range that was meant.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING

from attrs import define, frozen

from capledger.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAD = timedelta(seconds=1)
#: How far outside of what was asked a row may lie before it shows that the server filters on another date.
_SLACK = timedelta(seconds=2)


@frozen
class Window:
    """Half-open ``[start, end)`` in the server's local time, without a zone."""

    start: datetime
    end: datetime

    def asked(self, zone: tzinfo) -> tuple[datetime, datetime]:
        """Give the whole seconds to ask for: wider by one second, and by the repeated hour where clocks go back."""
        start = self.start.replace(microsecond=0) - _PAD - _repeated(self.start, zone)
        end = self.end.replace(microsecond=0) + _PAD + _repeated(self.end, zone)
        return start, end + _PAD if self.end.microsecond else end

    def explains(self, local: datetime, zone: tzinfo) -> bool:
        """Tell whether a server that filters on the entry's own date may answer with this one."""
        start, end = self.asked(zone)
        return start - _SLACK <= local <= end + _SLACK


@define
class Span:
    """What a query means: ``lower <= ledger_created_date < upper``, with a zone; no ``lower``: from the beginning."""

    lower: datetime | None
    upper: datetime
    zone: tzinfo
    #: When the walk began, as far as known: an entry dated before it was there then.
    began: datetime | None = None

    @classmethod
    def resolve(cls, start: date | None, end: date | None, *, zone: tzinfo, now: datetime) -> Span:
        """Fix the span: a date is its midnight, a naive time is the server's, an open end is now."""
        lower = None if start is None else _aware(start, zone)
        upper = now.astimezone(zone) if end is None else _aware(end, zone)
        if lower is not None and end is not None and upper < lower:
            msg = "end is before start: give an end that is later than start"
            raise InvalidQueryError(msg)
        return cls(lower, upper, zone, now)

    @property
    def empty(self) -> bool:
        """Whether no entry can lie inside."""
        return self.lower is not None and self.upper <= self.lower

    def whole_window(self) -> Window | None:
        """Give the span in the server's local time, or None when it has no beginning."""
        if self.lower is None:
            return None
        return Window(local_time(self.lower, self.zone), local_time(self.upper, self.zone))

    def part(self, window: Window | None) -> Span:
        """Give the part of the span that a window stands for; its outer edges stay exactly those of the span."""
        whole = self.whole_window()
        if window is None or whole is None:
            return self
        lower = self.lower if window.start <= whole.start else window.start.replace(tzinfo=self.zone)
        upper = self.upper if window.end >= whole.end else window.end.replace(tzinfo=self.zone)
        return Span(lower, upper, self.zone, self.began)

    def holds(self, moment: datetime) -> bool:
        """Tell whether an entry of this moment belongs to the span."""
        return (self.lower is None or self.lower <= moment) and moment < self.upper

    def expected(self, moment: datetime) -> bool:
        """Tell whether an entry of this moment belongs to the span and was written before the walk began."""
        return self.holds(moment) and (self.began is None or moment < self.began)

    def blur(self, moment: datetime) -> timedelta:
        """Give how far back the server's clock may seem to go: within a second, or in the hour that comes twice."""
        return max(_PAD, _repeated(local_time(moment, self.zone), self.zone))


def local_time(moment: datetime, zone: tzinfo) -> datetime:
    """Give the server's wall clock at a moment, without a zone."""
    if moment.tzinfo is not zone:
        moment = moment.astimezone(zone)
    return moment.replace(tzinfo=None, fold=0)


def window_length(days: int) -> timedelta:
    """Give the longest window to ask for when the server accepts so many days.

    Two days less than the stated cap: room for the seconds asked on both sides, for a repeated hour, and for a cap
    that counts its own edge.
    """
    return timedelta(days=days) - min(timedelta(days=2), timedelta(days=days) / 2)


def cut(whole: Window, length: timedelta, *, newest_first: bool) -> Iterator[Window]:
    """Cut a window into touching ones of at most this length, in the order in which their entries are wanted."""
    if newest_first:
        end = whole.end
        while end > whole.start:
            start = max(whole.start, end - length)
            yield Window(start, end)
            end = start
    else:
        start = whole.start
        while start < whole.end:
            end = min(whole.end, start + length)
            yield Window(start, end)
            start = end


def count(whole: Window, length: timedelta) -> int:
    """Tell how many windows :func:`cut` gives."""
    return max(0, -((whole.start - whole.end) // length))


def _aware(moment: date, zone: tzinfo) -> datetime:
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time.min)
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def _repeated(local: datetime, zone: tzinfo) -> timedelta:
    """Give how long the clock repeats itself at this local time: an hour when summer time ends, else nothing."""
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    return abs(first - second) if first is not None and second is not None else timedelta(0)
