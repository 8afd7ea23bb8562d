"""Huge ledgers that take no memory: each row is written when a page shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import field, frozen

from capledger.sandbox.rows import (
    BILL_OFFSET,
    Row,
    event_reference,
    iso_date,
    java_date,
    legacy_date,
    make_row,
    plain_date,
)
from capledger.sandbox.serialization import Look

if TYPE_CHECKING:
    from capledger.sandbox.ledger import Filter

_SAMPLE_ID: Final = 123_456_789
_SAMPLE_MOMENT: Final = datetime(1987, 6, 5, 4, 3, 2)  # dates on the wire are naive
_SAMPLE_POINTS: Final = "987654.321"
_Form = tuple[bytes, tuple[tuple[bytes, Callable[[datetime], str]], ...]]


@frozen
class LazyLedger:
    """Rows that are evenly spaced and all of one shape; only ids, dates and points differ."""

    count: int
    start: datetime
    step: timedelta
    first_id: int
    template: Row = field(eq=False, repr=False)
    _forms: dict[Look, _Form] = field(factory=dict, eq=False, repr=False)

    def __len__(self) -> int:
        return self.count

    def created(self, rank: int) -> datetime:
        """The start and ``rank`` steps."""
        return self.start + rank * self.step

    def row(self, rank: int) -> Row:
        """The row as a dictionary, made anew."""
        row: Row = msgspec.json.decode(self.encoded(rank, Look("fraction", UTC)))
        return row

    def encoded(self, rank: int, look: Look) -> bytes:
        """The JSON of the row, from a form that is made once a look."""
        if look not in self._forms:
            self._forms[look] = _form(self.template, look)
        form, dates = self._forms[look]
        number, moment = self.first_id + rank, self.created(rank)
        blanks: dict[bytes, Any] = {b"id": number, b"bill": number + BILL_OFFSET, b"points": lazy_points(rank).encode()}
        for name, write in dates:
            blanks[name] = write(moment).encode()
        return form % blanks

    def by_id(self, event_log_id: int) -> Row | None:
        """The row of this event, from the id's distance to the first."""
        rank = event_log_id - self.first_id
        return self.row(rank) if 0 <= rank < self.count else None

    def by_reference(self, event_name: str, reference: str) -> Row | None:
        """The row whose transaction, or whose own id, is this reference."""
        number = int(reference) if reference.isdigit() else 0
        row = self.by_id(number - BILL_OFFSET) or self.by_id(number)
        matches = row and (row["eventName"], event_reference(row)) == (event_name, reference)
        return row if matches else None

    def shapes(self) -> Sequence[Row]:
        """One row stands for all."""
        return [self.template]

    def filtered(self, keep: Filter) -> LazyLedger:
        """All rows or none: they are of one shape."""
        left = keep(self.template)
        if left is self.template:
            return self
        count = 0 if left is None else self.count
        return LazyLedger(count, self.start, self.step, self.first_id, left or self.template)


def lazy_points(rank: int) -> str:
    """The points of a lazy row: they repeat after 997 rows, so a row out of place shows."""
    return f"{rank % 997 + 1}.{rank % 7}00"


def lazy_rows(
    count: int, start: datetime, step: timedelta, *, first_id: int = 100_000_001, **overrides: object
) -> LazyLedger:
    """``count`` entries from ``start`` (naive server time), one every ``step``; ``overrides`` go by wire names."""
    template = make_row(_SAMPLE_ID, _SAMPLE_MOMENT, points=_SAMPLE_POINTS) | overrides
    return LazyLedger(count, start, step, first_id, template)


def _form(template: Row, look: Look) -> _Form:
    """The template's JSON with blanks for what varies, and the writers of the dates that are in it."""
    form = look.encode(template).replace(b"%", b"%%")
    form = form.replace(str(_SAMPLE_ID + BILL_OFFSET).encode(), b"%(bill)d").replace(
        str(_SAMPLE_ID).encode(), b"%(id)d"
    )
    form = form.replace(_SAMPLE_POINTS.encode(), b"%(points)s")
    used = []
    for name, write in _date_writers(look):
        sample = write(_SAMPLE_MOMENT).encode()
        if sample in form:
            form = form.replace(sample, b"%(" + name + b")s")
            used.append((name, write))
    return form, tuple(used)


def _date_writers(look: Look) -> tuple[tuple[bytes, Callable[[datetime], str]], ...]:
    """Longest first: a plain date is the beginning of one with a fraction."""
    return (
        (b"iso", lambda moment: iso_date(moment, look.zone)),
        (b"java", lambda moment: java_date(moment, look.zone)),
        (b"legacy", legacy_date),
        (b"plain", plain_date),
    )
