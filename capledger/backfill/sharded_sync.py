"""A sync in shards: its plan, and its runs by one process; ``capledger.dask`` runs the shards on workers."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import asdict, evolve

from capledger._transport.arguments import to_positive_int
from capledger._transport.lease_book import unknown_for
from capledger._transport.rate_limit import MINUTE
from capledger.backfill.errors import JobStoppedError
from capledger.backfill.plan import PlanReader, is_planned, read_identity
from capledger.backfill.runs import RunRecord, merge_records, read_runs, write_run
from capledger.backfill.shard import ShardResult, SyncShard
from capledger.backfill.sharded import ALIVE_SECONDS, ShardedPlan, describe_service, open_plan
from capledger.backfill.sharded_progress import ProgressSum
from capledger.backfill.sinks import sink_for
from capledger.backfill.sync.differences import AMENDED, VANISHED
from capledger.backfill.sync.plan import update_sync_plan
from capledger.queries import CustomerLedgerQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import date
    from os import PathLike

    from capledger.backfill.database import Database
    from capledger.backfill.manifest import Manifest
    from capledger.backfill.plan import ListChange, PlanSummary
    from capledger.backfill.progress import JobProgress
    from capledger.backfill.sharded import ListedQuery, Service
    from capledger.backfill.sync import Sync
    from capledger.many import Queries
    from capledger.queries import LedgerQuery
    from capledger.session import LedgerSession

logger: logging.Logger = logging.getLogger("capledger.backfill")

#: Customers in a shard.
SHARD_SIZE: Final = 300
#: Seconds that a request of an earlier run may take.
_GRACE: Final = 60.0


class ShardedSyncPlan(ShardedPlan):
    """The plan of a sync, with the number of its run, which all shards have in common.

    A directory of a finished backfill in shards can be continued. Every shard takes part in every run, also one whose
    customers are not in the list any more.

    Args:
        database: of the plan.
        directory: DIR.
        shard_size: customers in a shard.
        format: of the files; None: that of the data set, or parquet.
        start: of queries without one; None: that of the data set, or the beginning of each ledger.
        active: the customers known to have changed; None: all are asked.
        balances: whether balances are fetched; None: as in the run before.
        settings: other fields of each shard.
    """

    def __init__(
        self,
        database: Database,
        directory: Path,
        *,
        shard_size: int,
        format: str | None = None,  # noqa: A002 - as for a sync
        start: date | None = None,
        active: Queries | None = None,
        balances: bool | None = None,
        **settings: Any,  # noqa: ANN401 - fields of any type
    ) -> None:
        super().__init__(database, directory, shard_size=shard_size)
        self._format = format
        self._start = CustomerLedgerQuery.mobile("0", start=start).start
        self._active = active
        self._balances = balances
        self._settings = settings
        self._run = RunRecord(number=0, started=datetime.now(UTC))

    async def _update(self, queries: Queries, service: Service) -> ListChange:
        identity = read_identity(self.database) if is_planned(self.database) else None
        format_ = self._format or (identity.format if identity else "parquet")
        balances = self._balances if self._balances is not None else identity is not None and identity.balances
        sink_for(format_)
        reader = PlanReader(service.address, service.now, format_, balances=balances)
        after_backfill = identity is not None and not read_runs(self.database)
        change = await update_sync_plan(self.database, queries, reader, start=self._start, active=self._active)
        self._settings |= {"format": format_, "balances": balances}
        self._run = self._begin_run(first=2 if after_backfill else 1)
        return change

    def _begin_run(self, *, first: int) -> RunRecord:
        """Return the run that was interrupted, or a new one."""
        runs = read_runs(self.database)
        if runs and runs[-1].finished is None:
            return runs[-1]
        run = RunRecord(number=runs[-1].number + 1 if runs else first, started=datetime.now(UTC))
        write_run(self.database, run)
        return run

    @property
    def started(self) -> datetime:
        """When the run was started, in UTC."""
        return self._run.started

    def shards(self, connect: Callable[[], LedgerSession]) -> Iterator[SyncShard]:
        """Yield the shards, each as it is needed."""
        for number, part in self.parts():
            yield SyncShard(
                number=number,
                run=self._run.number,
                queries=tuple(item.query for item in part if item.listed),
                active=_active(part),
                out=str(self.folder(number)),
                connect=connect,
                **self._settings,
            )

    def write_results(self, manifests: Mapping[int, Manifest]) -> Manifest | None:
        """Write the results of the data set, and record the run."""
        manifest = super().write_results(manifests)
        if manifest is not None:
            self._run = manifest.runs[-1]
            write_run(self.database, self._run)
        return manifest

    def _merge(self, manifests: Mapping[int, Manifest]) -> Manifest:
        manifest = super()._merge(manifests)
        finished = len(manifests) == self._count() and all(self._has_done(each) for each in manifests.values())
        records: dict[int, list[RunRecord]] = {self._run.number: []}
        for each in manifests.values():
            for record in each.runs:
                records.setdefault(record.number, []).append(record)
        run = self._record(records.pop(self._run.number), finished=finished)
        earlier = [merge_records(records[number]) for number in sorted(records)]
        complete = manifest.complete and run.complete
        return evolve(manifest, runs=(*earlier, run), finished=finished, complete=complete)

    def _has_done(self, manifest: Manifest) -> bool:
        """Return whether a shard has done the run."""
        return manifest.finished and bool(manifest.runs) and manifest.runs[-1].number == self._run.number

    def _record(self, of_shards: list[RunRecord], *, finished: bool) -> RunRecord:
        """Return what the run has done so far."""
        counts = "SELECT ifnull(sum(asked), 0), ifnull(sum(listed AND NOT asked), 0), ifnull(sum(NOT listed), 0)"
        [(asked, not_asked, missing)] = self.database.fetch_all(f"{counts} FROM customers")
        run = evolve(
            merge_records(of_shards) if of_shards else self._run,
            started=self._run.started,
            finished=datetime.now(UTC) if finished else None,
            customers=asked,
            not_asked=not_asked,
            missing=missing,
        )
        return evolve(run, complete=finished and asked == run.proven and not (not_asked or run.vanished))

    def _write_tables(self, names: list[str], manifest: Manifest) -> None:
        super()._write_tables(names, manifest)
        for table in (VANISHED, AMENDED):
            self._write_joined(table, [self._read(name, table) for name in names])


def _active(part: list[ListedQuery]) -> tuple[LedgerQuery, ...] | None:
    """Return the customers of a shard that are asked; None for all that are listed."""
    if all(item.asked for item in part if item.listed):
        return None
    return tuple(item.query for item in part if item.asked)


class ShardedSync:
    """Goes on with a data set in shards in one process, one shard after the other; as a :class:`Sync` without shards.

    Args:
        session: open; its rate limit and its connections determine the speed.
        queries: as for a :class:`Sync`.
        out: the directory.
        shard_size: customers in a shard, recorded when the data set is started.
        rate_limited: whether the session has a rate limit, so that a run waits for what an earlier one may have used.
        on_plan: called once the list was read, before the first request.
        on_progress: called about every second, and at the end.
        settings: the other arguments of a :class:`Sync`: ``format``, ``start``, ``active``, ``balances``, ``overlap``,
            ``concurrency`` and ``repair``.
    """

    def __init__(
        self,
        session: LedgerSession,
        queries: Queries,
        *,
        out: str | PathLike[str],
        shard_size: int = SHARD_SIZE,
        rate_limited: bool = True,
        on_plan: Callable[[PlanSummary], None] | None = None,
        on_progress: Callable[[JobProgress], None] | None = None,
        **settings: Any,  # noqa: ANN401 - arguments of any type
    ) -> None:
        self._session = session
        self._queries = queries
        self._out = Path(out)
        self._make_plan = partial(ShardedSyncPlan, shard_size=to_positive_int("shard_size", shard_size), **settings)
        self._rate_limited = rate_limited
        self._on_plan = on_plan or (lambda _: None)
        self._on_progress = on_progress or (lambda _: None)
        self._stop = asyncio.Event()
        self._job: Sync | None = None
        self._results: dict[int, ShardResult] = {}

    def stop(self) -> None:
        """End the run soon: what was fetched is kept, and ``run`` returns a manifest that is not ``finished``."""
        self._stop.set()
        if self._job is not None:
            self._job.stop()

    async def run(self) -> Manifest:
        """Read what is new, or go on with the run that was interrupted.

        Raises:
            CapledgerError: as :meth:`Sync.run` does.
        """
        with open_plan(self._out, self._make_plan) as plan:
            change = await plan.update(self._queries, describe_service(lambda: self._session))
            self._on_plan(plan.summary(change))
            if self._rate_limited:
                await self._wait_for_places(plan)
            try:
                await self._run_shards(plan, ProgressSum(plan.customers))
            finally:
                if self._rate_limited:
                    plan.note_end("", MINUTE)
                manifest = plan.write_results({number: result.manifest for number, result in self._results.items()})
        if manifest is None:
            raise JobStoppedError("the run was stopped before its first shard was finished", left=plan.asked)
        return manifest

    async def _wait_for_places(self, plan: ShardedSyncPlan) -> None:
        """Wait until a cluster's run, which may have been killed, uses nothing of the rate limit any more."""
        seconds = plan.taken_for(unknown_for(_GRACE) + ALIVE_SECONDS)
        if seconds:
            logger.warning("no request is sent for %.0f s: an earlier run may have used the rate limit", seconds)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), seconds)

    async def _run_shards(self, plan: ShardedSyncPlan, progress: ProgressSum) -> None:
        for shard in plan.shards(lambda: self._session):
            if self._stop.is_set():
                break
            self._job = shard.job(self._session, partial(self._report, plan, progress, shard.number))
            manifest = await self._job.run()
            done = self._job.progress
            self._results[shard.number] = ShardResult(manifest, done.requests, done.retries)
        self._on_progress(progress.of(self._results, {}))

    def _report(self, plan: ShardedSyncPlan, progress: ProgressSum, number: int, of_shard: JobProgress) -> None:
        if self._rate_limited:
            plan.note_alive()
        self._on_progress(progress.of(self._results, {number: asdict(of_shard)}))
