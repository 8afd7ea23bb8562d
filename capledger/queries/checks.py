"""Converters and validators of the fields of queries.

Converters only unify the ways to write a value; a value of the wrong type passes through unchanged, so that the
validator, which knows the field's name, refuses it. No message contains a value: it could be a customer's identifier.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from numbers import Integral
from typing import TYPE_CHECKING, Any

from capledger.errors import InvalidQueryError

if TYPE_CHECKING:
    from attrs import Attribute

#: Years that leave room for windows and zones on both sides.
_FIRST_YEAR, _LAST_YEAR = 2, 9998

#: Digits of a 64-bit number, which an event's id is.
_MAX_DIGITS = 19


def as_string(value: str | int) -> str:
    """Return an integer as its digits, since identifiers are often stored as numbers."""
    number = _integral(value)
    return value if number is None else str(number)  # type: ignore[return-value]  # the validator refuses the rest


def as_int(value: int) -> int:
    """Return an integer of numpy or another library as an int, any other value unchanged."""
    number = _integral(value)
    return value if number is None else number


def _integral(value: object) -> int | None:
    if type(value) is int:  # the common cases, without the slow check of an abstract class
        return value
    if value is None or isinstance(value, str):
        return None
    return None if isinstance(value, bool) or not isinstance(value, Integral) else int(value)


def as_optional_int(value: int | None) -> int | None:
    """Return an integer of numpy or another library as an int, any other value unchanged."""
    return None if value is None else as_int(value)


def as_optional_string_or_int(value: str | int | None) -> str | int | None:
    """Return an integer of numpy or another library as an int, any other value unchanged."""
    return value if isinstance(value, str) else as_optional_int(value)


def as_bool_or_names(
    value: str | Iterable[str] | bool | None,  # noqa: FBT001 - a converter gets its one value by position
) -> bool | tuple[str, ...]:
    """Return a boolean unchanged, and names as a tuple."""
    return value if isinstance(value, bool) else _as_tuple(value)


def as_datetime(value: date | None) -> datetime | None:
    """Return a day as its first instant, naive; a datetime of pandas or pendulum as a plain one."""
    if type(value) is datetime or not isinstance(value, date):
        return value
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    if not is_int(value.year):  # pandas.NaT, which is a datetime to isinstance
        return value
    clock = value.hour, value.minute, value.second, value.microsecond
    return datetime(value.year, value.month, value.day, *clock, tzinfo=value.tzinfo, fold=value.fold)


def as_names(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return one name or several as a tuple."""
    return _as_tuple(value)


def as_ints(value: int | Iterable[int] | None) -> tuple[int, ...]:
    """Return one integer or several as a tuple."""
    return tuple(as_int(item) for item in _as_tuple(value))


def as_event_ids(value: int | str | Iterable[int | str] | None) -> tuple[int, ...]:
    """Return one id or several as a tuple of integers; an id may be a string of digits."""
    return tuple(int(item) if _is_digits(item) else as_int(item) for item in _as_tuple(value))


def as_references(value: int | str | Iterable[int | str] | None) -> tuple[str, ...]:
    """Return one reference or several as a tuple of strings; a reference may be an integer."""
    return tuple(as_string(item) for item in _as_tuple(value))


def _as_tuple(value: object) -> tuple[Any, ...]:
    if isinstance(value, tuple):
        return value
    if value is None:
        return ()
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        return (value,)
    has_no_order = isinstance(value, (set, frozenset))
    return tuple(sorted(value, key=str) if has_no_order else value)


def _is_digits(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS


def is_int(value: object) -> bool:
    """Return whether the value is an integer and not a boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def string(_: object, attribute: Attribute[Any], value: object) -> None:
    """Raise unless the value is a string that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidQueryError(f"{attribute.name} is empty or not a string: pass a string of at least one character")
    _require_unicode(attribute.name, value)


def _require_unicode(name: str, value: str) -> None:
    """Raise for half of a surrogate pair: it would be sent as another character, and ask for another customer."""
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidQueryError(f"{name} contains half of a surrogate pair: pass valid Unicode")


def optional_string(query: object, attribute: Attribute[Any], value: object) -> None:
    """Raise unless the value is None or a string that is not blank."""
    if value is not None:
        string(query, attribute, value)


def optional_string_or_int(query: object, attribute: Attribute[Any], value: object) -> None:
    """Raise unless the value is None, an integer, or a string that is not blank."""
    if not is_int(value):
        optional_string(query, attribute, value)


def optional_int(_: object, attribute: Attribute[Any], value: object) -> None:
    """Raise unless the value is None or an integer."""
    if value is not None and not is_int(value):
        raise InvalidQueryError(f"{attribute.name} is not a whole number: pass an int")


def positive_int(_: object, attribute: Attribute[Any], value: object) -> None:
    """Raise unless the value is an integer of 1 or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidQueryError(f"{attribute.name} must be a whole number of 1 or more")


def optional_bool(_: object, attribute: Attribute[Any], value: object) -> None:
    """Raise unless the value is None or a boolean."""
    if value is not None and not isinstance(value, bool):
        raise InvalidQueryError(f"{attribute.name} must be True, False or None")


def ints(_: object, attribute: Attribute[Any], value: tuple[object, ...]) -> None:
    """Raise unless every item is an integer."""
    if not all(is_int(item) for item in value):
        raise InvalidQueryError(f"{attribute.name} contains something that is not a whole number: pass a list of int")


def names(_: object, attribute: Attribute[Any], value: tuple[object, ...]) -> None:
    """Raise unless every item is a string that is not blank and has no comma, which separates names in a request."""
    for item in value:
        if not isinstance(item, str) or not item.strip():
            raise InvalidQueryError(f"{attribute.name} contains an empty item or no string: pass a list of strings")
        if "," in item:
            raise InvalidQueryError(f"{attribute.name} contains a string with a comma: pass each name as its own item")
        _require_unicode(attribute.name, item)


def bool_or_names(query: object, attribute: Attribute[Any], value: object) -> None:
    """Raise unless the value is a boolean or a tuple of names."""
    if isinstance(value, tuple):
        names(query, attribute, value)
    else:
        optional_bool(query, attribute, value)


def optional_datetime(_: object, attribute: Attribute[Any], value: object) -> None:
    """Raise unless the value is None or a datetime; dates were converted before."""
    if value is None:
        return
    if not isinstance(value, datetime) or not is_int(value.year):
        raise InvalidQueryError(f"{attribute.name} is not a date: pass a datetime.date or a datetime.datetime")
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise InvalidQueryError(f"{attribute.name} is at the edge of the calendar: leave it out, or pass another year")


def require_order(start: datetime | None, end: datetime | None) -> None:
    """Raise if the end is before the start, as far as they compare: both naive or both aware."""
    if start is None or end is None or (start.tzinfo is None) is not (end.tzinfo is None):
        return
    if start.tzinfo is not None and end.tzinfo is not None:  # by the clock on the wall, if both have one zone
        start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end < start:
        raise InvalidQueryError("end is before start: swap them, or leave one out")
