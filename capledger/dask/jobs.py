"""What a cluster is to do: a backfill or a sync of one organisation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen

from capledger._transport.arguments import to_positive_int
from capledger._transport.rate_limit import RateLimit
from capledger.backfill import Manifest
from capledger.backfill.object_store import ObjectStore, is_object_store
from capledger.backfill.sharded import ShardedPlan, open_plan
from capledger.backfill.sharded_backfill import ShardedBackfill
from capledger.backfill.sharded_sync import SHARD_SIZE, ShardedSyncPlan
from capledger.backfill.sinks import sink_for
from capledger.errors import CapledgerError, InvalidQueryError
from capledger.many import Queries
from capledger.queries import EventFlags
from capledger.session import LedgerSession

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


@frozen(kw_only=True)
class BackfillJob:
    """One organisation's backfill, for :func:`run_jobs`."""

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
    shard_size: int = SHARD_SIZE
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

    def open_plan(self) -> AbstractContextManager[ShardedPlan]:
        """Check the arguments and the store, and open the plan of the job.

        Raises:
            CapledgerError: one of them cannot be used.
        """
        size = to_positive_int("shard_size", self.shard_size)
        sink_for(self.format)
        store, directory = self._destination()
        if store is not None:
            store.check()
        make = partial(
            ShardedBackfill,
            shard_size=size,
            exact=self.exact,
            store=store,
            **_fields(self, "format", "concurrency", "details", "balances", "repair"),
            **_fields(self, "on_incomplete", "retry_set_aside"),
        )
        return open_plan(directory, make)

    def _destination(self) -> tuple[ObjectStore | None, Path]:
        """Return the store, None where the data is written to a directory, and the directory of the driver."""
        if not is_object_store(self.out):
            return None, Path(self.out)
        if self.state is None:
            raise InvalidQueryError("state must name a directory of the driver where out is the URL of a store")
        return ObjectStore(str(self.out), single_writer=self.single_writer), Path(self.state)


@frozen(kw_only=True)
class SyncJob:
    """One organisation's sync, for :func:`run_jobs`."""

    queries: Queries = field(repr=False)
    """As for a :class:`~capledger.backfill.Sync`."""
    out: str | PathLike[str]
    """Directory of the data, which the driver and all workers can reach."""
    connect: Callable[[], LedgerSession] = field(repr=False)
    """As for a :class:`BackfillJob`."""
    rate_limit: int | RateLimit | None = None
    """As for a :class:`BackfillJob`."""
    organisation: str | None = None
    """As for a :class:`BackfillJob`."""
    format: str | None = None
    """As for a sync."""
    start: date | None = None
    """As for a sync."""
    active: Queries | None = field(default=None, repr=False)
    """As for a sync."""
    balances: bool | None = None
    """As for a sync."""
    overlap: timedelta = timedelta(days=3)
    """As for a sync."""
    shard_size: int = SHARD_SIZE
    """Customers in a shard; recorded when the data set is started."""
    concurrency: int = 8
    """Customers at once on each worker."""
    grace: float = 60.0
    """As for a :class:`BackfillJob`."""
    repair: bool = False
    """As for a sync."""

    def open_plan(self) -> AbstractContextManager[ShardedPlan]:
        """Check the arguments, and open the plan of the data set.

        Raises:
            CapledgerError: one of them cannot be used.
        """
        size = to_positive_int("shard_size", self.shard_size)
        if is_object_store(self.out):
            raise InvalidQueryError("a sync keeps its state beside the data: out must be a directory, and no URL")
        if self.format is not None:
            sink_for(self.format)
        settings = _fields(self, "format", "start", "active", "balances", "overlap", "concurrency", "repair")
        return open_plan(Path(self.out), partial(ShardedSyncPlan, shard_size=size, **settings))


@frozen
class JobResult:
    """How one of several jobs ended."""

    job: BackfillJob | SyncJob
    manifest: Manifest | None
    error: CapledgerError | None
    """Why the job stopped; the same call continues it."""


def _fields(job: object, *names: str) -> dict[str, Any]:
    return {name: getattr(job, name) for name in names}
