"""Ledgers: rows by time, filtered views of them, and the rows that a date range selects."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from attrs import define, field, frozen

from capledger.sandbox.rows import LedgerRow, event_reference, nearest_date
from capledger.sandbox.serialization import RowFormat

if TYPE_CHECKING:
    from capledger.sandbox.rules import Rules

#: Returns the part of a row that matches; None if nothing does.
Filter = Callable[[LedgerRow], LedgerRow | None]


class Ledger(Protocol):
    """Rows in ascending order of (created, event log id); a rank is a position in that order, from 0."""

    def __len__(self) -> int: ...

    def created(self, rank: int) -> datetime:
        """Return the creation time of the row of this rank, naive server time."""

    def event_log_id(self, rank: int) -> int:
        """Return the event log id of the row of this rank."""

    def row(self, rank: int) -> LedgerRow:
        """Return the row of this rank as the API sends it."""

    def encoded(self, rank: int, row_format: RowFormat) -> bytes:
        """Return the JSON of the row of this rank."""

    def by_id(self, event_log_id: int) -> LedgerRow | None:
        """Return the row of this event, or None."""

    def by_reference(self, event_name: str, reference: str) -> LedgerRow | None:
        """Return the row of the event of this name with this reference, the first of several, or None."""

    def shapes(self) -> Iterable[LedgerRow]:
        """Return rows that together have every program, currency and role of the ledger."""

    def filtered(self, keep: Filter) -> Ledger:
        """Return the view of the rows that match; equal filters return the same view."""

    def before(self, changes: int) -> Ledger:
        """Return the ledger before the latest changes; before any change, without the newest rows."""


@define(eq=False)
class _Stored:
    created: datetime
    event_log_id: int
    row: LedgerRow
    encodings: dict[RowFormat, bytes] = field(factory=dict)

    @classmethod
    def of(cls, row: LedgerRow) -> _Stored:
        return cls(nearest_date(row["ledgerCreatedDate"]), row["eventLogId"], row)

    @property
    def key(self) -> tuple[datetime, int]:
        return self.created, self.event_log_id


class StoredLedger:
    """A ledger of rows in memory; each row is encoded once for each format."""

    def __init__(self, rows: Iterable[LedgerRow]) -> None:
        self._rows = sorted(map(_Stored.of, rows), key=lambda stored: stored.key)
        self._views: dict[Filter, StoredLedger] = {}
        self._ids: dict[int, LedgerRow] | None = None
        self._references: dict[tuple[str, str], LedgerRow] | None = None
        self._changes: list[_Change] = []
        self._before: dict[int, StoredLedger] = {}

    @property
    def version(self) -> int:
        """Number of changes so far."""
        return len(self._changes)

    def __len__(self) -> int:
        return len(self._rows)

    def created(self, rank: int) -> datetime:
        """Return the creation time of the row of this rank."""
        return self._rows[rank].created

    def event_log_id(self, rank: int) -> int:
        """Return the event log id of the row of this rank."""
        return self._rows[rank].event_log_id

    def row(self, rank: int) -> LedgerRow:
        """Return the row of this rank, not a copy."""
        return self._rows[rank].row

    def encoded(self, rank: int, row_format: RowFormat) -> bytes:
        """Return the JSON of the row, from a cache."""
        stored = self._rows[rank]
        if row_format not in stored.encodings:
            stored.encodings[row_format] = row_format.encode(stored.row)
        return stored.encodings[row_format]

    def by_id(self, event_log_id: int) -> LedgerRow | None:
        """Return the row of this event, from an index."""
        if self._ids is None:
            self._ids = {stored.event_log_id: stored.row for stored in self._rows}
        return self._ids.get(event_log_id)

    def by_reference(self, event_name: str, reference: str) -> LedgerRow | None:
        """Return the row of the event of this name with this reference, from an index."""
        if self._references is None:
            rows = [stored.row for stored in reversed(self._rows)]
            self._references = {(row["eventName"], event_reference(row)): row for row in rows}
        return self._references.get((event_name, reference))

    def shapes(self) -> Iterable[LedgerRow]:
        """Return all rows."""
        return (stored.row for stored in self._rows)

    def filtered(self, keep: Filter) -> StoredLedger:
        """Return the view of this filter, from a cache."""
        if keep not in self._views:
            view = StoredLedger(())
            view._rows = [left for stored in self._rows if (left := _narrowed(stored, keep)) is not None]
            self._views[keep] = view
        return self._views[keep]

    def append(self, row: LedgerRow) -> None:
        """Insert a row at the position of its date, here and in the existing views."""
        stored = _Stored.of(row)
        _insert(self._rows, stored)
        self._record(_Change(stored, added=True))
        for keep, view in self._views.items():
            left = _narrowed(stored, keep)
            if left is not None:
                _insert(view._rows, left)  # noqa: SLF001 - a view is a StoredLedger

    def remove(self, event_log_id: int) -> int:
        """Remove the rows of an event; return their number."""
        removed = [stored for stored in self._rows if stored.event_log_id == event_log_id]
        self._rows = [stored for stored in self._rows if stored.event_log_id != event_log_id]
        for stored in removed:
            self._record(_Change(stored, added=False))
        self._views.clear()
        return len(removed)

    def _record(self, change: _Change) -> None:
        self._changes.append(change)
        self._ids = self._references = None
        self._before.clear()

    def before(self, changes: int) -> StoredLedger:
        """Return the ledger before the latest changes, from a cache; before any change, without the newest rows."""
        if changes not in self._before:
            ledger = StoredLedger(())
            ledger._rows = self._rows_before(changes)
            self._before[changes] = ledger
        return self._before[changes]

    def _rows_before(self, changes: int) -> list[_Stored]:
        rows = list(self._rows)
        for change in reversed(self._changes[max(0, self.version - changes) :]):
            if change.added:
                rows.remove(change.stored)
            else:
                _insert(rows, change.stored)
        newest = max(0, changes - self.version)
        return rows[: max(0, len(rows) - newest)]


@frozen
class _Change:
    """A row that was added or removed."""

    stored: _Stored
    added: bool


def _insert(rows: list[_Stored], stored: _Stored) -> None:
    insort(rows, stored, key=lambda other: other.key)


def _narrowed(stored: _Stored, keep: Filter) -> _Stored | None:
    left = keep(stored.row)
    if left is stored.row:
        return stored
    return None if left is None else _Stored(stored.created, stored.event_log_id, left)


@frozen
class RequestedDates:
    """The bounds ``startDate`` and ``endDate`` as sent: naive server time in whole seconds."""

    start: datetime
    end: datetime


def select(ledger: Ledger, date_range: RequestedDates | None, rules: Rules) -> Sequence[int]:
    """Return the ranks that a date range selects, ascending; all ranks without one."""
    if date_range is None:
        return range(len(ledger))
    if rules.filter_on == "event":
        return [rank for rank in range(len(ledger)) if _within(_event_date(ledger.row(rank)), date_range, rules)]
    return _range(ledger, date_range, rules)


def _range(ledger: Ledger, date_range: RequestedDates, rules: Rules) -> range:
    ranks = range(len(ledger))

    def moment(rank: int) -> datetime:
        return _compared(ledger.created(rank), rules)

    first = bisect_left if rules.edges in {"both", "start"} else bisect_right
    past = bisect_right if rules.edges in {"both", "end"} else bisect_left
    return range(first(ranks, date_range.start, key=moment), past(ranks, date_range.end, key=moment))


def _within(moment: datetime, date_range: RequestedDates, rules: Rules) -> bool:
    moment = _compared(moment, rules)
    from_start = moment >= date_range.start if rules.edges in {"both", "start"} else moment > date_range.start
    to_end = moment <= date_range.end if rules.edges in {"both", "end"} else moment < date_range.end
    return from_start and to_end


def _compared(moment: datetime, rules: Rules) -> datetime:
    return moment.replace(microsecond=0) if rules.edge_precision == "second" else moment


def _event_date(row: LedgerRow) -> datetime:
    event, transaction = row.get("eventDetails") or {}, row.get("transactionDetails") or {}
    return nearest_date(event.get("eventDate") or transaction.get("date") or row["ledgerCreatedDate"])
