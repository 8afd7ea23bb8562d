from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import LoopClock, busiest, run, virtual_time

from capledger import ConfigurationError, RateLimitedError, SessionClosedError
from capledger._transport.limiter import RequestLimiter, Slot
from capledger._transport.rate_limit import AdaptiveRateLimiter, FixedRateLimiter, RateLimit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def new_limiter(
    limit: int | None = None, *, connections: int = 8, max_wait: float | None = None, max_pause: float = 120
) -> RequestLimiter:
    rate_limiter = AdaptiveRateLimiter() if limit is None else FixedRateLimiter(RateLimit(limit))
    rate_limiter.max_wait = max_wait
    return RequestLimiter(rate_limiter, max_connections=connections, max_pause=max_pause, clock=LoopClock())


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def slot_of(limiter: RequestLimiter, owner: object, *, urgent: bool = False) -> AsyncIterator[Slot]:
    slot = await limiter.acquire(owner, urgent=urgent)
    try:
        yield slot
    finally:
        limiter.release(slot)


async def send(limiter: RequestLimiter, owner: object, latency: float = 0.1) -> float:
    """Send one request; return the seconds that the budget held it up."""
    async with slot_of(limiter, owner) as slot:
        slot.used = True
        await asyncio.sleep(latency)
        return slot.waited


def test_a_limiter_needs_a_connection() -> None:
    """Without one nothing could ever be sent."""
    with pytest.raises(ConfigurationError):
        new_limiter(connections=0)


@pytest.mark.parametrize(("limit", "slowest"), [(100, 1.0), (600, 1.0), (600, 2.0), (1500, 0.5)])
@virtual_time
async def test_eight_walks_use_the_limit_and_never_exceed_it(limit: int, slowest: float) -> None:
    """Over three minutes of random latencies no window of a minute has more than the limit, and 95% of it is used."""
    random = Random(limit)
    limiter = new_limiter(limit, connections=64)
    counted: list[float] = []

    async def walk(owner: int) -> None:
        while now() < 180:
            async with slot_of(limiter, owner) as slot:
                slot.used = True
                started = now()
                await asyncio.sleep(random.uniform(0, slowest))
                counted.append(random.uniform(started, now()))

    await asyncio.gather(*(walk(owner) for owner in range(8) for _ in range(8)))

    inside = [moment for moment in counted if moment < 180]
    assert busiest(counted) <= limit
    assert len(inside) >= 0.95 * limit * 3


@virtual_time
async def test_no_more_than_the_connections_are_in_flight() -> None:
    """However many wait, as many as there are connections are let in."""
    limiter, under_way, most = new_limiter(connections=3), 0, 0

    async def one() -> None:
        nonlocal under_way, most
        async with slot_of(limiter, "walk"):
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(1)
            under_way -= 1

    await asyncio.gather(*(one() for _ in range(20)))

    assert most == 3
    assert now() == pytest.approx(7)
    assert limiter.free_slots == 3


@virtual_time
async def test_owners_take_turns() -> None:
    """A walk with a hundred requests waiting does not keep those with one each from theirs."""
    limiter, done = new_limiter(connections=1), []

    async def one(owner: int) -> None:
        await send(limiter, owner)
        done.append(owner)

    huge = [asyncio.create_task(one(0)) for _ in range(100)]
    await asyncio.sleep(0.05)
    small = [asyncio.create_task(one(owner)) for owner in range(1, 11)]
    await asyncio.gather(*huge, *small)

    assert Counter(done[:13])[0] <= 3
    assert set(done[:13]) == set(range(11))


@virtual_time
async def test_urgent_requests_go_first() -> None:
    """A token for everybody does not stand in line behind those who wait for it."""
    limiter, done = new_limiter(connections=1), []

    async def one(name: str, *, urgent: bool) -> None:
        async with slot_of(limiter, name, urgent=urgent):
            done.append(name)
            await asyncio.sleep(1)

    walks = [asyncio.create_task(one(f"walk {number}", urgent=False)) for number in range(5)]
    await asyncio.sleep(0.5)
    await asyncio.gather(one("token", urgent=True), *walks)

    assert done[:2] == ["walk 0", "token"]


@virtual_time
async def test_only_waiting_for_the_rate_limit_is_counted() -> None:
    """The report's waits are those that the rate limit causes."""
    by_rate, by_connection = new_limiter(60), new_limiter(connections=1)

    waits = await asyncio.gather(*(send(by_rate, "walk") for _ in range(3)))
    others = await asyncio.gather(*(send(by_connection, "walk") for _ in range(3)))

    assert waits == pytest.approx([0, 1, 2])
    assert others == [0, 0, 0]


@virtual_time
async def test_a_pause_holds_for_all_requests() -> None:
    """Nobody sends in a pause, neither who waits nor who comes; afterwards they go one by one."""
    limiter, started = new_limiter(), []
    limiter.pause(30)

    async def one(owner: int) -> None:
        async with slot_of(limiter, owner) as slot:
            slot.used = True
            started.append(now())

    await asyncio.gather(*(one(owner) for owner in range(5)))

    assert started == pytest.approx([30, 31, 32, 33, 34], abs=0.2)


@virtual_time
async def test_after_a_pause_a_single_probe_is_sent() -> None:
    """The first request after a pause goes alone; the others follow when it got through, or wait on when it did not."""
    limiter, started = new_limiter(), []
    refused = [0, 1]

    async def one(owner: int) -> None:
        async with slot_of(limiter, owner) as slot:
            slot.used = True
            started.append(now())
            await asyncio.sleep(0.5)
            if len(started) in refused:
                refused.remove(len(started))
                limiter.pause(limiter.record_rate_limited(slot))
            else:
                limiter.record_response(slot)

    async with slot_of(limiter, "first") as first:
        first.used = True
        limiter.pause(limiter.record_rate_limited(first))
    await asyncio.gather(*(one(owner) for owner in range(6)))

    assert started == pytest.approx([1, 3.5, 4, 4, 4, 4])


@virtual_time
async def test_when_nothing_succeeds_all_waiting_requests_fail() -> None:
    """An HTTP 429 for good ends the wait of all that are in line."""
    limiter = new_limiter()
    limiter.pause(30)
    waiting = [asyncio.create_task(send(limiter, owner)) for owner in range(3)]
    await asyncio.sleep(0)

    limiter.pause(30, refuse_waiting=True)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {RateLimitedError}
    assert now() == 0


@virtual_time
async def test_the_longest_of_several_pauses_counts() -> None:
    """A shorter pause told later does not end a longer one."""
    limiter = new_limiter()
    limiter.pause(30)
    limiter.pause(5)

    await send(limiter, "walk", latency=0)

    assert now() == pytest.approx(30)


@virtual_time
async def test_in_a_pause_that_is_too_long_all_requests_fail() -> None:
    """Who waits and who comes learns at once when to come back; after the pause all goes on."""
    limiter = new_limiter(connections=1)
    busy, waiting = (asyncio.create_task(send(limiter, "walk", latency=10)) for _ in range(2))
    await asyncio.sleep(1)

    limiter.pause(3_600)

    with pytest.raises(RateLimitedError) as caught:
        await waiting
    with pytest.raises(RateLimitedError) as newcomer:
        await send(limiter, "other")
    await busy
    await asyncio.sleep(3_600)
    await send(limiter, "other")
    assert caught.value.retry_after == pytest.approx(3_600)
    assert newcomer.value.retry_after == pytest.approx(3_600)


@virtual_time
async def test_a_request_that_would_wait_too_long_fails_at_once() -> None:
    """With ``max_wait`` those whose turn is further off fail without waiting, and the others get theirs."""
    limiter = new_limiter(60, max_wait=2.5)

    outcomes = await asyncio.gather(*(send(limiter, "walk", latency=0) for _ in range(5)), return_exceptions=True)

    assert outcomes[:3] == pytest.approx([0, 1, 2])
    assert [getattr(error, "retry_after", None) for error in outcomes[3:]] == pytest.approx([3, 3])
    assert now() == pytest.approx(2)


@virtual_time
async def test_a_pause_longer_than_max_wait_fails_waiting_requests() -> None:
    """The promise not to wait longer holds for pauses that begin later too."""
    limiter = new_limiter(60, max_wait=10)
    await send(limiter, "walk", latency=0)
    waiting = asyncio.create_task(send(limiter, "walk"))
    await asyncio.sleep(0)

    limiter.pause(30)

    with pytest.raises(RateLimitedError):
        await waiting
    assert now() == 0


@virtual_time
async def test_waiting_for_a_connection_does_not_count_as_max_wait() -> None:
    """``max_wait`` is about the rate; slow responses are waited for."""
    limiter = new_limiter(600, connections=1, max_wait=1)

    waits = await asyncio.gather(*(send(limiter, "walk", latency=5) for _ in range(3)))

    assert waits == [0, 0, 0]


@virtual_time
async def test_a_closed_limiter_refuses_all_requests() -> None:
    """Closing wakes those that wait; later ones are refused at once."""
    limiter = new_limiter(60)
    await send(limiter, "walk", latency=0)
    waiting = asyncio.create_task(send(limiter, "walk"))
    await asyncio.sleep(0)

    limiter.close()

    for refused in (waiting, send(limiter, "walk")):
        with pytest.raises(SessionClosedError):
            await refused
    assert now() == 0


@settings(max_examples=60)
@given(
    limit=st.sampled_from([None, 60, 600]),
    connections=st.integers(1, 3),
    cancels=st.lists(st.tuples(st.integers(0, 11), st.floats(0, 3)), max_size=12),
    refusals=st.lists(st.floats(0, 3), max_size=2),
)
def test_cancelled_requests_leave_nothing_behind(
    limit: int | None, connections: int, cancels: list[tuple[int, float]], refusals: list[float]
) -> None:
    """Whoever is cancelled whenever, all connections and places are free at the end and the others got their turn."""

    async def main() -> None:
        limiter = new_limiter(limit, connections=connections)
        tasks = [asyncio.create_task(send(limiter, owner % 4)) for owner in range(12)]
        loop = asyncio.get_running_loop()
        for number, moment in cancels:
            loop.call_later(moment, tasks[number].cancel)
        for moment in refusals:
            loop.call_later(moment, limiter.pause, 1.0)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)

        spared = set(range(12)) - {number for number, _ in cancels}
        assert not [number for number in spared if isinstance(outcomes[number], BaseException)]
        assert (limiter.free_slots, limiter.waiting) == (connections, 0)
        assert getattr(limiter._rate_limiter, "_in_flight", 0) == 0

    run(main())


@virtual_time
async def test_a_slot_granted_to_a_cancelled_request_is_released() -> None:
    """Cancelled between being let in and noticing it, a request takes nothing with it."""
    limiter = new_limiter(connections=1)
    first, second = (asyncio.create_task(send(limiter, "walk", latency=1)) for _ in range(2))
    await asyncio.sleep(1)
    assert not first.done()

    first.remove_done_callback(lambda _: None)
    asyncio.get_running_loop().call_soon(second.cancel)
    await first
    await asyncio.wait([second])

    assert limiter.free_slots == 1
