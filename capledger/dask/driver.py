"""What a run of a job on a cluster does: divide it into shards, and give the workers as many as they need."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import distributed
from attrs import evolve
from distributed import Client, Future, KilledWorker
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError
from distributed.protocol import pickle
from distributed.utils import TimeoutError as DaskTimeoutError

from capledger._transport.lease_book import unknown_for
from capledger._transport.rate_limit import RateLimit
from capledger.backfill.errors import DirectoryInUseError, JobStoppedError
from capledger.backfill.sharded import ALIVE_SECONDS
from capledger.backfill.sharded_progress import ProgressSum
from capledger.dask.scheduler import dask_setup
from capledger.dask.task import SharedLimit, describe_on_worker, run_on_worker
from capledger.errors import CapledgerError, ConfigurationError, InvalidQueryError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

    from capledger.backfill import JobProgress, Manifest, PlanSummary, Shard, ShardResult, SyncShard
    from capledger.backfill.plan import ListChange
    from capledger.backfill.sharded import ShardedPlan
    from capledger.dask.jobs import BackfillJob, SyncJob

logger: logging.Logger = logging.getLogger("capledger.dask")

#: Seconds after which a shard is submitted again whose directory a task of an earlier run still uses.
_IN_USE_PAUSE: Final = 2.0


@contextmanager
def _cluster_errors() -> Iterator[None]:
    """Turn errors of the cluster into one of ours."""
    try:
        yield
    except KilledWorker:
        raise JobStoppedError("the workers of the cluster die again and again: see their logs") from None
    except (CommClosedError, DaskTimeoutError, CancelledError, FutureCancelledError) as error:
        raise JobStoppedError(f"the connection to the scheduler was lost ({type(error).__name__})") from None


class Driver:
    """One run of a job."""

    def __init__(self, client: Client, job: BackfillJob | SyncJob, *, window: int, stop: threading.Event) -> None:
        if client.asynchronous:
            raise InvalidQueryError("client must not be asynchronous: Client(..., asynchronous=False)")
        self._client = client
        self._job = job
        self._window = window
        self._stop = stop
        self._name = uuid4().hex
        self._home = str(client.scheduler_info()["id"])
        """Where the book of the limit is: the scheduler, as a process that may be followed by another."""
        self._limit: SharedLimit | None = None
        self._futures: dict[Future, Shard | SyncShard] = {}
        self._again: list[Shard | SyncShard] = []
        """Shards whose directory was in use."""
        self._results: dict[int, ShardResult] = {}
        self._error: BaseException | None = None

    def run(
        self,
        *,
        on_plan: Callable[[PlanSummary], None] | None = None,
        on_progress: Callable[[JobProgress], None] | None = None,
        interval: float = 1.0,
    ) -> Manifest:
        """Run the shards that are not finished; return the manifest of the whole job."""
        with self._job.open_plan() as plan, _cluster_errors():
            change = asyncio.run(self._update(plan))
            if on_plan is not None:
                on_plan(plan.summary(change))
            self._begin(plan)
            progress = ProgressSum(plan.customers)
            try:
                for _ in self._rounds(plan, interval):
                    if on_progress is not None:
                        on_progress(progress.of(self._results, self._reports()))
            finally:
                self._end()
            if self._limit is not None:
                taken_for = self._call("capledger_taken_for", organisation=self._limit.organisation)
                plan.note_end(self._home, taken_for)
            return self._finish(plan)

    async def _update(self, plan: ShardedPlan) -> ListChange:
        try:
            packed = pickle.dumps(self._job.connect)
        except (TypeError, AttributeError):
            raise ConfigurationError(
                "connect cannot be sent to the workers: pass a function of a module that they can import, which makes "
                "the credentials there"
            ) from None
        key = f"capledger-service-{self._name}"
        service = await asyncio.to_thread(self._client.submit(describe_on_worker, packed, key=key, pure=False).result)
        change = await plan.update(self._job.queries, service)
        self._limit = self._shared_limit(service.address)
        return change

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
            closed_for = plan.taken_for(unknown_for(self._limit.grace) + ALIVE_SECONDS, self._home)
            self._call(
                "capledger_open",
                organisation=self._limit.organisation,
                requests_per_minute=self._limit.requests_per_minute,
                grace=self._limit.grace,
                closed_for=closed_for,
            )
            if closed_for:
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
        shards, stopped = plan.shards(self._job.connect), False
        while True:
            if self._limit is not None:
                plan.note_alive(self._home)
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

    def _submit(self, plan: ShardedPlan, shard: Shard | SyncShard) -> None:
        key = f"capledger-{plan.job}-{self._name}-{shard.number:05}-{uuid4().hex[:8]}"
        if plan.store is not None:
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
        manifest = plan.write_results({number: result.manifest for number, result in self._results.items()})
        if self._error is not None:
            raise self._error
        if manifest is None:
            raise JobStoppedError("the run was stopped before its first shard was finished", left=plan.asked)
        return manifest
