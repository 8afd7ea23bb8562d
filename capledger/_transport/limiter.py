"""Which request is sent next: a free connection and a place in the rate limit, in one fair queue.

The queue takes turns between owners (one a walk), so that a walk with a hundred waiting requests does not keep a walk
with a single one from sending.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import TYPE_CHECKING

from attrs import define

from capledger._transport.arguments import to_positive_int
from capledger._transport.clock import SYSTEM_CLOCK, Clock
from capledger._transport.pause import RateLimitedStreak
from capledger.errors import CapledgerError, RateLimitedError, SessionClosedError

if TYPE_CHECKING:
    from capledger._transport.rate_limit import RateLimiter


@define(eq=False)
class Slot:
    """The right to send one request."""

    waited: float = 0.0
    """Seconds spent waiting for the rate limit or for a pause to end; waiting for a connection is not counted."""
    used: bool = False
    """Set when the request is sent; an unused slot gives its place in the rate limit back."""
    acquired_at: float = 0.0
    """Seconds of the clock's monotonic time."""
    probe: bool = False
    """Whether it was granted to find out if the service still answers 429; no other request is sent meanwhile."""
    held: bool = True
    """False once it was released."""
    has_connection: bool = True
    """False if it shares the connection of another slot."""


@define(eq=False)
class _Waiter:
    owner: Hashable
    slot: asyncio.Future[Slot]
    """Done when the request may be sent; failed when it never may."""
    gives_up_at: float
    """When the rate limit must have admitted it, in the clock's seconds."""
    held_before: float
    """What :meth:`RequestLimiter._held_until` returned when it came."""
    beside: Slot | None = None
    """The slot whose connection it shares."""


#: Owners whose requests go before all others, and those of the second before those of the first.
_URGENT, _BESIDE = object(), object()


class RequestLimiter:
    """Admits requests: as many at once as there are connections, and as many a minute as the rate limit allows.

    Args:
        rate_limiter: decides when the next request may be sent.
        max_connections: Maximum number of requests under way at once, at least 1.
        max_pause: The longest pause in seconds that is waited for; in a longer one every request is refused at once.
        clock: source of time.

    Raises:
        ConfigurationError: ``max_connections`` is less than 1.
    """

    def __init__(
        self,
        rate_limiter: RateLimiter,
        *,
        max_connections: int = 8,
        max_pause: float = math.inf,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._rate_limiter = rate_limiter
        self._free_slots = to_positive_int("max_connections", max_connections)
        self._max_wait = math.inf if rate_limiter.max_wait is None else rate_limiter.max_wait
        self._max_pause = max_pause
        self._clock = clock
        self._queues: OrderedDict[Hashable, deque[_Waiter]] = OrderedDict()
        self._streak = RateLimitedStreak()
        self._probing = False
        self._timer: asyncio.TimerHandle | None = None
        self._held = 0.0
        self._held_since: float | None = None
        self._closed = False

    @property
    def free_slots(self) -> int:
        """Number of requests that could be sent at once now."""
        return self._free_slots

    @property
    def waiting(self) -> int:
        """Number of requests that wait for a slot."""
        return sum(map(len, self._queues.values()))

    async def acquire(self, owner: Hashable, *, urgent: bool = False, beside: Slot | None = None) -> Slot:
        """Wait for a slot, which the caller must :meth:`release`.

        Args:
            owner: takes turns with the other owners.
            urgent: go before all owners.
            beside: an unused slot that the caller holds: the new one shares its connection and goes before all owners,
                as the request for a token does that the held slot needs.

        Raises:
            RateLimitedError: the wait would be longer than ``max_wait``.
            SessionClosedError: the limiter was closed.
        """
        if self._closed:
            raise closed_error()
        now = self._clock.monotonic()
        if not self._queues and self._can_grant(beside) and self._delay(now) <= 0:
            return self._grant(now, beside)
        first = _URGENT if urgent else owner
        waiter = self._enqueue(first if beside is None else _BESIDE, now, beside)
        try:
            slot = await waiter.slot
        except asyncio.CancelledError:
            self._abandon(waiter)
            raise
        slot.waited = self._held_until(self._clock.monotonic()) - waiter.held_before
        return slot

    def release(self, slot: Slot) -> None:
        """Free the connection, and the place in the rate limit if it was not used; a second time does nothing."""
        if not slot.held:
            return
        slot.held = False
        now = self._clock.monotonic()
        self._free_slots += slot.has_connection
        if slot.probe:
            self._probing = False
        if slot.used:
            self._rate_limiter.complete(now)
        else:
            self._rate_limiter.cancel(now)
        self.pump()

    def record_response(self, slot: Slot) -> None:
        """Record that a request was not rate limited; if it was the probe, let the others go."""
        if self._streak.end(slot.acquired_at):
            self._probing = slot.probe = False
            self.pump()

    def record_rate_limited(self, slot: Slot) -> int:
        """Record an HTTP 429; return how many came in a row, with no other response between them."""
        return self._streak.record(self._clock.monotonic(), slot.acquired_at)

    def pause(self, seconds: float, *, refuse_waiting: bool = False) -> None:
        """Send nothing for *seconds* after an HTTP 429, and report it to the rate limiter.

        Args:
            seconds: length of the pause; the longest of several counts.
            refuse_waiting: fail the requests that wait for a slot now.
        """
        now = self._clock.monotonic()
        self._streak.pause_until(now + seconds)
        resume_at = self._streak.resume_at
        self._rate_limiter.rate_limited(now, self._streak.severity())
        for waiter in self._waiters():
            if refuse_waiting or waiter.gives_up_at < resume_at or seconds > self._max_pause:
                self._fail(waiter, _too_long(resume_at - now))
        self.pump()

    def close(self) -> None:
        """Refuse all requests, those that wait and those to come."""
        self._closed = True
        self._cancel_timer()
        for waiter in self._waiters():
            self._fail(waiter, closed_error())

    def _enqueue(self, owner: Hashable, now: float, beside: Slot | None) -> _Waiter:
        self._check_delay(owner, now)
        future = asyncio.get_running_loop().create_future()
        waiter = _Waiter(owner, future, now + self._max_wait, self._held_until(now), beside)
        self._queues.setdefault(owner, deque()).append(waiter)
        for first in (_URGENT, _BESIDE):
            if first in self._queues:
                self._queues.move_to_end(first, last=False)
        self.pump()
        return waiter

    def _check_delay(self, owner: Hashable, now: float) -> None:
        pause = self._streak.resume_at - now
        if pause > self._max_pause:
            raise _too_long(pause)
        if self._max_wait < math.inf and self._max_wait < (delay := self._delay(now, self._ahead_of(owner))) < math.inf:
            raise _too_long(delay)

    def _abandon(self, waiter: _Waiter) -> None:
        """Undo what was done for a cancelled request, whether it still waits or was just granted a slot."""
        if waiter.slot.cancelled():
            self._remove(waiter)
        elif waiter.slot.exception() is None:
            self.release(waiter.slot.result())

    def pump(self) -> None:
        """Grant the slots that can be granted now, and set a timer for the next one."""
        if not self._queues and self._held_since is None:
            return
        now = self._clock.monotonic()
        self._held, self._held_since = self._held_until(now), None
        self._cancel_timer()
        while self._queues and self._can_grant(self._first().beside):
            delay = self._delay_of_first(now)
            if delay > 0:
                self._held_since = now
                self._set_timer(now, delay)
                return
            waiter = self._pop_next()
            if not waiter.slot.done():
                waiter.slot.set_result(self._grant(now, waiter.beside))

    def _delay_of_first(self, now: float) -> float:
        """Return the seconds until the next request may be sent; infinite until the rate limiter wakes us."""
        if now < self._streak.resume_at:
            return self._streak.resume_at - now
        delay = self._rate_limiter.delay(now)
        if delay > 0:
            self._rate_limiter.want(min(self.waiting, max(1, self._free_slots)))
        return delay

    def _set_timer(self, now: float, delay: float) -> None:
        """Call :meth:`pump` after the delay; where it is not known, refuse requests that waited for too long."""
        if delay == math.inf:
            for waiter in self._waiters():
                if waiter.gives_up_at <= now:
                    self._fail(waiter, _too_long(self._max_wait))
            delay = min((waiter.gives_up_at for waiter in self._waiters()), default=math.inf) - now
        if delay < math.inf:
            self._timer = asyncio.get_running_loop().call_later(delay, self.pump)

    def _can_grant(self, beside: Slot | None) -> bool:
        """Return whether a connection is free, and no other request must be waited for after an HTTP 429."""
        if beside is not None:
            return beside.probe or not self._probing
        return self._free_slots > 0 and not self._probing

    def _grant(self, now: float, beside: Slot | None) -> Slot:
        if beside is None:
            self._free_slots -= 1
        else:
            beside.probe = False
        self._rate_limiter.acquire(now)
        self._probing = self._streak.length > 0
        return Slot(acquired_at=now, probe=self._probing, has_connection=beside is None)

    def _first(self) -> _Waiter:
        return next(iter(self._queues.values()))[0]

    def _pop_next(self) -> _Waiter:
        """Remove the first waiter of the owner whose turn it is, and move the owner to the end of the line."""
        owner, queue = next(iter(self._queues.items()))
        waiter = queue.popleft()
        if not queue:
            del self._queues[owner]
        elif owner not in {_URGENT, _BESIDE}:
            self._queues.move_to_end(owner)
        return waiter

    def _waiters(self) -> list[_Waiter]:
        return [waiter for queue in self._queues.values() for waiter in queue]

    def _remove(self, waiter: _Waiter) -> None:
        queue = self._queues.get(waiter.owner, deque())
        if waiter in queue:
            queue.remove(waiter)
            if not queue:
                del self._queues[waiter.owner]

    def _fail(self, waiter: _Waiter, error: CapledgerError) -> None:
        self._remove(waiter)
        if not waiter.slot.done():
            waiter.slot.set_exception(error)

    def _delay(self, now: float, ahead: int = 0) -> float:
        """Return the seconds until a request with *ahead* others before it may be sent, by the rate limit alone."""
        start = max(now, self._streak.resume_at)
        return start - now + self._rate_limiter.delay(start, ahead)

    def _ahead_of(self, owner: Hashable) -> int:
        """Return how many waiting requests go before a new one of this owner."""
        own = len(self._queues.get(owner, ()))
        others = (len(queue) for other, queue in self._queues.items() if other != owner)
        return own + sum(min(length, own + 1) for length in others)

    def _held_until(self, now: float) -> float:
        """Return the seconds during which the rate limit alone has held requests up, in all."""
        return self._held if self._held_since is None else self._held + now - self._held_since

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def closed_error() -> SessionClosedError:
    """Return the error for the use of a closed session."""
    return SessionClosedError("the session is closed")


def _too_long(delay: float) -> RateLimitedError:
    return RateLimitedError(f"the rate limit requires a wait of {delay:.1f} s, which is longer than allowed", delay)
