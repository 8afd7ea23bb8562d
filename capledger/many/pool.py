"""A pool of workers: a bounded number of items in work, results taken one by one, everything ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Generic, TypeVar

from capledger.errors import ConcurrentUseError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from typing import Self

Item = TypeVar("Item")
Result = TypeVar("Result")

HandOver = Callable[[Result], Awaitable[None]]
Work = Callable[[Item, HandOver[Result]], Awaitable[Result]]


class WorkerPool(Generic[Item, Result]):
    """Async iterator over the results of work on many items, as they finish or in the order of the items.

    An item takes a slot when it is drawn and frees it when its last result is taken, so items are drawn no faster than
    results are taken. An error of the work or of the items ends the pool: what had finished is returned first, then
    the error is raised.

    Args:
        items: drawn one at a time, while a slot is free.
        work: returns the last result for an item. It passes earlier ones to its second argument, which waits until
            they are taken.
        size: number of slots.
        ordered: return results in the order of the items; only for work that has one result an item.
    """

    def __init__(
        self, items: AsyncIterator[Item], work: Work[Item, Result], *, size: int, ordered: bool = False
    ) -> None:
        self._items = items
        self._work = work
        self._slots = asyncio.Semaphore(size)
        self._ordered = ordered
        self._numbers = count()
        self._position = 0
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()
        # By number: a result, and what to call when it is taken.
        self._ready: dict[int, tuple[Result, Callable[[], None]]] = {}
        self._waiter: asyncio.Future[None] | None = None
        self._started = self._exhausted = self._stopped = False
        self._error: BaseException | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Result:
        """Return the next result; wait for it where necessary.

        Raises:
            StopAsyncIteration: all results were taken.
            ConcurrentUseError: another task is waiting for the next result.
            ConfigurationError: the pool was stopped.
        """
        if self.busy:
            raise ConcurrentUseError("two tasks iterate over one object: use one for each, with its share of queries")
        if not self._started:
            self._started = True
            self._start_task(self._draw_items())
        try:
            await self._wait_for_result()
        except BaseException:
            await self.aclose()
            raise
        if self._position not in self._ready:
            raise StopAsyncIteration
        result, on_taken = self._ready.pop(self._position)
        self._position += 1
        on_taken()
        return result

    @property
    def busy(self) -> bool:
        """Whether a consumer waits for the next result."""
        return self._waiter is not None

    @property
    def ended(self) -> bool:
        """Whether all results were taken, or the pool was stopped."""
        return self._finished or self._stopped

    async def aclose(self) -> None:
        """End what is in work, and wait for its end."""
        self._started = True
        self.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stop(self) -> None:
        """End what is in work without waiting for its end, and drop the results that were not taken."""
        if self._started and not self._finished:
            self._stopped = True
            for task in self._tasks:
                with suppress(RuntimeError):  # the loop is closed, and its tasks with it
                    task.cancel()
        self._ready.clear()

    # The consumer's side

    @property
    def _finished(self) -> bool:
        return self._exhausted and not self._open

    async def _wait_for_result(self) -> None:
        while self._position not in self._ready and not self._finished:
            self._raise_if_stopped()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _raise_if_stopped(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if self._stopped:
            raise ConfigurationError(
                "this iteration was closed, left or ended by an error: start a new one with the queries that are left"
            )

    def _wake_consumer(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # The workers' side

    async def _draw_items(self) -> None:
        await self._slots.acquire()
        async for item in self._items:
            self._open += 1
            self._start_task(self._run(item, next(self._numbers) if self._ordered else None))
            await self._slots.acquire()
        self._exhausted = True

    async def _run(self, item: Item, number: int | None) -> None:
        self._put(await self._work(item, self._hand_over), self._free_slot, number)

    async def _hand_over(self, result: Result) -> None:
        taken = asyncio.Event()
        self._put(result, taken.set)
        await taken.wait()

    def _put(self, result: Result, on_taken: Callable[[], None], number: int | None = None) -> None:
        self._ready[next(self._numbers) if number is None else number] = (result, on_taken)
        self._wake_consumer()

    def _free_slot(self) -> None:
        self._open -= 1
        self._slots.release()

    def _start_task(self, coroutine: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None and not self._stopped:
            self._error = error
            self._stop_after_error()
        self._wake_consumer()

    def _stop_after_error(self) -> None:
        """Stop, but keep the results that are ready: the consumer takes them before the error."""
        ready = self._ready.copy()
        self.stop()
        self._ready.update(ready)
