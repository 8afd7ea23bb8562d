"""``session.events(query)``: the details of any number of events as ``async for``."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from capledger._sansio.context import RequestContext
from capledger.errors import ConcurrentUseError
from capledger.models import LedgerEvent, WalkReport
from capledger.walk.inquiries import Inquiries
from capledger.walk.loop import Loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from capledger.queries import EventDetailsQuery
    from capledger.walk.inquiry import Inquiry, Key
    from capledger.walk.prefetch import Fetch

#: The service works on events of the customer, so what is missing may still come.
_PENDING_EVENTS = 11002


class EventWalk:
    """A walk over the details of events, in the order in which the query names them.

    What the service has no details of is in :attr:`missing`, and the rest comes all the same. An id named twice is
    asked for once and its event given twice, the same object; a reference may stand for several events.

    The walk keeps its place: after a ``break`` or an error, iterating again goes on with the next event, and what
    failed is asked for again. One consumer at a time.
    """

    def __init__(self, query: EventDetailsQuery, *, fetch: Fetch, prefetch: int = 4) -> None:
        self._places: Sequence[Key] = query.event_ids or query.event_reference_ids
        #: How often each is still to be given, in the order of first places.
        self._uses: Counter[Key] = Counter(self._places)
        self._report = WalkReport()
        self._inquiries = Inquiries(
            query,
            self._uses,
            fetch=fetch,
            report=self._report,
            context=RequestContext(self._report),
            prefetch=prefetch,
        )
        #: Events that came and are still to be given, by what they were asked by.
        self._answers: dict[Key, list[LedgerEvent]] = {}
        self._place = 0
        self._events: list[LedgerEvent] = []
        self._index = 0
        self._yielded_before = 0
        self._turning = False

    def __repr__(self) -> str:
        return f"<EventWalk {self.report.rows_yielded} events yielded, complete={self._report.complete}>"

    def __aiter__(self) -> AsyncIterator[LedgerEvent]:
        return Loop(self, self.__anext__)

    async def __anext__(self) -> LedgerEvent:
        while self._index >= len(self._events):
            if not await self._turn():
                raise StopAsyncIteration
        event = self._events[self._index]
        self._index += 1
        return event

    async def collect(self) -> list[LedgerEvent]:
        """Give all events, from the place of the walk on, as a list."""
        return [event async for event in self]

    async def aclose(self) -> None:
        """End the fetches under way; iterating again takes the walk up where it stands."""
        await asyncio.gather(*self.stop(), return_exceptions=True)

    def stop(self) -> list[asyncio.Task[None]]:
        """End the fetches under way without waiting for their end."""
        return self._inquiries.stop()

    @property
    def missing(self) -> list[int | str]:
        """Ids or references, as far as the walk has come, of which the service has no details; each once, in order."""
        return self._report.missing

    @property
    def report(self) -> WalkReport:
        """What the walk has cost and how far it is; the same object all the time, brought up to date when asked for."""
        self._report.pages = self._inquiries.answers
        self._report.rows_received = self._inquiries.events
        self._report.rows_yielded = self._yielded_before + self._index
        return self._report

    async def _turn(self) -> bool:
        """Go on by one group; False at the end of the walk."""
        if self._turning:
            msg = "two tasks iterate over one walk: give each its own session.events(query)"
            raise ConcurrentUseError(msg)
        self._turning = True
        try:
            inquiry = await self._inquiries.next()
        except BaseException:
            self.stop()
            raise
        finally:
            self._turning = False
        if inquiry is None:
            self._report.complete = all(notice.code != _PENDING_EVENTS for notice in self._report.warnings)
            return False
        self._yielded_before += self._index
        self._events, self._index = self._taken(inquiry), 0
        return True

    def _taken(self, inquiry: Inquiry) -> list[LedgerEvent]:
        """Give the events of the places that can be filled now; keep those that are named again further on."""
        self._answers |= inquiry.found
        self._report.missing += inquiry.missing
        events: list[LedgerEvent] = []
        while self._place < len(self._places) and (key := self._places[self._place]) in self._answers:
            self._place += 1
            events += self._answers[key]
            self._uses[key] -= 1
            if not self._uses[key]:
                del self._answers[key]
        return events
