"""Servers for ``async with``; for ``with``, in code without an event loop, they run in a thread of their own."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from threading import Thread, current_thread
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

T = TypeVar("T")


#: Turns of the event loop in which an accepted connection gets its transport, its streams and the task that reads them.
_TURNS_TO_CONNECT = 3
#: Turns of the event loop in which connections report that they are closed.
_TURNS_TO_CLOSE = 5


async def stop_listening(listener: asyncio.Server) -> None:
    """Accept no more connections, and close the listening sockets once every connection accepted has its handler.

    asyncio never closes a socket that it accepted but has no transport for when ``Server.close`` is called:
    https://github.com/python/cpython/issues/109564
    """
    with suppress(NotImplementedError):  # by the loop of Windows, which accepts without readers
        for listening in listener.sockets:
            asyncio.get_running_loop().remove_reader(listening)
    for _ in range(_TURNS_TO_CONNECT):
        await asyncio.sleep(0)
    listener.close()


async def _end_tasks() -> None:
    """Cancel the tasks of this loop, and let its connections close, which takes them a turn of the loop or two."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
    for _ in range(_TURNS_TO_CLOSE):
        await asyncio.sleep(0)


class LoopThread:
    """Runs coroutines and functions in an event loop of its own, which starts with it and ends with ``close``."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="capledger sandbox", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def call(self, function: Callable[[], T]) -> T:
        """Return the result of a function; requests are not served meanwhile."""

        async def call() -> T:
            return function()

        return function() if current_thread() is self._thread else self.run(call())

    def close(self) -> None:
        """End the loop and the thread."""
        self.run(_end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class LoopbackServer(ABC):
    """A server that starts and ends with ``async with`` or ``with``."""

    _thread: LoopThread | None = None

    @abstractmethod
    async def start(self) -> None:
        """Start to listen."""

    @abstractmethod
    async def close(self) -> None:
        """Stop listening, and drop what is in flight."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __enter__(self) -> Self:
        self._thread = LoopThread()
        try:
            self._thread.run(self.start())
        except BaseException:
            self._end_thread()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_thread()

    def _end_thread(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.run(self.close())
            thread.close()

    def _change(self, change: Callable[[], T]) -> T:
        """Apply a change, between two requests if they are served by another thread."""
        return change() if self._thread is None else self._thread.call(change)
