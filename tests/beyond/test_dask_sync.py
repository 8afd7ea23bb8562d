"""Syncs in shards: on a cluster, in one process, and by the command; and what survives when something dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.dask_jobs import connect, set_environment
from support.jobs import manifest_of, mobile, queries, rows_of
from support.shell import environment
from support.shell import run as run_command
from support.syncs import Ledgers, listed, sync

from capledger import InvalidQueryError
from capledger.backfill import (
    Backfill,
    Manifest,
    ShardedSync,
    Sync,
    estimate,
    verify,
)
from capledger.backfill.sharded import open_plan
from capledger.backfill.sharded_sync import ShardedSyncPlan
from capledger.dask import SyncJob, run_backfill, run_jobs, run_sync
from capledger.sandbox import Rules

if TYPE_CHECKING:
    from pathlib import Path

    from distributed import Client

    from capledger.backfill import JobProgress, RunRecord

SIZES = [3, 0, 7, 5, 120, 1, 30, 2]


async def run(client: Client, ledgers: Ledgers, out: Path, count: int, **options: Any) -> Manifest:
    settings: dict[str, Any] = {"shard_size": 3, "interval": 0.1, "format": "jsonl", **options}
    given = settings.pop("given", queries(count))
    return await asyncio.to_thread(
        run_sync, client, given, out=out, connect=partial(connect, ledgers.box.url), **settings
    )


async def run_here(ledgers: Ledgers, out: Path, given: Any, **options: Any) -> Manifest:
    async with connect(ledgers.box.url) as session:
        return await ShardedSync(session, given, out=out, rate_limited=False, **options).run()


def entries_of(manifest: Manifest, out: Path) -> list[Counter[int]]:
    """Return the entries of each customer in the files that a manifest names."""
    found = {mobile(number): Counter[int]() for number in range(20)}
    for file in manifest.files:
        for row in rows_of(out / file.file):
            found[row["identifier_value"]][int(row["event_log_id"])] += 1
    return list(found.values())


def at_the_service(ledgers: Ledgers) -> list[Counter[int]]:
    return [Counter(dates.keys()) for dates in ledgers.dates] + [Counter()] * (20 - len(ledgers.dates))


def counts(record: RunRecord) -> dict[str, Any]:
    """Return what does not depend on the moment of a run."""
    names = ("number", "requests", "entries", "late", "changed", "vanished", "amended", "customers", "proven")
    return {
        name: getattr(record, name) for name in (*names, "unproven", "set_aside", "not_asked", "missing", "complete")
    }


async def test_nights_on_a_cluster_and_in_one_process(client: Client, tmp_path: Path) -> None:
    """Each run of a data set in shards does what a sync without shards does, wherever it is run, request by request."""
    ledgers, out, plain = Ledgers(SIZES), tmp_path / "out", tmp_path / "plain"
    progress: list[JobProgress] = []
    async with ledgers.box as box, connect(box.url) as session:
        manifests = [await run(client, ledgers, out, 7, on_progress=progress.append)]
        plains = [await sync(session, 7, plain)]
        ledgers.append_newest(0)
        ledgers.append_late(4, 50)
        manifests.append(await run(client, ledgers, out, 8))
        plains.append(await sync(session, 8, plain))
        ledgers.append_newest(7)
        ledgers.remove(2, 3)
        manifests.append(await run_here(ledgers, out, queries(8)))
        plains.append(await sync(session, 8, plain))
        ledgers.append_newest(3)
        shorter = queries(8)[3:]
        manifests.append(await run(client, ledgers, out, 0, given=shorter, active=shorter[:2], format=None))
        plains.append(await Sync(session, shorter, active=shorter[:2], out=plain, pause=0.0).run())

    for index, (manifest, other) in enumerate(zip(manifests, plains, strict=True)):
        assert [counts(run) for run in manifest.runs] == [counts(run) for run in other.runs], index
        assert (manifest.complete, manifest.finished, manifest.states) == (other.complete, True, other.states)
    held = at_the_service(ledgers)
    held[2] += Counter(int(row["event_log_id"]) for row in listed(out, "vanished.csv"))
    assert entries_of(manifests[-1], out) == held
    assert listed(out, "vanished.csv") == listed(plain, "vanished.csv")
    first_seen = {int(row["first_seen_run"]) for file in manifests[-1].files for row in rows_of(out / file.file)}
    assert first_seen == {1, 2, 3, 4}
    assert (progress[-1].finished, progress[-1].requests) == (7, plains[0].runs[0].requests)
    assert verify(out).ok


async def test_a_backfill_in_shards_goes_on_as_a_sync(client: Client, tmp_path: Path) -> None:
    """Its entries are run 1, only what is new is added, and the directory is the sync's from then on."""
    ledgers = Ledgers(SIZES)
    settings: dict[str, Any] = {"out": tmp_path, "format": "jsonl", "shard_size": 3}
    async with ledgers.box as box:
        settings["connect"] = partial(connect, box.url)
        await asyncio.to_thread(run_backfill, client, queries(8), **settings)
        ledgers.append_late(4, 3)
        manifest = await run(client, ledgers, tmp_path, 8, format=None)
        with pytest.raises(InvalidQueryError, match="kept up to date by a sync"):
            await asyncio.to_thread(run_backfill, client, queries(8), **settings)

    assert [(record.number, record.entries, record.late) for record in manifest.runs] == [(1, sum(SIZES), 0), (2, 1, 1)]
    assert entries_of(manifest, tmp_path) == at_the_service(ledgers)
    assert manifest.complete


async def test_a_killed_worker_and_a_run_that_is_stopped(client: Client, tmp_path: Path) -> None:
    """A worker gets SIGKILL, another joins, the run is stopped: the same call ends run 2, each entry once."""
    ledgers = Ledgers(SIZES)
    killed: list[int] = []

    def kill_one(_: JobProgress) -> None:
        if not killed:
            killed.extend(client.run(os.getpid).values())
            os.kill(killed[0], signal.SIGKILL)

    async with ledgers.box as box:
        await run(client, ledgers, tmp_path, 8)
        box.rules = Rules(latency=0.05)
        for number in range(8):
            ledgers.append_newest(number)
        stop = asyncio.Event()
        box.on_request = lambda *_: stop.set()
        stopped = await run(client, ledgers, tmp_path, 8, stop=_StopWhen(stop), shard_size=3, concurrency=1)
        manifest = await run(client, ledgers, tmp_path, 8, on_progress=kill_one)

    assert not stopped.finished
    assert stopped.runs[-1].finished is None
    assert len(stopped.files) >= 3
    assert manifest.complete
    assert [record.entries for record in manifest.runs] == [sum(SIZES), 8]
    assert entries_of(manifest, tmp_path) == at_the_service(ledgers)


class _StopWhen:
    """An event for threads that is set when an asynchronous one is."""

    def __init__(self, event: asyncio.Event) -> None:
        self.is_set = event.is_set

    def wait(self, _: float) -> bool:
        return self.is_set()


async def test_a_killed_driver_is_followed_by_another(client: Client, tmp_path: Path) -> None:
    """The driver gets SIGKILL in run 2, and the same call ends that run, on the cluster or in one process."""
    ledgers = Ledgers([3] * 20)
    arrived = asyncio.Event()
    command = [sys.executable, "-m", "support.dask_jobs", client.scheduler.address, str(tmp_path)]
    process_environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    async with ledgers.box as box:
        await run(client, ledgers, tmp_path, 20)
        box.rules = Rules(latency=0.05)
        for number in range(20):
            ledgers.append_newest(number)
        box.on_request = lambda *_: arrived.set()
        driver = subprocess.Popen([*command, box.url, "sync"], env=process_environment)  # noqa: ASYNC220, S603 - our own code
        await asyncio.wait_for(arrived.wait(), 60)
        driver.kill()
        driver.wait()
        box.rules = Rules()
        manifest = await run(client, ledgers, tmp_path, 20)

    assert [record.entries for record in manifest.runs] == [60, 20]
    assert manifest.complete
    assert entries_of(manifest, tmp_path) == at_the_service(ledgers)


async def test_several_organisations_are_synced_at_once(client: Client, tmp_path: Path) -> None:
    """A sync and another organisation's share the workers, each with a limit and a result of its own."""
    one, two = Ledgers(SIZES), Ledgers([2, 2])
    async with one.box, two.box:
        jobs = [
            SyncJob(
                queries=queries(len(ledgers.dates)),
                out=tmp_path / name,
                connect=partial(connect, ledgers.box.url),
                rate_limit=6_000,
                organisation=f"sync-{name}",
                format="jsonl",
                shard_size=3,
            )
            for name, ledgers in (("one", one), ("two", two))
        ]
        results = await asyncio.to_thread(run_jobs, client, jobs)

    assert [result.error for result in results] == [None, None]
    for name, ledgers, result in (("one", one, results[0]), ("two", two, results[1])):
        assert result.manifest is not None
        assert entries_of(result.manifest, tmp_path / name) == at_the_service(ledgers)


async def test_one_process_waits_for_what_another_run_may_have_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places that a cluster has leased count for a run here with a limit, and its own for the next one."""
    ledgers = Ledgers([1])
    monkeypatch.setattr(ShardedSyncPlan, "taken_for", lambda *_: 0.01)
    async with ledgers.box as box, connect(box.url) as session:
        manifest = await ShardedSync(session, queries(1), out=tmp_path, format="jsonl").run()
    monkeypatch.undo()

    with open_plan(tmp_path, partial(ShardedSyncPlan, shard_size=300)) as plan:
        left = plan.taken_for(150.0, "another")
    assert manifest.complete
    assert [record.getMessage() for record in caplog.records if record.name == "capledger.backfill"] == [
        "no request is sent for 0 s: an earlier run may have used the rate limit"
    ]
    assert left == pytest.approx(60.0, abs=20)


async def test_what_does_not_fit_is_refused(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories with and without shards, and URLs, are told apart in one sentence before any request."""
    ledgers = Ledgers([1])
    sharded, plain = tmp_path / "sharded", tmp_path / "plain"
    async with ledgers.box as box, connect(box.url) as session:
        await run(client, ledgers, sharded, 1)
        await sync(session, 1, plain)
        sent = len(box.requests)
        with pytest.raises(InvalidQueryError, match="a job without shards"):
            await run(client, ledgers, plain, 1)
        for job in (Sync(session, queries(1), out=sharded), Backfill(session, queries(1), out=sharded)):
            with pytest.raises(InvalidQueryError, match="a job in shards: go on with --dask"):
                await job.run()
        with pytest.raises(InvalidQueryError, match="a job in shards: go on with --dask"):
            await estimate(session, queries(1), out=sharded)
        with pytest.raises(InvalidQueryError, match="out must be a directory"):
            await run(client, ledgers, "s3://bucket/ledgers", 1)  # type: ignore[arg-type]  # a URL
        with pytest.raises(InvalidQueryError, match="have no end"):
            await run(client, ledgers, sharded, 0, given=queries(1, end=date(2026, 1, 1)))
        with pytest.raises(InvalidQueryError, match="the list of customers is empty"):
            await run(client, ledgers, sharded, 0)

        monkeypatch.chdir(tmp_path)
        refused = await run_command(box, "sync", "customers.csv", "--out", "s3://bucket/ledgers", "--dask")

    assert len(box.requests) == sent
    assert (refused.code, "it is a URL: name a directory" in refused.err) == (2, True)
    assert names_in(tmp_path) == ["plain", "sharded"]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_the_command(client: Client, tmp_path: Path) -> None:
    """``sync --dask`` prints what a sync prints, and the same command without --dask goes on with its data set."""
    ledgers, file = Ledgers(SIZES), tmp_path / "customers.csv"
    file.write_text("".join(f"{line}\n" for line in ["mobile", *map(mobile, range(8))]), encoding="utf-8")
    options = ("sync", file, "--out", tmp_path / "out", "--format", "jsonl", "--progress-interval", "0")
    cluster = ("--dask", "--scheduler", client.scheduler.address, "--shard-size", "3")
    async with ledgers.box as box:
        await asyncio.to_thread(client.run, set_environment, {k: v for k, v in environment(box).items() if v})
        first = await run_command(box, *options, *cluster)
        ledgers.append_newest(0)
        second = await run_command(box, *options)
        ledgers.remove(0, 0)
        third = await run_command(box, *options, *cluster, "--rate", "60000")

    assert (first.code, first.out) == (0, "168 new entries of 7 customers; 8 customers proven in 9 requests\n")
    assert first.err.startswith("capledger: dashboard of the cluster: http://")
    assert (second.code, second.out) == (0, "1 new entry of 1 customer; 8 customers proven in 8 requests\n")
    assert (third.code, third.out) == (3, "no new entries, 1 vanished; 8 customers proven in 9 requests\n")
    assert "1 entry vanished at the service" in third.err
    assert manifest_of(tmp_path / "out")["entries"] == 169
