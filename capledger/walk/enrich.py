"""Details of events for the entries of a ledger walk, page by page."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from attrs import asdict

from capledger.queries import EventDetailsQuery
from capledger.queries.ledger import CustomerLedgerQuery
from capledger.walk.inquiries import Inquiries
from capledger.walk.inquiry import Key, Kinds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from capledger._sansio.context import RequestContext
    from capledger._sansio.requests import PageT, Request
    from capledger.models import LedgerEntry, LedgerEvent, WalkReport
    from capledger.queries import EventFlags, LedgerQuery
    from capledger.walk.prefetch import Fetch, PendingResponse, Send
    from capledger.walk.server_profile import ServerProfile


class EventEnricher:
    """Fills ``entry.event``; pages and details together never have more than ``prefetch`` requests under way."""

    def __init__(
        self,
        query: LedgerQuery,
        flags: EventFlags,
        *,
        fetch: Fetch,
        send: Send,
        facts: ServerProfile,
        prefetch: int,
    ) -> None:
        self._query = query
        self._flags = flags
        self._fetch = fetch
        self._send = send
        self._facts = facts
        self._prefetch = prefetch
        self._turns = asyncio.Semaphore(prefetch)
        self._entries: list[LedgerEntry] | None = None
        self._inquiries: Inquiries | None = None
        self._answers: dict[Key, list[LedgerEvent]] = {}

    async def send(self, request: Request[PageT], context: RequestContext) -> PendingResponse[PageT]:
        """Send in turn and decode at once, so that a retry is in turn as well; the walk gets this for its pages."""
        async with self._turns:
            pending = await self._send(request, context)
            await pending.value()
            return pending

    async def _fetch_in_turn(self, request: Request[PageT], context: RequestContext) -> PageT:
        async with self._turns:
            return await self._fetch(request, context)

    async def attach(self, entries: list[LedgerEntry], report: WalkReport, context: RequestContext) -> None:
        """Fill in the events of a page; after an error, the same page is gone on with where it stood."""
        if self._entries is not entries or self._inquiries is None:
            self._answers = {}
            self._inquiries = self._inquire(entries, report, context)
            self._entries = entries
        try:
            while (inquiry := await self._inquiries.next()) is not None:
                self._answers |= inquiry.found
        finally:
            self._inquiries.stop()
        for entry in entries:
            entry.event = next(iter(self._answers.get(entry.event_log_id, ())), None)
        self._entries = self._inquiries = None

    def _inquire(self, entries: list[LedgerEntry], report: WalkReport, context: RequestContext) -> Inquiries:
        names: dict[Key, str] = {entry.event_log_id: entry.event_name for entry in entries}
        kinds = Kinds(names, self._facts.kinds_without_details)
        return Inquiries(
            details_query(self._query, self._flags, [entry.event_log_id for entry in entries]),
            (key for key, name in names.items() if name not in kinds.without_details),
            fetch=self._fetch_in_turn,
            report=report,
            context=context,
            prefetch=self._prefetch,
            kinds=kinds,
        )


def details_query(query: LedgerQuery, flags: EventFlags, event_ids: Iterable[int]) -> EventDetailsQuery:
    """Ask for events of the same customer or group, in the same organisations, from the same version of the API."""
    return EventDetailsQuery(
        identifier_name=query.identifier_name,
        identifier_value=query.identifier_value,
        source=query.source,
        type=query.type,
        account_id=query.account_id,
        include_alternate_currencies=query.include_alternate_currencies,
        alternate_currency_names=query.alternate_currency_names,
        scope=query.scope,
        api_version="v2" if query.scope is None else "v2.1",
        event_ids=event_ids,
        is_primary_user=query.is_primary_user if isinstance(query, CustomerLedgerQuery) else None,
        **asdict(flags),
    )
