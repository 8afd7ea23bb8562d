"""Rows of a modelled ledger, and ledgers made of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def to_ms(moment: datetime) -> int:
    """Return an aware moment in milliseconds of Unix time, rounded down."""
    return (moment - _UNIX) // _MILLISECOND


def from_ms(ms: int) -> datetime:
    """Return the moment in UTC."""
    return _UNIX + ms * _MILLISECOND


def utc(text: str) -> int:
    """Return an ISO date and time of UTC in milliseconds of Unix time."""
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=UTC))


@frozen
class Detail:
    """One movement of a row."""

    amount: int = 100
    """Hundredths of a point."""
    entry_type: str = "CREDIT"
    category: str = "Main"
    program_id: int = 469
    currency: str | None = None


@frozen
class Row:
    """One row of a ledger."""

    ms: int
    """When it was created, in milliseconds of Unix time."""
    event_id: int
    tag: str
    """Sent as ``tillCode``; the same for twins."""
    details: tuple[Detail, ...] = (Detail(),)
    other_ms: int | None = None
    """The event's own date; None is the moment of creation."""
    hidden: bool = False
    """Whether the service leaves it out after paging."""
    date_text: str | None = None
    """The printed date where it is not that of ``ms``, for dates that no zone can hold."""
    store_json: str = field(default='"Store"')
    """The JSON of ``store``, for strings that are not Unicode."""


def ledger(moments: Iterable[int], *, first_id: int = 5_001, **options: Any) -> list[Row]:
    """Return rows created at these moments, ids and tags in the order given."""
    return [
        Row(ms, first_id + index, f"t{first_id + index}", (Detail(100 + index),), **options)
        for index, ms in enumerate(moments)
    ]


def hourly(start: str, count: int, *, step: int = HOUR) -> list[Row]:
    """Return so many rows, one each hour (or *step*) from *start* in UTC."""
    first = utc(start)
    return ledger(first + index * step for index in range(count))


def twin(rows: Sequence[Row], index: int) -> list[Row]:
    """Return the rows with an identical row behind one of them."""
    return [*rows[: index + 1], rows[index], *rows[index + 1 :]]


def sibling(rows: Sequence[Row], index: int) -> list[Row]:
    """Return the rows with one more of the same event behind one of them, which differs in its details alone."""
    detail = Detail(777, category="Promised", program_id=470)
    return [*rows[: index + 1], evolve(rows[index], details=(detail,)), *rows[index + 1 :]]
