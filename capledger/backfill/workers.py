"""Workers fetch customers, several at a time, and decide what a failure means for the customer and for the job."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from capledger.backfill.errors import JobStoppedError
from capledger.backfill.schema import check_entries, pack
from capledger.backfill.state import CustomerResult, CustomerState, PlannedCustomer, StagedPage
from capledger.errors import (
    AnswerTooLargeError,
    ApiError,
    AuthenticationError,
    CapledgerError,
    ConfigurationError,
    ConnectionFailedError,
    DecodeError,
    IncompleteLedgerError,
    InvalidQueryError,
    PaginationError,
    PendingEventsError,
    PermissionDeniedError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
)
from capledger.many.pool import WorkerPool
from capledger.models import WalkReport

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from typing import Self

    from capledger.backfill.file_writer import StateWriter
    from capledger.backfill.progress import JobCounts
    from capledger.backfill.state import JobState
    from capledger.session import LedgerSession
    from capledger.walk import LedgerWalk

#: Errors that concern every customer, and so end the run; the next one continues.
FATAL_ERRORS: Final = (AuthenticationError, ConfigurationError)
#: Errors that may have nothing to do with the customer.
_SERVICE_ERRORS: Final = (
    ConnectionFailedError,
    RequestTimeoutError,
    RateLimitedError,
    ServerError,
    PermissionDeniedError,
)
#: Errors that may not occur again when the ledger is fetched again from its beginning.
_LEDGER_ERRORS: Final = (IncompleteLedgerError, PaginationError, PendingEventsError, DecodeError)
_INCOMPLETE_ERRORS: Final = (IncompleteLedgerError, PendingEventsError)

#: How often a customer is tried before a temporary failure is taken for a permanent one.
_MAX_ROUNDS: Final = 3
#: Ledgers that may fail one after the other for reasons of the service before the job is stopped.
_MAX_STREAK: Final = 50
#: Pages of one customer in flight: one while other customers wait, since a killed process loses what is in flight.
_PREFETCH, _PREFETCH_AT_THE_END = 1, 4


class Workers:
    """Fetches every planned customer.

    Args:
        session: open.
        state: of the job.
        writer: records pages and results.
        counts: brought up to date by this.
        thread: where the state is read.
        size: customers at once.
        only_retried: only those that had been set aside.
        pause: seconds before postponed customers are tried again.
    """

    def __init__(
        self,
        session: LedgerSession,
        state: JobState,
        writer: StateWriter,
        counts: JobCounts,
        *,
        thread: Executor,
        size: int,
        only_retried: bool,
        pause: float,
    ) -> None:
        self._session = session
        self._state = state
        self._writer = writer
        self._counts = counts
        self._thread = thread
        self._size = size
        self._only_retried = only_retried
        self._pause = pause
        self._streak = 0

    async def run(self) -> None:
        """Fetch all, then those that were postponed, then those that were postponed twice.

        Raises:
            CapledgerError: an error that concerns all of them, or a streak of failures; nothing fetched is lost.
        """
        for failures in range(_MAX_ROUNDS):
            await self._writer.flush()
            customers = _CustomerQueue(self, failures)
            if await customers.fill():
                if failures:
                    await asyncio.sleep(self._pause)
                await self._fetch_all(customers)

    async def take(self, failures: int) -> list[PlannedCustomer]:
        """Take some of the planned customers that were postponed at most this often."""

        def take() -> list[PlannedCustomer]:
            return self._state.take(self._size, failures=failures, only_retried=self._only_retried)

        return await asyncio.get_running_loop().run_in_executor(self._thread, take)

    async def _fetch_all(self, customers: _CustomerQueue) -> None:
        pool = WorkerPool(customers, self._fetch, size=self._size)
        async with aclosing(pool):
            async for result in pool:
                if result.state != "planned":
                    self._counts.add_result(result)

    async def _fetch(self, customer: PlannedCustomer, _: object) -> CustomerResult:
        try:
            walk = self._session.entries(customer.query, prefetch=self._prefetch, resume_from=customer.cursor)
        except InvalidQueryError as error:
            result = _result_of_error(customer, error, WalkReport(), 0)
        else:
            self._counts.run.walks.add(walk)
            try:
                result = await self._walk(customer, walk)
            finally:
                self._counts.run.remove(walk)
                await walk.aclose()
        await self._writer.put(result)
        return result

    @property
    def _prefetch(self) -> int:
        run = self._counts.run
        return _PREFETCH if (run.total or 0) - run.finished > 2 * self._size else _PREFETCH_AT_THE_END

    async def _walk(self, customer: PlannedCustomer, walk: LedgerWalk) -> CustomerResult:
        rows = customer.rows
        try:
            async for page in walk.pages():
                check_entries(page.entries)
                rows += len(page.entries)
                await self._writer.put(StagedPage(customer.id, pack(page.entries), len(page.entries), walk.cursor))
        except FATAL_ERRORS:
            raise
        except CapledgerError as error:
            self._count_streak(error)
            return _result_of_error(customer, error, walk.report, rows)
        self._streak = 0
        return _result_of_walk(customer, walk.report, rows)

    def _count_streak(self, error: CapledgerError) -> None:
        """Stop the job where the service fails, instead of setting all its customers aside."""
        if not _is_of_service(error):
            self._streak = 0
            return
        self._streak += 1
        if self._streak >= max(_MAX_STREAK, 2 * self._size):
            message = f"{self._streak} ledgers failed one after the other, the last with {type(error).__name__}"
            raise JobStoppedError(f"{message}: {error.message}")


class _CustomerQueue:
    """Async iterator over the customers of one round, some taken from the state at a time."""

    def __init__(self, workers: Workers, failures: int) -> None:
        self._workers = workers
        self._failures = failures
        self._taken: deque[PlannedCustomer] = deque()

    async def fill(self) -> bool:
        """Take customers if none are left; return whether there are any."""
        if not self._taken:
            self._taken.extend(await self._workers.take(self._failures))
        return bool(self._taken)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PlannedCustomer:
        if not await self.fill():
            raise StopAsyncIteration
        return self._taken.popleft()


def _is_of_service(error: CapledgerError) -> bool:
    """Return whether other customers may fail for the same reason."""
    return isinstance(error, _SERVICE_ERRORS) and not isinstance(error, AnswerTooLargeError)


def _result_of_error(customer: PlannedCustomer, error: CapledgerError, report: WalkReport, rows: int) -> CustomerResult:
    """Return the result of a failure: postponed while it may be temporary, else set aside or incomplete."""
    from_beginning = isinstance(error, _LEDGER_ERRORS) or (
        customer.cursor is not None and isinstance(error, InvalidQueryError)
    )
    temporary = (from_beginning or _is_of_service(error)) and customer.failures + 1 < _MAX_ROUNDS
    failed: CustomerState = "incomplete" if isinstance(error, _INCOMPLETE_ERRORS) else "set_aside"
    drop = from_beginning or not temporary
    return CustomerResult(
        customer.id,
        "planned" if temporary else failed,
        rows=0 if drop else rows,
        requests=report.requests,
        retries=report.retries,
        code=_code_of(error),
        error=f"{type(error).__name__}: {error.message}",
        drop=drop,
    )


def _result_of_walk(customer: PlannedCustomer, report: WalkReport, rows: int) -> CustomerResult:
    """Return the result of a walk that reached its end."""
    if report.complete:
        state: CustomerState = "done" if rows else "empty"
        return CustomerResult(customer.id, state, rows=rows, requests=report.requests, retries=report.retries)
    pending = PendingEventsError("the service says that the ledger may be incomplete", code=11002)
    return _result_of_error(customer, pending, report, rows)


def _code_of(error: CapledgerError) -> int | None:
    """Return the API's code, or the HTTP status where there is none."""
    if isinstance(error, ApiError):
        return error.code
    if isinstance(error, ServerError | PermissionDeniedError):
        return error.code or error.status
    return None
