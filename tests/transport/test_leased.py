from __future__ import annotations

import asyncio
from datetime import UTC
from random import Random
from typing import TYPE_CHECKING

import pytest
from attrs import define, field
from support.clock import LoopClock, busiest, run, virtual_time
from support.jobs import customer, queries
from support.service import BASIC, OAUTH

from capledger import (
    ConfigurationError,
    CustomerLedgerQuery,
    LeaseBook,
    LeasedRateLimiter,
    LedgerSession,
    RateLimit,
    RateLimitedError,
    RetryPolicy,
)
from capledger._transport.lease_book import VALIDITY
from capledger._transport.limiter import RequestLimiter
from capledger.sandbox import Sandbox, faults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from capledger._transport.authentication import Auth
    from capledger._transport.lease_book import Lease

GRACE = 60.0


def now() -> float:
    return asyncio.get_running_loop().time()


@define
class Home:
    """A book that is reached by messages, which take time."""

    limit: int
    grace: float = GRACE
    latency: float = 0.0
    away: bool = False
    calls: list[int] = field(factory=list)
    """Number of places leased by each call."""
    book: LeaseBook = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.book = LeaseBook(self.limit, now(), grace=self.grace, closed_for=0)

    async def lease(self, want: int, settled: Sequence[tuple[int, float]], unused: Sequence[int]) -> Lease:
        await asyncio.sleep(self.latency)
        if self.away:
            raise ConnectionError
        lease = self.book.lease(now(), want, settled, unused)
        self.calls.append(lease[1])
        await asyncio.sleep(self.latency)
        return lease


def new_limiter(source: Home, *, connections: int = 8, max_wait: float | None = None) -> RequestLimiter:
    rate_limiter = LeasedRateLimiter(source, max_wait=max_wait)
    limiter = RequestLimiter(rate_limiter, max_connections=connections, clock=LoopClock())
    rate_limiter.open(limiter.pump, clock=LoopClock(), timeout=30.0)
    return limiter


async def send(limiter: RequestLimiter, owner: object = None, latency: float = 0.0) -> float:
    """Send one request; return when it was sent."""
    slot = await limiter.acquire(owner)
    try:
        slot.used, sent = True, now()
        await asyncio.sleep(latency)
    finally:
        limiter.release(slot)
    return sent


class Worker:
    """Sends as many requests as it may, over eight connections, each counted by the service at some moment of it."""

    def __init__(self, source: Home, random: Random, counted: list[float]) -> None:
        self.limiter = new_limiter(source)
        self._random = random
        self._counted = counted
        self._tasks = [asyncio.create_task(self._send(owner)) for owner in range(8)]

    async def _send(self, owner: int) -> None:
        while True:
            slot = await self.limiter.acquire(owner)
            slot.used, latency = True, self._random.uniform(0.05, 0.3)
            self._counted.append(now() + self._random.uniform(0, latency))
            await asyncio.sleep(latency)
            self.limiter.release(slot)

    async def kill(self) -> None:
        """End without a report, as SIGKILL does."""
        task = self.limiter._rate_limiter._task  # type: ignore[attr-defined]  # of the leased one
        for one in (*self._tasks, task):
            one.cancel()
        await asyncio.gather(*self._tasks, task, return_exceptions=True)


@pytest.mark.parametrize(("limit", "kills"), [(600, 3), (100, 0)])
@virtual_time
async def test_three_workers_use_one_limit_and_never_exceed_it(limit: int, kills: int) -> None:
    """Over four minutes no minute has more than the limit, 95% of it is used, at less than 0.3 calls a request."""
    random, counted = Random(limit + kills), list[float]()
    home = Home(limit, latency=0.003)
    workers = [Worker(home, random, counted) for _ in range(3)]
    for number in range(kills):
        await asyncio.sleep(30)
        await workers[number].kill()
        workers.append(Worker(home, random, counted))
    await asyncio.sleep(240 - 30 * kills)
    for worker in workers:
        await worker.kill()

    assert busiest(counted) <= limit
    assert len(counted) >= 0.95 * limit * 4
    assert len(home.calls) < 0.3 * len(counted)


@virtual_time
async def test_requests_wait_while_the_book_is_away() -> None:
    """Nothing is sent without a place; when the book is back, requests go on."""
    home = Home(600, away=True)
    limiter = new_limiter(home)
    sending = [asyncio.create_task(send(limiter)) for _ in range(20)]

    await asyncio.sleep(100)
    assert not any(task.done() for task in sending)
    home.away = False

    assert 100 <= min(await asyncio.gather(*sending)) <= 105


@virtual_time
async def test_a_request_that_waits_too_long_fails() -> None:
    """While the book is away a request waits for ``max_wait`` and no longer."""
    limiter = new_limiter(Home(600, away=True), max_wait=7.0)

    with pytest.raises(RateLimitedError, match=r"wait of 7\.0 s"):
        await send(limiter)
    assert now() == pytest.approx(7.0)


@virtual_time
async def test_unused_places_are_returned() -> None:
    """Requests that are given up do not keep places from others for longer than a second."""
    home = Home(4)
    limiter, other = new_limiter(home), new_limiter(home)
    sending = [asyncio.create_task(send(limiter)) for _ in range(4)]
    await asyncio.sleep(0)
    for task in sending:
        task.cancel()
    await asyncio.gather(*sending, return_exceptions=True)

    assert max([await send(other) for _ in range(4)]) < 60


@virtual_time
async def test_places_are_not_leased_again_and_again_in_a_pause() -> None:
    """After an HTTP 429 places are returned, and none is leased until the pause is over."""
    home = Home(600)
    limiter = new_limiter(home, connections=1)
    waiting = asyncio.create_task(send(limiter, latency=0.1))
    others = [asyncio.create_task(send(limiter)) for _ in range(5)]
    await waiting
    before = len(home.calls)
    limiter.pause(50.0)

    sent = await asyncio.gather(*others)

    assert len(home.calls) - before <= 8
    assert max(sent) >= 50.0


@virtual_time
async def test_a_place_that_is_too_old_is_not_used() -> None:
    """A place is used within its validity, which begins before it was asked for, or not at all."""
    home = Home(600, latency=VALIDITY / 2 - 0.5)
    limiter = new_limiter(home)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(send(limiter), 60)


@virtual_time
async def test_the_end_of_a_session_reports_and_does_not_wait_for_a_book_that_hangs() -> None:
    """Places are returned when a session ends, or after two seconds by themselves where the book does not respond."""
    home = Home(600)
    reported, hanging = new_limiter(home), new_limiter(home)
    await asyncio.gather(send(reported), send(hanging))
    await reported._rate_limiter.close()
    home.latency = 100.0
    started = now()
    await hanging._rate_limiter.close()

    assert now() - started <= 2.0
    assert len(home.book._unsettled) == 1


def test_a_limiter_belongs_to_one_session() -> None:
    """Two sessions take two limiters of one source; a second use is an error, and so is a timeout beyond the grace."""

    async def open_two() -> None:
        limiter = LeasedRateLimiter(Home(600))
        for _ in range(2):
            async with LedgerSession("http://127.0.0.1:1", BASIC, rate_limiter=limiter):
                pass

    async def open_slow() -> None:
        async with LedgerSession("http://127.0.0.1:1", BASIC, rate_limiter=LeasedRateLimiter(Home(600)), timeout=61):
            pass

    with pytest.raises(ConfigurationError, match="belongs to one session"):
        run(open_two())
    with pytest.raises(ConfigurationError, match="lower the timeout"):
        run(open_slow())


def test_a_session_has_one_limit() -> None:
    """A limit of its own and a shared one contradict each other, at the start and later."""
    limited = LedgerSession("http://127.0.0.1:1", BASIC, rate_limit=RateLimit(600))

    with pytest.raises(ConfigurationError, match="a limit of its own"):
        limited.use_rate_limiter(LeasedRateLimiter(run(_home())))
    with pytest.raises(ConfigurationError, match="pass rate_limit, for this session alone, or rate_limiter"):
        LedgerSession(
            "http://127.0.0.1:1", BASIC, rate_limit=RateLimit(1), rate_limiter=LeasedRateLimiter(run(_home()))
        )
    for wrong in ("redis://", LeasedRateLimiter, RateLimit(1)):
        with pytest.raises(ConfigurationError, match="rate_limiter must be"):
            LedgerSession("http://127.0.0.1:1", BASIC, rate_limiter=wrong)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ConfigurationError, match="source must have the method lease"):
        LeasedRateLimiter("redis://")  # type: ignore[arg-type]  # what is tested


async def _home() -> Home:
    return Home(600)


def session_at(box: Sandbox, home: Home, auth: Auth) -> LedgerSession:
    retry = RetryPolicy(attempts=20, min_wait=0.001, max_wait=0.01)
    limiter = LeasedRateLimiter(home)
    return LedgerSession(box.url, auth, timezone=UTC, retry=retry, rate_limiter=limiter, clock=LoopClock())


@pytest.mark.parametrize("auth", ["basic", "oauth"])
@virtual_time
async def test_sessions_share_a_limit(auth: str) -> None:
    """Two sessions with one source never exceed its limit at the service, tokens and failures included."""
    home = Home(30)
    script = faults.random_faults(1, 0.2, [faults.status(503)])
    async with Sandbox([customer(number, 3) for number in range(60)], faults=script, clock=now) as box:
        moments: list[float] = []
        box.on_request = lambda *_: moments.append(now())
        credentials = BASIC if auth == "basic" else OAUTH
        async with (
            session_at(box, home, credentials) as one,
            session_at(box, home, credentials) as two,
        ):
            counts = await asyncio.gather(_read(one, queries(60)[::2]), _read(two, queries(60)[1::2]))

    assert [*counts] == [90, 90]
    assert busiest(moments) <= 30
    assert home.book._unsettled == {}


async def _read(session: LedgerSession, given: list[CustomerLedgerQuery]) -> int:
    return sum([len(outcome.entries or ()) async for outcome in session.fetch_many(given)])
