"""How many requests may be sent, and when: a stated limit kept exactly, or one learned from refusals.

Nothing here waits or knows a connection; :mod:`capledger._gate` asks and does the waiting. All times are seconds of one
monotonic clock, handed in.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

from attrs import define, field, frozen

from capledger._clock import to_optional_seconds
from capledger.errors import ConfigurationError

_MINUTE = 60.0
#: Seconds added to the minute, for a server whose clock runs a little slower than ours.
_DRIFT = 0.05


@frozen
class RateLimit:
    """The organisation's limit, kept by everything in the session together.

    In no 60 seconds, whichever way the server counts them, does it receive more than ``requests_per_minute``.

    Raises:
        ConfigurationError: a value is out of its range.
    """

    requests_per_minute: int
    #: Requests that may go at once, at the most; None for a second's worth, at least 1.
    burst: int | None = field(default=None, kw_only=True)
    #: Seconds (or a ``timedelta``) that a request may wait for its turn; when it would be longer, it fails at once
    #: with ``RateLimitedError``. None: it waits as long as it takes.
    max_wait: float | None = field(default=None, kw_only=True, converter=to_optional_seconds)

    def __attrs_post_init__(self) -> None:
        if not _is_count(self.requests_per_minute):
            raise ConfigurationError("requests_per_minute must be a whole number, at least 1")
        if self.burst is not None and not (_is_count(self.burst) and self.burst <= self.requests_per_minute):
            raise ConfigurationError("burst must be a whole number from 1 to requests_per_minute")


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 1


class Budget(Protocol):
    """When the next request may go. A budget of one's own (a share leased from elsewhere, say) fits as well."""

    def delay(self, now: float, ahead: int = 0) -> float:
        """Return the seconds until a request may go that has *ahead* others before it; *now* may lie ahead as well."""

    def take(self, now: float) -> None:
        """Count a request that goes now."""

    def give_back(self, now: float) -> None:
        """Take back a request that was counted and not sent."""

    def settle(self, now: float) -> None:
        """Hear that a request counted earlier is over: the server has counted it by now."""

    def refused(self, now: float) -> None:
        """Hear that a request was refused for the rate (HTTP 429)."""


@define
class _Pacer:
    """Evenly spaced turns, of which some that were not used may be used late, at once."""

    #: Seconds from turn to turn.
    interval: float
    #: Turns that may go at once.
    burst: int
    #: When the next turn would be if none had ever been late.
    _next: float = field(default=-math.inf, init=False)

    def delay(self, now: float, ahead: int) -> float:
        return max(self._next, now - self._credit()) + ahead * self.interval - now

    def take(self, now: float) -> None:
        self._next = max(self._next, now - self._credit()) + self.interval

    def give_back(self) -> None:
        self._next -= self.interval

    def start_over(self, now: float) -> None:
        """Forget turns that were not used."""
        self._next = max(self._next, now)

    def _credit(self) -> float:
        return (self.burst - 1) * self.interval


class StatedBudget:
    """Keeps a :class:`RateLimit`.

    A request has its place from when it is sent until a minute after its answer, and there are as many places as the
    limit. The server counts it at some moment between sending and answer; so of all that it counts in one minute, each
    still has its place when the last is sent. Turns are paced besides.
    """

    def __init__(self, limit: RateLimit) -> None:
        self._most = limit.requests_per_minute
        self._pacer = _Pacer(_MINUTE / self._most, limit.burst or max(1, self._most // 60))
        self._under_way = 0
        self._over: deque[float] = deque()

    def delay(self, now: float, ahead: int = 0) -> float:
        """Return the seconds until a request may go that has *ahead* others before it."""
        return max(0.0, self._pacer.delay(now, ahead), self._until_place(now, ahead))

    def _until_place(self, now: float, ahead: int) -> float:
        missing = self._under_way + len(self._over) + ahead + 1 - self._most
        if missing <= 0:
            return 0.0
        if missing <= len(self._over):
            return self._over[missing - 1] - now
        return _MINUTE + _DRIFT  # those before it are still under way; asked again when they are over

    def take(self, now: float) -> None:
        """Count a request that goes now."""
        self._pacer.take(now)
        self._under_way += 1
        while self._over and self._over[0] <= now:
            self._over.popleft()

    def give_back(self, now: float) -> None:  # noqa: ARG002 (the protocol's)
        """Take back a request that was counted and not sent."""
        self._pacer.give_back()
        self._under_way -= 1

    def settle(self, now: float) -> None:
        """Hear that a request counted earlier is over; its place is free again in a minute."""
        self._under_way -= 1
        self._over.append(now + _MINUTE + _DRIFT)

    def refused(self, now: float) -> None:
        """Keep to the limit as stated; the pause after a refusal is the gate's."""


#: The lowest rate that is believed, in requests a minute: below it, obeying the refusals themselves is enough.
_LEARNED_LEAST = 60.0
#: Part of the minute's requests that is asked for after a refusal, and the growth for each minute without one.
_LEARNED_PART, _LEARNED_GROWTH = 0.9, 1.1


class LearnedBudget:
    """No limit until the first refusal; then somewhat less than went through in the minute before, slowly growing."""

    def __init__(self) -> None:
        self._minute = _LastMinute()
        self._pacer: _Pacer | None = None
        self._rate = 0.0
        self._since = 0.0

    def delay(self, now: float, ahead: int = 0) -> float:
        """Return the seconds until a request may go that has *ahead* others before it."""
        return 0.0 if self._pacer is None else max(0.0, self._pacer.delay(now, ahead))

    def take(self, now: float) -> None:
        """Count a request that goes now."""
        self._minute.add(now, 1)
        if self._pacer is not None:
            self._pacer.interval = _MINUTE / self.rate(now)
            self._pacer.take(now)

    def give_back(self, now: float) -> None:
        """Take back a request that was counted and not sent."""
        self._minute.add(now, -1)
        if self._pacer is not None:
            self._pacer.give_back()

    def settle(self, now: float) -> None:
        """Do nothing: what is counted here is sending."""

    def refused(self, now: float) -> None:
        """Learn from a refusal, once a minute: those that come together have one cause."""
        self._minute.add(now, -1)
        if self._pacer is not None and now < self._since + _MINUTE:
            return
        went_through = self._minute.total(now) if self._pacer is None else self.rate(now)
        self._rate, self._since = max(_LEARNED_LEAST, went_through * _LEARNED_PART), now
        self._pacer = self._pacer or _Pacer(_MINUTE / self._rate, 1)
        self._pacer.start_over(now)

    def rate(self, now: float) -> float:
        """Return the requests a minute that are allowed now, once a refusal was seen."""
        minutes = min((now - self._since) / _MINUTE, 100.0)
        return float(self._rate * _LEARNED_GROWTH**minutes)


class _LastMinute:
    """Counts by the second, so that its size does not follow the rate."""

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque()

    def add(self, now: float, count: int) -> None:
        if not self._seconds or self._seconds[-1][0] != int(now):
            self._seconds.append([int(now), 0])
        self._seconds[-1][1] += count
        self._forget(now)

    def total(self, now: float) -> int:
        self._forget(now)
        return sum(count for _, count in self._seconds)

    def _forget(self, now: float) -> None:
        while self._seconds and self._seconds[0][0] < now - _MINUTE:
            self._seconds.popleft()
