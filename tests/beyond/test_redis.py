from __future__ import annotations

import asyncio
import time
from datetime import UTC
from random import Random
from typing import TYPE_CHECKING

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from support.clock import busiest
from support.jobs import BASIC, customer, queries
from support.redis_server import RedisServer, open_now, redis_server

from capledger import ConfigurationError, CustomerLedgerQuery, LeaseBook, LeasedRateLimiter, LedgerSession
from capledger._transport.lease_book import unknown_for
from capledger.redis import RedisLeases
from capledger.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


def source(server: RedisServer, name: str = "org-1007", limit: int = 600, grace: float = 60.0) -> RedisLeases:
    return RedisLeases(server.url, name=name, requests_per_minute=limit, grace=grace)


@given(limit=st.integers(1, 200), seed=st.integers(0, 10_000))
def test_the_script_is_the_book(server: RedisServer, limit: int, seed: int) -> None:
    """Whatever holders do, Redis leases what the book in Python leases."""
    asyncio.run(_compare(server, limit, Random(seed)))


async def _compare(server: RedisServer, limit: int, random: Random) -> None:
    now, held = 1_000.0, list[int]()
    leases = source(server, f"{limit}-{random.random()}", limit)
    leases._now = lambda: now
    first, _, _ = await leases.lease(0, [], [])
    book = LeaseBook(limit, now)
    offset = None
    for _ in range(40):
        now += random.choice((0.0, random.uniform(0, 3), random.uniform(0, 100)))
        settled, unused = _reports(random, held)
        want = random.randint(0, 40)
        expected = book.lease(now, want, [(held_number, age) for held_number, age in settled], unused)
        shifted = [(number + (offset or 0), age) for number, age in settled]
        actual = await leases.lease(want, shifted, [number + (offset or 0) for number in unused])
        assert actual[1:] == pytest.approx(expected[1:], abs=1e-6)
        if expected[1]:
            offset = actual[0] - expected[0] if offset is None else offset
            assert actual[0] - expected[0] == offset
            held += range(expected[0], expected[0] + expected[1])
    await leases.close()
    assert first == 0


def _reports(random: Random, held: list[int]) -> tuple[list[tuple[int, float]], list[int]]:
    """Report some of the places, and now and then one that was reported before."""
    settled, unused = list[tuple[int, float]](), list[int]()
    for number in list(held):
        fate = random.random()
        if fate < 0.3:
            settled.append((number, random.uniform(-1, 30)))
        elif fate < 0.4:
            unused.append(number)
        if 0.05 < fate < 0.4:
            held.remove(number)
    return settled, unused


async def test_a_restarted_redis_leases_nothing_for_a_while() -> None:
    """What the last run has leased is not known to the next, so the book is closed; numbers are never used again."""
    with redis_server() as server:
        leases = source(server, grace=20.0)
        await open_now(leases)
        first, count, _ = await leases.lease(3, [], [])
        server.kill()
        with pytest.raises(redis.ConnectionError):
            await leases.lease(3, [], [])
        server.start()

        assert count == 3
        assert await leases.lease(3, [], []) == pytest.approx((0, 0, unknown_for(20.0)), abs=0.5)
        await open_now(leases)
        assert (await leases.lease(3, [], []))[0] > first
        await leases.close()


async def test_a_book_that_lost_places_is_closed(server: RedisServer) -> None:
    """Redis may drop keys where memory is short: the places that were forgotten count as taken."""
    leases = source(server, "evicted")
    await open_now(leases)
    await leases.lease(3, [], [])
    await leases._client.delete(leases._keys[1])

    assert await leases.lease(3, [], []) == pytest.approx((0, 0, unknown_for(60.0)), abs=0.5)
    await leases.close()


async def test_sessions_of_two_sources_share_a_limit(server: RedisServer) -> None:
    """What two sessions with a source each send stays within the limit of their book, and places are reported."""
    moments: list[float] = []
    async with Sandbox([customer(number, 3) for number in range(40)]) as box:
        box.on_request = lambda *_: moments.append(time.monotonic())
        sessions = [
            LedgerSession(box.url, BASIC, timezone=UTC, rate_limiter=LeasedRateLimiter(source(server, "shared", 2_400)))
            for _ in range(2)
        ]
        await open_now(source(server, "shared", 2_400))
        async with sessions[0], sessions[1]:
            halves = queries(40)[::2], queries(40)[1::2]
            pairs = zip(sessions, halves, strict=True)
            counts = await asyncio.gather(*(_read(session, half) for session, half in pairs))

    leases = source(server, "shared", 2_400)
    assert counts == [60, 60]
    assert busiest(moments, 0.25) <= 40 + 0.25 * 40
    assert await leases._client.scard(leases._keys[2]) == 0
    await leases.close()


async def _read(session: LedgerSession, given_queries: list[CustomerLedgerQuery]) -> int:
    return sum([len(outcome.entries or ()) async for outcome in session.fetch_many(given_queries)])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"url": "localhost:6379"}, "url must look like"),
        ({"name": ""}, "name must name"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"grace": -1}, "duration"),
    ],
)
def test_arguments_are_checked(wrong: dict[str, object], message: str) -> None:
    """What cannot work is refused before any connection, and no message has the address, which may have a password."""
    arguments = {"url": "redis://:secret@localhost", "name": "org", "requests_per_minute": 1, **wrong}

    with pytest.raises(ConfigurationError, match=message) as raised:
        RedisLeases(**arguments)  # type: ignore[arg-type]  # what is tested
    assert "secret" not in str(raised.value)
    assert "secret" not in repr(RedisLeases("redis://:secret@localhost", name="org", requests_per_minute=1))
