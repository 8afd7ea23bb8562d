"""Workers fetch customers, several at a time, and decide what a failure means for the customer and for the job."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from capledger.backfill.errors import JobStoppedError
from capledger.backfill.reader import Effort
from capledger.backfill.state import CustomerResult, CustomerState, PlannedCustomer, describe_error
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

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from typing import Self

    from capledger.backfill.progress import JobCounts
    from capledger.backfill.reader import CustomerFetcher
    from capledger.backfill.state import JobState
    from capledger.backfill.state_writer import StateWriter

#: Errors that concern every customer, and so end the run; the next one continues.
FATAL_ERRORS: Final = (AuthenticationError, ConfigurationError)
#: Errors that may have nothing to do with the customer.
_SERVICE_ERRORS: Final = (
    ConnectionFailedError,
    RequestTimeoutError,
    RateLimitedError,
    ServerError,
    PermissionDeniedError,
    DecodeError,
)
#: Errors that may not occur again when the ledger is fetched again from its beginning.
_LEDGER_ERRORS: Final = (IncompleteLedgerError, PaginationError, PendingEventsError, DecodeError)
#: Errors of the service that may concern one customer.
_CUSTOMER_ERRORS: Final = (ServerError, PermissionDeniedError, DecodeError)
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
        reader: reads one customer.
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
        reader: CustomerFetcher,
        state: JobState,
        writer: StateWriter,
        counts: JobCounts,
        *,
        thread: Executor,
        size: int,
        only_retried: bool,
        pause: float,
    ) -> None:
        self._reader = reader
        self._state = state
        self._writer = writer
        self._counts = counts
        self._thread = thread
        self._size = size
        self._only_retried = only_retried
        self._pause = pause
        self._streak = 0
        self._responded = False
        """Whether the service responded to a request of this run with something else than a failure of its own."""
        self._failing: dict[int, CapledgerError] = {}
        """The errors of customers who failed in this round for reasons that may be the service's."""

    async def run(self) -> None:
        """Fetch all, then those that were postponed, then those that were postponed twice.

        Raises:
            JobStoppedError: the service fails, and customers are left; nothing fetched is lost.
            CapledgerError: another error that concerns all customers.
        """
        fetched = False
        for failures in range(_MAX_ROUNDS):
            await self._writer.flush()
            customers = _CustomerQueue(self, failures)
            if await customers.fill():
                if fetched:
                    await asyncio.sleep(self._pause)
                await self._fetch_round(customers)
                fetched = True
        await self._set_failing_aside()
        if self._failing:
            raise self._stopped(next(iter(self._failing.values())))

    async def take(self, failures: int) -> list[PlannedCustomer]:
        """Take some of the planned customers that were postponed at most this often."""

        def take() -> list[PlannedCustomer]:
            return self._state.take(self._size, failures=failures, only_retried=self._only_retried)

        return await asyncio.get_running_loop().run_in_executor(self._thread, take)

    async def _fetch_round(self, customers: _CustomerQueue) -> None:
        self._failing.clear()
        await self._fetch_all(customers)
        if self._failing and not self._responded:
            raise self._stopped(next(iter(self._failing.values())))

    async def _set_failing_aside(self) -> None:
        """Set customers aside for whom the service fails while it responds for others."""
        own = {id_: error for id_, error in self._failing.items() if isinstance(error, _CUSTOMER_ERRORS)}
        if own and await self._responds():
            for id_, error in own.items():
                result = CustomerResult(id_, "set_aside", code=_code_of(error), error=describe_error(error), drop=True)
                await self._writer.put(result)
                self._counts.add_result(result)
                del self._failing[id_]

    async def _responds(self) -> bool:
        """Return whether the service responds now for a customer for whom it responded before."""
        customer = await asyncio.get_running_loop().run_in_executor(self._thread, self._state.known_customer)
        if customer is None:
            return False
        try:
            await self._reader.probe(customer)
        except CapledgerError as error:
            return isinstance(error, ApiError)
        return True

    def _stopped(self, error: CapledgerError) -> JobStoppedError:
        left = (self._counts.run.total or 0) - self._counts.run.finished
        customers = "1 customer was" if left == 1 else f"{left:,} customers were"
        return JobStoppedError(f"{customers} not fetched, since the service fails: {error}", left)

    async def _fetch_all(self, customers: _CustomerQueue) -> None:
        pool = WorkerPool(customers, self._fetch, size=self._size)
        async with aclosing(pool):
            async for result in pool:
                if result.state != "planned":
                    self._counts.add_result(result)

    async def _fetch(self, customer: PlannedCustomer, _: object) -> CustomerResult:
        effort = Effort(customer.rows)
        try:
            result = await self._reader.read(customer, effort, prefetch=self._prefetch)
        except FATAL_ERRORS:
            raise
        except InvalidQueryError as error:
            result = _result_of_error(customer, error, Effort())
        except CapledgerError as error:
            self._responded = self._responded or effort.responded
            self._counts.note_failure()
            self._note_error(customer, error)
            effort.changes.clear()
            result = _result_of_error(customer, error, effort)
        else:
            self._streak = 0
            self._responded = True
        await self._writer.record(*effort.changes, result)
        return result

    @property
    def _prefetch(self) -> int:
        run = self._counts.run
        return _PREFETCH if (run.total or 0) - run.finished > 2 * self._size else _PREFETCH_AT_THE_END

    def _note_error(self, customer: PlannedCustomer, error: CapledgerError) -> None:
        """Keep an error that may be the service's; stop the job after many of them in a row."""
        if is_of_service(error):
            self._failing[customer.id] = error
        else:
            self._responded = True
        self._streak = self._streak + 1 if is_of_service(error) else 0
        if self._streak >= max(_MAX_STREAK, 2 * self._size):
            message = f"{self._streak} ledgers failed one after the other, the last with: {error}"
            raise JobStoppedError(message, (self._counts.run.total or 0) - self._counts.run.finished)


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


def is_of_service(error: CapledgerError) -> bool:
    """Return whether other customers may fail for the same reason."""
    return isinstance(error, _SERVICE_ERRORS) and not isinstance(error, AnswerTooLargeError)


def _result_of_error(customer: PlannedCustomer, error: CapledgerError, effort: Effort) -> CustomerResult:
    """Return the result of a failure: postponed while it may be temporary or the service's, else a failed state."""
    from_beginning = isinstance(error, _LEDGER_ERRORS) or (
        customer.cursor is not None and isinstance(error, InvalidQueryError)
    )
    temporary = is_of_service(error) or (from_beginning and customer.failures + 1 < _MAX_ROUNDS)
    failed: CustomerState = "incomplete" if isinstance(error, _INCOMPLETE_ERRORS) else "set_aside"
    drop = from_beginning or not temporary
    return CustomerResult(
        customer.id,
        "planned" if temporary else failed,
        rows=0 if drop else effort.rows,
        requests=effort.requests,
        retries=effort.retries,
        code=_code_of(error),
        error=describe_error(error),
        drop=drop,
    )


def _code_of(error: CapledgerError) -> int | None:
    """Return the API's code, or the HTTP status where there is none."""
    if isinstance(error, ApiError):
        return error.code
    if isinstance(error, ServerError | PermissionDeniedError):
        return error.code or error.status
    return None
