from __future__ import annotations

import csv
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.jobs import Key, entries_in, mobile, queries

from capledger.backfill.balance_table import write_balances
from capledger.backfill.balances import BalancesAt, CustomerBalances, pack_balances
from capledger.backfill.batches import Batches
from capledger.backfill.database import Database
from capledger.backfill.file_writer import FileWriter
from capledger.backfill.files import make_directory
from capledger.backfill.plan import JobIdentity, PlanReader, update_plan
from capledger.backfill.sinks import sink_for
from capledger.backfill.staging import StagedPage
from capledger.backfill.state import CustomerResult, JobState
from capledger.frames.schema import pack
from capledger.models import Balance, LedgerEntry

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from capledger.backfill.sinks import Chunks, Sink

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Crash(BaseException):
    """The process has ended."""


class Fuse:
    """Crashes at the step with this number; never for 0."""

    def __init__(self, number: int) -> None:
        self.left = number

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Crash


class FragileDatabase(Database):
    """A database that may crash before and after every commit."""

    def __init__(self, directory: Path, fuse: Fuse) -> None:
        super().__init__(directory)
        self.fuse = fuse

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with super().transaction() as connection:
            yield connection
            self.fuse.step()
        self.fuse.step()


class FragileSink:
    """A sink that may crash before a batch, in the middle of it, and after it."""

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


def page(customer: int, first: int, rows: int) -> list[LedgerEntry]:
    return [LedgerEntry(1_000 * customer + first + rank, "TransactionAdd", NOW) for rank in range(rows)]


async def run_process(out: Path, sizes: list[int], kind: str, fuse: Fuse) -> None:
    """Do what a process does, in one thread, until everything is done or it crashes."""
    make_directory(out / "entries")
    database = FragileDatabase(out, fuse)
    sink = FragileSink(sink_for(kind), fuse)
    try:
        await update_plan(database, queries(len(sizes)), PlanReader("host", NOW, kind))
        with ThreadPoolExecutor(1) as thread:
            state = JobState(database)
            files = FileWriter(
                Batches(database),
                sink,
                out / "entries",
                roll_rows=10,
                thread=thread,
                on_error=lambda _: None,
                on_excluded=lambda *_: None,
            )
            process_customers(state, Batches(database), files, sizes)
    except Crash:
        abandon(database, sink)
        raise
    sink.close()
    write_balances(database, out, JobIdentity("host", "UTC", "csv", "", balances=True))
    database.close()


def balance_of(customer: int) -> Balance:
    return Balance(4110, closing_balance=Decimal(customer))


def process_customers(state: JobState, batches: Batches, files: FileWriter, sizes: list[int]) -> None:
    state.replan_interrupted()
    files._open()
    while taken := state.take(2, failures=0, only_retried=False):
        for customer in taken:
            done, rows = customer.rows, sizes[customer.id - 1]
            while done < rows:
                some = page(customer.id, done, min(3, rows - done))
                state.record([StagedPage(customer.id, pack(some), len(some), f"after {done}")])
                done += len(some)
            balances = CustomerBalances(None, BalancesAt(NOW, pack_balances([balance_of(customer.id)])))
            state.record([CustomerResult(customer.id, "done" if rows else "empty", rows=rows, balances=balances)])
        while batches.ready_rows() >= 10:
            files._write(files._start_batch(), None)
    while batches.ready_rows():
        files._write(files._start_batch(), None)


def abandon(database: Database, sink: FragileSink) -> None:
    """Close the files as the end of a process does: nothing is committed, no log is merged."""
    database._connection.close()
    if database._directory_lock is not None:
        database._directory_lock.close()
    connection: Any = getattr(sink.sink, "_connection", None)
    if connection is not None:
        connection.close()


def wanted(sizes: list[int]) -> Counter[Key]:
    return Counter(
        (mobile(number), 1_000 * (number + 1) + rank) for number, rows in enumerate(sizes) for rank in range(rows)
    )


def balances_in(out: Path) -> dict[str, str]:
    with (out / "balances.csv").open(encoding="utf-8", newline="") as file:
        return {row["identifier_value"]: row["closing_balance"] for row in csv.DictReader(file)}


async def crash_and_finish(sizes: list[int], kind: str, crashes: list[int]) -> int:
    """Crash at each of these steps, one process after the other, then finish; return the number of crashes."""
    with TemporaryDirectory() as place:
        out = Path(place) / "out"
        happened = 0
        for number in crashes:
            try:
                await run_process(out, sizes, kind, Fuse(number))
            except Crash:
                happened += 1
        await run_process(out, sizes, kind, Fuse(0))
        assert entries_in(out) == wanted(sizes)
        assert not list((out / "entries").glob("*.part"))
        assert balances_in(out) == {mobile(number): str(number + 1) for number in range(len(sizes))}
        shutil.rmtree(out)
    return happened


@settings(max_examples=settings().max_examples // 4)
@given(st.lists(st.integers(0, 25), max_size=6), st.lists(st.integers(1, 40), max_size=8))
async def test_any_crashes(sizes: list[int], crashes: list[int]) -> None:
    """Wherever processes end, between two steps or within a file, each entry and balance is in the data set once."""
    await crash_and_finish(sizes, "jsonl", crashes)


@pytest.mark.parametrize("kind", ["parquet", "csv", "duckdb"])
async def test_a_crash_at_each_step(kind: str) -> None:
    """In every format, a crash at each step in turn leaves each entry in the data set once."""
    number = happened = 1
    while happened:
        happened = await crash_and_finish([12, 0, 7], kind, [number])
        number += 4

    assert number > 20
