"""``Sync``: a data set that each run brings up to date, and proves to be what the service has."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import define, field

from capledger.backfill.batches import Batches
from capledger.backfill.data_files import read_rows
from capledger.backfill.database import Database
from capledger.backfill.files import storage_errors
from capledger.backfill.job import ROLL_ROWS, Job, loop_time
from capledger.backfill.plan import is_planned, make_reader, read_identity
from capledger.backfill.progress import read_counts
from capledger.backfill.reader import BalanceFetcher
from capledger.backfill.runs import RunRecord
from capledger.backfill.sinks import Sink, sink_for
from capledger.backfill.state import JobState
from capledger.backfill.sync.context import RunContext
from capledger.backfill.sync.differences import write_differences
from capledger.backfill.sync.keys import KEY_VERSION, RowKeys, StoredEntry
from capledger.backfill.sync.ledgers import Ledgers
from capledger.backfill.sync.plan import update_sync_plan
from capledger.backfill.sync.reader import NewestFirstReader
from capledger.backfill.sync.run_records import begin_run, finish_run, goes_on
from capledger.errors import InvalidQueryError
from capledger.queries import CustomerLedgerQuery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
    from datetime import date
    from os import PathLike

    from capledger.backfill.job import MakeReader
    from capledger.backfill.manifest import Manifest
    from capledger.backfill.plan import ListChange, PlanSummary
    from capledger.backfill.progress import JobProgress
    from capledger.backfill.workers import Workers
    from capledger.many import Queries
    from capledger.session import LedgerSession

#: Entries of customers looked up in the data set together.
_ROWS_LOOKED_UP: Final = 200_000
#: Before the first run.
_NO_RUN: Final = RunRecord(number=0, started=datetime.min.replace(tzinfo=UTC))


class Sync(Job):
    """Brings a data set up to date, and proves that it is what the service has; to be run again and again.

    ::

        async with LedgerSession(...) as session:
            manifest = await Sync(session, queries, out="ledgers", format="parquet").run()

    The first run fetches everything, later ones what is new: one request for each customer whose ledger has not
    changed. A directory of a finished :class:`Backfill` can be continued. Whatever ends a run, the same call continues
    it. ``manifest.runs[-1]`` says what the run has done, and whether it is ``complete``.

    Args:
        session: open; its rate limit and its connections determine the speed.
        queries: an iterable or async iterable of ledger queries without an end. The list may differ from that of the
            run before: new customers are read whole, and the entries of missing ones stay as they are.
        out: the directory; made if it does not exist.
        format: parquet, jsonl, csv or duckdb; None: that of the data set, or parquet.
        start: of queries without one; a date is its midnight, a naive time is the server's. None: that of the data set,
            or the beginning of each ledger.
        active: the queries of customers known to have changed; the others in the list are not asked. None: all are.
        balances: fetch the balances of the service at the start of the run too, and at that of the data set if it has
            one, into ``balances.parquet`` (or ``.csv``); None: as in the run before.
        overlap: how far back a ledger is read whose totals do not count its entries, so that nothing is proven.
        concurrency: customers at once; the session should have as many connections.
        roll_rows: rows in a data file, about.
        repair: fetch the entries of data files again that are missing or were changed, instead of raising.
        on_plan: called once the list was read, before the first request.
        on_progress: called about every ``interval`` seconds, and at the end.
        interval: in seconds.
        pause: seconds before customers with a temporary failure are tried again, at most twice.
        run_number: of the run of a data set in shards that this shard takes part in; it does nothing where it has
            done that. None: the next run of this data set.

    Raises:
        InvalidQueryError: an argument cannot be used.
    """

    def __init__(
        self,
        session: LedgerSession,
        queries: Queries,
        *,
        out: str | PathLike[str],
        format: str | None = None,  # noqa: A002 - the name that callers expect
        start: date | None = None,
        active: Queries | None = None,
        balances: bool | None = None,
        overlap: timedelta = timedelta(days=3),
        concurrency: int = 8,
        roll_rows: int = ROLL_ROWS,
        repair: bool = False,
        on_plan: Callable[[PlanSummary], None] | None = None,
        on_progress: Callable[[JobProgress], None] | None = None,
        interval: float = 1.0,
        pause: float = 10.0,
        run_number: int | None = None,
    ) -> None:
        super().__init__(
            session,
            out=out,
            concurrency=concurrency,
            roll_rows=roll_rows,
            repair=repair,
            on_plan=on_plan,
            on_progress=on_progress,
            interval=interval,
            pause=pause,
        )
        if overlap < timedelta(0):
            raise InvalidQueryError("overlap must not be negative")
        if format is not None:
            sink_for(format)
        self._queries = queries
        self._format = format
        self._start = CustomerLedgerQuery.mobile("0", start=start).start
        self._active = active
        self._balances = balances
        self._overlap = overlap
        self._number = run_number

    async def run(self) -> Manifest:
        """Read what is new, or go on with the run that was interrupted.

        Returns:
            the manifest of the data set; ``finished`` is False where :meth:`stop` was called.

        Raises:
            InvalidQueryError: an item is not a query, or the directory has other data; before any request.
            ConfigurationError: the format needs a package that is not installed.
            DirectoryInUseError: another process uses the directory.
            DamagedFilesError: data files are missing or were changed, and ``repair`` is False.
            AuthenticationError: the service refuses the credentials; the next run continues.
            JobStoppedError: the service fails for everybody; nobody is set aside, and the next run continues.
            StorageError: the directory, its state or a data file cannot be read or written, such as on a full disk.
        """
        with self._open_database() as database:
            identity = read_identity(database) if is_planned(database) else None
            format_ = self._format or (identity.format if identity else "parquet")
            balances = self._balances if self._balances is not None else identity is not None and identity.balances
            reader = make_reader(self._session, format_, balances=balances)
            self._check_has_job(database)
            part = self._number is not None
            change = await update_sync_plan(
                database, self._queries, reader, start=self._start, active=self._active, part=part
            )
            run = _SyncRun(database, self._out, sink_for(format_), reader.now.tzinfo or UTC, balances)
            return await self._run(run, change)

    async def _run(self, run: _SyncRun, change: ListChange) -> Manifest:
        state = run.state
        await asyncio.to_thread(self._check_files, run.batches, contents=False)
        if not goes_on(run.database, self._number) and run.has_unwritten_rows:
            await self._fetch(state, run.batches, run.sink, self._make_reader(run, _NO_RUN), _fetch_nothing)
        record = begin_run(run.database, self._number)
        state.start_run()
        await asyncio.to_thread(run.prepare_keys)
        self._counts = read_counts(run.database, loop_time, only_retried=False)
        self._report_plan(change, record.started)
        if state.planned() or run.has_unwritten_rows:
            await self._fetch(state, run.batches, run.sink, self._make_reader(run, record), run.read_all)
        return await asyncio.to_thread(self._finish, run, record)

    def _make_reader(self, run: _SyncRun, record: RunRecord) -> MakeReader:
        balances = BalanceFetcher(self._session.balances, self._counts, keep_unproven=True) if run.balances else None

        def make(put: Callable[..., Awaitable[None]]) -> NewestFirstReader:
            context = RunContext(
                open_walk=self._session.entries,
                put=put,
                counts=self._counts,
                zone=run.zone,
                run=record.number,
                started=record.started,
                overlap=self._overlap,
            )
            return NewestFirstReader(context, lambda customer: asyncio.to_thread(run.ledgers.read, customer), balances)

        return make

    def _finish(self, run: _SyncRun, record: RunRecord) -> Manifest:
        finished = not (run.state.planned() or run.batches.ready_rows())
        finish_run(run.database, record, run.zone, finished=finished)
        with storage_errors("the tables of differences"):
            write_differences(run.database, self._out)
        return self._write_results(run.database, run.zone)


async def _fetch_nothing(_: Workers) -> None:
    """Send no request, so that only those entries are written that a backfill had fetched."""


@define
class _SyncRun:
    """The parts of a run."""

    database: Database
    directory: Path
    sink: Sink
    zone: tzinfo
    balances: bool
    """Whether balances are fetched."""
    state: JobState = field(init=False)
    batches: Batches = field(init=False)
    ledgers: Ledgers = field(init=False)
    keys: RowKeys = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.state = JobState(self.database, open_ended=True)
        self.batches = Batches(self.database)
        self.ledgers = Ledgers(self.database)
        self.keys = RowKeys(self.zone)

    @property
    def has_unwritten_rows(self) -> bool:
        """Whether entries are staged that are to be in a data file."""
        return bool(self.batches.ready_rows() or self.batches.unfinished())

    def prepare_keys(self) -> None:
        """Compute the keys of ledgers that have none, or those of another version, from the data set."""
        self.ledgers.forget_other_keys(KEY_VERSION)
        customers = self.ledgers.without_keys()
        if customers:
            rows = ((customer, self.keys.row(entry)) for customer, entry in self._stored(customers))
            self.ledgers.rebuild_keys(rows, customers, self.keys)

    async def read_all(self, workers: Workers) -> None:
        """Read all ledgers, then those again whose entries had to be looked up in the data set."""
        await workers.run()
        while customers := self.ledgers.deferred(_ROWS_LOOKED_UP):
            await asyncio.to_thread(self._load, customers)
            await workers.run()

    def _load(self, customers: Sequence[int]) -> None:
        self.ledgers.load(self._stored(customers), customers)

    def _stored(self, customers: Iterable[int]) -> Iterator[tuple[int, StoredEntry]]:
        for customer, row in read_rows(self.database, self.directory, customers):
            yield customer, StoredEntry.of_row(row)
