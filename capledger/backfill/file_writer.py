"""Writes what was fetched: state changes into ``job.sqlite``, and staged rows into data files, each in a thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from capledger.backfill.files import sha256_of
from capledger.backfill.state import CustomerResult, StagedPage, StateChange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from capledger.backfill.sinks import Sink
    from capledger.backfill.state import JobState, StagedBatch

T = TypeVar("T")

#: Least rows of a file, except the last of a run.
MIN_ROWS: Final = 1_000
#: Rows waiting to be recorded beyond which ``put`` waits.
_MAX_PENDING_ROWS: Final = 10_000


class StateWriter:
    """Records pages and results in the order in which they come, all that came during a transaction in the next.

    Args:
        state: where they are recorded.
        thread: where the transactions run.
        on_recorded: called in the event loop with changes that are on the disk.
    """

    def __init__(self, state: JobState, thread: Executor, on_recorded: Callable[[Sequence[StateChange]], None]) -> None:
        self._state = state
        self._thread = thread
        self._on_recorded = on_recorded
        self._pending: list[StateChange] = []
        self._pending_rows = 0
        self._writing: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    async def put(self, change: StateChange) -> None:
        """Add a change that is recorded soon; wait only where too many rows are pending.

        Raises:
            BaseException: an earlier transaction failed for this reason.
        """
        self._raise_error()
        self._pending.append(change)
        self._pending_rows += change.rows if isinstance(change, StagedPage) else 0
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())
        while self._pending_rows > _MAX_PENDING_ROWS and self._writing is not None:
            await asyncio.shield(self._writing)
            self._raise_error()

    async def flush(self) -> None:
        """Wait until everything is on the disk.

        Raises:
            BaseException: a transaction failed for this reason.
        """
        while self._writing is not None:
            await asyncio.shield(self._writing)
        self._raise_error()

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._pending:
                changes, self._pending = self._pending, []
                await loop.run_in_executor(self._thread, self._state.record, changes)
                self._pending_rows -= sum(change.rows for change in changes if isinstance(change, StagedPage))
                self._on_recorded(changes)
        except BaseException as error:  # noqa: BLE001 - raised to whoever comes next
            self._error = error
        finally:
            self._writing = None

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error


class FileWriter:
    """Writes a data file whenever enough rows are ready.

    Args:
        state: where rows are staged.
        sink: the destination of the rows.
        directory: of the files, ``DIR/entries``.
        roll_rows: enough rows for a file.
        thread: where the sink works.
        on_error: called in the event loop when a file cannot be written.
    """

    def __init__(
        self,
        state: JobState,
        sink: Sink,
        directory: Path,
        *,
        roll_rows: int,
        thread: Executor,
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._state = state
        self._sink = sink
        self._directory = directory
        self._roll_rows = roll_rows
        self._thread = thread
        self._on_error = on_error
        self._ready_rows = 0
        self._writing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the sink, and finish files that were being written when a process ended."""
        await self._in_thread(self._open)
        self._ready_rows = self._state.ready_rows()
        self.add_rows(0)

    def _open(self) -> None:
        self._sink.open(self._directory)
        for batch in self._state.unfinished_batches():
            self._write(batch, self._sink.find(batch.number))

    def add_changes(self, changes: Sequence[StateChange]) -> None:
        """Count the rows of customers who are done."""
        results = (change for change in changes if isinstance(change, CustomerResult))
        self.add_rows(sum(result.rows for result in results if result.state == "done"))

    def add_rows(self, rows: int) -> None:
        """Count rows that are ready; start to write a file when there are enough."""
        self._ready_rows += rows
        if self._ready_rows >= self._roll_rows and self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_in_background())

    async def close(self, *, last: bool) -> None:
        """Write the rows that are ready, and close the sink; where more are to come, leave a small rest staged."""
        if self._writing is not None:
            await self._writing
        await self._write_files(1 if last else min(MIN_ROWS, self._roll_rows))
        await self._in_thread(self._sink.close)

    async def _write_in_background(self) -> None:
        try:
            await self._write_files(self._roll_rows)
        except Exception as error:  # noqa: BLE001 - whatever a sink raises ends the job
            self._on_error(error)
        finally:
            self._writing = None

    async def _write_files(self, least_rows: int) -> None:
        while self._ready_rows >= least_rows:
            rows = await self._in_thread(self._write_next)
            self._ready_rows -= rows

    def _write_next(self) -> int:
        batch = self._state.start_batch(self._roll_rows)
        if batch is None:
            raise RuntimeError("rows were counted that are not staged")
        self._write(batch, None)
        return batch.rows

    def _write(self, batch: StagedBatch, written: str | None) -> None:
        """Write a batch, unless it is written already, and record its file."""
        file = written or self._sink.write(batch.number, self._state.chunks(batch))
        path = self._directory / file
        final = path.is_file() and not self._sink.one_file
        size, sha256 = (path.stat().st_size, sha256_of(path)) if final else (None, None)
        self._state.finish_batch(batch, file, size, sha256)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
