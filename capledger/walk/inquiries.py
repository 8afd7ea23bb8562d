"""Any number of events, asked for in groups of ten, a few groups ahead, and given group by group in order."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from capledger._sansio.requests import MOST_EVENTS
from capledger.errors import ERROR_CLASSES, CapledgerError, EventNotFoundError
from capledger.walk.inquiry import Inquiry, Key, Kinds
from capledger.walk.prefetch import Ahead, Fetch

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from capledger._sansio.context import RequestContext
    from capledger.models import EventsPage, Notice, WalkReport
    from capledger.queries import EventDetailsQuery


class Inquiries:
    """Groups under way or waiting for their turn, ``prefetch`` at the most; each keeps what has come of it."""

    def __init__(
        self,
        query: EventDetailsQuery,
        keys: Iterable[Key],
        *,
        fetch: Fetch,
        report: WalkReport,
        context: RequestContext,
        prefetch: int,
        kinds: Kinds | None = None,
    ) -> None:
        self._query = query
        self._coming = iter(keys)
        self._fetch = fetch
        self._report = report
        self._context = context
        self._prefetch = prefetch
        self._kinds = kinds or Kinds()
        self._open: deque[Inquiry] = deque()
        self._ahead: Ahead[Inquiry, None] = Ahead()
        self._failed: dict[Inquiry, CapledgerError] = {}
        #: Answers received, and events in them.
        self.answers = 0
        self.events = 0

    async def next(self) -> Inquiry | None:
        """Give the next group once it is settled; None after the last. After an error it may be asked for again."""
        while True:
            self._launch()
            if not self._open:
                return None
            first = self._open[0]
            if first.settled:
                self._open.popleft()
                self._launch()
                return first
            if first in self._failed:
                raise self._failed[first]
            await self._receive()

    def stop(self) -> list[asyncio.Task[None]]:
        """End the fetches under way without waiting for their end."""
        self._failed.clear()
        return self._ahead.stop()

    def _launch(self) -> None:
        while len(self._open) < self._prefetch and (keys := list(islice(self._coming, MOST_EVENTS))):
            self._open.append(Inquiry(self._query, keys, self._kinds))
        for inquiry in self._open:
            if not inquiry.settled and inquiry not in self._ahead and inquiry not in self._failed:
                self._ahead.start(inquiry, self._settle(inquiry))

    async def _receive(self) -> None:
        finished = await self._ahead.first()
        if finished is not None:
            inquiry, task = finished
            try:
                task.result()
            except CapledgerError as error:
                self._failed[inquiry] = error

    async def _settle(self, inquiry: Inquiry) -> None:
        while not inquiry.settled:
            try:
                page = await self._fetch(inquiry.request(), self._context)
            except EventNotFoundError as error:
                if not inquiry.refuse(error):
                    raise
            else:
                inquiry.accept(page)
                self._count(page)

    def _count(self, page: EventsPage) -> None:
        self.answers += 1
        self.events += sum(event is not None for event in page.events)
        for notice in page.warnings:
            if not any(_same_kind(notice, known) for known in self._report.warnings):
                self._report.warnings.append(notice)


def _same_kind(one: Notice, other: Notice) -> bool:
    """Tell whether two warnings say the same; those about single events differ in the ids alone."""
    about_events = ERROR_CLASSES.get(one.code or 0) is EventNotFoundError
    return one.code == other.code if about_events else one == other
