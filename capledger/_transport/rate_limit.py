"""When requests may be sent: a stated rate limit kept exactly, or one learned from HTTP 429.

Nothing here waits or knows about connections; :mod:`~capledger._transport.limiter` does. All times are seconds of one
monotonic clock, passed in.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Literal, Protocol

from attrs import define, field, frozen

from capledger._transport.arguments import (
    as_int,
    as_optional_int,
    require_type,
    to_optional_seconds,
    to_positive_int,
)
from capledger.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from capledger._transport.clock import Clock

MINUTE = 60.0
#: Seconds added to the minute, for a server whose clock runs a little slower than ours.
DRIFT = 0.05


@frozen
class RateLimit:
    """The organisation's rate limit, shared by everything in the session.

    The service never receives more than ``requests_per_minute`` in any 60 seconds, however it counts them.

    Raises:
        ConfigurationError: a value is out of its range.
    """

    requests_per_minute: int = field(converter=as_int)
    """Maximum number of requests in any 60 seconds."""
    burst: int | None = field(default=None, kw_only=True, converter=as_optional_int)
    """Maximum number of requests sent at once; None for a second's worth, at least 1."""
    max_wait: float | None = field(default=None, kw_only=True, converter=to_optional_seconds)
    """Maximum time in seconds (or a ``timedelta``) that a request waits for its turn; where it would be longer, the
    request fails at once with ``RateLimitedError``. None for no maximum."""

    def __attrs_post_init__(self) -> None:
        to_positive_int("requests_per_minute", self.requests_per_minute)
        if self.burst is not None and to_positive_int("burst", self.burst) > self.requests_per_minute:
            raise ConfigurationError("burst must not be greater than requests_per_minute")


#: What an HTTP 429 means together with those before it: nothing succeeds for a while; some requests succeed and many
#: do not; no sign of a limit.
Severity = Literal["stalled", "frequent", "isolated"]


class RateLimiter(Protocol):
    """Decides when the next request may be sent; implement it for a limit that is kept elsewhere.

    A limiter belongs to one session, and all its methods are called in the session's event loop. Those with a body here
    may be left out by a class that inherits from this one.
    """

    max_wait: float | None = None
    """Maximum time in seconds that a request waits for its turn before it fails with ``RateLimitedError``; None for no
    maximum."""
    max_hold: float = math.inf
    """Maximum time in seconds from :meth:`acquire` until the request is sent; where more has passed, such as for a new
    token, the session calls :meth:`cancel` and acquires again."""

    def open(self, wake: Callable[[], None], *, clock: Clock, timeout: float) -> None:  # noqa: ARG002 - part of the protocol
        """Prepare for requests.

        Args:
            wake: to be called where a request may be sent earlier than :meth:`delay` returned.
            clock: the session's; its monotonic time is that of the other methods.
            timeout: Maximum time in seconds of one attempt.

        Raises:
            ConfigurationError: the limit cannot be kept with this timeout.
        """
        return

    async def close(self) -> None:
        """Release what the limiter holds; no other method is called afterwards, except :meth:`complete`."""
        return

    def delay(self, now: float, ahead: int = 0) -> float:
        """Return the seconds from *now* until a request with *ahead* others before it may be sent.

        *now* may lie in the future. Infinite where it is not known, and ``wake`` will be called.
        """
        ...

    def want(self, count: int) -> None:  # noqa: ARG002 - part of the protocol
        """Note that so many requests wait for their turn, which could be sent at once otherwise."""
        return

    def acquire(self, now: float) -> None:
        """Count a request that is sent now."""

    def cancel(self, now: float) -> None:
        """Take back a request that was counted and not sent."""

    def complete(self, now: float) -> None:
        """Record that a request counted earlier is over: the server has counted it by now."""

    def rate_limited(self, now: float, severity: Severity = "stalled") -> None:  # noqa: ARG002 - part of the protocol
        """Record that a request got HTTP 429."""
        return


@define
class Pacer:
    """Evenly spaced turns; a few unused ones may be taken later, at once."""

    interval: float
    """Seconds between turns."""
    burst: int
    """Number of turns that may be taken at once."""
    _next: float = field(default=-math.inf, init=False)

    def delay(self, now: float, ahead: int) -> float:
        """Return the seconds until a turn with *ahead* others before it; negative where it was due earlier."""
        return max(self._next, now - self._credit()) + ahead * self.interval - now

    def acquire(self, now: float) -> None:
        """Take the next turn."""
        self._next = max(self._next, now - self._credit()) + self.interval

    def cancel(self) -> None:
        """Take back a turn."""
        self._next -= self.interval

    def drop_unused(self, now: float) -> None:
        """Drop turns that were not taken."""
        self._next = max(self._next, now)

    def _credit(self) -> float:
        return (self.burst - 1) * self.interval


class FixedRateLimiter(RateLimiter):
    """Keeps a :class:`RateLimit`.

    A request holds a place from when it is sent until a minute after its response, and there are as many places as the
    limit. The server counts the request at some moment between the two; so of all requests that it counts in one
    minute, each still holds its place when the last is sent. Requests are evenly paced besides.
    """

    def __init__(self, limit: RateLimit) -> None:
        self.max_wait = limit.max_wait
        self._limit = limit.requests_per_minute
        self._pacer = Pacer(MINUTE / self._limit, limit.burst or max(1, self._limit // 60))
        self._in_flight = 0
        self._expiries: deque[float] = deque()
        """When the places of completed requests are free again."""

    def delay(self, now: float, ahead: int = 0) -> float:
        """Return the seconds until a request with *ahead* others before it may be sent."""
        return max(0.0, self._pacer.delay(now, ahead), self._delay_for_place(now, ahead))

    def _delay_for_place(self, now: float, ahead: int) -> float:
        missing = self._in_flight + len(self._expiries) + ahead + 1 - self._limit
        if missing <= 0:
            return 0.0
        if missing <= len(self._expiries):
            return self._expiries[missing - 1] - now
        return MINUTE + DRIFT  # those before it are in flight; computed again when they complete

    def acquire(self, now: float) -> None:
        """Count a request that is sent now."""
        self._pacer.acquire(now)
        self._in_flight += 1
        while self._expiries and self._expiries[0] <= now:
            self._expiries.popleft()

    def cancel(self, now: float) -> None:  # noqa: ARG002 - part of the protocol
        """Take back a request that was counted and not sent."""
        self._pacer.cancel()
        self._in_flight -= 1

    def complete(self, now: float) -> None:
        """Free the place of a request in a minute."""
        self._in_flight -= 1
        self._expiries.append(now + MINUTE + DRIFT)


#: The lowest rate that is learned, in requests a minute: below it, pauses after HTTP 429 are enough.
_MIN_RATE = 60.0
#: Multiplicative decrease after HTTP 429, and additive increase in each minute, as a share of the decreased rate.
_DECREASE, _INCREASE = 0.9, 0.1
#: Seconds over which the rate is measured where some requests succeed.
_RECENT = 5.0
#: Number of HTTP 429 in a minute, and their share of its requests, that show that the rate has grown too high.
_EXCEEDED_COUNT, _EXCEEDED_SHARE = 8, 0.1


class AdaptiveRateLimiter(RateLimiter):
    """Sets no limit until HTTP 429 shows one; then additive increase, multiplicative decrease (AIMD).

    The first rate is what succeeded: in the last minute where nothing succeeds any more ("stalled"), since a service
    that counts by the minute stops like that; in the last seconds where some requests succeed.
    """

    def __init__(self) -> None:
        self._succeeded = _LastMinute()
        self._rate_limited = _LastMinute()
        self._pacer: Pacer | None = None
        self._decreased = math.inf
        self._since = 0.0

    def rate(self, now: float) -> float:
        """Return the requests a minute that are allowed now; infinite until a limit was learned."""
        return self._decreased * (1 + _INCREASE * (now - self._since) / MINUTE)

    def delay(self, now: float, ahead: int = 0) -> float:
        """Return the seconds until a request with *ahead* others before it may be sent."""
        return 0.0 if self._pacer is None else max(0.0, self._pacer.delay(now, ahead))

    def acquire(self, now: float) -> None:
        """Count a request that is sent now."""
        self._succeeded.add(now, 1)
        if self._pacer is not None:
            self._pacer.interval = MINUTE / self.rate(now)
            self._pacer.acquire(now)

    def cancel(self, now: float) -> None:
        """Take back a request that was counted and not sent."""
        self._succeeded.add(now, -1)
        if self._pacer is not None:
            self._pacer.cancel()

    def complete(self, now: float) -> None:
        """Do nothing: requests are counted when they are sent."""

    def rate_limited(self, now: float, severity: Severity = "stalled") -> None:
        """Decrease the rate; once a minute unless "frequent", since responses that come together have one cause."""
        self._succeeded.add(now, -1)
        self._rate_limited.add(now, 1)
        if severity == "isolated" and not self._is_exceeded(now):
            return
        if severity != "frequent" and self._pacer is not None and now < self._since + MINUTE:
            return
        rate, stalled = self.rate(now), severity == "stalled"
        if self._pacer is None or not stalled:
            rate = min(rate, float(self._succeeded.total(now)) if stalled else self._succeeded.rate(now, _RECENT))
        self._decreased, self._since = max(_MIN_RATE, rate * _DECREASE), now
        self._pacer = self._pacer or Pacer(MINUTE / self._decreased, 1)
        self._pacer.drop_unused(now)

    def _is_exceeded(self, now: float) -> bool:
        """Return whether a learned rate meets more HTTP 429 than chance explains."""
        count = self._rate_limited.total(now)
        return self._pacer is not None and count >= max(_EXCEEDED_COUNT, _EXCEEDED_SHARE * self._succeeded.total(now))


class _LastMinute:
    """Counts by the second, so that its size does not depend on the rate."""

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque()

    def add(self, now: float, count: int) -> None:
        second = int(now)
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0])
            self._drop_old(now)
        self._seconds[-1][1] += count

    def total(self, now: float, seconds: float = MINUTE) -> int:
        self._drop_old(now)
        return sum(count for second, count in self._seconds if second >= now - seconds)

    def rate(self, now: float, seconds: float) -> float:
        """Return the count of the last seconds, extrapolated to a minute."""
        first = next((second for second, _ in self._seconds if second >= now - seconds), now)
        return self.total(now, seconds) * MINUTE / max(1.0, now - first)

    def _drop_old(self, now: float) -> None:
        while self._seconds and self._seconds[0][0] < now - MINUTE:
            self._seconds.popleft()


def make_rate_limiter(rate_limit: RateLimit | None, rate_limiter: RateLimiter | None) -> RateLimiter:
    """Return what decides when the requests of a session may be sent.

    Raises:
        ConfigurationError: an argument is of another type, or both are passed.
    """
    if rate_limit is not None:
        require_type("rate_limit", rate_limit, RateLimit, "RateLimit(requests_per_minute) or None")
        if rate_limiter is not None:
            raise ConfigurationError("pass rate_limit, for this session alone, or rate_limiter, for a shared limit")
        return FixedRateLimiter(rate_limit)
    return AdaptiveRateLimiter() if rate_limiter is None else checked_rate_limiter(rate_limiter)


def checked_rate_limiter(rate_limiter: RateLimiter) -> RateLimiter:
    """Return the limiter; refuse what is none."""
    if isinstance(rate_limiter, type) or not hasattr(rate_limiter, "rate_limited"):
        raise ConfigurationError("rate_limiter must be a RateLimiter, such as LeasedRateLimiter(...), or None")
    return rate_limiter
