from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from distributed import Client
from support.clock import busiest
from support.clusters import process_cluster
from support.dask_jobs import connect, connect_by_environment, connect_with_pid, set_environment
from support.jobs import expected, mobile, queries, rows_of, sandbox, set_aside

from capledger import AuthenticationError, ConfigurationError, InvalidQueryError
from capledger.backfill import Backfill, DirectoryInUseError, JobStoppedError, ObjectStore, check_directory, verify
from capledger.backfill.files import sha256_of
from capledger.backfill.sharded import open_plan
from capledger.backfill.sharded_backfill import ShardedBackfill
from capledger.dask import BackfillJob, run_backfill, run_jobs
from capledger.sandbox import Rules, faults

if TYPE_CHECKING:
    from pathlib import Path

    from support.jobs import Key

    from capledger.backfill import JobProgress, Manifest
    from capledger.sandbox import Sandbox

SIZES = [3, 0, 7, 5, 120, 1, 30, 2] * 6


async def run(client: Client, box: Sandbox, out: Path, given: Any = None, **options: Any) -> Manifest:
    settings: dict[str, Any] = {"shard_size": 10, "format": "jsonl", "interval": 0.1, **options}
    given = queries(len(SIZES)) if given is None else given
    return await asyncio.to_thread(run_backfill, client, given, out=out, connect=partial(connect, box.url), **settings)


def entries_of(manifest: Manifest, out: Path) -> Counter[Key]:
    """Return the entries of the files that a manifest names, with how often each is there."""
    found = (row for file in manifest.files for row in rows_of(out / file.file))
    return Counter((row["identifier_value"], int(row["event_log_id"])) for row in found)


async def test_shards_have_what_one_process_has(client: Client, tmp_path: Path) -> None:
    """Each entry is there once, whatever repeats; a second run sends nothing, and adds new customers."""
    seen: list[JobProgress] = []
    async with sandbox([*SIZES, 4]) as box:
        given = [*queries(len(SIZES)), *queries(15), queries(1, source="INSTORE")[0]]
        manifest = await run(client, box, tmp_path, given, on_progress=seen.append, rate_limit=60_000)
        sent = len(box.requests)
        again = await run(client, box, tmp_path, given)
        sent_again = len(box.requests) - sent
        grown = await run(client, box, tmp_path, [queries(len(SIZES) + 1)[-1], *given])

    assert entries_of(manifest, tmp_path) == expected(SIZES)
    assert (manifest.complete, manifest.customers, manifest.duplicates) == (True, len(SIZES), 16)
    assert manifest.requests == sent
    assert (sent_again, again.files) == (0, manifest.files)
    assert entries_of(grown, tmp_path) == expected([*SIZES, 4])
    assert (seen[-1].finished, seen[-1].requests) == (len(SIZES), sent)
    assert verify(tmp_path).ok
    assert verify(tmp_path).entries == sum([*SIZES, 4])


async def test_a_killed_worker_loses_nothing(client: Client, tmp_path: Path) -> None:
    """The shard of a worker that gets SIGKILL goes on at another one, and each entry is there once."""
    killed: list[int] = []

    def kill_one(progress: JobProgress) -> None:
        if progress.requests > 40 and not killed:
            killed.extend(client.run(os.getpid).values())
            os.kill(killed[0], signal.SIGKILL)

    async with sandbox(SIZES, rules=Rules(latency=0.02)) as box:
        manifest = await run(client, box, tmp_path, on_progress=kill_one, rate_limit=60_000)

    assert killed
    assert manifest.complete
    assert entries_of(manifest, tmp_path) == expected(SIZES)


async def test_a_killed_driver_is_followed_by_another(client: Client, tmp_path: Path) -> None:
    """The same command, started as soon as its driver was killed, waits for shards under way and finishes the job."""
    arrived = asyncio.Event()
    async with sandbox(SIZES, rules=Rules(latency=0.02)) as box:
        box.on_request = lambda *_: arrived.set() if len(box.requests) > 30 else None
        address = client.scheduler.address
        command = [sys.executable, "-m", "support.dask_jobs", address, str(tmp_path), box.url]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        driver = subprocess.Popen(command, env=environment)  # noqa: ASYNC220, S603 - our own code
        try:
            await asyncio.wait_for(arrived.wait(), 60)
            with pytest.raises(DirectoryInUseError):
                await run(client, box, tmp_path)
        finally:
            driver.kill()
            driver.wait()
        manifest = await run(client, box, tmp_path)

    assert manifest.complete
    assert entries_of(manifest, tmp_path) == expected(SIZES)


async def test_an_added_worker_helps_and_a_killed_scheduler_ends_the_run(client: Client, tmp_path: Path) -> None:
    """A worker that joins gets shards; after SIGKILL of the scheduler the same call goes on at another cluster."""
    loop, processes = asyncio.get_running_loop(), set[str]()
    with process_cluster() as cluster:
        async with sandbox([1] * 200, rules=Rules(latency=0.03)) as box:

            def watch(*_: Any) -> None:
                if not processes:
                    loop.call_soon(cluster.start_worker)
                processes.add(box.requests[-1].headers["x-process"])
                if len(processes) > 1:
                    cluster.kill_scheduler()

            box.on_request = watch
            connected = await asyncio.to_thread(Client, cluster.address)
            settings: dict[str, Any] = {
                "connect": partial(connect_with_pid, box.url),
                "shard_size": 5,
                "concurrency": 1,
            }
            job = partial(run_backfill, queries=queries(200), out=tmp_path, format="jsonl", **settings)
            with pytest.raises(JobStoppedError, match="the scheduler was lost"):
                await asyncio.to_thread(job, connected)
            sent = len(box.requests)
            await asyncio.to_thread(connected.close)
            cluster.kill()
            box.rules, box.on_request = Rules(), None
            manifest = await asyncio.to_thread(job, client)

    assert len(processes) == 2
    assert sent < 200
    assert manifest.complete
    assert entries_of(manifest, tmp_path) == expected([1] * 200)


async def test_workers_share_one_limit(client: Client, tmp_path: Path) -> None:
    """Two workers together send what the limit allows in any second, a burst apart, and use it."""
    moments: list[float] = []
    async with sandbox([1] * 90) as box:
        box.on_request = lambda *_: moments.append(time.monotonic())
        manifest = await run(client, box, tmp_path, queries(90), rate_limit=1_200, organisation="limited", shard_size=5)

    assert manifest.complete
    assert busiest(moments, 1.0) <= 20 + 20 + 1
    assert max(moments) - min(moments) < 90 / 20 + 3


async def test_a_failing_service_ends_the_run(client: Client, tmp_path: Path) -> None:
    """An error that concerns everybody ends the run; what was fetched stays, and the next call goes on."""
    async with sandbox(SIZES) as box:
        box.faults = faults.random_faults(1, 1.0, [faults.status(401)])
        with pytest.raises(AuthenticationError):
            await run(client, box, tmp_path)
        box.faults = None
        manifest = await run(client, box, tmp_path)

    assert entries_of(manifest, tmp_path) == expected(SIZES)


async def test_customers_set_aside_in_any_shard_are_in_one_list(client: Client, tmp_path: Path) -> None:
    """Unknown customers are set aside and counted; the list of them can be fed back."""
    async with sandbox([1] * 20) as box:
        manifest = await run(client, box, tmp_path, queries(25), shard_size=3)

    assert (manifest.set_aside, manifest.done, manifest.finished, manifest.complete) == (5, 20, True, False)
    assert sorted(row["identifier_value"] for row in set_aside(tmp_path)) == [
        mobile(number) for number in range(20, 25)
    ]


async def test_a_run_can_be_stopped(client: Client, tmp_path: Path) -> None:
    """When the event is set, shards end in order, and the manifest says that customers are left."""
    stop = threading.Event()

    def stop_soon(progress: JobProgress) -> None:
        if progress.finished >= 10:
            stop.set()

    async with sandbox(SIZES, rules=Rules(latency=0.05)) as box:
        manifest = await run(client, box, tmp_path, on_progress=stop_soon, stop=stop)
        finished = await run(client, box, tmp_path)

    assert not manifest.finished
    assert manifest.customers == finished.customers == len(SIZES)
    assert entries_of(finished, tmp_path) == expected(SIZES)


async def test_several_organisations_run_at_once(client: Client, tmp_path: Path) -> None:
    """Each has a limit, a service and an end of its own; one that is refused does not end the other."""
    async with sandbox([2] * 12) as one, sandbox([1]) as two:
        two.faults = faults.random_faults(1, 1.0, [faults.status(401)])
        jobs = [
            BackfillJob(
                queries=queries(count),
                out=tmp_path / name,
                connect=partial(connect, box.url),
                rate_limit=6_000,
                organisation=name,
                format="jsonl",
                shard_size=4,
            )
            for name, box, count in (("one", one, 12), ("two", two, 1))
        ]
        first, second = await asyncio.to_thread(run_jobs, client, jobs)

    assert first.manifest is not None
    assert entries_of(first.manifest, tmp_path / "one") == expected([2] * 12)
    assert (second.manifest, type(second.error)) == (None, AuthenticationError)


async def test_secrets_come_from_the_workers(client: Client, tmp_path: Path) -> None:
    """The driver needs no credentials: ``connect`` runs on workers alone, and nothing of it is sent."""
    async with sandbox([2] * 4) as box:
        values = {"CAPLEDGER_BASE_URL": box.url, "CAPLEDGER_PASSWORD": "server123"}
        await asyncio.to_thread(client.run, set_environment, values)
        manifest = await asyncio.to_thread(
            run_backfill, client, queries(4), out=tmp_path, connect=connect_by_environment, format="jsonl"
        )

    assert "CAPLEDGER_PASSWORD" not in os.environ
    assert entries_of(manifest, tmp_path) == expected([2] * 4)


async def test_arguments_are_checked(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot work is refused before any request, in one sentence."""
    async with sandbox([1]) as box, connected(box) as session:
        with pytest.raises(ConfigurationError, match="connect cannot be sent to the workers"):
            await asyncio.to_thread(run_backfill, client, queries(1), out=tmp_path, connect=lambda: session)
        monkeypatch.setattr(connect, "__module__", "not_on_the_workers")
        monkeypatch.setitem(sys.modules, "not_on_the_workers", sys.modules["support.dask_jobs"])
        with pytest.raises(ConfigurationError, match=r"by a worker \(No module named 'not_on_the_workers'\)"):
            await run(client, box, tmp_path)
        monkeypatch.undo()
        with pytest.raises(InvalidQueryError, match="format must be one of"):
            await run(client, box, tmp_path, format="xml")
        with pytest.raises(ConfigurationError, match="shard_size"):
            await run(client, box, tmp_path, shard_size=0)
        await Backfill(session, queries(1), out=tmp_path / "plain", format="jsonl").run()
        with pytest.raises(InvalidQueryError, match="a job without shards"):
            await run(client, box, tmp_path / "plain")

    assert len(box.requests) == 1


def connected(box: Sandbox) -> Any:
    return connect(box.url)


def test_what_an_earlier_run_has_leased_is_known_from_the_disk(tmp_path: Path) -> None:
    """A first run starts at once, one after an end in order when its places are free, one after a crash much later."""
    with open_plan(tmp_path, partial(ShardedBackfill, shard_size=300)) as plan:
        first = plan.taken_for(140.0)
        plan.note_alive("one")
        after_crash, known = plan.taken_for(140.0, "two"), plan.taken_for(140.0, "one")
        plan.note_end("", 30.0)
        after_end = plan.taken_for(140.0, "one")

    assert (first, known) == (0.0, 0.0)
    assert after_crash == pytest.approx(140.0, abs=5)
    assert after_end == pytest.approx(30.0, abs=5)


async def test_progress_is_summed_over_shards(client: Client, tmp_path: Path) -> None:
    """Finished shards and those under way make one progress, which only grows and never counts a shard twice."""
    seen: list[JobProgress] = []
    async with sandbox([2] * 60, rules=Rules(latency=0.02)) as box:
        manifest = await run(client, box, tmp_path, queries(60), on_progress=seen.append, interval=0.02, concurrency=2)

    assert {progress.customers for progress in seen} == {60}
    for name in ("finished", "requests"):
        values = [getattr(progress, name) for progress in seen]
        assert values == sorted(values)
        assert values[-1] == manifest.requests == 60
    assert any(0 < progress.finished < 60 for progress in seen)
    assert any(progress.seconds_left for progress in seen)


@pytest.mark.parametrize(("kind", "suffix"), [("parquet", "parquet"), ("jsonl", "csv")])
async def test_balances_of_all_shards_are_in_one_file(client: Client, tmp_path: Path, kind: str, suffix: str) -> None:
    """The manifest names it, the books of all shards are checked with it, and a store gets it as well."""
    store = f"file://{tmp_path}/store"
    async with sandbox([2] * 7) as box:
        settings: dict[str, Any] = {"shard_size": 3, "balances": True, "format": kind}
        manifest = await run(client, box, tmp_path / "out", queries(7), **settings)
        stored = await run(client, box, store, queries(7), state=tmp_path / "state", **settings)  # type: ignore[arg-type]  # a URL

    check = check_directory(tmp_path / "out")
    assert list(check) == []
    assert (check.customers, check.balances) == (7, 21)
    for result, folder in ((manifest, tmp_path / "out"), (stored, tmp_path / "store")):
        assert result.balances is not None
        assert (result.balances.file, result.balances.rows) == (f"balances.{suffix}", 21)
        assert sha256_of(folder / result.balances.file) == result.balances.sha256
    assert verify(tmp_path / "out").ok


async def test_shards_can_be_put_into_a_store(client: Client, tmp_path: Path) -> None:
    """Without a shared directory the data is in a store, by one manifest there; a second run finds every commit."""
    store, state = f"file://{tmp_path}/store", tmp_path / "state"
    async with sandbox([2] * 10) as box:
        settings: dict[str, Any] = {"state": state, "shard_size": 4}
        manifest = await run(client, box, store, queries(11), **settings)  # type: ignore[arg-type]  # a URL
        sent = len(box.requests)
        again = await run(client, box, store, queries(11), **settings)  # type: ignore[arg-type]  # a URL

    assert entries_of(manifest, tmp_path / "store") == expected([2] * 10)
    assert ObjectStore(store).read_manifest().files == again.files == manifest.files
    assert len(box.requests) == sent
    assert [row["identifier_value"] for row in set_aside(state)] == [mobile(10)]
