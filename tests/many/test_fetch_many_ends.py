"""However an iteration over many ledgers ends, nothing stays in flight."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.clock import virtual_time
from support.customers import Counted, CountedAsync, always_hangs, client_tasks, of, queries, query, sandbox, session_at

from capledger import (
    AuthenticationError,
    BasicAuth,
    ConcurrentUseError,
    ConfigurationError,
    CustomerNotFoundError,
    SessionClosedError,
)
from capledger.sandbox import faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from capledger import CustomerLedgerQuery, ManyWalks


async def drain(many: ManyWalks[Any], taken: list[Any]) -> None:
    async for item in many:
        taken.append(item)  # noqa: PERF401 - what was taken before an error counts


def broken() -> Iterator[CustomerLedgerQuery]:
    yield from queries(3)
    raise LookupError("no more rows")


async def broken_later() -> AsyncIterator[CustomerLedgerQuery]:
    for one in broken():
        await asyncio.sleep(2)
        yield one


@pytest.mark.parametrize(("source", "finished"), [(broken, 1), (broken_later, 2)])
@virtual_time
async def test_an_error_of_the_iterable_is_raised_after_what_had_finished(
    source: Callable[[], Any], finished: int
) -> None:
    """The consumer gets the finished outcomes, then the iterable's own error, and nothing stays in flight."""
    script = faults.either(faults.when(of(1), faults.always(faults.slow(1))), faults.when(of(2), always_hangs))
    taken: list[Any] = []
    async with session_at(sandbox(3, script)) as session:
        with pytest.raises(LookupError, match="no more rows"):
            await drain(session.fetch_many(source(), max_in_flight=3), taken)

        assert [outcome.query for outcome in taken] == queries(finished)
        assert not client_tasks()


@virtual_time
async def test_fail_fast_ends_the_rest_and_raises() -> None:
    """The first error is raised once nothing is in flight any more."""
    box = sandbox(1, faults.when(of(0), always_hangs))
    async with session_at(box) as session:
        many = session.fetch_many(queries(100), max_in_flight=4, fail_fast=True)
        with pytest.raises(CustomerNotFoundError):
            await anext(many)

        assert not client_tasks()
        assert len(box.requests) <= 4
        with pytest.raises(ConfigurationError, match="start a new one"):
            await anext(many)


@virtual_time
async def test_fatal_errors_end_everything() -> None:
    """Wrong credentials are one error, not one for each of a million ledgers."""
    box = sandbox(1)
    async with session_at(box, auth=BasicAuth("store.server", "wrong")) as session:
        source = Counted(query(number) for number in range(1_000_000))
        with pytest.raises(AuthenticationError):
            await anext(session.fetch_many(source, max_in_flight=4))

    assert source.drawn <= 4


@virtual_time
async def test_closing_the_session_ends_everything() -> None:
    """A consumer that waits while the session is closed gets an error."""
    async with session_at(sandbox(2, always_hangs)) as session:
        waiting = asyncio.ensure_future(anext(session.fetch_many(queries(2))))
        await asyncio.sleep(1)
        await session.close()

        with pytest.raises(SessionClosedError):
            await waiting
        assert not client_tasks()


@pytest.mark.parametrize("counted", [list, Counted, CountedAsync])
@virtual_time
async def test_a_break_leaves_no_task_behind(counted: Callable[[Any], Any]) -> None:
    """Leaving the loop ends what is in flight."""
    async with session_at(sandbox(9, faults.when(of(*range(1, 9)), always_hangs))) as session:
        async for _ in session.fetch_many(counted(queries(9)), max_in_flight=8, details=True):
            break
        await asyncio.sleep(0.1)

        assert not client_tasks()


@virtual_time
async def test_a_left_iteration_cannot_be_continued() -> None:
    """An object that is kept after a break has nothing in flight, and refuses to be iterated over again."""
    async with session_at(sandbox(9, faults.when(of(*range(1, 9)), always_hangs))) as session:
        many = session.fetch_many(queries(9))
        async for _ in many:
            break
        await asyncio.sleep(0.1)

        assert not client_tasks()
        with pytest.raises(ConfigurationError, match="start a new one"):
            await anext(many)


@virtual_time
async def test_an_error_of_the_consumer_leaves_no_task_behind() -> None:
    """A consumer that raises leaves nothing in flight, even while its error is being handled."""

    async def consume() -> None:
        async for _ in session.fetch_many(queries(9)):
            raise LookupError("of the consumer")

    async with session_at(sandbox(9, faults.when(of(*range(1, 9)), always_hangs))) as session:
        with pytest.raises(LookupError) as caught:
            await consume()
        await asyncio.sleep(0.1)

        assert caught.traceback
        assert not client_tasks()


@virtual_time
async def test_a_cancelled_consumer_ends_everything_first() -> None:
    """Once the consumer's task is cancelled, nothing is in flight."""
    async with session_at(sandbox(9, always_hangs)) as session:

        async def consume() -> None:
            async for _ in session.fetch_many(queries(9)):
                pass

        consumer = asyncio.create_task(consume())
        await asyncio.sleep(1)
        consumer.cancel()
        with suppress(asyncio.CancelledError):
            await consumer

        assert consumer.cancelled()
        assert not client_tasks()


@virtual_time
async def test_aclose_waits_for_the_end() -> None:
    """After ``aclose`` nothing is in flight: before the start, in the middle and at the end."""
    async with session_at(sandbox(9, faults.when(of(*range(1, 9)), always_hangs))) as session:
        new, begun, over = (session.fetch_many(queries(count), max_in_flight=4) for count in (9, 9, 1))
        await anext(begun)
        assert [outcome.query async for outcome in over] == queries(1)
        for many in (new, begun, over):
            await many.aclose()

            assert not client_tasks() or many is new
        for many in (new, begun):
            with pytest.raises(ConfigurationError, match="start a new one"):
                await anext(many)
        assert [outcome async for outcome in over] == []


@virtual_time
async def test_aclose_waits_for_fetches_that_take_long_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """``aclose`` waits for the end of each request."""

    async def send(*_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(10)

    async with session_at(sandbox(1)) as session:
        monkeypatch.setattr(session, "_send", send)
        many = session.fetch_many(queries(3))
        consumer = asyncio.ensure_future(drain(many, []))
        await asyncio.sleep(1)
        consumer.cancel()
        await asyncio.wait([consumer])

        assert asyncio.get_running_loop().time() == pytest.approx(11)
        assert not client_tasks()


@virtual_time
async def test_two_consumers_are_refused() -> None:
    """A second task that waits for the next outcome is refused; the first continues."""
    async with session_at(sandbox(2, faults.always(faults.slow(5)))) as session:
        many = session.fetch_many(queries(2))
        first = asyncio.ensure_future(anext(many))
        await asyncio.sleep(1)
        with pytest.raises(ConcurrentUseError, match="two tasks"):
            await anext(many)

        assert (await first).error is None
        assert (await anext(many)).error is None


@virtual_time
async def test_a_single_outcome_can_be_taken() -> None:
    """``anext`` of an object that is not kept returns an outcome and ends the rest."""
    async with session_at(sandbox(3)) as session:
        one = await anext(session.fetch_many(queries(3)))
        other = await anext(aiter(session.fetch_many(queries(3))))
        await asyncio.sleep(0.1)

        assert one.error is other.error is None
        assert not client_tasks()
