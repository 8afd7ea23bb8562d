"""Many customers, a sandbox that contains them, and the tasks that the client leaves."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from capledger import BasicAuth, CustomerLedgerQuery, LedgerOutcome, LedgerSession, RetryPolicy
from capledger.sandbox import LoggedRequest, Sandbox, SandboxCustomer, faults, synthetic_rows
from support.clock import LoopClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from capledger.sandbox import FaultScript

BASIC = BasicAuth("store.server", "server123")
always_hangs = faults.always(faults.hang())
START, END = datetime(2025, 1, 1), datetime(2025, 12, 1)


def mobile(number: int) -> str:
    return str(917_000_000_000 + number)


def query(number: int, **options: Any) -> CustomerLedgerQuery:
    return CustomerLedgerQuery.mobile(mobile(number), **options)


def queries(count: int) -> list[CustomerLedgerQuery]:
    return [query(number) for number in range(count)]


def customer(number: int, rows: int = 3) -> SandboxCustomer:
    first_id = 1_000_000 * (number + 1)
    ledger = synthetic_rows(rows, START, timedelta(hours=1), first_id=first_id)
    return SandboxCustomer(mobile(number), ledger, customer_id=number + 1)


def sandbox(customers: int, script: FaultScript | None = None) -> Sandbox:
    return Sandbox([customer(number) for number in range(customers)], faults=script)


def of(*numbers: int) -> Callable[[LoggedRequest], bool]:
    """Return a predicate for requests about these customers."""
    mobiles = {mobile(number) for number in numbers}
    return lambda logged: logged.query.get("identifierValue") in mobiles


def requests_of(box: Sandbox, number: int) -> list[LoggedRequest]:
    return list(filter(of(number), box.requests))


@asynccontextmanager
async def session_at(box: Sandbox, auth: BasicAuth = BASIC, **options: Any) -> AsyncIterator[LedgerSession]:
    settings = {"timezone": UTC, "retry": RetryPolicy(attempts=1), "clock": LoopClock(), **options}
    async with box, LedgerSession(box.url, auth, **settings) as session:
        yield session


def ids(outcome: LedgerOutcome) -> list[int]:
    return [entry.event_log_id for entry in outcome.entries]


def ids_of(number: int, rows: int = 3) -> list[int]:
    return [1_000_000 * (number + 1) + rank for rank in range(rows)]


def client_tasks() -> set[asyncio.Task[Any]]:
    """Return the tasks of the client, except the current one and those that serve the sandbox's connections."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    return {task for task in tasks if "RequestHandler" not in repr(task)}


class Counted:
    """An iterable that counts how often it was drawn from."""

    def __init__(self, items: Iterable[Any]) -> None:
        self.items = iter(items)
        self.drawn = 0

    def __iter__(self) -> Iterator[Any]:
        for item in self.items:
            self.drawn += 1
            yield item


class CountedAsync(Counted):
    """An async iterable that counts how often it was drawn from."""

    __iter__ = None  # type: ignore[assignment]  # what is tested

    async def __aiter__(self) -> AsyncIterator[Any]:
        for item in self.items:
            await asyncio.sleep(0.001)
            self.drawn += 1
            yield item
