from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from clock import LoopClock, VirtualTimeLoop
from jobs import (
    FORMATS,
    backfill,
    customer,
    expected,
    found,
    manifest_of,
    mobile,
    queries,
    sandbox,
    session_at,
    set_aside,
)

from capledger import (
    AuthenticationError,
    BasicAuth,
    ConfigurationError,
    InvalidQueryError,
    LedgerSession,
    RateLimit,
    RetryPolicy,
)
from capledger.backfill import Backfill, JobStoppedError
from capledger.sandbox import LoggedRequest, Rules, Sandbox, SandboxCustomer, busiest_minute, faults, make_row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from capledger.backfill import Chunks, Manifest, Progress

TWO, NEXT_CENTURY = datetime(2025, 1, 2), datetime(2101, 1, 1)
SIZES = [3, 0, 250, 7, 40, 0, 101]


@pytest.mark.parametrize("kind", FORMATS)
async def test_everything_once(kind: str, tmp_path: Path) -> None:
    """Each entry of each customer is in the data set once, and the manifest says so, file by file."""
    async with sandbox(SIZES) as box:
        manifest = await backfill(box, queries(len(SIZES)), tmp_path / "out", format=kind, roll_rows=100)

    assert found(tmp_path / "out") == expected(SIZES)
    assert (manifest.entries, manifest.done, manifest.empty, manifest.complete) == (sum(SIZES), 5, 2, True)
    for file in manifest.files:
        data = (tmp_path / "out" / file.file).read_bytes()
        assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert manifest_of(tmp_path / "out")["entries"] == sum(SIZES)


async def test_files_are_cut_at_roll_rows(tmp_path: Path) -> None:
    """No file but the last is below the size asked for, and none is larger than that and a page."""
    async with sandbox([120] * 30) as box:
        manifest = await backfill(box, queries(30), tmp_path / "out", roll_rows=1_000)

    *full, last = [file.rows for file in manifest.files]
    assert all(1_000 <= rows < 1_100 for rows in full)
    assert sum(full) + last == 3_600


async def test_what_is_there_is_the_owners_alone(tmp_path: Path) -> None:
    """Directories and files hold personal data, so nobody else can read them."""
    async with sandbox(SIZES) as box:
        await backfill(box, queries(len(SIZES)), tmp_path / "out")

    everything = [tmp_path / "out", *(tmp_path / "out").rglob("*")]
    assert {path.name: path.stat().st_mode & 0o077 for path in everything} == {path.name: 0 for path in everything}


async def test_same_again_asks_nothing(tmp_path: Path) -> None:
    """A job that is done stays as it is, without a request."""
    async with sandbox(SIZES) as box:
        first = await backfill(box, queries(len(SIZES)), tmp_path / "out", format="duckdb")
        sent = len(box.requests)
        second = await backfill(box, queries(len(SIZES)), tmp_path / "out", format="duckdb")

    assert len(box.requests) == sent
    assert second.files == first.files


async def test_repeats_are_fetched_once(tmp_path: Path) -> None:
    """A customer who is named twice is asked for once, and the repeat is counted."""
    async with sandbox([3, 3]) as box:
        manifest = await backfill(box, [*queries(2), *queries(1)], tmp_path / "out")

    assert (manifest.customers, manifest.duplicates, len(box.requests)) == (2, 1, 2)
    assert found(tmp_path / "out") == expected([3, 3])


async def test_async_queries_and_groups(tmp_path: Path) -> None:
    """Queries may come from an async iterable."""

    async def later() -> Any:
        for query in queries(2):
            await asyncio.sleep(0)
            yield query

    async with sandbox([3, 3]) as box:
        await backfill(box, later(), tmp_path / "out")

    assert found(tmp_path / "out") == expected([3, 3])


@pytest.mark.parametrize(
    ("given", "options", "differs"),
    [
        (queries(3), {}, "customers"),
        ([*queries(1), *queries(1)], {}, "the customers are others"),
        (queries(2, start=None, page_size=50), {}, "filters"),
        (queries(2, end=None), {"format": "csv"}, "format jsonl there and csv here"),
    ],
)
async def test_another_job_is_refused(given: list[Any], options: dict[str, str], differs: str, tmp_path: Path) -> None:
    """A directory takes no other customers, filters or format; what differs is said, and nothing is sent."""
    async with sandbox([3, 3, 3]) as box:
        await backfill(box, queries(2), tmp_path / "out")
        sent = len(box.requests)
        with pytest.raises(InvalidQueryError, match=differs) as caught:
            await backfill(box, given, tmp_path / "out", **options)

    assert len(box.requests) == sent
    assert mobile(0) not in str(caught.value)


async def test_other_dates_are_refused(tmp_path: Path) -> None:
    """The range is part of the job."""
    async with sandbox([3]) as box:
        await backfill(box, queries(1), tmp_path / "out")
        with pytest.raises(InvalidQueryError, match="the beginning to the start of the job there and 2025-01-02T00"):
            await backfill(box, queries(1, start=TWO), tmp_path / "out")


async def test_files_of_a_lost_job_are_not_added_to(tmp_path: Path) -> None:
    """Data without its job.sqlite is left alone: nobody knows what is in it."""
    async with sandbox([3]) as box:
        await backfill(box, queries(1), tmp_path / "out")
        (tmp_path / "out" / "job.sqlite").unlink()
        with pytest.raises(InvalidQueryError, match="choose another directory"):
            await backfill(box, queries(1), tmp_path / "out")


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A directory that somebody works on is refused."""
    asked = asyncio.Event()

    async def hold(*_: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    async with sandbox([3], on_request=hold) as box, session_at(box) as session:
        job = Backfill(session, queries(1), out=tmp_path / "out", format="jsonl")
        running = asyncio.create_task(job.run())
        await asked.wait()
        with pytest.raises(ConfigurationError, match="another process"):
            await Backfill(session, queries(1), out=tmp_path / "out", format="jsonl").run()
        job.stop()
        assert not (await running).finished


async def test_entries_written_later_are_not_in_the_range(tmp_path: Path) -> None:
    """The end of the range is fixed when the job is begun, and holds for the runs that go on with it."""

    def stop_at_second(box: Sandbox, _: LoggedRequest) -> None:
        if len(box.requests) == 2:
            jobs[0].stop()

    jobs: list[Backfill] = []
    manifests: list[Manifest] = []
    growing = SandboxCustomer(mobile(2), [make_row(30_000, TWO)], customer_id=3)
    async with (
        Sandbox([customer(0, 3), customer(1, 3), growing], on_request=stop_at_second) as box,
        session_at(box) as session,
    ):
        for _ in range(2):
            jobs[:] = [Backfill(session, queries(3), out=tmp_path / "out", format="jsonl", concurrency=1)]
            manifests.append(await jobs[0].run())
            box.append(mobile(2), make_row(40_000 + len(box.requests), NEXT_CENTURY))

    assert [manifest.complete for manifest in manifests] == [False, True]
    assert found(tmp_path / "out") == expected([3, 3, 1])


# Failures


async def test_unknown_customers_are_set_aside(tmp_path: Path) -> None:
    """Who is unknown is listed with the code, everybody else's entries are there, and a retry asks for those alone."""
    sizes = [5] * 40
    async with sandbox(sizes[:37]) as box:
        first = await backfill(box, queries(40), tmp_path / "out")
        box.add(customer(38, 5))
        sent = len(box.requests)
        second = await backfill(box, queries(40), tmp_path / "out", retry_set_aside=True)
        asked = [logged.query["identifierValue"] for logged in box.requests[sent:]]

    assert (first.set_aside, first.finished, first.complete) == (3, True, False)
    assert sorted(asked) == [mobile(37), mobile(38), mobile(39)]
    assert [row["identifier_value"] for row in set_aside(tmp_path / "out")] == [mobile(37), mobile(39)]
    assert {row["code"] for row in set_aside(tmp_path / "out")} == {"8015"}
    assert not any(row["identifier_value"] in row["error"] for row in set_aside(tmp_path / "out"))
    assert (second.set_aside, second.done) == (2, 38)
    assert found(tmp_path / "out") == expected([*sizes[:37], 0, 5])


async def test_failures_that_may_pass_are_tried_again_later(tmp_path: Path) -> None:
    """A ledger that fails beyond the retries of a request goes on later where it stood."""
    broken = faults.numbered(dict.fromkeys(range(2, 5), faults.status(503)))
    async with sandbox([250, 3], faults=broken) as box, session_at(box, retry=RetryPolicy(attempts=1)) as session:
        manifest = await Backfill(
            session, queries(2), out=tmp_path / "out", format="jsonl", pause=0, concurrency=1
        ).run()

    assert manifest.complete
    assert found(tmp_path / "out") == expected([250, 3])
    assert len(box.requests) <= 4 + 4  # three failed, and one was under way beside them


async def test_incomplete_ledgers_are_set_aside(tmp_path: Path) -> None:
    """A ledger whose totals do not add up, or that the service calls unfinished, is in no file."""
    pending = SandboxCustomer(mobile(1), [make_row(1, TWO)], customer_id=2, pending=True)
    async with Sandbox([customer(0, 3), pending]) as box:
        manifest = await backfill(box, queries(2), tmp_path / "out")

    assert (manifest.done, manifest.incomplete) == (1, 1)
    assert found(tmp_path / "out") == expected([3])
    [row] = set_aside(tmp_path / "out")
    assert (row["identifier_value"], row["code"]) == (mobile(1), "11002")


async def test_values_that_do_not_fit_are_set_aside(tmp_path: Path) -> None:
    """An amount beyond the column is no reason to round it: the customer is set aside, with the column."""
    exact = make_row(1, TWO, points="1.123456789")
    beyond = make_row(2, TWO, points="1.1234567891")
    ledgers = [SandboxCustomer(mobile(n), [row], customer_id=n + 1) for n, row in enumerate([exact, beyond])]
    async with Sandbox(ledgers) as box:
        await backfill(box, queries(2), tmp_path / "out")

    assert found(tmp_path / "out") == Counter([(mobile(0), 1)])
    [row] = set_aside(tmp_path / "out")
    assert row["error"] == "MisfitError: a value does not fit the column entry_details.points"


async def test_wrong_credentials_stop_the_job(tmp_path: Path) -> None:
    """What concerns everybody ends the run, nobody is set aside, and the next run goes on."""
    async with sandbox([3] * 9) as box:
        async with LedgerSession(box.url, BasicAuth("store.server", "wrong"), timezone=UTC) as session:
            with pytest.raises(AuthenticationError):
                await Backfill(session, queries(9), out=tmp_path / "out", format="jsonl").run()
        manifest = await backfill(box, queries(9), tmp_path / "out")

    assert manifest.complete
    assert found(tmp_path / "out") == expected([3] * 9)


async def test_a_service_that_is_down_stops_the_job(tmp_path: Path) -> None:
    """When one ledger after the other fails for the service's reasons, the customers are not given up."""
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
    """A full disk is raised; what was fetched is staged, and the next run needs no request to finish."""

    class Full:
        format = "jsonl"
        one_file = False

        def open(self, directory: Path) -> None: ...
        def find(self, number: int) -> str | None: ...
        def close(self) -> None: ...
        def write(self, number: int, chunks: Chunks) -> str:
            raise OSError(28, "No space left on device")

    async with sandbox([3] * 5) as box:
        with pytest.raises(OSError, match="No space"):
            await backfill(box, queries(5), tmp_path / "out", sink=Full())
        sent = len(box.requests)
        manifest = await backfill(box, queries(5), tmp_path / "out")

    assert (len(box.requests), manifest.complete) == (sent, True)
    assert found(tmp_path / "out") == expected([3] * 5)


async def test_a_sink_of_ones_own(tmp_path: Path) -> None:
    """A sink is five methods; rows come in chunks, as dictionaries of the columns."""

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


# Ends and progress


async def test_stop_keeps_what_was_fetched(tmp_path: Path) -> None:
    """A stopped run writes what makes a file, and what was fetched is not asked for again."""

    def stop_late(box: Sandbox, _: LoggedRequest) -> None:
        if len(box.requests) == 20:
            job.stop()

    async with sandbox([90] * 40, on_request=stop_late) as box, session_at(box) as session:
        job = Backfill(session, queries(40), out=tmp_path / "out", format="jsonl", concurrency=2)
        first = await job.run()
        second = await Backfill(session, queries(40), out=tmp_path / "out", format="jsonl").run()

    assert not first.finished
    assert [file.rows >= 1_000 for file in first.files] == [True]
    assert second.complete
    assert found(tmp_path / "out") == expected([90] * 40)
    assert len(box.requests) <= 42


async def test_a_cancelled_run_can_be_gone_on_with(tmp_path: Path) -> None:
    """Cancelling puts everything in order first."""
    asked = asyncio.Event()

    def look(box: Sandbox, _: LoggedRequest) -> None:
        if len(box.requests) == 15:
            asked.set()

    async with sandbox([90] * 40, on_request=look) as box, session_at(box) as session:
        running = asyncio.create_task(Backfill(session, queries(40), out=tmp_path / "out", format="jsonl").run())
        await asked.wait()
        running.cancel()
        await asyncio.wait([running])
        manifest = await Backfill(session, queries(40), out=tmp_path / "out", format="jsonl").run()

    assert running.cancelled()
    assert manifest.complete
    assert found(tmp_path / "out") == expected([90] * 40)


async def test_progress_is_told(tmp_path: Path) -> None:
    """The callback hears the end of it, the iterator gives moments, and no identifier is in either."""
    heard: list[Progress] = []
    async with sandbox([3] * 10 + [0]) as box, session_at(box) as session:
        job = Backfill(session, queries(12), out=tmp_path / "out", format="jsonl", on_progress=heard.append)
        moments = [moment async for moment in job.watch()]

    last = heard[-1]
    assert (last.customers, last.finished, last.done, last.empty, last.set_aside) == (12, 12, 10, 1, 1)
    assert (last.entries, last.requests) == (30, 12)
    assert moments[-1].finished == 12
    assert mobile(0) not in repr(heard)


def test_the_limit_is_kept_and_used(tmp_path: Path) -> None:
    """At 1,200 a minute the sandbox counts no request above it, and nearly all of it is used."""
    count = 1_320

    async def measure() -> list[LoggedRequest]:
        limit = RateLimit(1_200)
        settings = {"rate_limit": limit, "max_connections": 40, "clock": LoopClock()}
        time = asyncio.get_running_loop().time
        box = sandbox([1] * count, rules=Rules(latency=0.5, requests_per_minute=1_200), clock=time)
        async with box, session_at(box, **settings) as session:
            await Backfill(session, queries(count), out=tmp_path / "out", format="jsonl", concurrency=40).run()
        return box.requests

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        requests = runner.run(measure())

    assert {logged.status for logged in requests} == {200}
    assert 1_140 <= busiest_minute(requests) <= 1_200


async def test_job_sqlite_can_be_asked(tmp_path: Path) -> None:
    """The state is a table that people can read: a row a customer."""
    async with sandbox([3, 0]) as box:
        await backfill(box, queries(3), tmp_path / "out")

    with sqlite3.connect(tmp_path / "out" / "job.sqlite") as connection:
        rows = connection.execute("SELECT state, attempts, rows, file, code FROM customers").fetchall()
    connection.close()
    assert rows == [
        ("done", 1, 3, "entries-00001.jsonl.gz", None),
        ("empty", 1, 0, None, None),
        ("set_aside", 1, 0, None, 8015),
    ]
