"""Converters and validators of the query fields.

Converters only bring several ways to write a value into one; a value of the wrong kind passes through them untouched,
to be refused by the validator, which knows the field's name. No text here repeats a value: it could be a customer's.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from capledger.errors import InvalidQueryError

if TYPE_CHECKING:
    from attrs import Attribute

#: Of an event's id, which is a 64-bit number.
_MOST_DIGITS = 19


def as_text(value: str | int) -> str:
    """A whole number as its digits; identifiers are often kept as numbers."""
    return str(value) if is_whole(value) else value  # type: ignore[return-value]  # the validator refuses the rest


def as_flag_or_names(
    value: str | Iterable[str] | bool | None,  # noqa: FBT001  # a converter gets its one value by position
) -> bool | tuple[str, ...]:
    """A flag as it is, names as a tuple."""
    return value if isinstance(value, bool) else _as_tuple(value)


def as_moment(value: date | None) -> datetime | None:
    """A day as its first instant, naive."""
    if isinstance(value, datetime) or not isinstance(value, date):
        return value
    return datetime(value.year, value.month, value.day)


def as_names(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """One name or many as a tuple, none as the empty one."""
    return _as_tuple(value)


def as_numbers(value: int | Iterable[int] | None) -> tuple[int, ...]:
    """One number or many as a tuple, none as the empty one."""
    return _as_tuple(value)


def as_event_ids(value: int | str | Iterable[int | str] | None) -> tuple[int, ...]:
    """Ids as numbers, digits in a text among them."""
    return tuple(int(item) if _is_digits(item) else item for item in _as_tuple(value))


def as_references(value: int | str | Iterable[int | str] | None) -> tuple[str, ...]:
    """References as texts, numbers among them."""
    return tuple(as_text(item) for item in _as_tuple(value))


def _as_tuple(value: object) -> tuple[Any, ...]:
    if isinstance(value, tuple):
        return value
    if value is None:
        return ()
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        return (value,)
    in_no_order = isinstance(value, (set, frozenset))
    return tuple(sorted(value, key=str) if in_no_order else value)


def _is_digits(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS


def is_whole(value: object) -> bool:
    """An integer, and not a boolean passing for one."""
    return isinstance(value, int) and not isinstance(value, bool)


def text(_: object, attribute: Attribute[Any], value: object) -> None:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidQueryError(f"{attribute.name} is empty or not a text: pass a text of at least one character")


def optional_text(query: object, attribute: Attribute[Any], value: object) -> None:
    """None or a text that is not empty."""
    if value is not None:
        text(query, attribute, value)


def optional_text_or_whole(query: object, attribute: Attribute[Any], value: object) -> None:
    """None, a whole number, or a text that is not empty."""
    if not is_whole(value):
        optional_text(query, attribute, value)


def optional_whole(_: object, attribute: Attribute[Any], value: object) -> None:
    """None or a whole number."""
    if value is not None and not is_whole(value):
        raise InvalidQueryError(f"{attribute.name} is not a whole number: pass an int")


def at_least_one(_: object, attribute: Attribute[Any], value: object) -> None:
    """A whole number from 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidQueryError(f"{attribute.name} has to be a whole number of 1 or more")


def optional_flag(_: object, attribute: Attribute[Any], value: object) -> None:
    """True, False, or None for not said."""
    if value is not None and not isinstance(value, bool):
        raise InvalidQueryError(f"{attribute.name} has to be True, False or None")


def whole_numbers(_: object, attribute: Attribute[Any], value: tuple[object, ...]) -> None:
    """Any number of whole numbers."""
    if not all(is_whole(item) for item in value):
        raise InvalidQueryError(f"{attribute.name} holds something that is not a whole number: pass a list of int")


def names(_: object, attribute: Attribute[Any], value: tuple[object, ...]) -> None:
    """Any number of texts, none empty and none with a comma, which is what separates them on the wire."""
    for item in value:
        if not isinstance(item, str) or not item.strip():
            raise InvalidQueryError(f"{attribute.name} holds something empty or not a text: pass a list of texts")
        if "," in item:
            raise InvalidQueryError(f"{attribute.name} holds a text with a comma: pass each name as an item of its own")


def flag_or_names(query: object, attribute: Attribute[Any], value: object) -> None:
    """True, False, or any number of names."""
    if isinstance(value, tuple):
        names(query, attribute, value)
    else:
        optional_flag(query, attribute, value)


def optional_moment(_: object, attribute: Attribute[Any], value: object) -> None:
    """None or a datetime, which by now a date is too."""
    if value is not None and not isinstance(value, datetime):
        raise InvalidQueryError(f"{attribute.name} is not a date: pass a datetime.date or a datetime.datetime")


def one_at_most(query: object, *fields: str) -> None:
    """Refuse a query that gives several fields of which the service takes one."""
    if len([name for name in fields if getattr(query, name) not in {None, ()}]) > 1:
        raise InvalidQueryError(f"give only one of {', '.join(fields)}: the service does not combine them")


def in_order(start: datetime | None, end: datetime | None) -> None:
    """Refuse an end before its start; where only one of them is aware, that shows later, when both are server time."""
    if start is None or end is None or (start.tzinfo is None) is not (end.tzinfo is None):
        return
    if end < start:
        raise InvalidQueryError("end is before start: swap them, or leave one out")
