"""``run_backfill`` and ``run_sync``: a job on the workers of a cluster, and several jobs at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from capledger.dask.driver import Driver
from capledger.dask.jobs import BackfillJob, JobResult, SyncJob
from capledger.errors import CapledgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from os import PathLike

    from distributed import Client

    from capledger.backfill import JobProgress, Manifest, PlanSummary
    from capledger.many import Queries
    from capledger.session import LedgerSession

#: Shards under way for each thread of a worker, so that none waits for the driver.
_AHEAD: Final = 4


def run_backfill(
    client: Client,
    queries: Queries,
    *,
    out: str | PathLike[str],
    connect: Callable[[], LedgerSession],
    on_plan: Callable[[PlanSummary], None] | None = None,
    on_progress: Callable[[JobProgress], None] | None = None,
    interval: float = 1.0,
    stop: threading.Event | None = None,
    **settings: Any,  # noqa: ANN401 - fields of any type
) -> Manifest:
    """Fetch the ledgers of many customers on the workers of a cluster; the same call continues where it stopped.

    Whatever dies, a worker, the driver or the scheduler, the next call with the same queries finishes the job, every
    entry is in the data set once, and the rate limit holds.

    Args:
        client: of the cluster; not an asynchronous one.
        queries: as for :class:`BackfillJob`, and so are the other arguments.
        out: directory of the data, which the driver and all workers can reach; or the URL of an object store.
        connect: makes a session on a worker; it must be picklable, such as a function of a module.
        on_plan: called once the list was read, before the first request; ``to_fetch`` counts finished shards too.
        on_progress: called about every ``interval`` seconds, and at the end.
        interval: in seconds.
        stop: when it is set, the run ends soon: what was fetched is kept, and the manifest is not ``finished``.
        settings: the other fields of :class:`BackfillJob`: ``rate_limit``, ``organisation``, ``format``,
            ``shard_size``, ``concurrency``, ``grace``, ``exact``, ``details`` and so on.

    Returns:
        the manifest of the whole job.

    Raises:
        InvalidQueryError: an argument cannot be used, or the directory belongs to another job.
        DirectoryInUseError: another run uses the directory.
        JobStoppedError: the service or the cluster fails; the same call continues the job.
        CapledgerError: as :meth:`capledger.backfill.Backfill.run` does.
    """
    job = BackfillJob(queries=queries, out=out, connect=connect, **settings)
    run = Driver(client, job, window=_window(client, 1), stop=stop or threading.Event())
    return run.run(on_plan=on_plan, on_progress=on_progress, interval=interval)


def run_sync(
    client: Client,
    queries: Queries,
    *,
    out: str | PathLike[str],
    connect: Callable[[], LedgerSession],
    on_plan: Callable[[PlanSummary], None] | None = None,
    on_progress: Callable[[JobProgress], None] | None = None,
    interval: float = 1.0,
    stop: threading.Event | None = None,
    **settings: Any,  # noqa: ANN401 - fields of any type
) -> Manifest:
    """Bring a data set up to date on the workers of a cluster, and prove it; to be run again and again.

    The first run makes the data set, or goes on with that of a backfill on a cluster. The state of each shard is kept
    beside its data, so any later run goes on from there, on this cluster or another one, or in one process as a
    :class:`~capledger.backfill.ShardedSync`.

    Args:
        client: of the cluster; not an asynchronous one.
        queries: as for :class:`SyncJob`, and so are the other arguments.
        out: directory of the data, which the driver and all workers can reach.
        connect: makes a session on a worker; it must be picklable, such as a function of a module.
        on_plan: called once the list was read, before the first request; ``to_fetch`` counts finished shards too.
        on_progress: called about every ``interval`` seconds, and at the end.
        interval: in seconds.
        stop: when it is set, the run ends soon: what was fetched is kept, and the manifest is not ``finished``.
        settings: the other fields of :class:`SyncJob`: ``rate_limit``, ``organisation``, ``format``, ``start``,
            ``active``, ``balances``, ``shard_size`` and so on.

    Returns:
        the manifest of the data set; ``manifest.runs[-1]`` says what the run has done.

    Raises:
        InvalidQueryError: an argument cannot be used, or the directory has other data.
        DirectoryInUseError: another run uses the directory.
        JobStoppedError: the service or the cluster fails; the same call continues the run.
        CapledgerError: as :meth:`capledger.backfill.Sync.run` does.
    """
    job = SyncJob(queries=queries, out=out, connect=connect, **settings)
    run = Driver(client, job, window=_window(client, 1), stop=stop or threading.Event())
    return run.run(on_plan=on_plan, on_progress=on_progress, interval=interval)


def run_jobs(
    client: Client, jobs: Iterable[BackfillJob | SyncJob], *, stop: threading.Event | None = None
) -> list[JobResult]:
    """Run the jobs of several organisations at once; one that fails does not end the others.

    Args:
        client: of the cluster; not an asynchronous one.
        jobs: each with a directory of its own, and with the name of its organisation where it has a rate limit.
        stop: when it is set, all runs end soon.
    """
    several, stopping = list(jobs), stop or threading.Event()
    window = _window(client, len(several))

    def run(job: BackfillJob | SyncJob) -> JobResult:
        try:
            manifest = Driver(client, job, window=window, stop=stopping).run()
        except CapledgerError as error:
            return JobResult(job, None, error)
        return JobResult(job, manifest, None)

    with ThreadPoolExecutor(max(1, len(several)), "capledger-job") as threads:
        return list(threads.map(run, several))


def _window(client: Client, jobs: int) -> int:
    """Return how many shards of each job may be under way: four for each thread, or a share where there are several."""
    threads: int = max(1, sum(client.nthreads().values()))
    return _AHEAD * threads if jobs == 1 else max(1, -(-threads // max(1, jobs)))
