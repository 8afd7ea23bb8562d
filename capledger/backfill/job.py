"""The run of a job: what backfills and syncs have in common, from the first request to an orderly end."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from capledger.backfill.balance_table import write_balances
from capledger.backfill.compaction import finish_compaction
from capledger.backfill.customer_tables import write_customers, write_set_aside
from capledger.backfill.database import JOB_FILE, Database, removed_if_unused
from capledger.backfill.file_writer import FileWriter
from capledger.backfill.files import made_directory, storage_errors
from capledger.backfill.manifest import ENTRIES, check_not_sharded, make_manifest, write_manifest
from capledger.backfill.plan import PlanSummary, is_planned, read_identity
from capledger.backfill.progress import JobCounts
from capledger.backfill.state_writer import StateWriter
from capledger.backfill.verification import check_files
from capledger.backfill.workers import Workers
from capledger.errors import InvalidQueryError
from capledger.many.progress import Counts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from datetime import datetime, tzinfo
    from os import PathLike

    from capledger.backfill.batches import Batches
    from capledger.backfill.manifest import Manifest
    from capledger.backfill.plan import ListChange
    from capledger.backfill.progress import JobProgress
    from capledger.backfill.reader import CustomerFetcher
    from capledger.backfill.sinks import Sink
    from capledger.backfill.state import JobState, StateChange
    from capledger.session import LedgerSession

    MakeReader = Callable[[Callable[[StateChange], Awaitable[None]]], CustomerFetcher]

#: Rows in a data file.
ROLL_ROWS: Final = 1_000_000


class Job(ABC):
    """A job in a directory; the same call continues where the last one stopped.

    Args:
        session: open; its rate limit and its connections determine the speed.
        out: the directory; made if it does not exist.
        concurrency: customers at once.
        roll_rows: rows in a data file, about.
        repair: fetch the customers again whose data files are missing or were changed, instead of raising.
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
        *,
        out: str | PathLike[str],
        concurrency: int,
        roll_rows: int,
        repair: bool,
        on_plan: Callable[[PlanSummary], None] | None,
        on_progress: Callable[[JobProgress], None] | None,
        interval: float,
        pause: float,
    ) -> None:
        if concurrency < 1 or roll_rows < 1:
            raise InvalidQueryError("concurrency and roll_rows must be at least 1")
        if not str(out):
            raise InvalidQueryError("out must name a directory, such as ledgers")
        self._session = session
        self._out = Path(out)
        self._concurrency = concurrency
        self._roll_rows = roll_rows
        self._repair = repair
        self._on_plan = on_plan
        self._on_progress = on_progress
        self._interval = interval
        self._pause = pause
        self._counts = JobCounts(Counts(loop_time))
        self._stop = asyncio.Event()

    @property
    def progress(self) -> JobProgress:
        """Progress at this moment; to be read in the event loop of the run."""
        return self._counts.snapshot()

    def stop(self) -> None:
        """End the run soon: what was fetched is kept, and ``run`` returns a manifest that is not ``finished``."""
        self._stop.set()

    @abstractmethod
    async def run(self) -> Manifest:
        """Fetch all customers that are still to be fetched."""

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

    @contextmanager
    def _open_database(self) -> Iterator[Database]:
        """Make the directory if it does not exist, lock it, and open its database; if no job starts, leave nothing."""
        check_not_sharded(self._out)
        database = None
        with made_directory(self._out), made_directory(self._out / ENTRIES), removed_if_unused(self._out):
            try:
                with storage_errors(f"the directory {self._out}"):
                    database = Database(self._out)
                finish_compaction(database, self._out)
                yield database
            finally:
                if database is not None:
                    database.close()

    def _check_has_job(self, database: Database) -> None:
        """Refuse data whose state is lost."""
        if not is_planned(database) and any((self._out / ENTRIES).iterdir()):
            raise InvalidQueryError(f"the directory has data in {ENTRIES} and no {JOB_FILE}: choose another directory")

    def _check_files(self, batches: Batches, *, contents: bool) -> None:
        """Compare the files of earlier runs with what was recorded, and plan the customers of damaged ones again."""
        for problem in check_files(self._out, batches, repair=self._repair, contents=contents):
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

    async def _fetch(
        self,
        state: JobState,
        batches: Batches,
        sink: Sink,
        make_reader: MakeReader,
        work: Callable[[Workers], Awaitable[None]] = Workers.run,
        *,
        only_retried: bool = False,
    ) -> None:
        """Fetch the customers that are planned.

        Args:
            state: of the job.
            batches: of the job.
            sink: the destination of the rows.
            make_reader: returns the reader, which puts changes of the state into its argument.
            work: what the workers do.
            only_retried: fetch only the customers that had been set aside.
        """
        loop = asyncio.get_running_loop()
        with (
            ThreadPoolExecutor(1, "capledger-state") as of_state,
            ThreadPoolExecutor(1, "capledger-sink") as of_sink,
        ):
            error: asyncio.Future[None] = loop.create_future()
            files = FileWriter(
                batches,
                sink,
                self._out / ENTRIES,
                roll_rows=self._roll_rows,
                thread=of_sink,
                on_error=partial(_set_error, error),
                on_excluded=self._counts.exclude,
            )
            writer = StateWriter(state, of_state, files.add_changes)
            workers = Workers(
                make_reader(writer.put),
                state,
                writer,
                self._counts,
                thread=of_state,
                size=self._concurrency,
                only_retried=only_retried,
                pause=self._pause,
            )
            async with self._reporting():
                await _Run(state, partial(work, workers), writer, files, error).run_until(self._stop)

    def _write_results(self, database: Database, zone: tzinfo) -> Manifest:
        identity = read_identity(database)
        with storage_errors("the manifest"):
            write_set_aside(database, self._out)
            write_customers(database, self._out, identity.format)
            balances = write_balances(database, self._out, identity)
            manifest = make_manifest(database, self._out, zone, balances)
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
        work: Callable[[], Awaitable[None]],
        writer: StateWriter,
        files: FileWriter,
        file_error: asyncio.Future[None],
    ) -> None:
        self._state = state
        self._work = work
        self._writer = writer
        self._files = files
        self._file_error = file_error

    async def run_until(self, stop: asyncio.Event) -> None:
        """Fetch until all is fetched or *stop* is set; raise errors once everything received is on the disk."""
        await self._files.open()
        loop = asyncio.get_running_loop()
        work, stopped = loop.create_task(self._do_work()), loop.create_task(stop.wait())
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

    async def _do_work(self) -> None:
        await self._work()

    async def _write_rest(self, *, finished: bool) -> None:
        await self._writer.flush()
        self._state.replan_interrupted()
        if not self._file_error.done():
            await self._files.close(last=finished)


def _set_error(future: asyncio.Future[None], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def loop_time() -> float:
    """Return the time of the event loop, in seconds."""
    return asyncio.get_running_loop().time()
