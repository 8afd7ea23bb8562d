"""What the state of a sync keeps of each ledger, and changes to it."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import msgspec
from attrs import define, field, frozen

from capledger.backfill.staging import drop_pages
from capledger.backfill.sync.comparison import NEWEST_ROWS, HeldLedger, newest_rows
from capledger.backfill.sync.keys import HeldRow, RowKeys, StoredEntry, decode_rows, encode_rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from capledger.backfill.database import Database
    from capledger.backfill.sync.comparison import Differences
    from capledger.models import LedgerEntry

#: Customers whose ledgers are being read for the first time.
_BEGUN: Final = "SELECT id FROM customers WHERE cursor IS NOT NULL AND id NOT IN (SELECT customer FROM parts)"
#: Runs after which a ledger is read whole again whose totals did not count its rows.
_RUNS_WITHOUT_TRUST: Final = 8
_SET_NEWEST: Final = "UPDATE ledgers SET newest = ? WHERE customer = ?"
_ENTRY: Final = msgspec.msgpack.Decoder(StoredEntry)
_ENTRIES: Final = msgspec.msgpack.Decoder(list[StoredEntry])


@frozen
class RowDifference:
    """A row that is held and that the service changed or removed."""

    held: StoredEntry
    """As the data set has it."""
    current: StoredEntry | None
    """As the service had it when it was read last; None where it had vanished."""


@define
class LedgerState:
    """What is known of one ledger."""

    customer: int
    rows_in_files: int
    newest: list[HeldRow]
    """The newest rows, as the service had them; all of them in a ledger with fewer than can be kept."""
    earlier: int | None
    """Number of rows before the start; None where that is not known."""
    first_total: int | None
    """The total stated when the ledger began to be read for the first time."""
    distrusted: int
    """Number of runs, one after the other, in which the totals of the service did not count the rows of the ledger."""
    differences: list[RowDifference] = field(factory=list)
    loaded: list[StoredEntry] | None = None
    """All rows, if they were read from the data set."""

    @property
    def trusts_totals(self) -> bool:
        """Whether totals are expected to count the rows; once in a while they get another chance."""
        return self.distrusted % _RUNS_WITHOUT_TRUST == 0

    def held(self, keys: RowKeys) -> HeldLedger:
        """Return what is held, as the service had it when it was read last."""
        vanished = sum(difference.current is None for difference in self.differences)
        count = self.rows_in_files - vanished
        if self.loaded is None:
            return HeldLedger(count, self.earlier, self.newest)
        entries = _as_at_the_service(self.loaded, self.differences, keys)
        return HeldLedger(count, self.earlier, keys.rows(entries), entries)


def _as_at_the_service(
    loaded: Iterable[StoredEntry], differences: Sequence[RowDifference], keys: RowKeys
) -> list[StoredEntry]:
    """Return rows without those that had vanished, and amended ones with their amounts."""
    by_key: dict[int, list[RowDifference]] = {}
    for difference in differences:
        by_key.setdefault(keys.row(difference.held).key, []).append(difference)
    found: list[StoredEntry] = []
    for stored in loaded:
        of_row = by_key.get(keys.row(stored).key) if by_key else None
        current = of_row.pop().current if of_row else stored
        if current is not None:
            found.append(current)
    return found


@frozen
class LedgerStart:
    """What is kept when a ledger begins to be read for the first time."""

    customer: int
    newest: list[HeldRow]
    first_total: int | None

    def record(self, connection: sqlite3.Connection) -> None:
        """Make the change, within a transaction."""
        connection.execute(
            "INSERT INTO ledgers (customer, newest, first_total) VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
            "SET newest = excluded.newest, first_total = excluded.first_total",
            (self.customer, encode_rows(newest_rows(self.newest)), self.first_total),
        )


@frozen(kw_only=True)
class LedgerUpdate:
    """What a run has found out about a ledger."""

    customer: int
    run: int
    newest: list[HeldRow]
    earlier: int | None
    distrusted: int = 0
    added: int = 0
    late: int = 0
    differences: list[RowDifference] | None = None
    """All differences of the ledger; None where they are as they were."""

    def record(self, connection: sqlite3.Connection) -> None:
        """Make the change, within a transaction."""
        values = (self.customer, encode_rows(newest_rows(self.newest)), self.earlier, self.distrusted)
        connection.execute(
            "INSERT OR REPLACE INTO ledgers (customer, newest, earlier, distrusted, run, added, late) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*values, self.run, self.added, self.late),
        )
        if self.differences is not None:
            self._record_differences(connection, self.differences)

    def _record_differences(self, connection: sqlite3.Connection, differences: Sequence[RowDifference]) -> None:
        """Replace the differences; those that are not new keep the run that found them."""
        encode = msgspec.msgpack.encode
        rows = [(encode(item.held), None if item.current is None else encode(item.current)) for item in differences]
        before = connection.execute(
            "SELECT held, current, run FROM differences WHERE customer = ?", (self.customer,)
        ).fetchall()
        runs = {(held, current): run for held, current, run in before}
        connection.execute("DELETE FROM differences WHERE customer = ?", (self.customer,))
        connection.executemany(
            "INSERT INTO differences (customer, run, held, current) VALUES (?, ?, ?, ?)",
            [(self.customer, runs.get(row, self.run), *row) for row in rows],
        )


class Ledgers:
    """What the state keeps of ledgers, in one directory's ``job.sqlite``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction() as connection:
            connection.execute("CREATE TEMP TABLE IF NOT EXISTS loaded (customer INTEGER PRIMARY KEY, entries BLOB)")

    def read(self, customer: int) -> LedgerState:
        """Return what is known of a ledger."""
        database = self._database
        rows = "SELECT sum(rows) FROM parts WHERE customer = ?"
        found = database.fetch_all(
            "SELECT newest, earlier, first_total, distrusted FROM ledgers WHERE customer = ?", customer
        )
        newest, earlier, first_total, distrusted = found[0] if found else (None, None, None, 0)
        differences = database.fetch_all(
            "SELECT held, current FROM differences WHERE customer = ? ORDER BY id", customer
        )
        loaded = database.fetch_all("SELECT entries FROM loaded WHERE customer = ?", customer)
        return LedgerState(
            customer=customer,
            rows_in_files=database.fetch_number(rows, customer),
            newest=[] if newest is None else decode_rows(newest),
            earlier=earlier,
            first_total=first_total,
            distrusted=distrusted,
            differences=[
                RowDifference(_ENTRY.decode(held), current and _ENTRY.decode(current)) for held, current in differences
            ],
            loaded=_ENTRIES.decode(loaded[0][0]) if loaded else None,
        )

    # Entries from the data set

    def deferred(self, rows: int) -> list[int]:
        """Return customers that wait for entries from the data set, who have about so many entries together."""
        found: list[int] = []
        total = 0
        for customer, count in self._database.fetch_all(
            "SELECT id, (SELECT ifnull(sum(rows), 0) FROM parts WHERE customer = id) "
            "FROM customers WHERE state = 'planned' AND deferred ORDER BY id"
        ):
            if found and total + count > rows:
                break
            found.append(customer)
            total += count
        return found

    def load(self, entries: Iterable[tuple[int, StoredEntry]], customers: Sequence[int]) -> None:
        """Keep the entries of customers in place of those loaded before, and plan the customers again."""
        found: dict[int, list[StoredEntry]] = {id_: [] for id_ in customers}
        for customer, entry in entries:
            found[customer].append(entry)
        encoded = ((customer, msgspec.msgpack.encode(of_customer)) for customer, of_customer in found.items())
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM loaded")
            connection.executemany("INSERT INTO loaded VALUES (?, ?)", encoded)
            connection.executemany("UPDATE customers SET deferred = 0 WHERE id = ?", [(id_,) for id_ in customers])

    # Keys

    def forget_other_keys(self, version: int) -> None:
        """Drop all keys if they are of another version; ledgers of which nothing is in data files are read anew."""
        found = self._database.fetch_all("SELECT value FROM meta WHERE key = 'key_version'")
        if found and found[0][0] == str(version):
            return
        with self._database.transaction() as connection:
            connection.execute("UPDATE ledgers SET newest = NULL")
            for (customer,) in connection.execute(_BEGUN).fetchall():
                drop_pages(connection, customer)
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('key_version', ?)", (str(version),))

    def without_keys(self) -> set[int]:
        """Return the customers with entries in data files whose newest rows are not known."""
        rows = self._database.fetch_all(
            "SELECT DISTINCT customer FROM parts LEFT JOIN ledgers USING (customer) WHERE newest IS NULL"
        )
        return {id_ for (id_,) in rows}

    def rebuild_keys(self, rows: Iterable[tuple[int, HeldRow]], customers: Iterable[int], keys: RowKeys) -> None:
        """Set the newest rows of customers, from all rows of theirs in data files; all of them or none."""
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO ledgers (customer, earlier) VALUES (?, NULL)", [(id_,) for id_ in customers]
            )
            for customer, of_customer in groupby(rows, itemgetter(0)):
                [(encoded,)] = connection.execute("SELECT newest FROM ledgers WHERE customer = ?", (customer,))
                before = decode_rows(encoded) if encoded else []
                newest = newest_rows([*before, *(row for _, row in of_customer)])
                connection.execute(_SET_NEWEST, (encode_rows(newest), customer))
            for (customer,) in connection.execute("SELECT DISTINCT customer FROM differences").fetchall():
                state = self.read(customer)
                connection.execute(_SET_NEWEST, (encode_rows(_with_differences(state, keys)), customer))


def _with_differences(state: LedgerState, keys: RowKeys) -> list[HeldRow]:
    """Return the newest rows of data files as the service had them."""
    rows = list(state.newest)
    for difference in state.differences:
        held = keys.row(difference.held)
        if held in rows:
            rows.remove(held)
            rows += [] if difference.current is None else [keys.row(difference.current)]
    return newest_rows(rows)


def merged_newest(before: Sequence[HeldRow], added: Sequence[HeldRow], held: HeldLedger) -> list[HeldRow]:
    """Return the newest rows after some were added to what is held."""
    floor = held.floor
    rows = [*before, *(row for row in added if floor is None or row.second > floor)]
    return newest_rows(rows) if len(rows) > NEWEST_ROWS else sorted(rows, reverse=True)


def updated_differences(
    before: Sequence[RowDifference], found: Differences, keys: RowKeys
) -> tuple[list[RowDifference], list[LedgerEntry]]:
    """Return the differences after a reading, and the entries that are new: what had vanished and came back is not."""
    if not before and not found.amended and not found.vanished:
        return [], list(found.added)
    differences = list(before)
    for stored in found.vanished:
        held = _take_difference(differences, stored, keys)
        differences.append(RowDifference(held, None))
    for stored, entry in found.amended:
        held = _take_difference(differences, stored, keys)
        if keys.row(held) != keys.row(entry):
            differences.append(RowDifference(held, StoredEntry.of(entry)))
    return differences, [entry for entry in found.added if not _take_vanished(differences, entry, keys)]


def _take_difference(differences: list[RowDifference], current: StoredEntry, keys: RowKeys) -> StoredEntry:
    """Return the row as it is held, of which the service had these values; take it out of the differences."""
    for difference in differences:
        if difference.current is not None and keys.row(difference.current) == keys.row(current):
            differences.remove(difference)
            return difference.held
    return current


def _take_vanished(differences: list[RowDifference], entry: LedgerEntry, keys: RowKeys) -> bool:
    """Take an entry that came back out of the differences; return whether it had vanished."""
    for difference in differences:
        if difference.current is None and keys.row(difference.held) == keys.row(entry):
            differences.remove(difference)
            return True
    return False
