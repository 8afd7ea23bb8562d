"""Pages that are requested ahead: a few at a time, taken in the order of reading, ended all at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from capledger.errors import ConcurrentUseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

    from capledger._sansio.context import RequestContext
    from capledger._sansio.sending import Received, Send
    from capledger.models import LedgerPage
    from capledger.walk.listing import PageKey


class Prefetch:
    """Requests under way and pages that wait, together never more than ``limit``, but for the page needed now."""

    def __init__(self, send: Send, context: RequestContext, limit: int, received: Callable[[LedgerPage], None]) -> None:
        self._send = send
        self._context = context
        self._limit = limit
        self._received = received
        self.kept: dict[PageKey, LedgerPage] = {}
        """Pages that are needed again later."""
        self._tasks: dict[PageKey, asyncio.Task[Received[LedgerPage]]] = {}
        self._ending: set[asyncio.Task[Received[LedgerPage]]] = set()
        self._waiting: asyncio.Task[Any] | None = None
        self._times_closed = 0

    async def take(self, key: PageKey, following: Callable[[], Iterable[PageKey]] = tuple) -> LedgerPage:
        """Return the page that is needed now; what follows is requested before it is decoded.

        Raises:
            ConcurrentUseError: the walk was closed meanwhile.
        """
        if key in self.kept:
            held = self.kept.pop(key)
            self.start(following())
            return held
        times_closed, self._waiting = self._times_closed, asyncio.current_task()
        try:
            page = await (await self._response(key, following)).value()
        except asyncio.CancelledError:
            if self._times_closed == times_closed or self._waiting is None:
                raise
            self._waiting.uncancel()
            raise ConcurrentUseError("the walk was closed while another task waited for its next entry") from None
        finally:
            self._waiting = None
        self._received(page)
        return page

    async def _response(self, key: PageKey, following: Callable[[], Iterable[PageKey]]) -> Received[LedgerPage]:
        task = self._tasks.get(key)
        if task is None:
            if len(self._tasks) + len(self.kept) >= self._limit:
                self.stop({*islice(following(), self._limit)})  # this page was not expected
                await asyncio.sleep(0)
            self.start(following(), 1)
            response = await self._send(key.listing.request(key), self._context)
        else:
            self.start(following())
            await asyncio.wait([task])
            self._tasks.pop(key, None)
            response = await self._send(key.listing.request(key), self._context) if task.cancelled() else task.result()
        self.start(following())
        if self._tasks:
            await asyncio.sleep(0)  # what was started is sent before this page is decoded
        return response

    def start(self, keys: Iterable[PageKey], others: int = 0) -> None:
        """Request pages ahead, in this order, as far as there is room beside others."""
        for key in keys:
            if len(self._tasks) + len(self.kept) + others >= self._limit:
                return
            if key not in self._tasks and key not in self.kept:
                sending = self._send(key.listing.request(key), self._context)
                task = self._tasks[key] = asyncio.get_running_loop().create_task(sending)
                task.add_done_callback(self._finish)

    def stop(self, needed: AbstractSet[PageKey] = frozenset()) -> list[asyncio.Task[Received[LedgerPage]]]:
        """End everything at once, but for the pages needed; return the tasks that are ending, to be awaited."""
        for key in self.kept.keys() - needed:
            del self.kept[key]
        for task in map(self._tasks.pop, self._tasks.keys() - needed):
            if not task.done():
                self._ending.add(task)
                with suppress(RuntimeError):  # the loop is closed, and its tasks with it
                    task.cancel()
        return list(self._ending)

    def close(self) -> list[asyncio.Task[Received[LedgerPage]]]:
        """End everything like :meth:`stop`, and also whoever waits for a page."""
        self._times_closed += 1
        if self._waiting is not None:
            self._waiting.cancel()
        return self.stop()

    def _finish(self, task: asyncio.Task[Received[LedgerPage]]) -> None:
        if not task.cancelled():
            task.exception()  # retrieved, so that a walk that was left does not warn about it
        self._ending.discard(task)
