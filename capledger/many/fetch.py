"""``session.fetch_many(queries)`` and ``session.stream_many(queries)``: what is iterated over, and the work for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import frozen

from capledger.errors import AuthenticationError, CapledgerError, ConfigurationError, InvalidQueryError
from capledger.many.outcome import LedgerOutcome
from capledger.many.pool import Crowd
from capledger.many.progress import Count, Progress
from capledger.many.queries import Source
from capledger.models import LedgerEntry, LedgerPage, WalkReport
from capledger.queries import LedgerQuery
from capledger.walk import LedgerWalk
from capledger.walk.loop import Loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from capledger._transport.clock import Clock
    from capledger.many.pool import Give
    from capledger.many.queries import Queries

T = TypeVar("T")

#: What concerns every query, and so ends all of them.
_FOR_ALL = (AuthenticationError, ConfigurationError)

OpenWalk = Callable[[LedgerQuery], LedgerWalk]
OnOutcome = Callable[[LedgerOutcome], Awaitable[None] | None]

#: A page with its query, or at the end of a ledger what became of it.
_Streamed = tuple[LedgerQuery, LedgerPage] | LedgerOutcome


class ManyWalks(Generic[T]):
    """Walks over many ledgers at once: what ``fetch_many`` and ``stream_many`` give, to be iterated over once.

    Leaving the ``async for``, by a ``break``, by an error or because its task is cancelled, ends everything under way.
    It cannot be taken up again: queries whose outcome did not come have to be asked anew. One consumer at a time.
    """

    def __init__(self, crowd: Crowd[Any], step: Callable[[], Awaitable[T]], progress: Progress) -> None:
        self._crowd = crowd
        self._step = step
        self._progress = progress

    def __repr__(self) -> str:
        return f"<ManyWalks {self._progress!r}>"

    @property
    def progress(self) -> Progress:
        """How far it is, live; the same object all the time."""
        return self._progress

    def __aiter__(self) -> AsyncIterator[T]:
        return Loop(self, self.__anext__)

    async def __anext__(self) -> T:
        return await self._step()

    async def aclose(self) -> None:
        """End what is under way, and wait for its end."""
        await self._crowd.aclose()

    def stop(self) -> None:
        """End what is under way without waiting for its end."""
        self._crowd.stop()

    def __del__(self) -> None:
        self.stop()


def fetch_many(
    queries: Queries,
    *,
    open_walk: OpenWalk,
    clock: Clock,
    max_in_flight: int,
    ordered: bool,
    fail_fast: bool,
    deduplicate: bool,
) -> ManyWalks[LedgerOutcome]:
    """Read many ledgers; an outcome for each."""
    count = Count(clock)
    source = Source(queries, on_repeat=count.repeat if deduplicate else None)
    count.total = source.total
    walker = _Walker(open_walk, count, fail_fast=fail_fast)
    crowd = Crowd(source, walker.fetch, count, room=max_in_flight, ordered=ordered)
    return ManyWalks(crowd, crowd.next, Progress(count))


def stream_many(
    queries: Queries,
    *,
    open_walk: OpenWalk,
    clock: Clock,
    max_in_flight: int,
    deduplicate: bool,
    on_outcome: OnOutcome | None,
) -> ManyWalks[tuple[LedgerQuery, LedgerPage]]:
    """Read many ledgers page by page; outcomes, without entries, go to ``on_outcome``."""
    count = Count(clock)
    source = Source(queries, on_repeat=count.repeat if deduplicate else None)
    count.total = source.total
    walker = _Walker(open_walk, count, fail_fast=on_outcome is None)
    crowd = Crowd(source, walker.stream, count, room=max_in_flight)
    return ManyWalks(crowd, _Pages(crowd, on_outcome).next, Progress(count))


@frozen
class _Pages:
    """Gives pages and tells outcomes, each when the consumer has come back from the last page of the ledger."""

    crowd: Crowd[_Streamed]
    on_outcome: OnOutcome | None

    async def next(self) -> tuple[LedgerQuery, LedgerPage]:
        while isinstance(item := await self.crowd.next(), LedgerOutcome):
            try:
                await self._tell(item)
            except BaseException:
                await self.crowd.aclose()
                raise
        return item

    async def _tell(self, outcome: LedgerOutcome) -> None:
        told = None if self.on_outcome is None else self.on_outcome(outcome)
        if told is not None:
            await told


class _Walker:
    """Walks one ledger from its beginning to an outcome."""

    def __init__(self, open_walk: OpenWalk, count: Count, *, fail_fast: bool) -> None:
        self._open_walk = open_walk
        self._count = count
        self._fail_fast = fail_fast

    def fetch(self, query: LedgerQuery, _: object) -> Awaitable[LedgerOutcome]:
        """Give the outcome with its entries."""
        return self._walk(query, None)

    def stream(self, query: LedgerQuery, give: Give[_Streamed]) -> Awaitable[_Streamed]:
        """Give pages, and the outcome without entries."""
        return self._walk(query, give)

    async def _walk(self, query: LedgerQuery, give: Give[_Streamed] | None) -> LedgerOutcome:
        entries: list[LedgerEntry] = []
        try:
            walk = self._open(query)
        except InvalidQueryError as error:
            return self._end(LedgerOutcome(query, entries, error, WalkReport(), None))
        failure: CapledgerError | None = None
        self._count.walks.add(walk)
        try:
            async for page in walk.pages():
                if give is None:
                    entries += page.entries
                else:
                    await give((query, page))
        except _FOR_ALL:
            raise
        except CapledgerError as error:
            failure = error
        finally:
            report = self._count.leave(walk)
        return self._end(LedgerOutcome(query, entries, failure, report, walk.position))

    def _open(self, query: LedgerQuery) -> LedgerWalk:
        if not isinstance(query, LedgerQuery):
            raise InvalidQueryError("queries may hold CustomerLedgerQuery and GroupLedgerQuery alone")
        return self._open_walk(query)

    def _end(self, outcome: LedgerOutcome) -> LedgerOutcome:
        if outcome.error is None:
            self._count.done += 1
            return outcome
        self._count.failed += 1
        if self._fail_fast:
            raise outcome.error
        outcome.error.__traceback__ = None  # its frames hold the walk, and an outcome may be kept for long
        return outcome
