"""``session.events(query)``: the details of any number of events as ``async for``."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from capledger._sansio.context import RequestContext
from capledger.errors import CapledgerError
from capledger.events.batches import EventBatchQueue
from capledger.iteration import Iteration
from capledger.models import LedgerEvent, WalkReport
from capledger.models.counting import has_pending_events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from capledger._sansio.sending import Fetch
    from capledger.events.batches import EventBatch, Key
    from capledger.queries import EventDetailsQuery


class EventWalk:
    """A walk over the details of events, in the order in which the query names them.

    What the service has no details of is in :attr:`missing`, and the rest is yielded all the same. An id named twice is
    requested once and its event yielded twice, the same object; a reference may stand for several events.

    After a ``break`` or an error, iterating again continues with the next event, and what failed is retried; a walk
    that has ended cannot be iterated again. One consumer at a time.
    """

    def __init__(self, query: EventDetailsQuery, *, fetch: Fetch, prefetch: int = 4) -> None:
        self._keys: deque[Key] = deque(query.event_ids or query.event_reference_ids)
        self._uses = Counter(self._keys)
        self._report = WalkReport()
        context = RequestContext(self._report)
        self._queue = EventBatchQueue(
            query, iter(self._uses), fetch=fetch, report=self._report, context=context, prefetch=prefetch
        )
        self._found: dict[Key, list[LedgerEvent]] = {}
        self._ready: deque[LedgerEvent] = deque()
        self._ended = False

    def __repr__(self) -> str:
        return f"<EventWalk {self._report.rows_yielded} events yielded, complete={self._report.complete}>"

    def __aiter__(self) -> AsyncIterator[LedgerEvent]:
        return Iteration(self, self.__anext__)

    async def __anext__(self) -> LedgerEvent:
        while not self._ready:
            await self._advance()
            if self._ended:
                raise StopAsyncIteration
        self._report.rows_yielded += 1
        return self._ready.popleft()

    async def collect(self) -> list[LedgerEvent]:
        """Return all events that were not yielded yet, as a list."""
        return [event async for event in self]

    async def aclose(self) -> None:
        """End the requests under way; iterating again continues with the next event."""
        await self._queue.aclose()

    def _leave(self) -> None:
        """End the requests under way, unless a consumer waits for the next event."""
        if not self._queue.busy:
            self._queue.stop()

    @property
    def missing(self) -> list[int | str]:
        """Ids or references read so far that the service has no details of; each once, in order."""
        return self._report.missing

    @property
    def report(self) -> WalkReport:
        """Counters of the walk, live; always the same object."""
        return self._report

    async def _advance(self) -> None:
        """Wait for the next batch and make its events ready, or end the walk."""
        if self._ended:
            raise CapledgerError("this walk has ended: call session.events(query) for another one")
        batch = await self._queue.next()
        if batch is None:
            self._ended = True
            self._report.complete = not has_pending_events(self._report)
        else:
            self._add(batch)

    def _add(self, batch: EventBatch) -> None:
        """Make the events ready that are next in order; keep those that are named again later."""
        self._found |= batch.found
        self._report.missing += batch.missing
        while self._keys and self._keys[0] in self._found:
            key = self._keys.popleft()
            self._ready += self._found[key]
            self._uses[key] -= 1
            if not self._uses[key]:
                del self._found[key]
