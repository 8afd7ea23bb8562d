"""One run, from its first request to an orderly end, whatever ends it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from capledger.backfill.journal import Journal
from capledger.backfill.state import Ended

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from capledger.backfill.file_writer import Cutter
    from capledger.backfill.journal import News
    from capledger.backfill.state import Job
    from capledger.backfill.workers import Crew


class Course:
    """Lets a crew fetch until it is done, is told to stop, or something breaks; then puts everything in order."""

    def __init__(self, job: Job, cutter: Cutter, thread: Executor) -> None:
        self._job = job
        self._cutter = cutter
        self.journal = Journal(job.note, thread, self._noted)
        self._trouble: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        cutter.on_failure = self._fail

    def _noted(self, news: Sequence[News]) -> None:
        self._cutter.hear(sum(item.rows for item in news if isinstance(item, Ended) and item.state == "done"))

    def _fail(self, error: BaseException) -> None:
        if not self._trouble.done():
            self._trouble.set_exception(error)

    async def go(self, crew: Crew, stop: asyncio.Event) -> None:
        """Fetch, and raise what went wrong once everything that came is on the disk."""
        await self._cutter.open()
        loop = asyncio.get_running_loop()
        work, stopper = loop.create_task(crew.run()), loop.create_task(stop.wait())
        try:
            waited: list[asyncio.Future[Any]] = [work, stopper, self._trouble]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            whole = work.done() and not work.cancelled() and work.exception() is None
            work.cancel()
            stopper.cancel()
            await asyncio.gather(work, stopper, return_exceptions=True)
            await self._put_in_order(whole=whole)
        if self._trouble.done():
            self._trouble.result()
        if not work.cancelled():
            work.result()

    async def _put_in_order(self, *, whole: bool) -> None:
        await self.journal.flush()
        self._job.recover()
        if not self._trouble.done():
            await self._cutter.close(last=whole)
