"""``session.fetch_many(queries)`` and ``session.stream_many(queries)``: many walks in one pool of workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypedDict, TypeVar

from attrs import frozen

from capledger.balances import BalanceWalk
from capledger.errors import AuthenticationError, CapledgerError, ConfigurationError, InvalidQueryError
from capledger.iteration import Iteration
from capledger.many.outcome import BalanceOutcome, LedgerOutcome
from capledger.many.pool import WorkerPool
from capledger.many.progress import Counts, Progress
from capledger.many.queries import Query, QuerySource
from capledger.models import Balance, LedgerEntry, LedgerPage, WalkReport
from capledger.queries import BalanceQuery, LedgerQuery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from capledger._transport.clock import Clock
    from capledger.many.ledger_pages import LedgerOpener, LedgerPages
    from capledger.many.pool import HandOver
    from capledger.many.queries import AnyQueries, Queries
    from capledger.queries.events import EventFlags

T = TypeVar("T")
OutcomeT = TypeVar("OutcomeT", LedgerOutcome, BalanceOutcome)

#: Errors that concern every query, and so end all of them.
_FATAL_ERRORS = (AuthenticationError, ConfigurationError)

OpenBalances = Callable[[BalanceQuery], BalanceWalk]
OnOutcome = Callable[[LedgerOutcome], Awaitable[None] | None]

#: A page with its query, or the outcome at the end of a ledger.
_Streamed = tuple[LedgerQuery, LedgerPage] | LedgerOutcome


class FetchOptions(TypedDict, total=False):
    """Every keyword of ``session.fetch_many``; documented there."""

    max_in_flight: int
    ordered: bool
    fail_fast: bool
    deduplicate: bool
    prefetch: int
    on_incomplete: Literal["raise", "warn"]
    details: bool | EventFlags


class WalkOptions(TypedDict, total=False):
    """Every keyword of ``session.entries``; documented there."""

    prefetch: int
    resume_from: str | None
    on_incomplete: Literal["raise", "warn"]
    details: bool | EventFlags


class StreamOptions(TypedDict, total=False):
    """Every keyword of ``session.stream_many``; documented there."""

    max_in_flight: int
    deduplicate: bool
    on_outcome: OnOutcome | None
    prefetch: int
    on_incomplete: Literal["raise", "warn"]
    details: bool | EventFlags


class ManyWalks(Generic[T]):
    """Walks over many ledgers at once, as returned by ``fetch_many`` and ``stream_many``; iterate over it once.

    Leaving the ``async for``, by a ``break``, an error or the cancellation of its task, ends everything in flight.
    It cannot be continued: queries whose outcome was not returned must be passed to a new call. One consumer at a time.
    """

    def __init__(self, pool: WorkerPool[Query, Any], step: Callable[[], Awaitable[T]], counts: Counts) -> None:
        self._pool = pool
        self._step = step
        self._counts = counts
        self._progress = Progress(counts)

    def __repr__(self) -> str:
        return f"<ManyWalks {self._progress!r}>"

    @property
    def progress(self) -> Progress:
        """Progress, live; always the same object."""
        return self._progress

    def __aiter__(self) -> AsyncIterator[T]:
        return Iteration(self, self.__anext__)

    async def __anext__(self) -> T:
        self._counts.start()
        try:
            return await self._step()
        except BaseException:
            self._end_counts()
            raise

    async def aclose(self) -> None:
        """End what is in flight, and wait for its end."""
        await self._pool.aclose()
        self._end_counts()

    def _leave(self) -> None:
        """End what is in flight, unless a consumer waits for the next outcome."""
        if not self._pool.busy:
            self._stop()

    def _stop(self) -> None:
        """End what is in flight without waiting for its end."""
        self._pool.stop()
        self._end_counts()

    def _end_counts(self) -> None:
        if self._pool.ended:
            self._counts.end()

    def __del__(self) -> None:
        self._stop()


def fetch_many(
    queries: AnyQueries,
    *,
    opener: LedgerOpener,
    open_balances: OpenBalances,
    clock: Clock,
    max_in_flight: int,
    ordered: bool,
    fail_fast: bool,
    deduplicate: bool,
) -> ManyWalks[Any]:
    """Read many ledgers, and balances; return an outcome for each."""
    counts = Counts(clock.monotonic)
    worker = _Worker(opener, open_balances, counts, fail_fast=fail_fast)
    source = _make_source(queries, counts, deduplicate=deduplicate)
    pool = WorkerPool(source, worker.fetch, size=max_in_flight, ordered=ordered)
    return ManyWalks(pool, pool.__anext__, counts)


def stream_many(
    queries: Queries,
    *,
    opener: LedgerOpener,
    clock: Clock,
    max_in_flight: int,
    deduplicate: bool,
    on_outcome: OnOutcome | None,
) -> ManyWalks[tuple[LedgerQuery, LedgerPage]]:
    """Read many ledgers page by page; outcomes, without entries, go to ``on_outcome``."""
    counts = Counts(clock.monotonic)
    worker = _Worker(opener, None, counts, fail_fast=on_outcome is None)
    source = _make_source(queries, counts, deduplicate=deduplicate)
    pool = WorkerPool(source, worker.stream, size=max_in_flight)
    return ManyWalks(pool, _PageStream(pool, on_outcome).next_page, counts)


def _make_source(queries: AnyQueries, counts: Counts, *, deduplicate: bool) -> QuerySource[Query]:
    source = QuerySource(queries, on_duplicate=counts.add_duplicate if deduplicate else None)
    counts.total = source.total
    return source


@frozen
class _PageStream:
    """Returns pages, and reports each outcome once the consumer has come back from the last page of the ledger."""

    pool: WorkerPool[Query, _Streamed]
    on_outcome: OnOutcome | None

    async def next_page(self) -> tuple[LedgerQuery, LedgerPage]:
        while isinstance(item := await anext(self.pool), LedgerOutcome):
            try:
                await self._report(item)
            except BaseException:
                await self.pool.aclose()
                raise
        return item

    async def _report(self, outcome: LedgerOutcome) -> None:
        pending = None if self.on_outcome is None else self.on_outcome(outcome)
        if pending is not None:
            await pending


class _Worker:
    """Walks one ledger after the other, or the balances of one customer, from the beginning to an outcome."""

    def __init__(
        self, opener: LedgerOpener, open_balances: OpenBalances | None, counts: Counts, *, fail_fast: bool
    ) -> None:
        self._opener = opener
        self._open_balances = open_balances
        self._counts = counts
        self._fail_fast = fail_fast

    def fetch(self, query: Query, _: object) -> Awaitable[LedgerOutcome | BalanceOutcome]:
        """Return the outcome with its entries or balances."""
        if isinstance(query, BalanceQuery) and self._open_balances is not None:
            return self._balances(query, self._open_balances)
        return self._walk(query, None)

    def stream(self, query: Query, hand_over: HandOver[_Streamed]) -> Awaitable[_Streamed]:
        """Hand over pages; return the outcome without entries."""
        return self._walk(query, hand_over)

    async def _balances(self, query: BalanceQuery, open_balances: OpenBalances) -> BalanceOutcome:
        balances: list[Balance] = []
        error_of_walk: CapledgerError | None = None
        try:
            walk = open_balances(query)
        except InvalidQueryError as error:
            return self._finish(BalanceOutcome(query, balances, error, WalkReport()))
        self._counts.walks.add(walk)
        try:
            balances = await walk.collect()
        except _FATAL_ERRORS:
            raise
        except CapledgerError as error:
            error_of_walk = error
        finally:
            report = self._counts.remove(walk)
        return self._finish(BalanceOutcome(query, balances, error_of_walk, report))

    async def _walk(self, drawn: Query, hand_over: HandOver[_Streamed] | None) -> LedgerOutcome:
        """Walk one ledger; keep its entries, or hand over its pages."""
        query: LedgerQuery = drawn  # type: ignore[assignment]  # anything else is refused below
        entries: list[LedgerEntry] = []
        error_of_walk: CapledgerError | None = None
        try:
            ledger = self._open(query)
        except InvalidQueryError as error:
            return self._finish(LedgerOutcome(query, entries, error, WalkReport(), None))
        self._counts.walks.add(ledger)
        try:
            while (page := await ledger.next()) is not None:
                if hand_over is None:
                    entries.extend(page.entries)
                else:
                    await hand_over((query, page))
        except _FATAL_ERRORS:
            raise
        except CapledgerError as error:
            error_of_walk = error
        finally:
            report = self._counts.remove(ledger)
            await ledger.aclose()
        return self._finish(LedgerOutcome(query, entries, error_of_walk, report, ledger.position))

    def _open(self, query: Query) -> LedgerPages:
        if not isinstance(query, LedgerQuery):
            raise InvalidQueryError("queries may contain CustomerLedgerQuery and GroupLedgerQuery only")
        return self._opener.open(query)

    def _finish(self, outcome: OutcomeT) -> OutcomeT:
        if outcome.error is None:
            self._counts.done += 1
            return outcome
        self._counts.failed += 1
        if self._fail_fast:
            outcome.error.query = outcome.query
            raise outcome.error
        outcome.error.__traceback__ = None  # its frames hold the walk, and an outcome may be kept for long
        return outcome
