"""What is held of a ledger, compared with what the service returns, the newest rows first.

Rows arrive in whole seconds, so that down to the last of them it is known which rows the service has. A reading is
*proven* when the rows held, the rows before the start and the rows that are new make the total that the service states.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Final

from attrs import define, field

from capledger.backfill.sync.keys import HeldRow, RowKeys, StoredEntry
from capledger.models import LedgerEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Rows of a ledger whose keys the state holds: all of most ledgers, and of the others what a few responses have.
NEWEST_ROWS: Final = 300


@define
class HeldLedger:
    """What is held of one ledger."""

    count: int
    """Number of rows that are held, and that the service had when they were read last."""
    earlier: int | None
    """Number of rows of the ledger that lie before the start; None where that is not known."""
    rows: list[HeldRow]
    """The newest of the rows, the newest first."""
    entries: list[StoredEntry] | None = None
    """All of the rows, if they were read from the data set."""

    @property
    def whole(self) -> bool:
        """Whether ``rows`` are all rows."""
        return self.entries is not None or len(self.rows) >= self.count

    @property
    def newest(self) -> int | None:
        """Return the second of the newest row; None without rows."""
        return self.rows[0].second if self.rows else None

    @property
    def floor(self) -> int | None:
        """Return the last second of ``rows``, which may lack some of its rows; None where all rows are there."""
        return None if self.whole else self.rows[-1].second


@define
class Comparison:
    """The rows read so far, compared with those held.

    Args:
        held: what is held.
        keys: computes keys.
        start: the rows before it are counted and left out; None: no row is.
    """

    held: HeldLedger
    keys: RowKeys
    start: datetime | None
    unknown: list[LedgerEntry] = field(factory=list)
    """Rows that are not held, in the order in which they came."""
    first_total: int | None = None
    """The total that the first response states."""
    total: int | None = None
    """The total that the latest response states."""
    seen: int = 0
    """Number of rows that are held and came."""
    reached: int | None = None
    """The second of the last row that came; rows of later seconds have all come."""
    ended: bool = False
    """Whether the ledger was read to its end."""
    at_start: bool = False
    """Whether all rows from the start on have come."""
    earlier_seen: int = 0
    """Number of rows before the start that came."""
    _due: Counter[int] = field(factory=Counter)
    _next: int = 0

    def add(self, entries: Sequence[LedgerEntry], total: int | None) -> None:
        """Compare the rows of a page, the newest first, each second whole."""
        self.first_total = total if self.first_total is None else self.first_total
        self.total = self.total if total is None else total  # an empty page behind the last one states none
        for entry in entries:
            if self.start is not None and entry.ledger_created_date < self.start:
                self.at_start = True
                self.earlier_seen += 1
            else:
                self._add(entry)
        if self.at_start:
            self._take_due(None)

    def _add(self, entry: LedgerEntry) -> None:
        row = self.keys.row(entry)
        self.reached = row.second
        if self.held.floor is not None and row.second <= self.held.floor:
            return
        self._take_due(row.second)
        if self._due[row.key] > 0:
            self._due[row.key] -= 1
            self.seen += 1
        else:
            self.unknown.append(entry)

    def _take_due(self, second: int | None) -> None:
        """Note that the held rows down to a second, or all of them, must have come."""
        rows, floor = self.held.rows, self.held.floor
        while self._next < len(rows) and (second is None or rows[self._next].second >= second):
            if floor is None or rows[self._next].second > floor:
                self._due[rows[self._next].key] += 1
            self._next += 1

    def end(self, total: int | None) -> None:
        """Note that the ledger was read to its end; the total is that of a ledger without rows."""
        self.ended = self.at_start = True
        if self.reached is None and not self.earlier_seen:
            self.first_total = self.total = total
        self._take_due(None)

    @property
    def missing(self) -> Counter[int]:
        """Keys of rows that are held and did not come where they should have."""
        return +self._due

    @property
    def is_proven(self) -> bool:
        """Whether held, earlier and unknown rows make the total stated last, and a held row came."""
        if self.held.earlier is None or self.total is None or self.missing or not (self.seen or self.at_start):
            return False
        return self.held.count + self.held.earlier + len(self.unknown) == self.total

    @property
    def is_at_floor(self) -> bool:
        """Whether only the data set can tell of further rows whether they are held."""
        rows, floor = self.held.rows, self.held.floor
        return floor is not None and (self._next >= len(rows) or rows[self._next].second <= floor)


@define
class Differences:
    """Where the rows of a ledger that was read whole differ from those held."""

    added: list[LedgerEntry] = field(factory=list)
    """Rows that are not held."""
    amended: list[tuple[StoredEntry, LedgerEntry]] = field(factory=list)
    """Rows whose event is held with other amounts, after the row that is held."""
    vanished: list[StoredEntry] = field(factory=list)
    """Rows that are held and that the service does not have."""


def find_differences(comparison: Comparison) -> Differences:
    """Return the differences; a missing and an unknown row of the same event are one row that was amended."""
    missing = _missing_entries(comparison)
    keys, found = comparison.keys, Differences()
    by_event: dict[int, list[StoredEntry]] = {}
    for stored in missing:
        by_event.setdefault(keys.event(stored), []).append(stored)
    for entry in comparison.unknown:
        same = by_event.get(keys.event(entry)) if by_event else None
        if same:
            found.amended.append((same.pop(), entry))
        else:
            found.added.append(entry)
    found.vanished = [stored for rest in by_event.values() for stored in rest]
    return found


def _missing_entries(comparison: Comparison) -> list[StoredEntry]:
    rest, found = comparison.missing, []
    for stored in comparison.held.entries or () if rest else ():
        key = comparison.keys.row(stored).key
        if rest[key] > 0:
            rest[key] -= 1
            found.append(stored)
    return found


def newest_rows(rows: Iterable[HeldRow]) -> list[HeldRow]:
    """Return the newest of the rows that are kept in the state."""
    return sorted(rows, reverse=True)[:NEWEST_ROWS]
