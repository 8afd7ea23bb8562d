from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from support.clock import LoopClock, VirtualTimeLoop
from support.jobs import (
    FORMATS,
    backfill,
    customer,
    entries_in,
    expected,
    manifest_of,
    mobile,
    queries,
    sandbox,
    session_at,
)

from capledger import (
    ConfigurationError,
    InvalidQueryError,
    RateLimit,
)
from capledger.backfill import Backfill
from capledger.sandbox import LoggedRequest, Rules, Sandbox, SandboxCustomer, busiest_minute, make_row

if TYPE_CHECKING:
    from pathlib import Path

    from capledger.backfill import JobProgress, Manifest

TWO, NEXT_CENTURY = datetime(2025, 1, 2), datetime(2101, 1, 1)
SIZES = [3, 0, 250, 7, 40, 0, 101]


@pytest.mark.parametrize("kind", FORMATS)
async def test_every_entry_is_written_once(kind: str, tmp_path: Path) -> None:
    """Each entry of each customer is in the data set once, and the manifest describes each file."""
    async with sandbox(SIZES) as box:
        manifest = await backfill(box, queries(len(SIZES)), tmp_path / "out", format=kind, roll_rows=100)

    assert entries_in(tmp_path / "out") == expected(SIZES)
    assert (manifest.entries, manifest.done, manifest.empty, manifest.complete) == (sum(SIZES), 5, 2, True)
    for file in manifest.files:
        data = (tmp_path / "out" / file.file).read_bytes()
        assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert manifest_of(tmp_path / "out")["entries"] == sum(SIZES)


async def test_files_are_cut_at_roll_rows(tmp_path: Path) -> None:
    """Only the last file is below the size requested, and none exceeds it by more than a page."""
    async with sandbox([120] * 30) as box:
        manifest = await backfill(box, queries(30), tmp_path / "out", roll_rows=1_000)

    *full, last = [file.rows for file in manifest.files]
    assert all(1_000 <= rows < 1_100 for rows in full)
    assert sum(full) + last == 3_600


async def test_files_are_private(tmp_path: Path) -> None:
    """Directories and files hold personal data, so nobody else can read them."""
    async with sandbox(SIZES) as box:
        await backfill(box, queries(len(SIZES)), tmp_path / "out")

    everything = [tmp_path / "out", *(tmp_path / "out").rglob("*")]
    assert {path.name: path.stat().st_mode & 0o077 for path in everything} == {path.name: 0 for path in everything}


async def test_a_finished_job_sends_nothing(tmp_path: Path) -> None:
    """A finished job is left as it is, without a request."""
    async with sandbox(SIZES) as box:
        first = await backfill(box, queries(len(SIZES)), tmp_path / "out", format="duckdb")
        sent = len(box.requests)
        second = await backfill(box, queries(len(SIZES)), tmp_path / "out", format="duckdb")

    assert len(box.requests) == sent
    assert second.files == first.files


async def test_duplicates_are_fetched_once(tmp_path: Path) -> None:
    """A customer who is listed twice is fetched once, and the duplicate is counted."""
    async with sandbox([3, 3]) as box:
        manifest = await backfill(box, [*queries(2), *queries(1)], tmp_path / "out")

    assert (manifest.customers, manifest.duplicates, len(box.requests)) == (2, 1, 2)
    assert entries_in(tmp_path / "out") == expected([3, 3])


async def test_async_queries_and_groups(tmp_path: Path) -> None:
    """Queries may come from an async iterable."""

    async def later() -> Any:
        for query in queries(2):
            await asyncio.sleep(0)
            yield query

    async with sandbox([3, 3]) as box:
        await backfill(box, later(), tmp_path / "out")

    assert entries_in(tmp_path / "out") == expected([3, 3])


async def test_another_time_zone_is_refused(tmp_path: Path) -> None:
    """Another time zone is refused, since naive dates mean other times there."""
    async with sandbox([3]) as box:
        await backfill(box, queries(1), tmp_path / "out")
        async with session_at(box, timezone=ZoneInfo("Asia/Kolkata")) as session:
            with pytest.raises(InvalidQueryError, match="time zone UTC there and Asia/Kolkata here"):
                await Backfill(session, queries(1), out=tmp_path / "out", format="jsonl").run()


@pytest.mark.parametrize(
    ("given", "options", "differs"),
    [
        (queries(3), {"exact": True}, "customers 2 there and 3 here"),
        ([*queries(1), *queries(1)], {"exact": True}, "the customers are others"),
        (queries(2), {"details": True}, "details no there and event here"),
        (queries(2, start=None, page_size=50), {}, "filters"),
        (queries(2, end=None), {"format": "csv"}, "format jsonl there and csv here"),
    ],
)
async def test_another_job_is_refused(given: list[Any], options: dict[str, Any], differs: str, tmp_path: Path) -> None:
    """A directory accepts no other filters, format or exact list; the difference is named, and nothing is sent."""
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
    """Data without its job.sqlite is not added to, since its content is not known."""
    async with sandbox([3]) as box:
        await backfill(box, queries(1), tmp_path / "out")
        (tmp_path / "out" / "job.sqlite").unlink()
        with pytest.raises(InvalidQueryError, match="choose another directory"):
            await backfill(box, queries(1), tmp_path / "out")


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A directory that is in use is refused."""
    received = asyncio.Event()

    async def hold(*_: object) -> None:
        received.set()
        await asyncio.Event().wait()

    async with sandbox([3], on_request=hold) as box, session_at(box) as session:
        job = Backfill(session, queries(1), out=tmp_path / "out", format="jsonl")
        running = asyncio.create_task(job.run())
        await received.wait()
        with pytest.raises(ConfigurationError, match="another process"):
            await Backfill(session, queries(1), out=tmp_path / "out", format="jsonl").run()
        job.stop()
        assert not (await running).finished


async def test_later_entries_are_not_in_the_range(tmp_path: Path) -> None:
    """The end of the range is fixed when the job starts, and applies to all of its runs."""

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
    assert entries_in(tmp_path / "out") == expected([3, 3, 1])


# Ends and progress


async def test_stop_keeps_what_was_fetched(tmp_path: Path) -> None:
    """A stopped run writes its files, and what was fetched is not requested again."""

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
    assert entries_in(tmp_path / "out") == expected([90] * 40)
    assert len(box.requests) <= 42


async def test_a_cancelled_run_can_be_continued(tmp_path: Path) -> None:
    """A cancelled run keeps what was fetched."""
    received = asyncio.Event()

    def look(box: Sandbox, _: LoggedRequest) -> None:
        if len(box.requests) == 15:
            received.set()

    async with sandbox([90] * 40, on_request=look) as box, session_at(box) as session:
        running = asyncio.create_task(Backfill(session, queries(40), out=tmp_path / "out", format="jsonl").run())
        await received.wait()
        running.cancel()
        await asyncio.wait([running])
        manifest = await Backfill(session, queries(40), out=tmp_path / "out", format="jsonl").run()

    assert running.cancelled()
    assert manifest.complete
    assert entries_in(tmp_path / "out") == expected([90] * 40)


async def test_progress_is_reported(tmp_path: Path) -> None:
    """The callback is called at the end, the iterator yields progress, and neither contains an identifier."""
    reported: list[JobProgress] = []
    async with sandbox([3] * 10 + [0]) as box, session_at(box) as session:
        job = Backfill(session, queries(12), out=tmp_path / "out", format="jsonl", on_progress=reported.append)
        moments = [moment async for moment in job.watch()]

    last = reported[-1]
    assert (last.customers, last.finished, last.done, last.empty, last.set_aside) == (12, 12, 10, 1, 1)
    assert (last.entries, last.requests) == (30, 12)
    assert moments[-1].finished == 12
    assert mobile(0) not in repr(reported)


def test_the_limit_is_kept_and_used(tmp_path: Path) -> None:
    """A limit of 1,200 a minute is never exceeded, and nearly all of it is used."""
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


async def test_job_sqlite_can_be_queried(tmp_path: Path) -> None:
    """The state is a table that people can query: a row a customer."""
    async with sandbox([3, 0]) as box:
        await backfill(box, queries(3), tmp_path / "out")

    with closing(sqlite3.connect(tmp_path / "out" / "job.sqlite")) as connection, connection:
        rows = connection.execute("SELECT state, attempts, rows, code FROM customers").fetchall()
        parts = connection.execute("SELECT customer, file, parts.rows FROM parts JOIN batches ON number = batch")
        assert parts.fetchall() == [(1, "entries-00001.jsonl.gz", 3)]
    connection.close()
    assert rows == [("done", 1, 3, None), ("empty", 1, 0, None), ("set_aside", 1, 0, 8015)]
