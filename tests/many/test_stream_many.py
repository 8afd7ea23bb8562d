"""Streamed ledgers: their pages and their outcomes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from support.clock import virtual_time
from support.customers import always_hangs, client_tasks, customer, ids_of, of, queries, query, sandbox, session_at

from capledger import CustomerNotFoundError, LedgerOutcome, ServerError
from capledger.sandbox import Sandbox, faults

if TYPE_CHECKING:
    from capledger import LedgerPage, LedgerQuery


@virtual_time
async def test_pages_of_each_ledger_come_in_order() -> None:
    """Grouped by query, the pages are the ledgers, and outcomes are reported without entries."""
    outcomes: list[LedgerOutcome] = []
    wanted = [query(number, page_size=5) for number in range(9)]
    found: dict[LedgerQuery, list[int]] = {}
    async with session_at(Sandbox([customer(number, rows=7 * number) for number in range(9)])) as session:
        async for one, page in session.stream_many(wanted, max_in_flight=3, on_outcome=outcomes.append):
            found.setdefault(one, []).extend(entry.event_log_id for entry in page.entries)

    assert found == {one: ids_of(number, rows=7 * number) for number, one in enumerate(wanted) if number}
    assert {outcome.query for outcome in outcomes} == set(wanted)
    assert all(outcome.report.complete and not outcome.entries for outcome in outcomes)


@virtual_time
async def test_outcomes_are_reported_after_the_last_page() -> None:
    """An outcome is reported once the consumer has processed the last page of the ledger."""
    busy: list[LedgerQuery] = []
    during: list[LedgerQuery] = []

    async def report(outcome: LedgerOutcome) -> None:
        await asyncio.sleep(0)
        during.extend(one for one in busy if one == outcome.query)

    async with session_at(sandbox(20)) as session:
        many = session.stream_many([query(number, page_size=2) for number in range(20)], on_outcome=report)
        async for one, _ in many:
            busy.append(one)
            await asyncio.sleep(1)
            busy.clear()

    assert not during
    assert many.progress.done == 20


@virtual_time
async def test_a_slow_consumer_limits_prefetching() -> None:
    """Prefetched pages are bounded by ``prefetch`` for each ledger in flight, however large the ledgers are."""
    box = Sandbox([customer(number, rows=1_000) for number in range(4)])
    async with session_at(box) as session:
        many = session.stream_many([query(number, page_size=10) for number in range(4)], max_in_flight=2, prefetch=3)
        for pages in range(1, 30):
            await anext(many)
            await asyncio.sleep(1)

            assert len(box.requests) <= pages + 2 * (3 + 1)
        assert many.progress.rows >= 290
        assert many.progress.requests == len(box.requests)
        await many.aclose()


@virtual_time
async def test_failures_are_reported() -> None:
    """A failed ledger is reported with its error and cursor, and the others are complete."""
    outcomes: list[LedgerOutcome] = []
    script = faults.when(of(0), faults.numbered(dict.fromkeys(range(3, 9), faults.status(500))))
    wanted = [query(number, page_size=2) for number in range(4)]
    rows: dict[LedgerQuery, int] = dict.fromkeys(wanted, 0)
    async with session_at(Sandbox([customer(number, rows=9) for number in range(3)], faults=script)) as session:
        async for one, page in session.stream_many(wanted, on_outcome=outcomes.append, prefetch=1):
            rows[one] += len(page.entries)
        errors = {outcome.query: type(outcome.error) for outcome in outcomes}
        cursor = next(outcome.cursor for outcome in outcomes if outcome.query == wanted[0])

    assert [errors[one] for one in wanted] == [ServerError, type(None), type(None), CustomerNotFoundError]
    assert [rows[one] for one in wanted[1:]] == [9, 9, 0]
    assert rows[wanted[0]] < 9
    assert cursor


@virtual_time
async def test_an_unreported_failure_is_raised() -> None:
    """Without ``on_outcome`` the first error ends the rest, so that no ledger is missing silently."""
    async with session_at(sandbox(2, faults.when(of(1), always_hangs))) as session:
        with pytest.raises(CustomerNotFoundError):
            [page async for _, page in session.stream_many(queries(3))]

        assert not client_tasks()


@virtual_time
async def test_an_error_of_on_outcome_ends_everything() -> None:
    """An error of ``on_outcome`` is raised to the consumer once nothing is in flight."""

    def report(outcome: LedgerOutcome) -> None:
        raise LookupError(type(outcome).__name__)

    async with session_at(sandbox(3, faults.when(of(1), always_hangs))) as session:
        with pytest.raises(LookupError, match="LedgerOutcome"):
            [page async for _, page in session.stream_many(queries(3), on_outcome=report)]

        assert not client_tasks()


@pytest.mark.parametrize("leave", ["break", "cancel", "aclose"])
@virtual_time
async def test_leaving_a_stream_leaves_no_task_behind(leave: str) -> None:
    """Leaving a stream ends what is in flight, with pages that were not taken."""
    async with session_at(Sandbox([customer(number, rows=500) for number in range(9)])) as session:
        many: Any = session.stream_many(query(number, page_size=10) for number in range(9))

        async def consume() -> LedgerPage | None:
            async for _, page in many:
                if leave == "cancel":
                    await asyncio.Event().wait()
                return page  # type: ignore[no-any-return]  # of the only kind there is
            return None

        consumer = asyncio.create_task(consume())
        await asyncio.sleep(1)
        consumer.cancel()
        await asyncio.wait([consumer])
        if leave == "aclose":
            await many.aclose()
        await asyncio.sleep(0.1)

        assert not client_tasks()
