"""Data files, cut from what is staged: one after the other, in a thread of their own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from capledger.backfill.files import digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from capledger.backfill.sinks import Sink
    from capledger.backfill.state import Batch, Job

T = TypeVar("T")

#: No file has fewer rows, but for the last of a run.
LEAST_ROWS: Final = 1_000


class Cutter:
    """Cuts a file whenever enough rows are staged.

    Args:
        job: where they are staged.
        sink: where they go.
        directory: of the files, ``DIR/entries``.
        roll_rows: enough.
        thread: where the sink works.
    """

    def __init__(
        self,
        job: Job,
        sink: Sink,
        directory: Path,
        *,
        roll_rows: int,
        thread: Executor,
    ) -> None:
        self._job = job
        self._sink = sink
        self._directory = directory
        self._roll_rows = roll_rows
        self._thread = thread
        #: Called in the loop when a file cannot be written.
        self.on_failure: Callable[[BaseException], None] = lambda _: None
        self._ready = 0
        self._cutting: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Bring files that were under way when a process ended to their end."""
        await self._in_thread(self._open)
        self._ready = self._job.ready_rows()
        self.hear(0)

    def _open(self) -> None:
        self._sink.open(self._directory)
        for batch in self._job.begun_batches():
            self._end(batch, self._sink.find(batch.number) or self._sink.write(batch.number, self._job.chunks(batch)))

    def hear(self, rows: int) -> None:
        """Count rows of customers who are done; begin a file when there are enough."""
        self._ready += rows
        if self._ready >= self._roll_rows and self._cutting is None:
            self._cutting = asyncio.get_running_loop().create_task(self._cut_aside())

    async def close(self, *, last: bool) -> None:
        """Write what is left, and close the sink; where more is to come, only what makes a file of some size."""
        if self._cutting is not None:
            await self._cutting
        await self._cut_while(1 if last else min(LEAST_ROWS, self._roll_rows))
        await self._in_thread(self._sink.close)

    async def _cut_aside(self) -> None:
        try:
            await self._cut_while(self._roll_rows)
        except Exception as error:  # noqa: BLE001  (whatever a sink raises ends the job)
            self.on_failure(error)
        finally:
            self._cutting = None

    async def _cut_while(self, least_rows: int) -> None:
        while self._ready >= least_rows:
            rows = await self._in_thread(self._cut)
            self._ready -= rows

    def _cut(self) -> int:
        batch = self._job.begin_batch(self._roll_rows)
        if batch is None:
            raise RuntimeError("rows were counted that are not staged")
        self._end(batch, self._sink.write(batch.number, self._job.chunks(batch)))
        return batch.rows

    def _end(self, batch: Batch, file: str) -> None:
        path = self._directory / file
        settled = path.is_file() and not self._sink.one_file
        self._job.end_batch(batch, file, path.stat().st_size if settled else None, digest(path) if settled else None)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
