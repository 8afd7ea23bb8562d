"""Details of events for the entries of a ledger walk, page by page: ``entry.event``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from attrs import asdict, define, field, fields

from capledger._sansio.sending import Send
from capledger.events.batches import EventBatchQueue, Key, KnownEventNames
from capledger.models import LedgerEntry, LedgerEvent, WalkReport
from capledger.queries import EventDetailsQuery, EventFlags, LedgerQuery
from capledger.queries.ledger import CustomerLedgerQuery
from capledger.queries.subject import SubjectQuery
from capledger.server_profile import ServerProfile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from capledger._sansio.context import RequestContext
    from capledger._sansio.requests import PageT, Request
    from capledger._sansio.sending import Received


@define(eq=False)
class EventEnricher:
    """Sets ``entry.event``; pages and details together never have more than ``prefetch`` requests under way."""

    _query: LedgerQuery
    _flags: EventFlags
    _send: Send
    _profile: ServerProfile
    _prefetch: int
    _semaphore: asyncio.Semaphore = field(init=False)
    _entries: list[LedgerEntry] | None = field(init=False, default=None)
    _queue: EventBatchQueue | None = field(init=False, default=None)
    _found: dict[Key, list[LedgerEvent]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self._semaphore = asyncio.Semaphore(self._prefetch)

    async def send(self, request: Request[PageT], context: RequestContext) -> Received[PageT]:
        """Send a request within the limit, and decode within it too, in case the body proves broken."""
        async with self._semaphore:
            pending = await self._send(request, context)
            await pending.value()
            return pending

    async def _fetch(self, request: Request[PageT], context: RequestContext) -> PageT:
        return await (await self.send(request, context)).value()

    async def attach(self, report: WalkReport, context: RequestContext, entries: list[LedgerEntry]) -> None:
        """Set the events of a page's entries; called again after an error, continue with what is still missing."""
        if self._entries is not entries or self._queue is None:
            self._entries, self._found = entries, {}
            self._queue = self._make_queue(entries, report, context)
        while (batch := await self._queue.next()) is not None:
            self._found |= batch.found
        for entry in entries:
            entry.event = next(iter(self._found.get(entry.event_log_id, ())), None)
        self._entries = self._queue = None

    def _make_queue(self, entries: list[LedgerEntry], report: WalkReport, context: RequestContext) -> EventBatchQueue:
        by_key: dict[Key, str] = {entry.event_log_id: entry.event_name for entry in entries}
        names = KnownEventNames(by_key, self._profile.events_without_details)
        return EventBatchQueue(
            details_query(self._query, self._flags, [entry.event_log_id for entry in entries]),
            (key for key, name in by_key.items() if name not in names.without_details),
            fetch=self._fetch,
            report=WalkReport(warnings=report.warnings),  # events are not counted among the pages and rows of a ledger
            context=context,
            prefetch=self._prefetch,
            names=names,
        )


def details_query(query: LedgerQuery, flags: EventFlags, event_ids: Iterable[int]) -> EventDetailsQuery:
    """Return the query for events of the same subject, organisations and version of the API."""
    return EventDetailsQuery(
        **{item.name: getattr(query, item.name) for item in fields(SubjectQuery)},
        api_version="v2" if query.scope is None else "v2.1",
        event_ids=event_ids,
        is_primary_user=query.is_primary_user if isinstance(query, CustomerLedgerQuery) else None,
        **asdict(flags),
    )
