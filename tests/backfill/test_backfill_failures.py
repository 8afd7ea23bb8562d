from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from support.jobs import (
    backfill,
    customer,
    entries_in,
    expected,
    mobile,
    queries,
    sandbox,
    session_at,
    set_aside,
)

from capledger import (
    AuthenticationError,
    BasicAuth,
    LedgerSession,
    RetryPolicy,
)
from capledger.backfill import Backfill, JobStoppedError, StorageError
from capledger.sandbox import LoggedRequest, Sandbox, SandboxCustomer, faults, make_row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from capledger.backfill import Chunks

TWO, NEXT_CENTURY = datetime(2025, 1, 2), datetime(2101, 1, 1)


async def test_unknown_customers_are_set_aside(tmp_path: Path) -> None:
    """Unknown customers are listed with the code, others are fetched, and a retry fetches only the unknown ones."""
    sizes = [5] * 40
    async with sandbox(sizes[:37]) as box:
        first = await backfill(box, queries(40), tmp_path / "out")
        box.add(customer(38, 5))
        sent = len(box.requests)
        second = await backfill(box, queries(40), tmp_path / "out", retry_set_aside=True)
        requested = [logged.query["identifierValue"] for logged in box.requests[sent:]]

    assert (first.set_aside, first.finished, first.complete) == (3, True, False)
    assert sorted(requested) == [mobile(37), mobile(38), mobile(39)]
    assert [row["identifier_value"] for row in set_aside(tmp_path / "out")] == [mobile(37), mobile(39)]
    assert {row["code"] for row in set_aside(tmp_path / "out")} == {"8015"}
    assert not any(row["identifier_value"] in row["error"] for row in set_aside(tmp_path / "out"))
    assert (second.set_aside, second.done) == (2, 38)
    assert entries_in(tmp_path / "out") == expected([*sizes[:37], 0, 5])


async def test_temporary_failures_are_retried_later(tmp_path: Path) -> None:
    """A ledger that fails beyond the retries of a request is continued later from its cursor."""
    broken = faults.numbered(dict.fromkeys(range(2, 5), faults.status(503)))
    async with sandbox([250, 3], faults=broken) as box, session_at(box, retry=RetryPolicy(attempts=1)) as session:
        manifest = await Backfill(
            session, queries(2), out=tmp_path / "out", format="jsonl", pause=0, concurrency=1
        ).run()

    assert manifest.complete
    assert entries_in(tmp_path / "out") == expected([250, 3])
    assert len(box.requests) <= 4 + 4  # three failed, and one was under way beside them


async def test_incomplete_ledgers_are_set_aside(tmp_path: Path) -> None:
    """A ledger that the service calls unfinished is in no file."""
    pending = SandboxCustomer(mobile(1), [make_row(1, TWO)], customer_id=2, pending=True)
    async with Sandbox([customer(0, 3), pending]) as box:
        manifest = await backfill(box, queries(2), tmp_path / "out")

    assert (manifest.done, manifest.incomplete) == (1, 1)
    assert entries_in(tmp_path / "out") == expected([3])
    [row] = set_aside(tmp_path / "out")
    assert (row["identifier_value"], row["code"]) == (mobile(1), "11002")


async def test_a_plain_404_concerns_one_customer(tmp_path: Path) -> None:
    """A page of a gateway for the requests of one customer ends the job for nobody else."""
    script = faults.when(lambda logged: logged.query["identifierValue"] == mobile(1), faults.always(faults.status(404)))
    async with sandbox([3, 3, 3], faults=script) as box:
        manifest = await backfill(box, queries(3), tmp_path / "out")

    assert (manifest.finished, manifest.done, manifest.set_aside) == (True, 2, 1)
    assert entries_in(tmp_path / "out") == expected([3, 0, 3])


async def test_nothing_of_an_incomplete_ledger_stays(tmp_path: Path) -> None:
    """A ledger whose total does not add up is in no file, though its pages were fetched, and a retry writes it once."""
    wrong = faults.always(faults.wrong_total(7))
    script = faults.when(lambda logged: logged.query["identifierValue"] == mobile(1), wrong)
    async with sandbox([250, 250], faults=script) as box:
        first = await backfill(box, queries(2), tmp_path / "out")
        box.faults = None
        second = await backfill(box, queries(2), tmp_path / "out", retry_set_aside=True)

    assert (first.incomplete, first.complete, first.entries) == (1, False, 250)
    assert second.complete
    assert entries_in(tmp_path / "out") == expected([250, 250])


async def test_values_that_do_not_fit_are_set_aside(tmp_path: Path) -> None:
    """An amount that does not fit its column is not rounded: the customer is set aside, and the column named."""
    exact = make_row(1, TWO, points="1.123456789")
    beyond = make_row(2, TWO, points="1.1234567891")
    ledgers = [SandboxCustomer(mobile(n), [row], customer_id=n + 1) for n, row in enumerate([exact, beyond])]
    async with Sandbox(ledgers) as box:
        await backfill(box, queries(2), tmp_path / "out")

    assert entries_in(tmp_path / "out") == Counter([(mobile(0), 1)])
    [row] = set_aside(tmp_path / "out")
    assert row["error"] == "MisfitError: a value does not fit the column entry_details.points"


async def test_wrong_credentials_stop_the_job(tmp_path: Path) -> None:
    """An error that concerns all customers ends the run, none is set aside, and the next run continues."""
    async with sandbox([3] * 9) as box:
        async with LedgerSession(box.url, BasicAuth("store.server", "wrong"), timezone=UTC) as session:
            with pytest.raises(AuthenticationError):
                await Backfill(session, queries(9), out=tmp_path / "out", format="jsonl").run()
        manifest = await backfill(box, queries(9), tmp_path / "out")

    assert manifest.complete
    assert entries_in(tmp_path / "out") == expected([3] * 9)


async def test_a_service_that_is_down_stops_the_job(tmp_path: Path) -> None:
    """A streak of failures of the service stops the job, and no customer is set aside."""
    async with sandbox([3] * 200) as box:
        box.faults = faults.always(faults.status(503))
        async with session_at(box, retry=RetryPolicy(attempts=1)) as session:
            with pytest.raises(JobStoppedError, match="50 ledgers failed one after the other"):
                await Backfill(session, queries(200), out=tmp_path / "out", format="jsonl").run()
        assert len(box.requests) < 60
        box.faults = None
        manifest = await backfill(box, queries(200), tmp_path / "out")

    assert manifest.complete


async def test_a_sink_that_fails_ends_the_run(tmp_path: Path) -> None:
    """A full disk is raised; what was fetched is staged, and the next run finishes without a request."""

    class Full:
        format = "jsonl"
        one_file = False

        def open(self, directory: Path) -> None: ...
        def find(self, number: int) -> str | None: ...
        def close(self) -> None: ...
        def write(self, number: int, chunks: Chunks) -> str:
            raise OSError(28, "No space left on device")

    async with sandbox([3] * 5) as box:
        with pytest.raises(StorageError, match="data files cannot be used: No space left on device"):
            await backfill(box, queries(5), tmp_path / "out", sink=Full())
        sent = len(box.requests)
        manifest = await backfill(box, queries(5), tmp_path / "out")

    assert (len(box.requests), manifest.complete) == (sent, True)
    assert entries_in(tmp_path / "out") == expected([3] * 5)


async def test_a_custom_sink(tmp_path: Path) -> None:
    """A custom sink gets rows in chunks, as dictionaries of the columns."""

    class Kept:
        format = "kept"
        one_file = True

        def __init__(self) -> None:
            self.batches: dict[int, list[Any]] = {}

        def open(self, directory: Path) -> None: ...
        def close(self) -> None: ...
        def find(self, number: int) -> str | None:
            return "memory" if number in self.batches else None

        def write(self, number: int, chunks: Chunks) -> str:
            self.batches[number] = [row for chunk in chunks for row in chunk]
            return "memory"

    sink = Kept()
    async with sandbox([3] * 5) as box:
        manifest = await backfill(box, queries(5), tmp_path / "out", sink=sink)

    kept: Sequence[dict[str, Any]] = sink.batches[1]
    assert Counter((row["identifier_value"], row["event_log_id"]) for row in kept) == expected([3] * 5)
    assert [(file.rows, file.bytes) for file in manifest.files] == [(15, None)]


async def test_a_refused_cursor_restarts_the_customer(tmp_path: Path) -> None:
    """A cursor that cannot be decoded costs requests and no entries."""

    def stop_at_third(box: Sandbox, _: LoggedRequest) -> None:
        if len(box.requests) == 3:
            job.stop()

    async with sandbox([900], on_request=stop_at_third) as box, session_at(box) as session:
        job = Backfill(session, queries(1), out=tmp_path / "out", format="jsonl")
        await job.run()
        with closing(sqlite3.connect(tmp_path / "out" / "job.sqlite")) as connection, connection:
            changed = connection.execute("UPDATE customers SET cursor = 'x' WHERE rows > 0").rowcount
        connection.close()
        box.on_request = None
        manifest = await backfill(box, queries(1), tmp_path / "out")

    assert changed == 1
    assert manifest.complete
    assert entries_in(tmp_path / "out") == expected([900])
