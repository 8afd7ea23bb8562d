"""Ledgers among many are read as by walks of their own, also those whose first page is read without one."""

from __future__ import annotations

import asyncio
import pickle
import random
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from support.clock import VirtualTimeLoop
from support.ledgers import customer, ids, sandbox
from support.ledgers import session as session_at
from support.services.draw import draw_case
from support.services.owed import key_of
from support.services.runner import session_of

from capledger import CapledgerError, CustomerLedgerQuery, LedgerSession
from capledger.sandbox import make_row

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.services.draw import Case

    from capledger import LedgerEntry, LedgerOutcome, WalkReport

    Read = Callable[[LedgerSession, CustomerLedgerQuery, dict[str, Any]], Awaitable[tuple[Any, ...]]]


def case_of(seed: int) -> Case:
    """Draw a service; every other one has a ledger of a few rows, in pages of a hundred."""
    case = draw_case(Random(seed))
    if seed % 2:
        case.rows = case.rows[: seed % 14 // 2]
        case.asked = evolve(case.asked, page_size=100)
    return case


async def by_itself(session: LedgerSession, query: CustomerLedgerQuery, options: dict[str, Any]) -> tuple[Any, ...]:
    walk = session.entries(query, **options)
    entries: list[LedgerEntry] = []
    error: CapledgerError | None = None
    try:
        async for page in walk.pages():
            entries += page.entries
    except CapledgerError as caught:
        error = caught
    return came(entries, error, walk.report, walk.cursor)


async def fetched(session: LedgerSession, query: CustomerLedgerQuery, options: dict[str, Any]) -> tuple[Any, ...]:
    [outcome] = [outcome async for outcome in session.fetch_many([query], **options)]
    return came(outcome.entries, outcome.error, outcome.report, outcome.cursor)


async def streamed(session: LedgerSession, query: CustomerLedgerQuery, options: dict[str, Any]) -> tuple[Any, ...]:
    outcomes: list[LedgerOutcome] = []
    entries: list[LedgerEntry] = []
    async for _, page in session.stream_many([query], on_outcome=outcomes.append, **options):
        entries += page.entries
    [outcome] = outcomes
    return came(entries, outcome.error, outcome.report, outcome.cursor)


def came(
    entries: list[LedgerEntry], error: CapledgerError | None, report: WalkReport, cursor: str | None
) -> tuple[Any, ...]:
    """Return all that tells one way to read from another."""
    if error is not None:
        assert error.cursor == cursor
    return list(map(key_of, entries)), type(error), str(error), report.to_dict(), cursor


def run(case: Case, read: Read) -> tuple[Any, ...]:
    """Read a new service in one way; return what came, and the requests."""
    service, asked = case.service(), case.asked
    query = CustomerLedgerQuery.mobile(
        "917400000001", start=asked.start, end=asked.end, order=asked.order, page_size=asked.page_size
    )
    options = {"prefetch": case.plan.prefetch, "on_incomplete": case.plan.on_incomplete}

    async def main() -> tuple[Any, ...]:
        async with session_of(service) as session:
            return await read(session, query, options)

    random.seed(case.seed)
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main()), len(service.requests)


@pytest.mark.parametrize("seed", range(300))
def test_a_ledger_among_many_is_read_as_by_itself(seed: int) -> None:
    """The same entries, error, report and cursor, by as many requests."""
    case = case_of(seed)

    assert run(case, fetched) == run(case, by_itself)


@pytest.mark.parametrize("seed", range(300, 400))
def test_pages_of_many_ledgers_are_those_of_each(seed: int) -> None:
    """Streamed or walked over."""
    case = case_of(seed)

    assert run(case, streamed) == run(case, by_itself)


@pytest.mark.parametrize("rows", [1, 3])
async def test_a_cursor_does_not_depend_on_what_becomes_of_the_entries(rows: int) -> None:
    """Entries may be redacted, and pages emptied, before it is read; the walk goes on behind them."""
    start = datetime(2025, 1, 1)
    async with sandbox([make_row(1_000 + rank, start) for rank in range(rows)]) as box, session_at(box) as session:
        outcomes: list[LedgerOutcome] = []
        async for _, page in session.stream_many([customer()], on_outcome=outcomes.append):
            page.entries.clear()
        async for outcome in session.fetch_many([customer()]):
            for entry in outcome.entries:
                entry.entry_details, entry.event_log_id, entry.event_name = [], 0, ""
            outcomes.append(outcome)
        box.append(customer().identifier_value, make_row(2_000, start + timedelta(days=1)))

        for outcome in outcomes:
            assert ids(await session.entries(customer(), resume_from=outcome.cursor).collect()) == [2_000]


async def test_an_outcome_of_a_stream_holds_no_entries() -> None:
    """Many of them are kept in bounded memory, and pass to other processes without the ledger."""
    start = datetime(2025, 1, 1)
    outcomes: list[LedgerOutcome] = []
    rows = [make_row(1_000 + rank, start + timedelta(days=rank)) for rank in range(90)]
    async with sandbox(rows) as box, session_at(box) as session:
        async for _ in session.stream_many([customer()], on_outcome=outcomes.append):
            pass

    [outcome] = outcomes
    assert len(pickle.dumps(outcome)) < 2_000
    assert pickle.loads(pickle.dumps(outcome)).cursor == outcome.cursor  # noqa: S301 - our own
