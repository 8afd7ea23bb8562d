"""``Backfill``: from queries to a data set, over as many runs as it takes."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from capledger.backfill.course import Course
from capledger.backfill.database import JOB_FILE, Store
from capledger.backfill.file_writer import Cutter
from capledger.backfill.files import make_directory
from capledger.backfill.manifest import ENTRIES, Manifest, make_manifest, write_manifest, write_set_aside
from capledger.backfill.plan import check_plan, is_planned, make_plan, reader_for
from capledger.backfill.progress import Progress, Tally, read_tally
from capledger.backfill.sinks import sink_for
from capledger.backfill.state import Job
from capledger.backfill.workers import Crew
from capledger.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from os import PathLike

    from capledger.backfill.sinks import Sink
    from capledger.many import Queries
    from capledger.session import LedgerSession

_ROLL_ROWS: Final = 1_000_000


class Backfill:
    """Fetches the ledgers of many customers into a directory; the same again goes on where it stopped.

    ::

        async with LedgerSession(...) as session:
            manifest = await Backfill(session, queries, out="ledgers", format="parquet").run()

    Whatever ends a run, at whatever instant, the next one with the same queries finishes the job, and every entry is in
    the data set once. Queries without an end get the moment at which the job was begun.

    Args:
        session: open; its rate limit and its connections rule how fast it goes.
        queries: an iterable or async iterable of ledger queries, drawn to its end before the first request. Repeats are
            fetched once.
        out: the directory; made if it is not there.
        format: parquet, jsonl, csv or duckdb.
        sink: one of your own, instead of a format.
        concurrency: customers at once; the session should have as many connections.
        roll_rows: rows of a data file, about.
        retry_set_aside: fetch those alone who were set aside by an earlier run.
        on_progress: called about every ``interval`` seconds, and at the end.
        interval: seconds.
        pause: seconds before customers whose failure may pass are tried again; twice at the most.

    Raises:
        InvalidQueryError: an argument cannot be used.
    """

    def __init__(
        self,
        session: LedgerSession,
        queries: Queries,
        *,
        out: str | PathLike[str],
        format: str = "parquet",  # noqa: A002  (what it is for the caller)
        sink: Sink | None = None,
        concurrency: int = 8,
        roll_rows: int = _ROLL_ROWS,
        retry_set_aside: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        interval: float = 1.0,
        pause: float = 10.0,
    ) -> None:
        if concurrency < 1 or roll_rows < 1:
            raise InvalidQueryError("concurrency and roll_rows have to be at least 1")
        self._session = session
        self._queries = queries
        self._out = Path(out)
        self._sink = sink or sink_for(format)
        self._concurrency = concurrency
        self._roll_rows = roll_rows
        self._retry = retry_set_aside
        self._on_progress = on_progress
        self._interval = interval
        self._pause = pause
        self._tally = Tally()
        self._stop = asyncio.Event()

    @property
    def progress(self) -> Progress:
        """How far it is, at this moment; for the event loop that runs it."""
        return self._tally.moment(asyncio.get_running_loop().time())

    def stop(self) -> None:
        """Let the run end soon: what was fetched is kept, and ``run`` returns a manifest that is not ``finished``."""
        self._stop.set()

    async def run(self) -> Manifest:
        """Fetch everybody who is still to be fetched.

        Returns:
            what the job has come to; ``finished`` is False where :meth:`stop` was called.

        Raises:
            InvalidQueryError: a query is none, or the directory is of another job; before any request.
            ConfigurationError: the directory is in use, or the format needs what is not installed.
            AuthenticationError: the service does not take the credentials. This, a service that fails for everybody
                (:class:`~capledger.backfill.JobStoppedError`) and a full disk end a run; the next one goes on.
        """
        make_directory(self._out)
        make_directory(self._out / ENTRIES)
        store = Store(self._out)
        try:
            await self._plan(store)
            return await self._run(store)
        finally:
            store.close()

    async def watch(self) -> AsyncIterator[Progress]:
        """Run, and give how far it is every ``interval`` seconds and at the end; :meth:`run` says what it raises."""
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

    async def _plan(self, store: Store) -> None:
        reader = reader_for(self._session, self._sink.format)
        if is_planned(store):
            await check_plan(store, self._queries, reader)
            return
        if any((self._out / ENTRIES).iterdir()):
            raise InvalidQueryError(f"the directory has data in {ENTRIES} and no {JOB_FILE}: choose another directory")
        await make_plan(store, self._queries, reader)

    async def _run(self, store: Store) -> Manifest:
        job = Job(store)
        job.recover()
        if self._retry:
            job.retry_failed()
        self._tally = read_tally(store, retried_alone=self._retry)
        if not job.is_idle(retried_alone=self._retry):
            await self._fetch(job)
        return await asyncio.to_thread(self._sum_up, store)

    async def _fetch(self, job: Job) -> None:
        with ThreadPoolExecutor(1, "capledger-job") as noting, ThreadPoolExecutor(1, "capledger-sink") as cutting:
            cutter = Cutter(job, self._sink, self._out / ENTRIES, roll_rows=self._roll_rows, thread=cutting)
            course = Course(job, cutter, noting)
            crew = Crew(
                self._session,
                job,
                course.journal,
                self._tally,
                thread=noting,
                size=self._concurrency,
                retried_alone=self._retry,
                pause=self._pause,
            )
            async with self._reporting():
                await course.go(crew, self._stop)

    def _sum_up(self, store: Store) -> Manifest:
        manifest = make_manifest(store, self._out)
        write_set_aside(store, self._out)
        write_manifest(manifest, self._out)
        return manifest

    @asynccontextmanager
    async def _reporting(self) -> AsyncIterator[None]:
        """Call ``on_progress`` from time to time."""
        self._tally.began = asyncio.get_running_loop().time()
        task = asyncio.get_running_loop().create_task(self._report())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            self._tell()

    async def _report(self) -> None:
        while self._on_progress is not None:
            self._tell()
            await asyncio.sleep(self._interval)

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self.progress)
