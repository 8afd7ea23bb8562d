"""Naive moments: from one zone to another, and shifted, within the calendar."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

#: The edges of the calendar, naive as all dates of the API.
EARLIEST, LATEST = datetime.min, datetime.max  # noqa: DTZ901 - naive server time


def converted(moment: datetime, source: tzinfo, target: tzinfo) -> datetime:
    """Return the naive moment of another zone; at the edges of the calendar, the moment itself."""
    try:
        return moment.replace(tzinfo=source).astimezone(target).replace(tzinfo=None)
    except OverflowError:
        return moment


def shifted(moment: datetime, by: timedelta) -> datetime:
    """Return a moment so much later, at most the edge of the calendar."""
    try:
        return moment + by
    except OverflowError:
        return EARLIEST if by < timedelta(0) else LATEST
