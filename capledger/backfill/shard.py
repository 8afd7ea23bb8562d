"""A part of a job for a worker on another machine: picklable, and its result is a manifest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from attrs import field, frozen

from capledger.backfill.backfill import Backfill
from capledger.backfill.manifest import Manifest
from capledger.backfill.object_store import ObjectStore
from capledger.backfill.query_codec import with_end
from capledger.backfill.sync import Sync
from capledger.queries import EventFlags, LedgerQuery
from capledger.session import LedgerSession

if TYPE_CHECKING:
    from datetime import datetime
    from os import PathLike

    from capledger.backfill.progress import JobProgress


@frozen(kw_only=True)
class Shard:
    """Some of the customers, and a directory of their own.

    It can be pickled if ``connect`` can: a function of a module, or a ``functools.partial`` of one.
    """

    number: int
    """From 1."""
    queries: tuple[LedgerQuery, ...] = field(repr=False)
    """The customers."""
    out: str
    """``shard-00001`` and so on below the directory of the whole job; the worker must be able to reach it."""
    connect: Callable[[], LedgerSession] = field(repr=False)
    """Makes a session, not opened yet. Secrets are best read from the worker's environment in there."""
    format: str = "parquet"
    """As for a backfill."""
    concurrency: int = 8
    """Customers at once."""
    on_incomplete: Literal["raise", "warn"] = "raise"
    """As for a backfill."""
    details: bool | EventFlags = False
    """As for a backfill."""
    balances: bool = False
    """As for a backfill."""
    retry_set_aside: bool = False
    """As for a backfill."""
    repair: bool = False
    """As for a backfill."""
    store: str | None = None
    """URL of an object store for the data; ``out`` is then a directory on the worker's own disk."""
    single_writer: bool = False
    """As for :class:`~capledger.backfill.ObjectStore`."""

    @property
    def name(self) -> str:
        """``shard-00001`` and so on."""
        return shard_name(self.number)

    def job(self, session: LedgerSession, on_progress: Callable[[JobProgress], None] | None = None) -> Backfill:
        """Return the backfill of the customers."""
        return Backfill(
            session,
            self.queries,
            out=self.out,
            format=self.format,
            concurrency=self.concurrency,
            on_progress=on_progress,
            on_incomplete=self.on_incomplete,
            details=self.details,
            balances=self.balances,
            retry_set_aside=self.retry_set_aside,
            repair=self.repair,
        )


@frozen(kw_only=True)
class SyncShard:
    """Some of the customers of a data set that is kept up to date, for one run; picklable as a :class:`Shard` is."""

    number: int
    """From 1."""
    run: int
    """Number of the run; a shard that has done it does nothing."""
    queries: tuple[LedgerQuery, ...] = field(repr=False)
    """The customers in the list of the run."""
    active: tuple[LedgerQuery, ...] | None = field(default=None, repr=False)
    """Those of them that are asked; None for all."""
    out: str
    """``shard-00001`` and so on below the directory of the data set; the worker must be able to reach it."""
    connect: Callable[[], LedgerSession] = field(repr=False)
    """Makes a session, not opened yet."""
    format: str = "parquet"
    """As for a sync."""
    concurrency: int = 8
    """Customers at once."""
    balances: bool = False
    """As for a sync."""
    overlap: timedelta = timedelta(days=3)
    """As for a sync."""
    repair: bool = False
    """As for a sync."""

    @property
    def name(self) -> str:
        """``shard-00001`` and so on."""
        return shard_name(self.number)

    def job(self, session: LedgerSession, on_progress: Callable[[JobProgress], None] | None = None) -> Sync:
        """Return the sync of the customers."""
        return Sync(
            session,
            self.queries,
            out=self.out,
            format=self.format,
            active=self.active,
            balances=self.balances,
            overlap=self.overlap,
            concurrency=self.concurrency,
            repair=self.repair,
            on_progress=on_progress,
            run_number=self.run,
        )


@frozen
class ShardResult:
    """What a run of a shard has done."""

    manifest: Manifest
    requests: int
    """Number of requests of this run, retries included."""
    retries: int


def shard_name(number: int) -> str:
    """Return ``shard-00001`` and so on."""
    return f"shard-{number:05}"


def cut_shards(
    queries: Iterable[LedgerQuery],
    *,
    out: str | PathLike[str],
    connect: Callable[[], LedgerSession],
    end: datetime,
    size: int = 1_000,
    format: str = "parquet",  # noqa: A002 - as for a backfill
    concurrency: int = 8,
    on_incomplete: Literal["raise", "warn"] = "raise",
    details: bool | EventFlags = False,
    balances: bool = False,
) -> Iterator[Shard]:
    """Divide queries into shards, lazily.

    Args:
        queries: any iterable; a duplicate is left out where it falls into the same shard.
        out: the directory of the whole job.
        connect: makes a session on the worker.
        end: of queries without one, so that all shards mean the same range; a naive one is server time.
        size: customers in a shard.
        format: of the files.
        concurrency: customers at once on each worker.
        on_incomplete: as for a backfill.
        details: as for a backfill.
        balances: as for a backfill.
    """
    items = (with_end(query, end) for query in queries)
    number = 0
    while some := tuple(islice(items, size)):
        number += 1
        yield Shard(
            number=number,
            queries=some,
            out=str(Path(out) / shard_name(number)),
            connect=connect,
            format=format,
            concurrency=concurrency,
            on_incomplete=on_incomplete,
            details=details,
            balances=balances,
        )


def run_shard(shard: Shard | SyncShard, *, on_progress: Callable[[JobProgress], bool | None] | None = None) -> Manifest:
    """Run a shard in an event loop of its own; running it again continues it, or finds it finished.

    With a store, a commit of the shard by any worker is found, and the data is put there at the end.

    Args:
        shard: a part of a job.
        on_progress: called about every second, and at the end; the run ends in order once it returns True.

    Raises:
        CapledgerError: as :meth:`Backfill.run` does; all of them survive pickling.
    """
    if isinstance(shard, SyncShard) or shard.store is None:
        return asyncio.run(_run(shard, on_progress))
    store = ObjectStore(shard.store, single_writer=shard.single_writer)
    found = None if shard.retry_set_aside else store.find(shard.name)
    if found is not None and found.finished and found.customers >= len(shard.queries):
        return found
    return store.commit(shard.name, asyncio.run(_run(shard, on_progress)), Path(shard.out))


async def _run(shard: Shard | SyncShard, on_progress: Callable[[JobProgress], bool | None] | None) -> Manifest:
    def report(progress: JobProgress) -> None:
        if on_progress is not None and on_progress(progress):
            job.stop()

    async with shard.connect() as session:
        job = shard.job(session, report)
        return await job.run()
