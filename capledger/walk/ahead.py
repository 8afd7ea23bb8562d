"""Fetches under way: a few at a time, ended all at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

K = TypeVar("K")
T = TypeVar("T")


class Ahead(Generic[K, T]):
    """Tasks by key, collected as they finish."""

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[T]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, key: K) -> bool:
        return key in self._tasks

    def start(self, key: K, fetch: Coroutine[object, object, T]) -> None:
        """Begin to fetch."""
        task = asyncio.get_running_loop().create_task(fetch)
        task.add_done_callback(_retrieve)
        self._tasks[key] = task

    async def first(self) -> tuple[K, asyncio.Task[T]] | None:
        """Wait for a fetch to finish and give it; the one begun first, if several have; None if they were ended."""
        await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        key = next((key for key, task in self._tasks.items() if task.done()), None)
        return None if key is None else (key, self._tasks.pop(key))

    def stop(self) -> list[asyncio.Task[T]]:
        """End everything under way at once; give the tasks, for who wants to await their end."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            with suppress(RuntimeError):  # the loop is closed, and its tasks with it
                task.cancel()
        return tasks


def _retrieve(task: asyncio.Task[object]) -> None:
    """Look at a failure, so that a walk that was left does not warn about it."""
    if not task.cancelled():
        task.exception()
