"""A sandbox and a session, for tests of event details."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from capledger import BasicAuth, EventDetailsQuery, LedgerSession, RetryPolicy
from capledger.sandbox import LoggedRequest, Rules, Sandbox, SandboxCustomer, make_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

ME = "917000000001"
CHILD_ORG = 70002
START = datetime(2025, 1, 1)
#: Ids of bills, of events whose name has no details, and unknown ids.
KNOWN, BARE, UNKNOWN = range(1001, 1101), range(2001, 2011), range(9001, 9011)


def ledger() -> list[dict[str, Any]]:
    bills = [make_row(number, START + timedelta(hours=number)) for number in KNOWN]
    return bills + [make_row(number, START + timedelta(hours=number), event_name="PointsExpiry") for number in BARE]


def sandbox(rules: Rules | None = None, **options: Any) -> Sandbox:
    return Sandbox(
        [SandboxCustomer(ME, ledger()), SandboxCustomer(ME, ledger(), org_id=CHILD_ORG)], rules=rules, **options
    )


@asynccontextmanager
async def session_at(box: Sandbox) -> AsyncIterator[LedgerSession]:
    auth, retry = BasicAuth("store.server", "server123"), RetryPolicy(attempts=1)
    async with box, LedgerSession(box.url, auth, timezone=UTC, retry=retry) as session:
        yield session


def about(ids: Iterable[int], **options: Any) -> EventDetailsQuery:
    return EventDetailsQuery(identifier_name="mobile", identifier_value=ME, event_ids=ids, **options)


def by_name(name: str, references: Iterable[int], **options: Any) -> EventDetailsQuery:
    named = {"event_name": name, "event_reference_ids": references, **options}
    return EventDetailsQuery(identifier_name="mobile", identifier_value=ME, **named)


def explodes(box: Sandbox) -> list[LoggedRequest]:
    return [logged for logged in box.requests if logged.path.endswith("/getLedgerExplodeInfo")]


def asked(box: Sandbox) -> list[list[int]]:
    return [[int(text) for text in logged.query["eventIds"].split(",")] for logged in explodes(box)]


#: Coroutines that walks run in tasks.
_FETCHING = {"EventEnricher.send", "EventBatchQueue._finish", "Transport.send"}


def tasks_of_walks() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if _FETCHING & {getattr(task.get_coro(), "__qualname__", "")}]
