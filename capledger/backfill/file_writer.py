"""Writes staged rows into data files, in a thread."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import frozen

from capledger.backfill.batches import BatchRows
from capledger.backfill.errors import StorageError
from capledger.backfill.files import sha256_of, storage_errors
from capledger.backfill.state import WRITTEN_STATES, CustomerResult
from capledger.errors import CapledgerError
from capledger.frames.schema import MisfitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from capledger.backfill.batches import Batches, StagedBatch
    from capledger.backfill.sinks import Sink
    from capledger.backfill.state import StateChange

T = TypeVar("T")

#: Least rows of a file, except the last of a run.
MIN_ROWS: Final = 1_000
#: Errors of a sink that concern a value, and so a customer.
_VALUE_ERRORS: Final = (ValueError, TypeError, ArithmeticError, MisfitError)
#: Customers refused one after the other, and none accepted, after which the sink is at fault.
_MAX_REFUSED: Final = 100


class FileWriter:
    """Writes a data file whenever enough rows are ready.

    Args:
        batches: of the job.
        sink: the destination of the rows.
        directory: of the files, ``DIR/entries``.
        roll_rows: enough rows for a file.
        thread: where the sink works.
        on_error: called in the event loop when a file cannot be written.
        on_excluded: called in the event loop with the number of customers that were set aside since the sink refuses
            their rows, and with the number of those rows.
    """

    def __init__(
        self,
        batches: Batches,
        sink: Sink,
        directory: Path,
        *,
        roll_rows: int,
        thread: Executor,
        on_error: Callable[[BaseException], None],
        on_excluded: Callable[[int, int], None],
    ) -> None:
        self._batches = batches
        self._sink = sink
        self._directory = directory
        self._roll_rows = roll_rows
        self._thread = thread
        self._on_error = on_error
        self._on_excluded = on_excluded
        self._ready_rows = 0
        self._writing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the sink, and finish files that were being written when a process ended."""
        await self._in_thread(self._open)
        self._ready_rows = self._batches.ready_rows()
        self.add_rows(0)

    def _open(self) -> None:
        with _sink_errors():
            self._sink.open(self._directory)
        for batch in self._batches.unfinished():
            with _sink_errors():
                written = self._sink.find(batch.number)
            self._write(batch, written)

    def add_changes(self, changes: Sequence[StateChange]) -> None:
        """Count the rows of customers whose entries go into the files."""
        results = (change for change in changes if isinstance(change, CustomerResult))
        self.add_rows(sum(result.rows for result in results if result.state in WRITTEN_STATES))

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
        await self._in_thread(self._close)

    def _close(self) -> None:
        with _sink_errors():
            self._sink.close()

    async def _write_in_background(self) -> None:
        try:
            await self._write_files(self._roll_rows)
        except Exception as error:  # noqa: BLE001 - whatever a sink raises ends the job
            self._on_error(error)
        finally:
            self._writing = None

    async def _write_files(self, least_rows: int) -> None:
        while self._ready_rows >= least_rows:
            batch = await self._in_thread(self._start_batch)
            excluded = await self._in_thread(partial(self._write, batch, None))
            self._ready_rows -= batch.rows
            if excluded.customers:
                self._on_excluded(excluded.customers, excluded.rows)

    def _start_batch(self) -> StagedBatch:
        batch = self._batches.start(self._roll_rows)
        if batch is None:
            raise RuntimeError("rows were counted that are not staged")
        return batch

    def _write(self, batch: StagedBatch, written: str | None) -> _Excluded:
        """Write a batch, unless it is written already, and record its file; return what was left out of it."""
        if written is not None:
            self._finish(batch, written)
            return _Excluded(0, 0)
        try:
            with _sink_errors():
                file = self._sink.write(batch.number, BatchRows(self._batches, batch))
        except _VALUE_ERRORS:
            return self._write_without_misfits(batch)
        self._finish(batch, file)
        return _Excluded(0, 0)

    def _write_without_misfits(self, batch: StagedBatch) -> _Excluded:
        """Write a batch with a value that the sink refuses: set its customer aside, and write the others."""
        excluded: list[int] = []
        rest: StagedBatch | None = batch
        while rest is not None:
            rows = BatchRows(self._batches, rest, by_customer=True)
            try:
                with _sink_errors():
                    file = self._sink.write(rest.number, rows)
            except _VALUE_ERRORS as error:
                if rows.customer is None or (rows.is_first and len(excluded) >= _MAX_REFUSED):
                    self._batches.replan(excluded)
                    raise StorageError(f"the sink refuses every row ({type(error).__name__})") from error
                excluded.append(rows.customer)
                rest = self._batches.exclude(rest, rows.customer, as_misfit(error))
            else:
                self._finish(rest, file)
                break
        return _Excluded(len(excluded), batch.rows - (rest.rows if rest is not None else 0))

    def _finish(self, batch: StagedBatch, file: str) -> None:
        path = self._directory / file
        final = path.is_file() and not self._sink.one_file
        size, sha256 = (path.stat().st_size, sha256_of(path)) if final else (None, None)
        self._batches.finish(batch, file, size, sha256)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


@frozen
class _Excluded:
    """Customers that were set aside since the sink refuses a value of theirs, and the number of their rows."""

    customers: int
    rows: int


@contextmanager
def _sink_errors() -> Iterator[None]:
    """Turn errors of a sink into ours, except those of a value, which concern one customer."""
    try:
        with storage_errors("the data files"):
            yield
    except (CapledgerError, *_VALUE_ERRORS):
        raise
    except Exception as error:
        raise StorageError(f"the data files cannot be written ({type(error).__name__})") from error


def as_misfit(error: Exception) -> MisfitError:
    """Return an error of a sink about a value as ours; its message may contain the value, and is left out."""
    if isinstance(error, MisfitError):
        return error
    return MisfitError(f"a value does not fit the sink ({type(error).__name__})")
