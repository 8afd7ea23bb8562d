"""One rate limit for several processes, as arithmetic: which places are taken and until when, and who gets the next.

Nothing here waits or sends. All times are seconds of the book's clock, passed in; holders report ages, so that no two
clocks are compared.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from attrs import define, field

from capledger._transport.arguments import as_int, to_positive_int, to_seconds
from capledger._transport.rate_limit import DRIFT, MINUTE, Pacer
from capledger.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Seconds within which a place must be used, from before it was asked for.
VALIDITY: Final = 20.0
#: Seconds by which a place may be leased ahead of its time.
HORIZON: Final = 10.0
#: Seconds after which to try again where all places are taken and nobody knows until when.
RETRY: Final = 1.0
_MICROSECONDS: Final = 1_000_000

#: The number of the first place of a block, the number of places in a row, 0 for none, and the seconds after which they
#: may be used; where there are none, the seconds after which to try again.
Lease = tuple[int, int, float]


def block_size(requests_per_minute: int) -> int:
    """Return how many places are leased at once where several holders compete: half a second's worth, about.

    Where the limit is low, at least 4, so that a request takes a quarter of a call, but no more than in 2.5 seconds.
    """
    return max(1, min(max(4, requests_per_minute // 120), requests_per_minute // 24))


def burst_size(requests_per_minute: int) -> int:
    """Return how many places may be used at once after a rest: a second's worth, and at least a block."""
    return max(block_size(requests_per_minute), requests_per_minute // 60)


@define
class LeaseBook:
    """The places of one rate limit, leased in blocks to any number of holders.

    There are as many places as requests are allowed in a minute. A place is taken from its lease until a minute after
    the last moment at which the service can have counted its request. The holder reports that moment. If it never does
    (it was killed, or cut off), the moment is the end of the validity plus the grace. So of all requests that the
    service counts within a minute, each holds its place when the last is counted.

    Args:
        requests_per_minute: the organisation's limit.
        now: the current time.
        grace: seconds that a request may take; at least the time limit of the sessions.
        closed_for: seconds without any lease. None: as long as places of a lost book may be in use, since it is not
            known what that one has leased.

    Raises:
        ConfigurationError: a value is out of its range.
    """

    requests_per_minute: int = field(converter=as_int)
    _now: float
    grace: float = field(default=60.0, kw_only=True, converter=to_seconds)
    _closed_for: float | None = field(default=None, kw_only=True)
    _opens_at: float = field(init=False)
    _next_number: int = field(init=False, factory=lambda: int(time.time() * _MICROSECONDS))
    """Greater than any number of a lost book, whose reports must not be taken for those of this one."""
    _unsettled: dict[int, float] = field(init=False, factory=dict)
    """When the places of which nothing was reported are free at the latest, by number."""
    _settled: dict[int, float] = field(init=False, factory=dict)
    """When the other places that are taken are free."""
    _pacer: Pacer = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._opens_at = self._now + (unknown_for(self.grace) if self._closed_for is None else self._closed_for)
        limit = to_positive_int("requests_per_minute", self.requests_per_minute)
        self._pacer = Pacer(MINUTE / limit, burst_size(limit))

    def lease(self, now: float, want: int, settled: Sequence[tuple[int, float]], unused: Sequence[int]) -> Lease:
        """Record what a holder reports, and lease at most as many places as it wants.

        Args:
            now: the current time.
            want: Number of places wanted; 0 only to report.
            settled: numbers of places, each with the seconds since the service has counted its request.
            unused: numbers of places that were not used and will not be.

        Returns:
            the number of the first place, the number of places in a row, and the seconds after which they may be used;
            they must be used within twenty seconds of the call. Without places, the seconds after which to try again.
        """
        self._record(now, settled, unused)
        if want < 1:
            return 0, 0, 0.0
        if now < self._opens_at:
            return 0, 0, self._opens_at - now
        taken = sorted((free_at, number) for places in self._places() for number, free_at in places.items())
        for count in self._counts(now, want, len(taken)):
            start = self._start(now, count, taken)
            if start is not None and start - now > HORIZON:
                return 0, 0, start - now - HORIZON
            if start is not None:
                return self._grant(now, start, count)
        return 0, 0, RETRY

    def taken_for(self, now: float) -> float:
        """Return the seconds until all places are free that are taken now, if no other is leased."""
        latest = max((free_at for places in self._places() for free_at in places.values()), default=now)
        return max(0.0, latest - now, self._opens_at - now)

    def change_limit(self, requests_per_minute: int) -> None:
        """Lease as many places as another limit has from now on; those that are taken stay taken."""
        limit = to_positive_int("requests_per_minute", requests_per_minute)
        if limit != self.requests_per_minute:
            self.requests_per_minute, self._pacer = limit, Pacer(MINUTE / limit, burst_size(limit))

    def close(self, now: float, seconds: float) -> None:
        """Lease nothing for so many seconds, since others may have used the limit without a place of this book."""
        self._opens_at = max(self._opens_at, now + seconds)

    def _record(self, now: float, settled: Sequence[tuple[int, float]], unused: Sequence[int]) -> None:
        for number, age in settled:
            bound = self._unsettled.pop(number, None)
            if bound is not None:
                self._settled[number] = min(bound, now - max(0.0, age) + MINUTE + DRIFT)
        for number in unused:
            if self._unsettled.pop(number, None) is not None:
                self._pacer.cancel()
        for places in self._places():
            for number in [number for number, free_at in places.items() if free_at <= now]:
                del places[number]

    def _places(self) -> tuple[dict[int, float], dict[int, float]]:
        return self._settled, self._unsettled

    def _counts(self, now: float, want: int, taken: int) -> tuple[int, ...]:
        """Return the sizes of a block to try in turn: all that can be used now, else a block, else one place."""
        most = min(want, burst_size(self.requests_per_minute))
        free = min(most, self.requests_per_minute - taken)
        at_once = next((count for count in range(free, 0, -1) if self._pacer.delay(now, count - 1) <= 0), 0)
        return (at_once,) if at_once else (min(most, block_size(self.requests_per_minute)), 1)

    def _start(self, now: float, count: int, taken: Sequence[tuple[float, int]]) -> float | None:
        """Return when so many places may be used; None where that depends on reports to come."""
        paced = now + max(0.0, self._pacer.delay(now, count - 1))
        missing = len(taken) + count - self.requests_per_minute
        if missing <= 0:
            return paced
        free_at, number = taken[missing - 1]
        if free_at > now + RETRY and number in self._unsettled:
            return None
        return max(paced, free_at)

    def _grant(self, now: float, start: float, count: int) -> Lease:
        first = self._next_number
        self._next_number += count
        for number in range(first, first + count):
            self._pacer.acquire(start)
            self._unsettled[number] = now + unknown_for(self.grace)
        return first, count, start - now


def unknown_for(grace: float) -> float:
    """Return the seconds for which a place is taken of which nothing is reported."""
    return VALIDITY + grace + MINUTE + DRIFT


def check_grace(grace: float, timeout: float) -> None:
    """Refuse a session whose requests may take longer than the book assumes.

    Raises:
        ConfigurationError: they may.
    """
    if timeout > grace:
        raise ConfigurationError(
            f"the session's timeout of {timeout:g} s is longer than the {grace:g} s that the lease source assumes: "
            "lower the timeout, or raise grace at all holders"
        )
