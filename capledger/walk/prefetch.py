"""Fetches under way: a few at a time, collected as they finish or as they are needed, ended all at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from capledger._sansio.context import RequestContext
    from capledger._sansio.requests import PageT, Request

K = TypeVar("K")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Fetch(Protocol):
    """What walks get in place of a session."""

    def __call__(self, request: Request[PageT], context: RequestContext, /) -> Coroutine[Any, Any, PageT]:
        """Send a request and return the decoded response."""


class PendingResponse(Protocol[T_co]):
    """A response that has arrived and may not be decoded yet."""

    async def value(self) -> T_co:
        """Return the decoded response; where the body proves broken, retry the request first."""


class Send(Protocol):
    """What walks get that choose when a response is decoded."""

    def __call__(
        self, request: Request[PageT], context: RequestContext, /
    ) -> Coroutine[Any, Any, PendingResponse[PageT]]:
        """Send a request and return its response, which may not be decoded yet."""


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

    def start(self, key: K, fetch: Coroutine[object, object, T]) -> None:
        """Begin to fetch."""
        task = self._tasks[key] = asyncio.get_running_loop().create_task(fetch)
        task.add_done_callback(partial(self._see_off, key))

    def _see_off(self, key: K, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # looked at, so that a walk that was left does not warn about it
        if self._tasks.get(key) is task:
            self._finished.append(key)
            self._wake()
        elif task in self._ending:
            self._ending.remove(task)

    async def first(self, preferred: K | None = None) -> tuple[K, asyncio.Task[T]] | None:
        """Wait for a fetch to finish and give it, the one preferred before others; None if they were ended."""
        while not self._finished:
            if not self._tasks:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        place = self._finished.index(preferred) if preferred in self._finished else 0
        key = self._finished.pop(place)
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
