"""A ledger as the server keeps it: rows by time, filtered views of them, and the part that a span selects."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from zlib import crc32

from attrs import define, field, frozen

from capledger.sandbox.rows import Row, event_reference, read_date
from capledger.sandbox.serialization import Look

if TYPE_CHECKING:
    from capledger.sandbox.rules import Order, Rules

#: The row as a filter leaves it; None where nothing of it is left.
Filter = Callable[[Row], Row | None]


class Ledger(Protocol):
    """Rows in ascending order of (created, event log id); a rank is a position in that order, from 0."""

    def __len__(self) -> int: ...

    def created(self, rank: int) -> datetime:
        """When the row of this rank was written: naive server time."""

    def row(self, rank: int) -> Row:
        """The row of this rank in the shape of the wire."""

    def encoded(self, rank: int, look: Look) -> bytes:
        """The JSON of the row of this rank."""

    def by_id(self, event_log_id: int) -> Row | None:
        """The row of this event."""

    def by_reference(self, event_name: str, reference: str) -> Row | None:
        """The row of the event of this name with this reference; the first one where several share it."""

    def shapes(self) -> Iterable[Row]:
        """Rows that show every program, currency and role there is."""

    def filtered(self, keep: Filter) -> Ledger:
        """What ``keep`` leaves, kept for the next time; an equal filter gives the same view."""


@define(eq=False)
class _Stored:
    created: datetime
    event_log_id: int
    row: Row
    encodings: dict[Look, bytes] = field(factory=dict)

    @classmethod
    def of(cls, row: Row) -> _Stored:
        return cls(read_date(row["ledgerCreatedDate"]), row["eventLogId"], row)

    @property
    def key(self) -> tuple[datetime, int]:
        return self.created, self.event_log_id


class StoredLedger:
    """A ledger of rows that are kept; each row is encoded once a look."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = sorted(map(_Stored.of, rows), key=lambda stored: stored.key)
        self._views: dict[Filter, StoredLedger] = {}
        self._ids: dict[int, Row] | None = None
        self._references: dict[tuple[str, str], Row] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def created(self, rank: int) -> datetime:
        """When the row of this rank was written."""
        return self._rows[rank].created

    def row(self, rank: int) -> Row:
        """The row of this rank, not a copy."""
        return self._rows[rank].row

    def encoded(self, rank: int, look: Look) -> bytes:
        """The JSON of the row, kept for the next time."""
        stored = self._rows[rank]
        if look not in stored.encodings:
            stored.encodings[look] = look.encode(stored.row)
        return stored.encodings[look]

    def by_id(self, event_log_id: int) -> Row | None:
        """The row of this event, from an index."""
        if self._ids is None:
            self._ids = {stored.event_log_id: stored.row for stored in self._rows}
        return self._ids.get(event_log_id)

    def by_reference(self, event_name: str, reference: str) -> Row | None:
        """The row of the event of this name with this reference, from an index."""
        if self._references is None:
            rows = [stored.row for stored in reversed(self._rows)]
            self._references = {(row["eventName"], event_reference(row)): row for row in rows}
        return self._references.get((event_name, reference))

    def shapes(self) -> Iterable[Row]:
        """All rows."""
        return (stored.row for stored in self._rows)

    def filtered(self, keep: Filter) -> StoredLedger:
        """The view that this filter leaves, kept for the next time."""
        if keep not in self._views:
            view = StoredLedger(())
            view._rows = [left for stored in self._rows if (left := _narrowed(stored, keep)) is not None]
            self._views[keep] = view
        return self._views[keep]

    def append(self, row: Row) -> None:
        """Take in one more row, wherever its date puts it; the views that exist follow."""
        stored = _Stored.of(row)
        _insert(self._rows, stored)
        self._ids = self._references = None
        for keep, view in self._views.items():
            left = _narrowed(stored, keep)
            if left is not None:
                _insert(view._rows, left)  # noqa: SLF001  # a view is a ledger of ours


def _insert(rows: list[_Stored], stored: _Stored) -> None:
    insort(rows, stored, key=lambda other: other.key)


def _narrowed(stored: _Stored, keep: Filter) -> _Stored | None:
    left = keep(stored.row)
    if left is stored.row:
        return stored
    return None if left is None else _Stored(stored.created, stored.event_log_id, left)


@frozen
class Span:
    """What ``startDate`` and ``endDate`` ask for, as sent: naive server time in whole seconds."""

    start: datetime
    end: datetime


def select(ledger: Ledger, span: Span | None, rules: Rules) -> Sequence[int]:
    """The ranks that a span selects, ascending; all of them without a span."""
    if span is None:
        return range(len(ledger))
    if rules.filter_on == "event":
        return [rank for rank in range(len(ledger)) if _within(_event_date(ledger.row(rank)), span, rules)]
    return _range(ledger, span, rules)


def _range(ledger: Ledger, span: Span, rules: Rules) -> range:
    ranks = range(len(ledger))

    def moment(rank: int) -> datetime:
        return _compared(ledger.created(rank), rules)

    first = bisect_left if rules.edges in {"both", "start"} else bisect_right
    past = bisect_right if rules.edges in {"both", "end"} else bisect_left
    return range(first(ranks, span.start, key=moment), past(ranks, span.end, key=moment))


def _within(moment: datetime, span: Span, rules: Rules) -> bool:
    moment = _compared(moment, rules)
    from_start = moment >= span.start if rules.edges in {"both", "start"} else moment > span.start
    to_end = moment <= span.end if rules.edges in {"both", "end"} else moment < span.end
    return from_start and to_end


def _compared(moment: datetime, rules: Rules) -> datetime:
    return moment.replace(microsecond=0) if rules.edge_precision == "second" else moment


def _event_date(row: Row) -> datetime:
    event, transaction = row.get("eventDetails") or {}, row.get("transactionDetails") or {}
    return read_date(event.get("eventDate") or transaction.get("date") or row["ledgerCreatedDate"])


def ordered(ledger: Ledger, ranks: Sequence[int], order: Order) -> Sequence[int]:
    """The ranks in the order of the answer; "SHUFFLED" goes by a checksum of the id, so it is stable."""
    if order == "SHUFFLED":
        return sorted(ranks, key=lambda rank: crc32(str(ledger.row(rank)["eventLogId"]).encode()))
    return ranks if order == "ASC" else ranks[::-1]
