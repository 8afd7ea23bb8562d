"""How many requests may be sent, and when: a stated limit kept exactly, or one learned from refusals.

Nothing here waits or knows a connection; :mod:`~capledger._transport.limiter` does. All times are seconds of one
monotonic clock, handed in.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Literal, Protocol

from attrs import define, field, frozen

from capledger._transport.clock import to_optional_seconds
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


class RateLimiter(Protocol):
    """When the next request may go. A budget of one's own (a share leased from elsewhere, say) fits as well."""

    def delay(self, now: float, ahead: int = 0) -> float:
        """Return the seconds until a request may go that has *ahead* others before it; *now* may lie ahead as well."""

    def take(self, now: float) -> None:
        """Count a request that goes now."""

    def give_back(self, now: float) -> None:
        """Take back a request that was counted and not sent."""

    def settle(self, now: float) -> None:
        """Hear that a request counted earlier is over: the server has counted it by now."""

    def refused(self, now: float, meaning: Meaning = "standstill") -> None:
        """Hear that a request was refused for the rate (HTTP 429), and what that means together with those before."""


#: Nothing gets through for a while; some requests do and many do not; a refusal that is no sign of a limit.
Meaning = Literal["standstill", "many", "accident"]

#: Seconds from the first refusal in a row to the end of the pause after the latest: more are a standstill.
_STANDSTILL = 10.0
#: Of so many latest answers, so many refusals are many.
_LATEST, _MANY = 50, 15


class Refusals:
    """Whether refusals for the rate pass by themselves, or show a limit.

    Refusals are *in a row* when nothing got through between them. Those of requests that were sent before the pause
    after the one before have its cause and are not counted again.
    """

    def __init__(self) -> None:
        #: Refusals in a row.
        self.number = 0
        #: When the pause after the latest ends.
        self.resume_at = 0.0
        self._since = 0.0
        self._latest: deque[bool] = deque(maxlen=_LATEST)

    def count(self, now: float, sent: float) -> int:
        """Count the refusal of a request that was sent then; return how many are in a row."""
        self._latest.append(True)
        if now > self.resume_at + _MINUTE:
            self.number = 0
        if sent >= self.resume_at or not self.number:
            self._since = self._since if self.number else now
            self.number += 1
        return self.number

    def pause(self, until: float) -> None:
        """Put the end of the pause off, if it is later."""
        self.resume_at = max(self.resume_at, until)

    def end(self, sent: float) -> bool:
        """Hear that a request sent then got through; return whether that ended a row."""
        self._latest.append(False)
        ended = self.number > 0 and sent >= self.resume_at
        if ended:
            self.number = 0
        return ended

    def meaning(self) -> Meaning:
        """Return what the latest refusal means; many are counted anew once they were called so."""
        if self.resume_at - self._since > _STANDSTILL:
            return "standstill"
        if sum(self._latest) < _MANY:
            return "accident"
        self._latest.clear()
        return "many"


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


class FixedRateLimiter:
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

    def refused(self, now: float, meaning: Meaning = "standstill") -> None:
        """Keep to the limit as stated; the pause after a refusal is the gate's."""


#: The lowest rate that is believed, in requests a minute: below it, obeying the refusals themselves is enough.
_LEARNED_LEAST = 60.0
#: Part of what went through that is asked for after a refusal, and the growth for each minute without one.
_LEARNED_PART, _LEARNED_GROWTH = 0.9, 1.1
#: Seconds over which is counted what goes through beside refusals.
_SHORTLY = 5.0
#: Refusals in a minute, at least, and the part of its requests, that show that a learned rate has grown too high.
_TOO_MANY, _TOO_MANY_PART = 8, 0.1


class AdaptiveRateLimiter:
    """No limit until refusals show one; then somewhat less than went through, slowly growing.

    At a standstill the service counts by the minute, and what went through in the minute before is its limit. Where
    some requests go through beside the refusals, it is what went through in the last seconds.
    """

    def __init__(self) -> None:
        self._passed = _LastMinute()
        self._refused = _LastMinute()
        self._pacer: _Pacer | None = None
        self._rate = 0.0
        self._since = 0.0

    def delay(self, now: float, ahead: int = 0) -> float:
        """Return the seconds until a request may go that has *ahead* others before it."""
        return 0.0 if self._pacer is None else max(0.0, self._pacer.delay(now, ahead))

    def take(self, now: float) -> None:
        """Count a request that goes now."""
        self._passed.add(now, 1)
        if self._pacer is not None:
            self._pacer.interval = _MINUTE / self.rate(now)
            self._pacer.take(now)

    def give_back(self, now: float) -> None:
        """Take back a request that was counted and not sent."""
        self._passed.add(now, -1)
        if self._pacer is not None:
            self._pacer.give_back()

    def settle(self, now: float) -> None:
        """Do nothing: what is counted here is sending."""

    def refused(self, now: float, meaning: Meaning = "standstill") -> None:
        """Learn from refusals; from a standstill once a minute, since those that come together have one cause."""
        self._passed.add(now, -1)
        self._refused.add(now, 1)
        if meaning == "accident" and not self._is_exceeded(now):
            return
        if meaning != "many" and self._pacer is not None and now < self._since + _MINUTE:
            return
        went_through = self._passed.rate(now, _SHORTLY) if meaning == "many" else float(self._passed.total(now))
        if self._pacer is not None:
            went_through = self.rate(now) if meaning == "standstill" else min(self.rate(now), went_through)
        self._rate, self._since = max(_LEARNED_LEAST, went_through * _LEARNED_PART), now
        self._pacer = self._pacer or _Pacer(_MINUTE / self._rate, 1)
        self._pacer.start_over(now)

    def _is_exceeded(self, now: float) -> bool:
        """Return whether a rate learned earlier meets more refusals than accidents explain."""
        refused = self._refused.total(now)
        return self._pacer is not None and refused >= max(_TOO_MANY, _TOO_MANY_PART * self._passed.total(now))

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

    def total(self, now: float, seconds: float = _MINUTE) -> int:
        self._forget(now)
        return sum(count for second, count in self._seconds if second >= now - seconds)

    def rate(self, now: float, seconds: float) -> float:
        """Return what the last seconds amount to in a minute."""
        first = next((second for second, _ in self._seconds if second >= now - seconds), now)
        return self.total(now, seconds) * _MINUTE / max(1.0, now - first)

    def _forget(self, now: float) -> None:
        while self._seconds and self._seconds[0][0] < now - _MINUTE:
            self._seconds.popleft()
