"""Syncs against a sandbox whose ledgers change, and processes that end at any step."""

from __future__ import annotations

import csv
from collections import Counter
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from capledger.backfill import Sync
from capledger.backfill.database import Database
from capledger.sandbox import Sandbox, SandboxCustomer, make_row
from support.jobs import mobile, queries, rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from capledger import LedgerSession
    from capledger.backfill import Manifest
    from capledger.backfill.sinks import Chunks, Sink

START = datetime(2025, 1, 1)
#: The number of entries of a customer, by event.
Entries = Counter[int]


def first_id(number: int) -> int:
    return 10_000 * (number + 1)


class Ledgers:
    """The ledgers of a sandbox, with every state that they had since the last call of ``watch``."""

    def __init__(self, sizes: Iterable[int], **options: Any) -> None:
        self.dates: list[dict[int, datetime]] = [
            {first_id(number) + rank: START + timedelta(hours=rank) for rank in range(size)}
            for number, size in enumerate(sizes)
        ]
        self._next = [first_id(number) + 5_000 for number in range(len(self.dates))]
        customers = [
            SandboxCustomer(
                mobile(number), [make_row(id_, date) for id_, date in dates.items()], customer_id=number + 1
            )
            for number, dates in enumerate(self.dates)
        ]
        self.box = Sandbox(customers, **options)
        self.seen: list[list[set[int]]] = []
        self.watch()

    def watch(self) -> None:
        """Forget all states but the current one."""
        self.seen = [[set(dates)] for dates in self.dates]

    def append(self, number: int, date: datetime) -> int:
        """Add an entry with a new event to a ledger, and return its id."""
        id_ = self._next[number]
        self._next[number] += 1
        self.put(number, id_, date)
        return id_

    def put(self, number: int, id_: int, date: datetime, points: str = "100.000") -> None:
        self.box.append(mobile(number), make_row(id_, date, points=points))
        self.dates[number][id_] = date
        self.seen[number].append(set(self.dates[number]))

    def append_newest(self, number: int) -> int:
        return self.append(number, max(self.dates[number].values(), default=START) + timedelta(hours=1))

    def append_late(self, number: int, position: int) -> int:
        """Add an entry right after one of the ledger."""
        dates = sorted(self.dates[number].values()) or [START]
        return self.append(number, dates[position % len(dates)] + timedelta(minutes=7))

    def remove(self, number: int, position: int) -> None:
        """Remove an entry, if the ledger has any."""
        ids = sorted(self.dates[number])
        if ids:
            id_ = ids[position % len(ids)]
            self.box.remove(mobile(number), id_)
            del self.dates[number][id_]
            self.seen[number].append(set(self.dates[number]))


async def sync(session: LedgerSession, count: int, out: Path, **options: Any) -> Manifest:
    """Run a sync of the first customers."""
    return await Sync(session, queries(count), out=out, **{"format": "jsonl", "pause": 0.0, **options}).run()


def held(out: Path, number: int) -> Entries:
    """Return the entries of a customer in a data set, which has no directory of entries before its first one."""
    if not (out / "entries").exists():
        return Counter()
    return Counter(int(row["event_log_id"]) for row in rows(out) if row["identifier_value"] == mobile(number))


def listed(out: Path, table: str) -> list[dict[str, str]]:
    """Return the rows of ``vanished.csv`` or ``amended.csv``."""
    with (out / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def vanished(out: Path, number: int) -> Entries:
    """Return the entries of a customer that are listed as vanished."""
    return Counter(
        int(row["event_log_id"]) for row in listed(out, "vanished.csv") if row["identifier_value"] == mobile(number)
    )


class Crash(BaseException):
    """The process has ended."""


class Fuse:
    """Ends the process at the step with this number, and at each one after it; never for 0."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.steps = 0

    @property
    def blown(self) -> bool:
        return 0 < self.number <= self.steps

    def step(self) -> None:
        self.steps += 1
        self.check()

    def check(self) -> None:
        if self.blown:
            raise Crash


class FragileDatabase(Database):
    """A database of a process that may end before and after every commit."""

    fuse = Fuse(0)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        self.fuse.check()
        with super().transaction() as connection:
            yield connection
            self.fuse.step()
        self.fuse.step()

    def fetch_all(self, statement: str, *values: object) -> list[Any]:
        self.fuse.check()
        return super().fetch_all(statement, *values)


class FragileSink:
    """A sink of a process that may end before a batch, in the middle of it, and after it."""

    def __init__(self, sink: Sink, fuse: Fuse) -> None:
        self.sink, self.fuse = sink, fuse
        self.format, self.one_file = sink.format, sink.one_file
        self.open, self.find, self.close = sink.open, sink.find, sink.close

    def write(self, number: int, chunks: Chunks) -> str:
        self.fuse.step()
        name = self.sink.write(number, self._fragile(chunks))
        self.fuse.step()
        return name

    def _fragile(self, chunks: Chunks) -> Chunks:
        for chunk in chunks:
            yield chunk
            self.fuse.step()
