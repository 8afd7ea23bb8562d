"""Fetches under way: a few at a time, collected as they finish, ended all at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from capledger._requests import Arrived, Request
    from capledger.models import WalkReport

K = TypeVar("K")
T = TypeVar("T")


class Fetch(Protocol):
    """What walks get in place of a session."""

    def __call__(
        self, request: Request[T], report: WalkReport, arrived: Arrived | None = None, /
    ) -> Coroutine[object, object, T]:
        """Fetch a typed answer, and count in the report what that costs."""


class Ahead(Generic[K, T]):
    """Tasks by key, for one that waits for them."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[T]] = {}
        self._finished: list[K] = []
        self._waiter: asyncio.Future[None] | None = None
        self._ending: list[asyncio.Task[T]] = []

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, key: K) -> bool:
        return key in self._tasks

    def start(self, key: K, fetch: Callable[[], Awaitable[T]]) -> None:
        """Begin to fetch."""
        task = asyncio.get_running_loop().create_task(self._run(key, fetch))
        self._tasks[key] = task
        task.add_done_callback(partial(self._see_off, key))

    async def _run(self, key: K, fetch: Callable[[], Awaitable[T]]) -> T:
        try:
            return await fetch()
        finally:
            # A turn of the loop before the callback: who waits here is to go on before another answer is decoded.
            self._note(key, asyncio.current_task())

    def _see_off(self, key: K, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # looked at, so that a walk that was left does not warn about it
        if task in self._ending:
            self._ending.remove(task)
        self._note(key, task)  # one that never ran did not do it by itself

    def _note(self, key: K, task: asyncio.Task[T] | None) -> None:
        if self._tasks.get(key) is task and key not in self._finished:
            self._finished.append(key)
            self._wake()

    async def first(self) -> tuple[K, asyncio.Task[T]] | None:
        """Wait for a fetch to finish and give it, in the order in which they finish; None if they were ended."""
        while not self._finished:
            if not self._tasks:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        key = self._finished.pop(0)
        return key, self._tasks.pop(key)

    def stop(self) -> list[asyncio.Task[T]]:
        """End everything under way at once; give the tasks that are ending, for who wants to await that."""
        self._ending += [task for task in self._tasks.values() if not task.done()]
        for task in self._tasks.values():
            with suppress(RuntimeError):  # the loop is closed, and its tasks with it
                task.cancel()
        self._tasks.clear()
        self._finished.clear()
        self._wake()
        return list(self._ending)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            with suppress(RuntimeError):  # the loop is closed
                self._waiter.set_result(None)
