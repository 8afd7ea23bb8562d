"""Pages that are requested ahead: a few at a time, taken in the order of reading, ended all at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from capledger.errors import ConcurrentUseError, PaginationError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from capledger._sansio.sending import Received
    from capledger.models import LedgerPage
    from capledger.walk.listing import Listing

#: Responses that a listing may take: so many for each with rows that none had before, and so many besides.
_MOST_A_PAGE, _MOST_BESIDES = 8, 24

_CLOSED: Final = "the walk was closed while another task waited for its next entry"


class PageKey(NamedTuple):
    """One page of a listing."""

    listing: Listing
    number: int
    """From 0, whatever the service counts."""
    size: int
    """Rows that a page of the service holds: the page begins at row ``number * size``."""
    limit: int
    """Rows that are requested."""
    offset: int


class Prefetch:
    """Requests under way and pages that wait, together never more than ``limit``, but for the page needed now."""

    def __init__(
        self,
        send: Callable[[PageKey], Coroutine[Any, Any, Received[LedgerPage]]],
        limit: int,
        received: Callable[[LedgerPage], None],
    ) -> None:
        self._send = send
        self._limit = limit
        self._received = received
        self._tasks: dict[PageKey, asyncio.Task[Received[LedgerPage]]] = {}
        self._kept: dict[PageKey, LedgerPage] = {}
        self._times_closed = 0
        self._waiting: asyncio.Task[Any] | None = None
        self._received_count = 0
        self._useful_count = 0
        self._ending: set[asyncio.Task[Received[LedgerPage]]] = set()

    def keep(self, key: PageKey, page: LedgerPage) -> None:
        """Hold a page that is needed again later."""
        self._kept[key] = page

    def pop(self, key: PageKey) -> LedgerPage | None:
        """Return a page that is held, and hold it no longer."""
        return self._kept.pop(key, None)

    def note_new_rows(self) -> None:
        """Count the latest page as one with rows that no page had before."""
        self._useful_count += 1

    def note_end(self) -> None:
        """Begin to count anew, for the next listing."""
        self._received_count = self._useful_count = 0

    def start(self, keys: Iterable[PageKey]) -> None:
        """Request pages ahead, in this order, as far as there is room."""
        for key in keys:
            if len(self._tasks) + len(self._kept) >= self._limit:
                return
            if key not in self._tasks and key not in self._kept:
                self._request(key)

    async def take(self, key: PageKey, following: Callable[[], Iterable[PageKey]]) -> LedgerPage:
        """Return the page that is needed now; what follows is requested before it is decoded."""
        if (held := self.pop(key)) is not None:
            self.start(following())
            return held
        if key not in self._tasks and not self._tasks and next(iter(following()), None) is None:
            page = await self._directly(key)
        else:
            page = await (await self._response(key, following)).value()
        self._received(page)
        self._received_count += 1
        if self._received_count > _MOST_A_PAGE * self._useful_count + _MOST_BESIDES:
            raise PaginationError("many responses have brought no further entries, and do not add up")
        return page

    async def _directly(self, key: PageKey) -> LedgerPage:
        """Return a page beside which there is nothing to do, so that it needs no task of its own."""
        times_closed, self._waiting = self._times_closed, asyncio.current_task()
        try:
            return await (await self._send(key)).value()
        except asyncio.CancelledError:
            if self._times_closed == times_closed or self._waiting is None:
                raise
            self._waiting.uncancel()
            raise ConcurrentUseError(_CLOSED) from None
        finally:
            self._waiting = None

    async def _response(self, key: PageKey, following: Callable[[], Iterable[PageKey]]) -> Received[LedgerPage]:
        if key not in self._tasks:
            self._drop_stale(key, following)
            self._request(key)
        self.start(following())
        times_closed = self._times_closed
        while True:
            task = self._tasks.get(key) or self._request(key)
            await asyncio.wait([task])
            if not task.cancelled():
                break
            if self._times_closed != times_closed:
                raise ConcurrentUseError(_CLOSED)
        self._tasks.pop(key, None)
        pending = task.result()
        self.start(following())
        await asyncio.sleep(0)  # what was started is sent before this page is decoded
        return pending

    def stop(self) -> list[asyncio.Task[Received[LedgerPage]]]:
        """End everything under way at once; return the tasks that are ending, for callers that await that."""
        self._kept.clear()
        self._cancel(list(self._tasks))
        return list(self._ending)

    def close(self) -> list[asyncio.Task[Received[LedgerPage]]]:
        """End everything like :meth:`stop`, and also whoever waits for a page."""
        self._times_closed += 1
        if self._waiting is not None:
            self._waiting.cancel()
        return self.stop()

    def _request(self, key: PageKey) -> asyncio.Task[Received[LedgerPage]]:
        task = self._tasks[key] = asyncio.get_running_loop().create_task(self._send(key))
        task.add_done_callback(self._finish)
        return task

    def _finish(self, task: asyncio.Task[Received[LedgerPage]]) -> None:
        if not task.cancelled():
            task.exception()  # retrieved, so that a walk that was left does not warn about it
        self._ending.discard(task)

    def _drop_stale(self, key: PageKey, following: Callable[[], Iterable[PageKey]]) -> None:
        """Make room for a page that was not expected, by ending what is no longer going to be needed."""
        if len(self._tasks) + len(self._kept) >= self._limit:
            needed = {key, *islice(following(), self._limit)}
            for held in [held for held in self._kept if held not in needed]:
                del self._kept[held]
            self._cancel([other for other in self._tasks if other not in needed])

    def _cancel(self, keys: list[PageKey]) -> None:
        for key in keys:
            task = self._tasks.pop(key)
            if not task.done():
                self._ending.add(task)
                with suppress(RuntimeError):  # the loop is closed, and its tasks with it
                    task.cancel()
