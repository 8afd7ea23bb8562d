"""Work on many things at once: begun when there is room, handed over one by one, ended all together.

Room is taken when a query is drawn and free again when its result was handed over, so that queries are drawn no faster
than results are taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count as counter
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from capledger.errors import ConfigurationError
from capledger.many.queries import Nothing
from capledger.queries import LedgerQuery

if TYPE_CHECKING:
    from capledger.many.progress import Count
    from capledger.many.queries import Source

T = TypeVar("T")

Give = Callable[[T], Awaitable[None]]
Work = Callable[[LedgerQuery, Give[T]], Awaitable[T]]

#: Queries drawn in one go, before others get their turn: an iterable may be full of repeats.
_DRAWS: Final = 1_000


class Crowd(Generic[T]):
    """Results of many queries, as they finish or in the order of the queries.

    An error of the work or of the iterable ends all of it. It is raised after the results that were there by then.

    Args:
        source: the queries.
        work: returns the last result for a query; those before it are given to its second argument, which waits until
            they were handed over.
        count: is told when it begins and ends.
        room: queries drawn of which the last result was not handed over yet, at the most.
        ordered: results in the order of the queries; for work that gives none but the last.
    """

    def __init__(self, source: Source, work: Work[T], count: Count, *, room: int, ordered: bool = False) -> None:
        self._source = source
        self._work = work
        self._count = count
        self._room = room
        self._open = 0
        self._numbers = counter()
        self._ordered = ordered
        self._tasks: set[asyncio.Task[None]] = set()
        self._drawing: asyncio.Task[None] | None = None
        self._ending: list[asyncio.Task[Any]] = []
        #: By number: a result, and whom to tell that it was handed over.
        self._ready: dict[int, tuple[T, Callable[[], None]]] = {}
        self._turn = 0
        self._news: asyncio.Future[None] | None = None
        self._begun = self._stopped = False
        self._failure: BaseException | None = None

    # What goes

    async def next(self) -> T:
        """Give the next result; wait for it if need be.

        Raises:
            StopAsyncIteration: that was all.
            ConfigurationError: it was stopped, or somebody else is waiting for the next result.
        """
        if self._news is not None:
            raise ConfigurationError("two tasks iterate over one object: give each its own, with its share of queries")
        try:
            await self._await_turn()
        except BaseException:
            await self.aclose()
            raise
        if self._turn not in self._ready:
            raise StopAsyncIteration
        result, taken = self._ready.pop(self._turn)
        self._turn += 1
        taken()
        return result

    async def _await_turn(self) -> None:
        """Wait until the next result is there, or all is over."""
        if not self._begun:
            self._begun = True
            self._count.begin()
            self._fill()
        while self._turn not in self._ready and not self._over:
            self._raise_if_stopped()
            self._news = asyncio.get_running_loop().create_future()
            try:
                await self._news
            finally:
                self._news = None
        if self._over:
            self._count.end()

    @property
    def _over(self) -> bool:
        return self._source.exhausted and not self._open and not self._stopped

    def _raise_if_stopped(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if self._stopped:
            raise ConfigurationError(
                "this was left or ended by an error: begin anew with the queries still to be asked"
            )

    # What comes

    def _fill(self) -> None:
        """Draw queries while there is room; where they have to be awaited, see that somebody does."""
        if self._source.waits:
            if self._drawing is None and self._has_room:
                self._drawing = asyncio.get_running_loop().create_task(self._draw())
            return
        try:
            for _ in range(_DRAWS):
                if not self._has_room:
                    return
                self._begin(self._source.draw_now())
        except Exception as error:  # noqa: BLE001 (whatever it is, the consumer gets it)
            self._fail(error)
        asyncio.get_running_loop().call_soon(self._fill)

    async def _draw(self) -> None:
        try:
            while self._has_room:
                self._begin(await self._source.draw_later())
        except asyncio.CancelledError as error:
            self._fail(error)
            raise
        except Exception as error:  # noqa: BLE001 (whatever it is, the consumer gets it)
            self._fail(error)
        finally:
            self._drawing = None
            self._wake()

    @property
    def _has_room(self) -> bool:
        return self._open < self._room and not self._source.exhausted

    def _begin(self, query: LedgerQuery | Nothing) -> None:
        if isinstance(query, Nothing):
            return
        self._open += 1
        number = next(self._numbers) if self._ordered else None
        task = asyncio.get_running_loop().create_task(self._run(query, number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, query: LedgerQuery, number: int | None) -> None:
        try:
            result = await self._work(query, self._give)
        except asyncio.CancelledError as error:
            self._fail(error)
            raise
        except Exception as error:  # noqa: BLE001 (whatever it is, the consumer gets it)
            self._fail(error)
        else:
            self._put(result, self._leave, number)

    async def _give(self, result: T) -> None:
        taken = asyncio.Event()
        self._put(result, taken.set)
        await taken.wait()

    def _put(self, result: T, taken: Callable[[], None], number: int | None = None) -> None:
        self._ready[next(self._numbers) if number is None else number] = (result, taken)
        self._wake()

    def _leave(self) -> None:
        self._open -= 1
        self._fill()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # The end

    def _fail(self, error: BaseException) -> None:
        """End all of it for this reason, unless it has been ended before."""
        if not self._stopped:
            self._failure = error
            self._stop()
            self._wake()

    def stop(self) -> None:
        """End what is under way, without waiting for its end, and forget what was not handed over."""
        if self._begun and not self._stopped and not self._over:
            self._stop()
        self._ready.clear()

    def _stop(self) -> None:
        self._stopped = True
        self._source.close()
        tasks = [*self._tasks] if self._drawing is None else [*self._tasks, self._drawing]
        self._ending = [*self._count.stop_walks(), *tasks]
        with suppress(RuntimeError):  # the loop is closed, and its tasks with it
            current = asyncio.current_task()
            for task in tasks:
                if task is not current:
                    task.cancel()
        self._count.end()

    async def aclose(self) -> None:
        """End what is under way, and wait for its end."""
        self._begun = True
        self.stop()
        await asyncio.gather(*self._ending, return_exceptions=True)
