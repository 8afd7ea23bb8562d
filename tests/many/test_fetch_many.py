"""Many ledgers at once: an outcome for each, in bounded memory."""

from __future__ import annotations

import asyncio
import pickle
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import run, virtual_time
from support.customers import (
    START,
    Counted,
    CountedAsync,
    customer,
    ids,
    ids_of,
    mobile,
    of,
    queries,
    query,
    requests_of,
    sandbox,
    session_at,
)

from capledger import (
    BasicAuth,
    ConfigurationError,
    CustomerNotFoundError,
    EventDetailsQuery,
    InvalidQueryError,
    LedgerSession,
    ServerError,
)
from capledger.sandbox import Sandbox, SandboxCustomer, faults, seed_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from capledger import CustomerLedgerQuery


# What comes


@virtual_time
async def test_failures_are_outcomes_and_all_others_are_exact() -> None:
    """With 5% unknown and 1% failing permanently, all others are complete and each failure has its typed error."""
    failing = {17, 117}
    script = faults.when(of(*failing), faults.always(faults.status(500)))
    found, not_known = range(190), range(190, 200)

    async with session_at(sandbox(190, script)) as session:
        many = session.fetch_many(queries(200))
        outcomes = {int(outcome.query.identifier_value) - 917_000_000_000: outcome async for outcome in many}

    errors = {number: type(outcome.error) for number, outcome in outcomes.items() if outcome.error is not None}
    assert errors == dict.fromkeys(not_known, CustomerNotFoundError) | dict.fromkeys(failing, ServerError)
    assert all(ids(outcomes[number]) == ids_of(number) for number in found if number not in failing)
    assert all(outcomes[number].report.complete is (number not in errors) for number in range(200))
    assert (many.progress.done, many.progress.failed, many.progress.finished) == (188, 12, 200)


@virtual_time
async def test_a_plain_404_is_the_failure_of_one_query() -> None:
    """A page of a gateway for some requests ends nothing for the others; a wrong base_url would have it for all."""
    script = faults.when(of(1), faults.always(faults.status(404)))

    async with session_at(sandbox(4, script)) as session:
        outcomes = [outcome async for outcome in session.fetch_many(queries(4), ordered=True)]

    assert [type(outcome.error) for outcome in outcomes] == [type(None), ServerError, type(None), type(None)]
    assert [ids(outcomes[number]) for number in (0, 2, 3)] == [ids_of(number) for number in (0, 2, 3)]


@virtual_time
async def test_outcomes_come_as_they_finish() -> None:
    """A slow ledger does not delay the others."""
    async with session_at(sandbox(4, faults.when(of(0), faults.always(faults.slow(5))))) as session:
        last = [outcome.query async for outcome in session.fetch_many(queries(4))][-1]

    assert last == query(0)


@pytest.mark.parametrize("counted", [Counted, CountedAsync])
@virtual_time
async def test_ordered_outcomes_come_in_the_order_given(counted: type[Counted]) -> None:
    """A slow ledger delays those behind it, and no more are drawn than may be in flight."""
    source = counted(queries(40))
    async with session_at(sandbox(40, faults.when(of(0, 20), faults.always(faults.slow(5))))) as session:
        many = session.fetch_many(source, max_in_flight=4, ordered=True)
        taken = [(outcome.query, source.drawn) async for outcome in many]

    assert [found for found, _ in taken] == queries(40)
    assert all(drawn <= number + 4 for number, (_, drawn) in enumerate(taken, start=1))


@settings(max_examples=20)
@given(
    sizes=st.lists(st.integers(0, 25), min_size=1, max_size=12),
    options=st.fixed_dictionaries({"max_in_flight": st.integers(1, 5), "ordered": st.booleans()}),
    order=st.sampled_from(["asc", "desc"]),
    seed=st.integers(0, 99),
)
def test_outcomes_are_those_of_single_walks(sizes: list[int], options: dict[str, Any], order: str, seed: int) -> None:
    """Each ledger is the same as in a walk of its own, whatever else is read."""
    rows = [
        seed_rows(seed + number, size, START, datetime(2025, 12, 1), first_id=1_000 * number)
        for number, size in enumerate(sizes)
    ]
    box = Sandbox([SandboxCustomer(mobile(number), ledger, customer_id=number) for number, ledger in enumerate(rows)])
    wanted = [query(number, order=order, page_size=5) for number in range(len(sizes))]

    async def main() -> None:
        async with session_at(box) as session:
            single = [await session.entries(one).collect() for one in wanted]
            many = session.fetch_many(iter(wanted), **options)
            together = [outcome async for outcome in many]

        found = [outcome.query for outcome in together]
        assert found == wanted if options["ordered"] else set(found) == set(wanted)
        assert {outcome.query: outcome.entries for outcome in together} == dict(zip(wanted, single, strict=True))

    run(main())


@virtual_time
async def test_a_failed_outcome_can_be_continued() -> None:
    """Entries received before an error are kept, and the cursor leads to exactly the rest."""
    box = Sandbox([customer(0, rows=20)], faults=faults.nth(4, faults.status(500)))
    async with session_at(box) as session:
        (outcome,) = [one async for one in session.fetch_many([query(0, page_size=5)], prefetch=1)]
        rest = await session.entries(query(0, page_size=5), resume_from=outcome.cursor).collect()

    assert isinstance(outcome.error, ServerError)
    assert 0 < len(outcome.entries) < 20
    assert ids(outcome) + [entry.event_log_id for entry in rest] == ids_of(0, rows=20)


@virtual_time
async def test_an_item_that_is_not_a_query_fails_by_itself() -> None:
    """A wrong item fails by itself, and its outcome does not show the item."""
    events = EventDetailsQuery(identifier_name="mobile", identifier_value=mobile(1), event_ids=[1])
    items: list[Any] = [query(0), mobile(1), None, events]
    async with session_at(sandbox(1)) as session:
        outcomes = [outcome async for outcome in session.fetch_many(items, ordered=True, deduplicate=True)]

    assert [type(outcome.error) for outcome in outcomes] == [type(None), *[InvalidQueryError] * 3]
    assert outcomes[1].query is items[1]
    assert outcomes[1].cursor is None
    assert mobile(1) not in repr(outcomes)


@virtual_time
async def test_outcomes_hide_identifiers_and_survive_pickling() -> None:
    """An outcome can be logged and sent to another process."""
    async with session_at(sandbox(1)) as session:
        for outcome in [one async for one in session.fetch_many(queries(2), details=True)]:
            copy = pickle.loads(pickle.dumps(outcome))  # noqa: S301 - our own pickle

            assert (copy.query, copy.entries, copy.report) == (outcome.query, outcome.entries, outcome.report)
            assert "917" not in repr(outcome)
            assert f"<{len(outcome.entries)} entries>" in repr(outcome)
            assert all(entry.event is not None for entry in outcome.entries)


# Drawing


@pytest.mark.parametrize("counted", [Counted, CountedAsync])
@virtual_time
async def test_queries_are_drawn_as_outcomes_are_taken(counted: type[Counted]) -> None:
    """At most ``max_in_flight`` queries are drawn beyond what a slow consumer took."""
    source, taken = counted(queries(30)), 0
    async with session_at(sandbox(30)) as session:
        many = session.fetch_many(source, max_in_flight=3)
        assert source.drawn == 0
        async for _ in many:
            taken += 1
            await asyncio.sleep(1)
            assert taken < source.drawn + 1 <= taken + 4

    assert taken == source.drawn == 30


@virtual_time
async def test_a_slow_iterable_does_not_delay_outcomes() -> None:
    """Finished outcomes are returned while the next query is awaited."""

    async def slow() -> AsyncIterator[CustomerLedgerQuery]:
        for number in range(3):
            yield query(number)
            await asyncio.sleep(60)

    async with session_at(sandbox(3)) as session:
        times = [asyncio.get_running_loop().time() async for _ in session.fetch_many(slow())]

    assert [round(time) for time in times] == [0, 60, 120]


@pytest.mark.parametrize("counted", [Counted, CountedAsync])
@virtual_time
async def test_equal_queries_are_fetched_once(counted: type[Counted]) -> None:
    """With ``deduplicate`` the first of equal queries is fetched, and the others are counted."""
    repeated = queries(5) * 700
    async with session_at(sandbox(5)) as session:
        many = session.fetch_many(counted(repeated), deduplicate=True)
        outcomes = [outcome async for outcome in many]

        assert len(outcomes) == len({outcome.query for outcome in outcomes}) == 5
        assert many.progress.duplicates == len(repeated) - 5
        assert len([outcome async for outcome in session.fetch_many(queries(2) * 2)]) == 4


# Fairness and progress


@virtual_time
async def test_a_huge_ledger_does_not_starve_small_ones() -> None:
    """Of one huge ledger among 200 small ones, less than a tenth is read when the last small one is done."""
    box = Sandbox([customer(0, rows=4_000), *(customer(number) for number in range(1, 201))])
    async with session_at(box, rate_limit=None) as session:
        many = session.fetch_many(query(number, page_size=10) for number in range(201))
        small, pages = 0, 0
        async for outcome in many:
            small += outcome.query != query(0, page_size=10)
            pages = pages or (len(requests_of(box, 0)) if small == 200 else 0)

    assert 0 < pages < 40
    assert len(requests_of(box, 0)) >= 400
    assert box.max_in_flight <= 8


@virtual_time
async def test_progress_is_live() -> None:
    """Progress includes what is in flight, and estimates the time left."""
    box = sandbox(3, faults.when(of(2), faults.numbered({3: faults.slow(20)})))
    async with session_at(box) as session:
        many = session.fetch_many([*queries(3), query(1)], deduplicate=True, prefetch=1)
        progress = many.progress
        before = (progress.total, progress.done, progress.elapsed, progress.seconds_left)
        await anext(many)
        await anext(many)
        await asyncio.sleep(10)
        middle = (progress.done, progress.in_flight, progress.duplicates, progress.seconds_left)
        assert [outcome.error async for outcome in many] == [None]

    assert before == (4, 0, 0.0, None)
    assert middle == (3, 0, 1, 0.0)
    assert (progress.requests, progress.retries, progress.rows) == (len(box.requests), 0, 9)
    assert progress.elapsed == pytest.approx(10)
    assert "done=3" in repr(many)


# Arguments


@pytest.mark.parametrize(
    "options",
    [{"max_in_flight": 0}, {"max_in_flight": True}, {"prefetch": 0}, {"on_incomplete": "ignore"}, {"details": "bills"}],
)
@pytest.mark.parametrize("method", ["fetch_many", "stream_many"])
async def test_arguments_are_checked_at_once(method: str, options: dict[str, Any]) -> None:
    """An argument that would fail for every query is refused before any is drawn."""
    async with LedgerSession("http://localhost", BasicAuth("user", "password"), timezone=UTC) as session:
        with pytest.raises(InvalidQueryError):
            getattr(session, method)(queries(1), **options)


@pytest.mark.parametrize("wrong", [mobile(1), query(1), 1, None])
async def test_queries_must_be_iterable(wrong: Any) -> None:
    """A single query or a string is refused."""
    async with LedgerSession("http://localhost", BasicAuth("user", "password"), timezone=UTC) as session:
        with pytest.raises(InvalidQueryError, match="iterable"):
            session.fetch_many(wrong)


async def test_the_zone_must_be_known() -> None:
    """A session that does not know its time zone raises at once."""
    async with LedgerSession("http://localhost", BasicAuth("user", "password")) as session:
        with pytest.raises(ConfigurationError, match="time zone"):
            session.fetch_many([])
