"""``Backfill``: from queries to a data set, over as many runs as it takes."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from capledger.backfill.batches import Batches
from capledger.backfill.customer_tables import write_customers, write_set_aside
from capledger.backfill.database import JOB_FILE, Database
from capledger.backfill.errors import DamagedFilesError
from capledger.backfill.file_writer import FileWriter
from capledger.backfill.files import make_directory, storage_errors
from capledger.backfill.manifest import ENTRIES, Manifest, make_manifest, write_manifest
from capledger.backfill.plan import PlanSummary, describe_flags, is_planned, make_reader, read_end, update_plan
from capledger.backfill.progress import JobCounts, JobProgress, read_counts
from capledger.backfill.sinks import sink_for
from capledger.backfill.state import JobState
from capledger.backfill.state_writer import StateWriter
from capledger.backfill.verification import find_problems
from capledger.backfill.workers import Workers
from capledger.errors import InvalidQueryError
from capledger.many.progress import Counts
from capledger.queries.events import as_flags
from capledger.session import check_on_incomplete

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime, tzinfo
    from os import PathLike

    from capledger.backfill.errors import FileProblem
    from capledger.backfill.plan import ListChange, PlanReader
    from capledger.backfill.sinks import Sink
    from capledger.many import Queries
    from capledger.queries import EventFlags
    from capledger.session import LedgerSession

_ROLL_ROWS: Final = 1_000_000
#: Damaged files named in an error.
_MAX_NAMED: Final = 5


def _set_error(future: asyncio.Future[None], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def _describe_problems(problems: Sequence[FileProblem]) -> str:
    first = ", ".join(f"{problem.file} ({problem.reason})" for problem in problems[:_MAX_NAMED])
    more = f" and {len(problems) - _MAX_NAMED:,} more" if len(problems) > _MAX_NAMED else ""
    return f"data files of the job are not as they were written: {first}{more}"


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class Backfill:
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
        on_incomplete: "warn" keeps ledgers that cannot be proven complete; their customers are marked as unproven.
        details: fetch the details of each event into the column ``event``, ten entries a request; an
            :class:`~capledger.EventFlags` selects more of them.
        on_plan: called once the list was read, before the first request.
        on_progress: called about every ``interval`` seconds, and at the end.
        interval: in seconds.
        pause: seconds before customers with a temporary failure are tried again, at most twice.

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
        roll_rows: int = _ROLL_ROWS,
        retry_set_aside: bool = False,
        exact: bool = False,
        repair: bool = False,
        on_incomplete: Literal["raise", "warn"] = "raise",
        details: bool | EventFlags = False,
        on_plan: Callable[[PlanSummary], None] | None = None,
        on_progress: Callable[[JobProgress], None] | None = None,
        interval: float = 1.0,
        pause: float = 10.0,
    ) -> None:
        if concurrency < 1 or roll_rows < 1:
            raise InvalidQueryError("concurrency and roll_rows must be at least 1")
        if not str(out):
            raise InvalidQueryError("out must name a directory, such as ledgers")
        check_on_incomplete(on_incomplete)
        as_flags(details)
        self._session = session
        self._queries = queries
        self._out = Path(out)
        self._sink = sink or sink_for(format)
        self._concurrency = concurrency
        self._roll_rows = roll_rows
        self._retry = retry_set_aside
        self._exact = exact
        self._repair = repair
        self._on_incomplete: Literal["raise", "warn"] = on_incomplete
        self._details = details
        self._on_plan = on_plan
        self._on_progress = on_progress
        self._interval = interval
        self._pause = pause
        self._counts = JobCounts(Counts(_loop_time))
        self._stop = asyncio.Event()

    @property
    def progress(self) -> JobProgress:
        """Progress at this moment; to be read in the event loop of the run."""
        return self._counts.snapshot()

    def stop(self) -> None:
        """End the run soon: what was fetched is kept, and ``run`` returns a manifest that is not ``finished``."""
        self._stop.set()

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
        with storage_errors(f"the directory {self._out}"):
            make_directory(self._out)
            make_directory(self._out / ENTRIES)
            database = Database(self._out)
        try:
            reader = make_reader(self._session, self._sink.format, details=describe_flags(as_flags(self._details)))
            change = await self._plan(database, reader)
            return await self._run(database, change, reader)
        finally:
            database.close()

    async def watch(self) -> AsyncIterator[JobProgress]:
        """Run, and yield the progress every ``interval`` seconds and at the end; raises what :meth:`run` raises."""
        task = asyncio.get_running_loop().create_task(self.run())
        try:
            while not task.done():
                await asyncio.wait([task], timeout=self._interval)
                yield self.progress
            task.result()
        finally:
            if not task.done():
                self.stop()
            await asyncio.wait([task])

    async def _plan(self, database: Database, reader: PlanReader) -> ListChange:
        if not is_planned(database) and any((self._out / ENTRIES).iterdir()):
            raise InvalidQueryError(f"the directory has data in {ENTRIES} and no {JOB_FILE}: choose another directory")
        return await update_plan(database, self._queries, reader, exact=self._exact)

    async def _run(self, database: Database, change: ListChange, reader: PlanReader) -> Manifest:
        state, batches = JobState(database), Batches(database)
        state.start_run()
        await asyncio.to_thread(self._check_files, state, batches)
        if self._retry:
            state.replan_failed()
        self._counts = read_counts(database, _loop_time, only_retried=self._retry)
        self._report_plan(change, read_end(database))
        if state.planned(only_retried=self._retry) or batches.ready_rows() or batches.unfinished():
            await self._fetch(state, batches)
        return await asyncio.to_thread(self._write_results, database, reader.now.tzinfo or UTC)

    def _check_files(self, state: JobState, batches: Batches) -> None:
        """Compare the files of earlier runs; their contents only where all customers are fetched."""
        problems = find_problems(self._out, batches.written(), contents=self._repair or not state.planned())
        if problems and not self._repair:
            raise DamagedFilesError(_describe_problems(problems), tuple(problems))
        for problem in problems:
            with storage_errors(problem.file):
                (self._out / problem.file).unlink(missing_ok=True)
            batches.drop_file(Path(problem.file).name)

    def _report_plan(self, change: ListChange, started: datetime) -> None:
        if self._on_plan is not None:
            self._on_plan(
                PlanSummary(
                    queries=change.queries,
                    duplicates=change.duplicates,
                    customers=self._counts.customers,
                    added=change.added,
                    missing=change.missing,
                    to_fetch=self._counts.run.total or 0,
                    started=started,
                    continued=change.continued,
                )
            )

    async def _fetch(self, state: JobState, batches: Batches) -> None:
        with ThreadPoolExecutor(1, "capledger-state") as state_thread, ThreadPoolExecutor(1, "capledger-sink") as sink:
            error: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            files = FileWriter(
                batches,
                self._sink,
                self._out / ENTRIES,
                roll_rows=self._roll_rows,
                thread=sink,
                on_error=partial(_set_error, error),
                on_excluded=self._counts.exclude,
            )
            writer = StateWriter(state, state_thread, files.add_changes)
            workers = Workers(
                partial(self._session.entries, on_incomplete=self._on_incomplete, details=self._details),
                state,
                writer,
                self._counts,
                thread=state_thread,
                size=self._concurrency,
                only_retried=self._retry,
                pause=self._pause,
                keep_unproven=self._on_incomplete == "warn",
            )
            async with self._reporting():
                await _Run(state, workers, writer, files, error).run_until(self._stop)

    def _write_results(self, database: Database, zone: tzinfo) -> Manifest:
        manifest = make_manifest(database, self._out, zone)
        with storage_errors("the manifest"):
            write_set_aside(database, self._out)
            write_customers(database, self._out, manifest.format)
            write_manifest(manifest, self._out)
        return manifest

    @asynccontextmanager
    async def _reporting(self) -> AsyncIterator[None]:
        """Call ``on_progress`` from time to time."""
        self._counts.run.start()
        task = asyncio.get_running_loop().create_task(self._report_regularly())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            self._report()

    async def _report_regularly(self) -> None:
        while self._on_progress is not None:
            self._report()
            await asyncio.sleep(self._interval)

    def _report(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self.progress)


class _Run:
    """One run, from its first request to an orderly end, whatever ends it."""

    def __init__(
        self,
        state: JobState,
        workers: Workers,
        writer: StateWriter,
        files: FileWriter,
        file_error: asyncio.Future[None],
    ) -> None:
        self._state = state
        self._workers = workers
        self._writer = writer
        self._files = files
        self._file_error = file_error

    async def run_until(self, stop: asyncio.Event) -> None:
        """Fetch until all is fetched or *stop* is set; raise errors once everything received is on the disk."""
        await self._files.open()
        loop = asyncio.get_running_loop()
        work, stopped = loop.create_task(self._workers.run()), loop.create_task(stop.wait())
        try:
            awaited: list[asyncio.Future[Any]] = [work, stopped, self._file_error]
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            finished = work.done() and not work.cancelled() and work.exception() is None
            work.cancel()
            stopped.cancel()
            await asyncio.gather(work, stopped, return_exceptions=True)
            await self._write_rest(finished=finished)
        if self._file_error.done():
            self._file_error.result()
        if not work.cancelled():
            work.result()

    async def _write_rest(self, *, finished: bool) -> None:
        await self._writer.flush()
        self._state.replan_interrupted()
        if not self._file_error.done():
            await self._files.close(last=finished)
