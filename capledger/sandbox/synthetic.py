"""Huge ledgers that take no memory: each row is made when a page shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import field, frozen

from capledger.sandbox.rows import (
    BILL_OFFSET,
    LedgerRow,
    event_reference,
    iso_date,
    java_date,
    legacy_date,
    make_row,
    plain_date,
)
from capledger.sandbox.serialization import RowFormat

if TYPE_CHECKING:
    from capledger.sandbox.ledger import Filter

_SAMPLE_ID: Final = 123_456_789
_SAMPLE_MOMENT: Final = datetime(1987, 6, 5, 4, 3, 2)  # naive server time
_SAMPLE_POINTS: Final = "987654.321"
_Template = tuple[bytes, tuple[tuple[bytes, Callable[[datetime], str]], ...]]


@frozen
class SyntheticLedger:
    """Evenly spaced rows of one shape; only ids, dates and points differ."""

    count: int
    start: datetime
    step: timedelta
    first_id: int
    sample: LedgerRow = field(eq=False, repr=False)
    _templates: dict[RowFormat, _Template] = field(factory=dict, eq=False, repr=False)

    def __len__(self) -> int:
        return self.count

    def created(self, rank: int) -> datetime:
        """Return the start plus ``rank`` steps."""
        return self.start + rank * self.step

    def event_log_id(self, rank: int) -> int:
        """Return the first id plus the rank."""
        return self.first_id + rank

    def row(self, rank: int) -> LedgerRow:
        """Return a new dictionary of the row."""
        row: LedgerRow = msgspec.json.decode(self.encoded(rank, RowFormat("fraction", UTC)))
        return row

    def encoded(self, rank: int, row_format: RowFormat) -> bytes:
        """Return the JSON of the row, from a template that is made once for each format."""
        if row_format not in self._templates:
            self._templates[row_format] = _make_template(self.sample, row_format)
        template, dates = self._templates[row_format]
        number, moment = self.event_log_id(rank), row_format.local(self.created(rank))
        values: dict[bytes, Any] = {
            b"id": number,
            b"bill": number + BILL_OFFSET,
            b"points": synthetic_points(rank).encode(),
        }
        for name, format_date in dates:
            values[name] = format_date(moment).encode()
        return template % values

    def by_id(self, event_log_id: int) -> LedgerRow | None:
        """Return the row of this event, from the id's distance to the first."""
        rank = event_log_id - self.first_id
        return self.row(rank) if 0 <= rank < self.count else None

    def by_reference(self, event_name: str, reference: str) -> LedgerRow | None:
        """Return the row whose transaction, or whose own id, is this reference."""
        number = int(reference) if reference.isdigit() else 0
        row = self.by_id(number - BILL_OFFSET) or self.by_id(number)
        matches = row and (row["eventName"], event_reference(row)) == (event_name, reference)
        return row if matches else None

    def shapes(self) -> Sequence[LedgerRow]:
        """Return one row: all rows have its shape."""
        return [self.sample]

    def filtered(self, keep: Filter) -> SyntheticLedger:
        """Return all rows or none: all rows have the same shape."""
        left = keep(self.sample)
        if left is self.sample:
            return self
        count = 0 if left is None else self.count
        return SyntheticLedger(count, self.start, self.step, self.first_id, left or self.sample)

    def before(self, changes: int) -> SyntheticLedger:
        """Return the ledger without the newest rows: a synthetic ledger never changes."""
        return SyntheticLedger(max(0, self.count - changes), self.start, self.step, self.first_id, self.sample)


def synthetic_points(rank: int) -> str:
    """Return the points of a row; they repeat after 997 rows, so a row at the wrong position shows."""
    return f"{rank % 997 + 1}.{rank % 7}00"


def synthetic_rows(
    count: int, start: datetime, step: timedelta, *, first_id: int = 100_000_001, **overrides: object
) -> SyntheticLedger:
    """
    Return ``count`` entries from ``start`` (naive server time), one every ``step``.

    ``overrides`` replace whole keys of every row, as in ``make_row``.
    """
    sample = make_row(_SAMPLE_ID, _SAMPLE_MOMENT, points=_SAMPLE_POINTS) | overrides
    return SyntheticLedger(count, start, step, first_id, sample)


def _make_template(sample: LedgerRow, row_format: RowFormat) -> _Template:
    """Return the JSON of a row with placeholders for what varies, and the formatters of the dates in it."""
    template = row_format.encode(sample).replace(b"%", b"%%")
    template = template.replace(str(_SAMPLE_ID + BILL_OFFSET).encode(), b"%(bill)d").replace(
        str(_SAMPLE_ID).encode(), b"%(id)d"
    )
    template = template.replace(_SAMPLE_POINTS.encode(), b"%(points)s")
    used = []
    for name, format_date in _date_formatters(row_format):
        date = format_date(row_format.local(_SAMPLE_MOMENT)).encode()
        if date in template:
            template = template.replace(date, b"%(" + name + b")s")
            used.append((name, format_date))
    return template, tuple(used)


def _date_formatters(row_format: RowFormat) -> tuple[tuple[bytes, Callable[[datetime], str]], ...]:
    """Return formatters by placeholder, longest first: a plain date is the beginning of one with a fraction."""
    return (
        (b"iso", lambda moment: iso_date(moment, row_format.zone)),
        (b"java", lambda moment: java_date(moment, row_format.zone)),
        (b"legacy", legacy_date),
        (b"plain", plain_date),
    )
