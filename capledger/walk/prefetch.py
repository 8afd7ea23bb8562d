"""Fetches under way: a few at a time, collected as they finish or as they are needed, ended all at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from capledger._sansio.requests import Request
    from capledger.models import WalkReport

K = TypeVar("K")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Fetch(Protocol):
    """What walks get in place of a session."""

    def __call__(self, request: Request[T], report: WalkReport, /) -> Coroutine[object, object, T]:
        """Fetch a typed answer, and count in the report what that costs."""


class PendingResponse(Protocol[T_co]):
    """An answer that is here."""

    def read(self) -> T_co | None:
        """Make of it what was asked for; None where it is broken."""

    def again(self) -> Coroutine[object, object, PendingResponse[T_co]]:
        """Ask again for what was broken."""


class Send(Protocol):
    """What walks get that want to choose when an answer is read."""

    def __call__(self, request: Request[T], report: WalkReport, /) -> Coroutine[object, object, PendingResponse[T]]:
        """Fetch an answer, and count in the report what that costs."""


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
