"""The session without ``async``, for scripts and notebooks, as returned by ``LedgerSession.sync(...)``.

Nothing is implemented twice: each call runs the session's own method in a thread with an event loop. Iterables of
queries and callbacks are called in that thread.
"""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, overload

from capledger.balances import BalanceWalk
from capledger.errors import SessionClosedError
from capledger.events import EventWalk
from capledger.models import LedgerEntry
from capledger.walk import LedgerWalk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator
    from typing import Self, Unpack

    from capledger.many import (
        BalanceOutcome,
        BalanceQueries,
        FetchOptions,
        LedgerOutcome,
        ManyWalks,
        Progress,
        Queries,
        StreamOptions,
        WalkOptions,
    )
    from capledger.models import Balance, LedgerEvent, LedgerPage, WalkReport
    from capledger.queries import BalanceQuery, EventDetailsQuery, LedgerQuery
    from capledger.session import LedgerSession

T = TypeVar("T")
WalkT = TypeVar("WalkT", bound=LedgerWalk | EventWalk | BalanceWalk)

_END: Final[Any] = object()


#: Turns of the event loop in which connections report that they are closed.
_TURNS_TO_CLOSE = 5


async def _end_tasks() -> None:
    """Cancel the tasks of this loop, and let its connections close, which takes them a turn of the loop or two."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
    for _ in range(_TURNS_TO_CLOSE):
        await asyncio.sleep(0)


class _LoopThread:
    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="capledger", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine; Ctrl-C cancels it."""
        if self._loop.is_closed():
            coroutine.close()
            raise SessionClosedError("the session is closed: open another one")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def clear(self, owner: list[Any]) -> None:
        """Empty a list in the loop, where the end of what it holds may cancel tasks."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(owner.clear)

    def close(self) -> None:
        self.run(_end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class BlockingIterator(Generic[T]):
    """Iterates over what an asynchronous iterator yields."""

    def __init__(self, thread: _LoopThread, items: AsyncIterator[T]) -> None:
        self._thread = thread
        self._items = [items]

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        item = self._thread.run(self._next())
        if item is _END:
            raise StopIteration
        return item

    async def _next(self) -> T:
        return await anext(self._items[0], _END)

    def __del__(self) -> None:
        self._thread.clear(self._items)


class BlockingWalk(Generic[WalkT, T]):
    """A walk for ``for``; it keeps its position, as :class:`~capledger.LedgerWalk` does."""

    def __init__(self, thread: _LoopThread, walk: WalkT) -> None:
        self._thread = thread
        self.walk: WalkT = walk
        """The walk itself, for its properties: ``cursor``, ``start``, ``end``, ``missing``."""

    def __iter__(self) -> Iterator[T]:
        items: Any = aiter(self.walk)
        return BlockingIterator(self._thread, items)

    def collect(self) -> list[T]:
        """Return all that was not yielded yet, as a list."""
        collected: Any = self._thread.run(self.walk.collect())
        return list(collected)

    @property
    def report(self) -> WalkReport:
        """Counters of the walk, live."""
        return self.walk.report


class BlockingLedgerWalk(BlockingWalk[LedgerWalk, LedgerEntry]):
    """A walk over a ledger for ``for``."""

    @property
    def cursor(self) -> str:
        """Position behind the last entry yielded, to resume from."""
        return self.walk.cursor

    def pages(self) -> Iterator[LedgerPage]:
        """Iterate over the pages that entries come on; several times as fast as one entry at a time."""
        return BlockingIterator(self._thread, self.walk.pages())

    def to_arrow(self) -> Any:  # noqa: ANN401 - pyarrow ships no types
        """Return all entries from the walk's position on, as a ``pyarrow.Table``."""
        return self._thread.run(self.walk.to_arrow())


class BlockingManyWalks(BlockingIterator[T]):
    """Walks over many ledgers at once, for ``for``; iterate over it once."""

    def __init__(self, thread: _LoopThread, walks: ManyWalks[T]) -> None:
        super().__init__(thread, walks)
        self.progress: Progress = walks.progress
        """Progress, live."""


class BlockingSession:
    """A session without ``async``, as returned by ``LedgerSession.sync(...)``; use it as ``with``.

    Methods and arguments are those of :class:`~capledger.LedgerSession`.
    """

    def __init__(self, session: LedgerSession) -> None:
        self._session = session
        self._loop_thread: _LoopThread | None = None

    def __enter__(self) -> Self:
        self._loop_thread = _LoopThread()
        self._loop_thread.run(self._session.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End requests under way and close the connections; may be called again."""
        thread, self._loop_thread = self._loop_thread, None
        if thread is not None:
            thread.run(self._session.close())
            thread.close()

    @property
    def _thread(self) -> _LoopThread:
        if self._loop_thread is None:
            raise SessionClosedError("open the session first: with LedgerSession.sync(...) as session")
        return self._loop_thread

    def entries(self, query: LedgerQuery, **options: Unpack[WalkOptions]) -> BlockingLedgerWalk:
        """Return a walk over a ledger: ``for entry in session.entries(query)``."""
        return BlockingLedgerWalk(self._thread, self._session.entries(query, **options))

    def events(self, query: EventDetailsQuery, *, prefetch: int = 4) -> BlockingWalk[EventWalk, LedgerEvent]:
        """Return a walk over the details of events: ``for event in session.events(query)``."""
        return BlockingWalk(self._thread, self._session.events(query, prefetch=prefetch))

    def balances(self, query: BalanceQuery) -> BlockingWalk[BalanceWalk, Balance]:
        """Return a walk over the balances of a customer: ``for balance in session.balances(query)``."""
        return BlockingWalk(self._thread, self._session.balances(query))

    @overload
    def fetch_many(self, queries: Queries, **options: Unpack[FetchOptions]) -> BlockingManyWalks[LedgerOutcome]: ...

    @overload
    def fetch_many(
        self, queries: BalanceQueries, **options: Unpack[FetchOptions]
    ) -> BlockingManyWalks[BalanceOutcome]: ...

    def fetch_many(self, queries: Any, **options: Unpack[FetchOptions]) -> BlockingManyWalks[Any]:
        """Read many ledgers, or balances: ``for outcome in session.fetch_many(queries)``."""
        return BlockingManyWalks(self._thread, self._session.fetch_many(queries, **options))

    def stream_many(
        self, queries: Queries, **options: Unpack[StreamOptions]
    ) -> BlockingManyWalks[tuple[LedgerQuery, LedgerPage]]:
        """Read many ledgers page by page: ``for query, page in session.stream_many(queries)``."""
        return BlockingManyWalks(self._thread, self._session.stream_many(queries, **options))
