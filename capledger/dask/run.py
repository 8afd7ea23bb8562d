"""``run_backfill``: the driver, which divides a job into shards and gives the workers as many as they need."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import uuid4

import distributed
from attrs import evolve, field, frozen
from distributed import Client, Future, KilledWorker
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError
from distributed.utils import TimeoutError as DaskTimeoutError

from capledger._transport.arguments import to_positive_int
from capledger._transport.lease_book import unknown_for
from capledger._transport.rate_limit import RateLimit
from capledger.backfill import Manifest
from capledger.backfill.errors import DirectoryInUseError, JobStoppedError
from capledger.backfill.object_store import ObjectStore, is_object_store
from capledger.backfill.plan import PlanReader, describe_flags
from capledger.backfill.sharded import ShardedPlan, describe_service, open_plan
from capledger.backfill.sinks import sink_for
from capledger.dask.progress import ProgressSum
from capledger.dask.scheduler import dask_setup
from capledger.dask.task import ShardResult, SharedLimit, run_on_worker
from capledger.errors import CapledgerError, ConfigurationError, InvalidQueryError
from capledger.many import Queries
from capledger.queries import EventFlags
from capledger.queries.events import as_flags
from capledger.session import LedgerSession

if TYPE_CHECKING:
    from capledger.backfill import JobProgress
    from capledger.backfill.shard import Shard

logger: logging.Logger = logging.getLogger("capledger.dask")

#: Shards under way for each thread of a worker, so that none waits for the driver.
_AHEAD: Final = 4
#: Seconds by which the mark of a run that it is alive may be old when it is killed.
_ALIVE_SECONDS: Final = 10.0
#: Fields of a job that are those of each shard.
_OF_SHARDS: Final = (
    "concurrency",
    "details",
    "balances",
    "on_incomplete",
    "retry_set_aside",
    "repair",
    "single_writer",
)
#: Seconds after which a shard is submitted again whose directory a task of an earlier run still uses.
_IN_USE_PAUSE: Final = 2.0


@frozen(kw_only=True)
class BackfillJob:
    """One organisation's backfill, for :func:`run_backfills`."""

    queries: Queries = field(repr=False)
    """Any iterable of ledger queries; duplicates are fetched once."""
    out: str | PathLike[str]
    """Directory of the data, which the driver and all workers can reach; or the URL of an object store."""
    state: str | PathLike[str] | None = None
    """Directory on a disk of the driver for the list of customers and the results, where ``out`` is a URL."""
    single_writer: bool = False
    """As for :class:`~capledger.backfill.ObjectStore`."""
    connect: Callable[[], LedgerSession] = field(repr=False)
    """Makes a session on a worker, without a limit of its own; secrets are best read from the worker's environment."""
    rate_limit: int | RateLimit | None = None
    """The organisation's limit in requests a minute, for all workers together; None: learned by each from HTTP 429."""
    organisation: str | None = None
    """Name of the limit, which all jobs of an organisation on this scheduler share; None for one per service."""
    format: str = "parquet"
    """As for a backfill."""
    shard_size: int = 300
    """Customers in a shard; recorded when the job is started."""
    concurrency: int = 8
    """Customers at once on each worker."""
    grace: float = 60.0
    """Seconds that a request may take; at least the timeout of the sessions."""
    exact: bool = False
    """Whether to refuse a list that differs from the job's."""
    details: bool | EventFlags = False
    """As for a backfill."""
    balances: bool = False
    """As for a backfill."""
    on_incomplete: Literal["raise", "warn"] = "raise"
    """As for a backfill."""
    retry_set_aside: bool = False
    """As for a backfill."""
    repair: bool = False
    """As for a backfill."""


@frozen
class JobResult:
    """How one of several jobs ended."""

    job: BackfillJob
    manifest: Manifest | None
    error: CapledgerError | None
    """Why the job stopped; the same call continues it."""


def run_backfill(
    client: Client,
    queries: Queries,
    *,
    out: str | PathLike[str],
    connect: Callable[[], LedgerSession],
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
    run = _Driver(client, job, window=_window(client, 1), stop=stop or threading.Event())
    return run.run(on_progress or (lambda _: None), interval)


def run_backfills(
    client: Client, jobs: Iterable[BackfillJob], *, stop: threading.Event | None = None
) -> list[JobResult]:
    """Run the backfills of several organisations at once; one that fails does not end the others.

    Args:
        client: of the cluster; not an asynchronous one.
        jobs: each with a directory of its own, and with the name of its organisation where it has a rate limit.
        stop: when it is set, all runs end soon.
    """
    several, stopping = list(jobs), stop or threading.Event()
    window = _window(client, len(several))

    def run(job: BackfillJob) -> JobResult:
        try:
            manifest = _Driver(client, job, window=window, stop=stopping).run(lambda _: None, 1.0)
        except CapledgerError as error:
            return JobResult(job, None, error)
        return JobResult(job, manifest, None)

    with ThreadPoolExecutor(max(1, len(several)), "capledger-job") as threads:
        return list(threads.map(run, several))


def _window(client: Client, jobs: int) -> int:
    """Return how many shards of each job may be under way: four for each thread, or a share where there are several."""
    threads: int = max(1, sum(client.nthreads().values()))
    return _AHEAD * threads if jobs == 1 else max(1, -(-threads // max(1, jobs)))


@contextmanager
def _cluster_errors() -> Iterator[None]:
    """Turn errors of the cluster into one of ours."""
    try:
        yield
    except KilledWorker:
        raise JobStoppedError("the workers of the cluster die again and again: see their logs") from None
    except (CommClosedError, DaskTimeoutError, CancelledError, FutureCancelledError) as error:
        raise JobStoppedError(f"the connection to the scheduler was lost ({type(error).__name__})") from None


def _store_of(job: BackfillJob) -> tuple[ObjectStore | None, Path]:
    """Return the store of a job, None where the data is written to a directory, and the directory of the driver."""
    if not is_object_store(job.out):
        return None, Path(job.out)
    if job.state is None:
        raise InvalidQueryError("state must name a directory of the driver where out is the URL of a store")
    return ObjectStore(str(job.out), single_writer=job.single_writer), Path(job.state)


class _Driver:
    """One run of a job."""

    def __init__(self, client: Client, job: BackfillJob, *, window: int, stop: threading.Event) -> None:
        to_positive_int("shard_size", job.shard_size)
        sink_for(job.format)
        if client.asynchronous:
            raise InvalidQueryError("client must not be asynchronous: Client(..., asynchronous=False)")
        self._store, self._directory = _store_of(job)
        self._client = client
        self._job = job
        self._window = window
        self._stop = stop
        self._name = uuid4().hex
        self._limit: SharedLimit | None = None
        self._futures: dict[Future, Shard] = {}
        self._again: list[Shard] = []
        """Shards whose directory was in use."""
        self._results: dict[int, ShardResult] = {}
        self._error: BaseException | None = None

    def run(self, on_progress: Callable[[JobProgress], None], interval: float) -> Manifest:
        """Run the shards that are not finished; return the manifest of the whole job."""
        if self._store is not None:
            self._store.check()
        with open_plan(self._directory) as plan, _cluster_errors():
            asyncio.run(self._update(plan))
            self._begin(plan)
            progress = ProgressSum(plan.customers)
            try:
                for _ in self._rounds(plan, interval):
                    on_progress(progress.of(self._results, self._reports()))
            finally:
                self._end()
            if self._limit is not None:
                plan.note_end(self._call("capledger_taken_for", organisation=self._limit.organisation))
            return self._finish(plan)

    async def _update(self, plan: ShardedPlan) -> None:
        job = self._job
        try:
            task = self._client.submit(describe_service, job.connect, key=f"capledger-service-{self._name}", pure=False)
        except (TypeError, AttributeError):
            raise ConfigurationError(
                "connect cannot be sent to the workers: pass a function of a module that they can import, which makes "
                "the credentials there"
            ) from None
        service = await asyncio.to_thread(task.result)
        details = describe_flags(as_flags(job.details))
        reader = PlanReader(service.address, service.now, job.format, details=details, balances=job.balances)
        await plan.update(job.queries, reader, size=job.shard_size, exact=job.exact)
        self._limit = self._shared_limit(service.address)

    def _shared_limit(self, address: str) -> SharedLimit | None:
        limit = self._job.rate_limit
        if limit is None:
            return None
        limit = limit if isinstance(limit, RateLimit) else RateLimit(limit)
        name = self._job.organisation or address
        return SharedLimit(name, limit.requests_per_minute, limit.max_wait, self._job.grace)

    def _begin(self, plan: ShardedPlan) -> None:
        """Install the plugin, note the run, and open the book of the limit."""
        self._client.run_on_scheduler(dask_setup)
        self._call("capledger_begin", run=self._name, client=self._client.id)
        if self._limit is not None:
            closed_for = plan.taken_for(unknown_for(self._limit.grace) + _ALIVE_SECONDS)
            is_new = self._call(
                "capledger_open",
                organisation=self._limit.organisation,
                requests_per_minute=self._limit.requests_per_minute,
                grace=self._limit.grace,
                closed_for=closed_for,
            )
            if is_new and closed_for:
                logger.warning("no request is sent for %.0f s: an earlier run may have used the rate limit", closed_for)

    def _call(self, handler: str, **arguments: object) -> Any:  # noqa: ANN401 - whatever the handler returns
        return self._client.sync(getattr(self._client.scheduler, handler), **arguments)

    def _end(self) -> None:
        """Let shards end that are under way after an error; a scheduler that was lost has none."""
        if self._client.status == "running":
            with suppress(OSError, DaskTimeoutError):
                self._call("capledger_stop", run=self._name)

    def _reports(self) -> Mapping[int, Mapping[str, Any]]:
        reports = self._call("capledger_progress", run=self._name, finished=list(self._results))
        return {int(number): report for number, report in reports.items()}

    def _rounds(self, plan: ShardedPlan, interval: float) -> Iterator[None]:
        """Keep the workers busy until all shards are run or the run is stopped; yield after each interval."""
        settings = {name: getattr(self._job, name) for name in _OF_SHARDS}
        if self._store is not None:
            settings["store"] = str(self._job.out)
        shards, stopped = plan.shards(self._job.connect, self._job.format, **settings), False
        while True:
            plan.note_alive()
            if self._is_over and not stopped:
                self._call("capledger_stop", run=self._name)
                stopped = True
            while not stopped and len(self._futures) < self._window and (shard := next(shards, None)):
                self._submit(plan, shard)
            if not self._futures and (stopped or not self._again):
                break
            self._collect(interval)
            if self._again and not stopped:
                self._stop.wait(_IN_USE_PAUSE)
                again, self._again = self._again, []
                for shard in again:
                    self._submit(plan, shard)
            yield
        yield

    @property
    def _is_over(self) -> bool:
        return self._stop.is_set() or self._error is not None

    def _submit(self, plan: ShardedPlan, shard: Shard) -> None:
        key = f"capledger-{plan.job}-{self._name}-{shard.number:05}-{uuid4().hex[:8]}"
        if self._store is not None:
            shard = evolve(shard, out=f"capledger-{plan.job}/{shard.name}")
        self._futures[self._client.submit(run_on_worker, shard, self._name, self._limit, key=key, pure=False)] = shard

    def _collect(self, interval: float) -> None:
        """Wait for a shard to end, for an interval at most, and release those that have."""
        if self._futures:
            with suppress(DaskTimeoutError):
                distributed.wait(list(self._futures), timeout=interval, return_when="FIRST_COMPLETED")
        for future in [future for future in self._futures if future.done()]:
            shard = self._futures.pop(future)
            try:
                result = future.result()
            except DirectoryInUseError:
                self._again.append(shard)
            except CapledgerError as error:
                self._error = self._error or error
            else:
                if result is not None:
                    self._results[shard.number] = result

    def _finish(self, plan: ShardedPlan) -> Manifest:
        manifests = {number: result.manifest for number, result in self._results.items()}
        planned = plan.customers - sum(manifest.customers for manifest in manifests.values())
        manifest = plan.write_results(manifests, planned=planned, store=self._store) if manifests else None
        if self._error is not None:
            raise self._error
        if manifest is None:
            raise JobStoppedError("the run was stopped before its first shard was finished", left=planned)
        return manifest
