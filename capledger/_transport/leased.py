"""A rate limiter whose places are leased from a book elsewhere, shared with other processes and machines."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from attrs import frozen

from capledger._transport.arguments import to_optional_seconds
from capledger._transport.clock import SYSTEM_CLOCK, Clock
from capledger._transport.lease_book import VALIDITY, check_grace
from capledger._transport.log import logger
from capledger._transport.rate_limit import RateLimiter
from capledger.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from capledger._transport.lease_book import Lease

#: Seconds before the end of its validity after which a place is not used any more, and within which it must be sent.
_MARGIN: Final = 2.0
#: Seconds without a request after which places are returned and requests reported.
_IDLE: Final = 1.0
#: Seconds that the end of a session waits for the last report.
_LAST_REPORT: Final = 2.0
#: Seconds between attempts while the source fails: the first wait, and the longest.
_BACKOFF: Final = (0.1, 5.0)


class LeaseSource(Protocol):
    """Where the book of a rate limit is; implement it for a home of your own around a :class:`~capledger.LeaseBook`.

    If there is an async method ``close``, it is called whenever a session ends; others may use the source afterwards.
    """

    grace: float
    """Seconds that a request may take, as the book assumes."""

    async def lease(self, want: int, settled: Sequence[tuple[int, float]], unused: Sequence[int]) -> Lease:
        """Pass the arguments to the book, without delay, and return what it leases.

        Args:
            want: Number of places wanted; 0 only to report.
            settled: numbers of places, each with the seconds since the service has counted its request.
            unused: numbers of places that were not used and will not be.

        Raises:
            Exception: the book cannot be reached; requests wait, and the call is repeated.
        """
        ...


@frozen
class _Place:
    number: int
    usable_from: float
    usable_until: float


class LeasedRateLimiter(RateLimiter):
    """Takes places from a :class:`LeaseSource`, in blocks, for one session.

    While the source cannot be reached, requests wait; they are never sent without a place.

    Args:
        source: where the places come from; several sessions may use one.
        max_wait: Maximum time in seconds (or a ``timedelta``) that a request waits for its turn before it fails with
            ``RateLimitedError``. None for no maximum.

    Raises:
        ConfigurationError: an argument cannot work.
    """

    max_hold: float = _MARGIN

    def __init__(self, source: LeaseSource, *, max_wait: float | timedelta | None = None) -> None:
        if not callable(getattr(source, "lease", None)):
            raise ConfigurationError("source must have the method lease, as RedisLeases(...) has")
        self.max_wait: float | None = to_optional_seconds(max_wait)
        self._source = source
        self._clock: Clock = SYSTEM_CLOCK
        self._wake: Callable[[], None] | None = None
        self._places: deque[_Place] = deque()
        """Places to be used, the first leased first."""
        self._in_flight: deque[_Place] = deque()
        """Places of requests that were sent, as many as requests: which request has which does not matter, as long as
        the place that was leased first is reported first."""
        self._settled: dict[int, float] = {}
        """When requests were over, by the number of their place; not reported yet."""
        self._unused: list[int] = []
        self._wanted = 0
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self, wake: Callable[[], None], *, clock: Clock, timeout: float) -> None:
        """Belong to a session from now on.

        Raises:
            ConfigurationError: the limiter belongs to another session, or the timeout is longer than the grace.
        """
        if self._wake is not None:
            raise ConfigurationError("a LeasedRateLimiter belongs to one session: make another one of the same source")
        check_grace(self._source.grace, timeout)
        self._wake, self._clock = wake, clock

    async def close(self) -> None:
        """Return the places that were not used, and report the requests that are over."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._return_places()
        if self._has_reports:
            with suppress(Exception):  # the book frees the places by itself, only later
                async with asyncio.timeout(_LAST_REPORT):
                    await self._lease(0)
        close = getattr(self._source, "close", None)
        if close is not None:
            await close()

    def delay(self, now: float, ahead: int = 0) -> float:
        """Return the seconds until a request may be sent; infinite where that takes another lease."""
        usable = [place for place in self._places if place.usable_until > now]
        return math.inf if len(usable) <= ahead else max(0.0, usable[ahead].usable_from - now)

    def want(self, count: int) -> None:
        """Lease places for so many requests."""
        self._wanted = count
        self._start_task()

    def acquire(self, now: float) -> None:
        """Use the place that was leased first."""
        self._drop_expired(now)
        self._in_flight.append(self._places.popleft())
        self._changed.set()

    def cancel(self, now: float) -> None:
        """Return a place to those that can be used."""
        self._places.appendleft(self._in_flight.popleft())
        self._drop_expired(now)
        self._start_task()

    def complete(self, now: float) -> None:
        """Note when a request was over, to be reported with the next lease, or soon without one."""
        self._settled[self._in_flight.popleft().number] = now
        self._start_task()

    @property
    def _has_reports(self) -> bool:
        return bool(self._settled or self._unused)

    def _drop_expired(self, now: float) -> None:
        while self._places and self._places[0].usable_until <= now:
            self._unused.append(self._places.popleft().number)

    def _return_places(self) -> None:
        self._unused += [place.number for place in self._places]
        self._places.clear()

    def _start_task(self) -> None:
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._keep_leasing())

    async def _keep_leasing(self) -> None:
        """Lease places while they are wanted; end once all is reported and returned."""
        failures = 0
        while self._wanted or self._places or self._has_reports:
            self._drop_expired(self._clock.monotonic())
            if self._places or not self._wanted:
                if await self._is_in_use():
                    continue
                self._return_places()
                self._wanted = 0
            try:
                wait, failures = await self._lease(self._wanted), 0
            except Exception as error:  # noqa: BLE001 - of a source that we do not know
                wait, failures = self._wait_after_failure(error, failures), failures + 1
            await asyncio.sleep(wait)

    def _wait_after_failure(self, error: Exception, before: int) -> float:
        if not before:
            logger.warning("no places can be leased (%s): requests wait", type(error).__name__)
        return float(min(_BACKOFF[0] * 2 ** min(before, 10), _BACKOFF[1]))

    async def _is_in_use(self) -> bool:
        """Wait for a change; return whether there was one before the limiter is idle."""
        self._changed.clear()
        first = self._places[0].usable_from if self._places else 0.0
        with suppress(TimeoutError):
            async with asyncio.timeout(_IDLE + max(0.0, first - self._clock.monotonic())):
                await self._changed.wait()
                return True
        return False

    async def _lease(self, want: int) -> float:
        """Report, and lease; return the seconds until the next attempt, where no place was leased."""
        asked_at = self._clock.monotonic()
        settled, unused = dict(self._settled), list(self._unused)
        ages = [(number, asked_at - over_at) for number, over_at in settled.items()]
        async with asyncio.timeout(VALIDITY):
            first, count, wait = await self._source.lease(want, ages, unused)
        self._settled = {number: at for number, at in self._settled.items() if number not in settled}
        self._unused = self._unused[len(unused) :]
        if not count:
            return min(wait, VALIDITY)
        start, end = self._clock.monotonic() + wait, asked_at + VALIDITY - _MARGIN
        self._places.extend(_Place(number, start, end) for number in range(first, first + count))
        self._wanted = 0
        if self._wake is not None:
            self._wake()
        return 0.0
