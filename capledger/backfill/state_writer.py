"""Records changes to the state of a job in ``job.sqlite``, in a thread and several in one transaction."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from capledger.backfill.staging import StagedPage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from capledger.backfill.state import JobState, StateChange

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
        self._next_transaction: asyncio.Future[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    async def put(self, *changes: StateChange) -> None:
        """Add changes that are recorded soon, in one transaction; wait only where too many rows are pending.

        Raises:
            BaseException: an earlier transaction failed for this reason.
        """
        self._raise_error()
        self._pending += changes
        self._pending_rows += _staged_rows(changes)
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())
        while self._pending_rows > _MAX_PENDING_ROWS and self._writing is not None:
            await asyncio.shield(self._writing)
            self._raise_error()

    async def record(self, *changes: StateChange) -> None:
        """Add changes, and return when they are on the disk with all that was added before.

        Raises:
            BaseException: a transaction failed for this reason.
        """
        await self.put(*changes)
        if self._pending:
            self._next_transaction = self._next_transaction or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._next_transaction)
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
        ended: asyncio.Future[None] | None = None
        try:
            while self._pending:
                changes, self._pending = self._pending, []
                ended, self._next_transaction = self._next_transaction, None
                await loop.run_in_executor(self._thread, self._state.record, changes)
                self._pending_rows -= _staged_rows(changes)
                self._on_recorded(changes)
                _end(ended)
        except BaseException as error:  # noqa: BLE001 - raised to whoever comes next
            self._error = error
        finally:
            self._writing = None
            _end(ended)
            _end(self._next_transaction)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error


def _end(transaction: asyncio.Future[None] | None) -> None:
    if transaction is not None and not transaction.done():
        transaction.set_result(None)


def _staged_rows(changes: Sequence[StateChange]) -> int:
    return sum(change.rows for change in changes if isinstance(change, StagedPage))
