"""``Backfill``: from queries to a data set, over as many runs as it takes."""

from __future__ import annotations

import asyncio
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Literal

from capledger._transport.arguments import check_on_incomplete
from capledger.backfill.batches import Batches
from capledger.backfill.job import ROLL_ROWS, Job, loop_time
from capledger.backfill.plan import PlanSummary, make_reader, read_end, update_plan
from capledger.backfill.progress import read_counts
from capledger.backfill.reader import BalanceFetcher, LedgerReader
from capledger.backfill.runs import read_runs
from capledger.backfill.sinks import sink_for
from capledger.backfill.state import JobState
from capledger.errors import InvalidQueryError
from capledger.queries.events import as_flags

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from capledger.backfill.database import Database
    from capledger.backfill.manifest import Manifest
    from capledger.backfill.plan import ListChange, PlanReader
    from capledger.backfill.progress import JobProgress
    from capledger.backfill.sinks import Sink
    from capledger.many import Queries
    from capledger.queries import EventFlags
    from capledger.session import LedgerSession


class Backfill(Job):
    """Fetches the ledgers of many customers into a directory; the same call continues where the last one stopped.

    ::

        async with LedgerSession(...) as session:
            manifest = await Backfill(session, queries, out="ledgers", format="parquet").run()

    Whatever ends a run, at whatever instant, the next one with the same queries finishes the job, and every entry is in
    the data set once. Queries without an end get the time at which the job was started.

    Args:
        session: open; its rate limit and its connections determine the speed.
        queries: an iterable or async iterable of ledger queries, drawn to its end before the first request. Duplicates
            are fetched once.
        out: the directory; made if it does not exist.
        format: parquet, jsonl, csv or duckdb.
        sink: one of your own, instead of a format.
        concurrency: customers at once; the session should have as many connections.
        roll_rows: rows in a data file, about.
        retry_set_aside: fetch only the customers that were set aside by an earlier run.
        exact: refuse a list of customers that differs from the job's. By default new customers are added, and those
            who are not in the list any more stay in the job.
        repair: fetch the customers again whose data files are missing or were changed, instead of raising.
        on_incomplete: "warn" keeps ledgers that cannot be proven complete, or whose balances cannot; their customers
            are marked as unproven.
        details: fetch the details of each event into the column ``event``, ten entries a request; an
            :class:`~capledger.EventFlags` selects more of them.
        balances: fetch the balances of the service at the end of the range too, and at its start if it has one, into
            ``balances.parquet`` (or ``.csv``), which ``check_directory`` compares with the entries.
        on_plan: called once the list was read, before the first request.
        on_progress: called about every ``interval`` seconds, and at the end.
        interval: in seconds.
        pause: seconds before customers with a temporary failure in this run are tried again, at most twice.

    Raises:
        InvalidQueryError: an argument cannot be used.
    """

    def __init__(
        self,
        session: LedgerSession,
        queries: Queries,
        *,
        out: str | PathLike[str],
        format: str = "parquet",  # noqa: A002 - the name that callers expect
        sink: Sink | None = None,
        concurrency: int = 8,
        roll_rows: int = ROLL_ROWS,
        retry_set_aside: bool = False,
        exact: bool = False,
        repair: bool = False,
        on_incomplete: Literal["raise", "warn"] = "raise",
        details: bool | EventFlags = False,
        balances: bool = False,
        on_plan: Callable[[PlanSummary], None] | None = None,
        on_progress: Callable[[JobProgress], None] | None = None,
        interval: float = 1.0,
        pause: float = 10.0,
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
        check_on_incomplete(on_incomplete)
        as_flags(details)
        self._queries = queries
        self._sink = sink or sink_for(format)
        self._retry = retry_set_aside
        self._exact = exact
        self._on_incomplete: Literal["raise", "warn"] = on_incomplete
        self._details = details
        self._balances = bool(balances)

    async def run(self) -> Manifest:
        """Fetch all customers that are still to be fetched.

        Returns:
            the manifest of the job; ``finished`` is False where :meth:`stop` was called.

        Raises:
            InvalidQueryError: an item is not a query, or the directory belongs to another job; before any request.
            ConfigurationError: the format needs a package that is not installed.
            DirectoryInUseError: another process uses the directory.
            DamagedFilesError: data files are missing or were changed, and ``repair`` is False.
            AuthenticationError: the service refuses the credentials; the next run continues.
            JobStoppedError: the service fails for everybody; nobody is set aside, and the next run continues.
            StorageError: the directory, its state or a data file cannot be read or written, such as on a full disk.
        """
        with self._open_database() as database:
            reader = make_reader(self._session, self._sink.format, details=self._details, balances=self._balances)
            change = await self._plan(database, reader)
            return await self._run(database, change, reader)

    async def _plan(self, database: Database, reader: PlanReader) -> ListChange:
        self._check_has_job(database)
        if read_runs(database):
            raise InvalidQueryError("the data set in this directory is kept up to date by a sync: run that instead")
        return await update_plan(database, self._queries, reader, exact=self._exact, replaceable=True)

    async def _run(self, database: Database, change: ListChange, reader: PlanReader) -> Manifest:
        state, batches = JobState(database), Batches(database)
        state.start_run()
        await asyncio.to_thread(self._check_files, batches, contents=not state.planned())
        if self._retry:
            state.replan_failed()
        self._counts = counts = read_counts(database, loop_time, only_retried=self._retry)
        self._report_plan(change, read_end(database))
        if state.planned(only_retried=self._retry) or batches.ready_rows() or batches.unfinished():
            open_walk = partial(self._session.entries, on_incomplete=self._on_incomplete, details=self._details)
            keep_unproven = self._on_incomplete == "warn"
            fetcher = BalanceFetcher(self._session.balances, counts, keep_unproven=keep_unproven)
            balances = fetcher if self._balances else None
            make = partial(LedgerReader, open_walk, counts=counts, keep_unproven=keep_unproven, balances=balances)
            await self._fetch(
                state,
                batches,
                self._sink,
                make,
                only_retried=self._retry,
            )
        return await asyncio.to_thread(self._write_results, database, reader.now.tzinfo or UTC)
