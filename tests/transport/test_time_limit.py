"""One timer for all exchanges ends each as a timer of its own would."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import run, virtual_time

from capledger._transport.time_limit import TimeLimit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    Limited = Callable[[Coroutine[None, None, str]], Awaitable[str]]

T = TypeVar("T")

LIMIT = 10.0


def now() -> float:
    return asyncio.get_running_loop().time()


@frozen
class Exchange:
    """When an exchange begins, how long it takes, and when others cancel its task."""

    start: float
    duration: float
    cancelled_after: float | None
    clean_up: float
    """Seconds that it takes to end once it was cancelled."""

    async def work(self) -> str:
        try:
            await asyncio.sleep(self.duration)
        finally:
            await asyncio.sleep(self.clean_up)
        return "done"


#: Nothing falls on the very moment of the limit, where the order of two timers would decide.
EXCHANGES = st.builds(
    Exchange,
    start=st.integers(0, 30).map(float),
    duration=st.integers(0, 25).map(lambda number: number + 0.5),
    cancelled_after=st.none() | st.integers(0, 20).map(lambda number: number + 0.1),
    clean_up=st.sampled_from([0.0, 0.0, 3.0]),
)


async def outcomes(exchanges: list[Exchange], limited: Limited) -> list[tuple[str, float, int]]:
    """Return how and when each exchange ended, and how many cancellations of its task were left."""

    async def ending(exchange: Exchange) -> tuple[str, float, int]:
        task = asyncio.current_task()
        assert task is not None
        try:
            result = await limited(exchange.work())
        except (TimeoutError, asyncio.CancelledError) as error:
            result = type(error).__name__
        return result, now(), task.cancelling()

    async def begun(exchange: Exchange) -> tuple[str, float, int]:
        await asyncio.sleep(exchange.start)
        task = asyncio.create_task(ending(exchange))
        if exchange.cancelled_after is not None:
            asyncio.get_running_loop().call_later(exchange.cancelled_after, task.cancel)
        return await task

    return await asyncio.gather(*map(begun, exchanges))


async def with_timeout(work: Coroutine[None, None, str]) -> str:
    async with asyncio.timeout(LIMIT):
        return await work


async def within(limit: TimeLimit, work: Coroutine[None, None, T]) -> T:
    with limit:
        return await work


@settings(max_examples=60)
@given(st.lists(EXCHANGES, min_size=1, max_size=8))
def test_each_exchange_ends_as_with_a_timeout_of_its_own(exchanges: list[Exchange]) -> None:
    """Result, time and what is left of a cancellation by others are those of ``asyncio.timeout``."""
    expected = run(outcomes(exchanges, with_timeout))

    assert run(outcomes(exchanges, partial(within, TimeLimit(LIMIT)))) == expected


@virtual_time
async def test_all_can_be_ended_at_once() -> None:
    """Those under way end with the same error as late ones; a later one has its whole time."""
    limit = TimeLimit(LIMIT)
    under_way = [asyncio.create_task(within(limit, asyncio.sleep(60, "done"))) for _ in range(3)]
    await asyncio.sleep(1)

    limit.end_all()
    ended = await asyncio.gather(*under_way, return_exceptions=True)

    assert [type(error) for error in ended] == [TimeoutError] * 3
    assert now() == 1
    assert await within(limit, asyncio.sleep(9, "done")) == "done"


@virtual_time
async def test_no_timer_is_left() -> None:
    """The event loop has nothing to wait for once no exchange is under way."""
    limit = TimeLimit(LIMIT)
    await asyncio.gather(*(within(limit, asyncio.sleep(seconds)) for seconds in (1, 2, 3)))
    with pytest.raises(TimeoutError):
        await within(limit, asyncio.sleep(60))

    assert limit._timer is None
    assert not limit._ended


@virtual_time
async def test_an_exchange_may_hold_another_one() -> None:
    """A hook of the caller's that reads a ledger on the same session while its request begins."""
    limit = TimeLimit(LIMIT)
    with limit:
        with limit:
            await asyncio.sleep(1)
        await asyncio.sleep(1)

    with pytest.raises(TimeoutError), limit:
        await asyncio.sleep(2 * LIMIT)
