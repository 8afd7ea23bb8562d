"""The service's dates, parsed into aware datetimes.

Accepted: ``2024-08-30 11:17:57.0`` with any number of fraction digits or none, with a space or a T, with an offset or
none; a date alone (its midnight); and Java's ``Fri Aug 30 11:17:57 GMT 2024``. A date without a zone is the server's
local time. Digits beyond microseconds are rounded half up. An hour that a zone has twice is the first of the two.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

#: Message of the error for a date without a zone.
ZONE_NEEDED: Final = (
    "the response's dates have no zone and none is set: pass LedgerSession(timezone=...), the zone of the server, "
    "e.g. zoneinfo.ZoneInfo('Asia/Kolkata') for the India cluster or datetime.UTC for the Europe cluster"
)

_ISO: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[ Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)
_JAVA: Final = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d\d?) (\d\d):(\d\d):(\d\d) (\S+) (\d{4})", re.ASCII)
_OFFSET: Final = re.compile(r"(?:GMT|UTC)?([+-])(\d\d):?(\d\d)?", re.ASCII)
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
#: Hours east of Greenwich, for unambiguous abbreviations: those of the clusters and of RFC 5322. CST (America or China)
#: is missing; it is still parsed where the session's own zone has that name.
_HOURS_EAST: Final = {"IST": 5.5, "SGT": 8, "EST": -5, "EDT": -4, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}


class ZoneNeededError(Exception):
    """The date has no zone, and the session has none either."""


class NotADateError(ValueError):
    """The string is not a date, or its zone is ambiguous."""


def read_date(text: str, zone: tzinfo | None) -> datetime:
    """Return the aware datetime of a string; ``zone`` is the server's, for strings without one.

    Raises:
        ZoneNeededError: the string has no zone and ``zone`` is None.
        NotADateError: the string is not a date, or its zone is ambiguous.
    """
    try:
        if match := _ISO.fullmatch(text):
            return _from_iso(match, zone)
        if match := _JAVA.fullmatch(text):
            return _from_java(match, zone)
    except ValueError:  # a month, day, hour or offset that does not exist
        pass
    raise NotADateError("not a date")


def _from_iso(match: re.Match[str], zone: tzinfo | None) -> datetime:
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    local = _add_fraction(datetime(year, month, day, hour, minute, second), match[7])
    if match[8]:
        return local.replace(tzinfo=_offset(match[8]))
    if zone is None:
        raise ZoneNeededError(ZONE_NEEDED)
    return local.replace(tzinfo=zone)


def _add_fraction(whole: datetime, digits: str | None) -> datetime:
    if not digits:
        return whole
    microseconds = int(digits[:6].ljust(6, "0"))
    if digits[6:7] >= "5":
        microseconds += 1
    try:
        return whole + timedelta(microseconds=microseconds)
    except OverflowError:
        return datetime.max  # noqa: DTZ901 - "never expires" to the nanosecond; the caller adds the zone


def _from_java(match: re.Match[str], zone: tzinfo | None) -> datetime:
    month, day, hour, minute, second, name, year = match.groups()
    if month not in _MONTHS:
        raise NotADateError("not a month")
    local = datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second))
    return _in_named_zone(local, name, zone)


def _in_named_zone(local: datetime, name: str, zone: tzinfo | None) -> datetime:
    """Return ``local`` in the zone called ``name``: the session's own where it has that name at that time."""
    for fold in (0, 1):
        own = local.replace(tzinfo=zone, fold=fold)
        if zone is not None and own.tzname() == name:
            return own
    if name in _HOURS_EAST:
        return local.replace(tzinfo=timezone(timedelta(hours=_HOURS_EAST[name])))
    return local.replace(tzinfo=_offset(name))


def _offset(text: str) -> tzinfo:
    if text in {"Z", "z", "GMT", "UTC"}:
        return UTC
    match = _OFFSET.fullmatch(text)
    if match is None:
        raise NotADateError("an ambiguous zone")
    delta = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
    if not delta:
        return UTC
    return timezone(-delta if match[1] == "-" else delta)
