"""Who may send next: a free connection and a place in the rate budget, in one fair queue.

The queue goes round the owners (a walk each), so that one with a hundred pages waiting takes turns with one that waits
for a single page.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import TYPE_CHECKING

from attrs import define

from capledger._transport.clock import SYSTEM_CLOCK, Clock
from capledger._transport.rate_limit import Refusals
from capledger.errors import CapledgerError, ConfigurationError, RateLimitedError, SessionClosedError

if TYPE_CHECKING:
    from capledger._transport.rate_limit import RateLimiter


@define(eq=False)
class Slot:
    """The right to send one request."""

    #: Seconds that were spent waiting for the budget or for a pause to end; waiting for a connection is not counted.
    waited: float = 0.0
    #: To be set when the request goes out; a permit that was not used gives its place back.
    used: bool = False
    #: When it was given, in the clock's seconds.
    since: float = 0.0
    #: Whether it was given to find out if refusals go on; nobody else sends until that is known.
    probe: bool = False
    #: False once it was given back.
    held: bool = True


@define(eq=False)
class _Waiter:
    owner: Hashable
    #: Done when it may send; failed when it never may.
    turn: asyncio.Future[Slot]
    #: When the budget must have come to it, in the clock's seconds.
    gives_up_at: float
    #: What the gate's measure of held-up time was when it came.
    held_before: float


_CLOSED = "the session is closed"

#: The owner of what goes before all others.
_URGENT = object()


class RequestLimiter:
    """Lets requests go, as many at once as there are connections, and as many a minute as the budget has.

    Args:
        budget: when the next request may go.
        max_connections: requests under way at once, at least 1.
        max_wait: seconds that a request may have to wait for the budget before it is refused; None for no limit.
        max_pause: the longest pause that is waited for; in a longer one everybody is refused at once.
        clock: the time.

    Raises:
        ConfigurationError: there would be no connection.
    """

    def __init__(
        self,
        budget: RateLimiter,
        *,
        max_connections: int = 8,
        max_wait: float | None = None,
        max_pause: float = math.inf,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if max_connections < 1:
            raise ConfigurationError("max_connections must be at least 1")
        self._budget = budget
        self._free = max_connections
        self._max_wait = math.inf if max_wait is None else max_wait
        self._max_pause = max_pause
        self._clock = clock
        self._queues: OrderedDict[Hashable, deque[_Waiter]] = OrderedDict()
        self._refusals = Refusals()
        self._probing = False
        self._timer: asyncio.TimerHandle | None = None
        self._held = 0.0
        self._held_since: float | None = None
        self._closed = False

    @property
    def free(self) -> int:
        """Connections that nobody uses now."""
        return self._free

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return sum(map(len, self._queues.values()))

    def admit(self, owner: Hashable, *, urgent: bool = False) -> Admission:
        """Wait for a turn, and hold a connection and a place in the budget until the block is left.

        Args:
            owner: takes turns with the other owners.
            urgent: goes before all owners, as a token does that everybody waits for.

        Raises:
            RateLimitedError: the wait would be longer than ``max_wait``.
            SessionClosedError: the gate was closed.
        """
        return Admission(self, _URGENT if urgent else owner)

    def answered(self, permit: Slot) -> None:
        """Hear that a request was not refused for the rate; if it was sent to find that out, the others may go."""
        if self._refusals.end(permit.since):
            self._probing = permit.probe = False
            self._pump()

    def count_refusal(self, permit: Slot) -> int:
        """Hear that a request was refused for the rate; return how many were in a row, with nothing between them."""
        return self._refusals.count(self._clock.monotonic(), permit.since)

    def refused(self, pause: float, *, for_good: bool = False) -> None:
        """Let nobody send for *pause* seconds, and refuse who waits now if that is ``for_good``; the budget learns."""
        now = self._clock.monotonic()
        self._refusals.pause(now + pause)
        resume_at = self._refusals.resume_at
        self._budget.refused(now, self._refusals.meaning())
        for waiter in self._waiters():
            if for_good or waiter.gives_up_at < resume_at or pause > self._max_pause:
                self._fail(waiter, _too_long(resume_at - now))
        self._pump()

    def close(self) -> None:
        """Refuse everybody, those that wait and those to come."""
        self._closed = True
        self._disarm()
        for waiter in self._waiters():
            self._fail(waiter, SessionClosedError(_CLOSED))

    async def enter(self, owner: Hashable) -> Slot:
        """Wait for a turn; whoever got one has to :meth:`leave`, which ``async with gate.admit(owner)`` sees to."""
        if self._closed:
            raise SessionClosedError(_CLOSED)
        now = self._clock.monotonic()
        if self._free and not self._queues and not self._probing and self._delay(now) <= 0:
            return self._take(now)
        waiter = self._line_up(owner, now)
        try:
            permit = await waiter.turn
        except asyncio.CancelledError:
            self._abandon(waiter)
            raise
        permit.waited = self._held_until(self._clock.monotonic()) - waiter.held_before
        return permit

    def _line_up(self, owner: Hashable, now: float) -> _Waiter:
        self._check_delay(owner, now)
        turn = asyncio.get_running_loop().create_future()
        waiter = _Waiter(owner, turn, now + self._max_wait, self._held_until(now))
        self._queues.setdefault(owner, deque()).append(waiter)
        if owner is _URGENT:
            self._queues.move_to_end(owner, last=False)
        self._pump()
        return waiter

    def _check_delay(self, owner: Hashable, now: float) -> None:
        pause = self._refusals.resume_at - now
        if pause > self._max_pause:
            raise _too_long(pause)
        if self._max_wait < math.inf and (delay := self._delay(now, self._ahead_of(owner))) > self._max_wait:
            raise _too_long(delay)

    def _abandon(self, waiter: _Waiter) -> None:
        """Undo what was done for one that was cancelled, be it still in line or just admitted."""
        if waiter.turn.cancelled():
            self._remove(waiter)
        elif waiter.turn.exception() is None:
            self.leave(waiter.turn.result())

    def leave(self, permit: Slot) -> None:
        """Give back the connection, and the place in the budget if it was not used; a second time does nothing."""
        if not permit.held:
            return
        permit.held = False
        now = self._clock.monotonic()
        self._free += 1
        if permit.probe:
            self._probing = False
        if permit.used:
            self._budget.settle(now)
        else:
            self._budget.give_back(now)
        self._pump()

    def _pump(self) -> None:
        """Let go whoever may go now, and look again when the next may."""
        if not self._queues and self._held_since is None:
            return
        now = self._clock.monotonic()
        self._held, self._held_since = self._held_until(now), None
        self._disarm()
        while self._queues and self._free and not self._probing:
            delay = self._delay(now)
            if delay > 0:
                self._held_since = now
                self._timer = asyncio.get_running_loop().call_later(delay, self._pump)
                return
            waiter = self._next()
            if not waiter.turn.done():
                waiter.turn.set_result(self._take(now))

    def _take(self, now: float) -> Slot:
        self._free -= 1
        self._budget.take(now)
        self._probing = self._refusals.number > 0
        return Slot(since=now, probe=self._probing)

    def _next(self) -> _Waiter:
        """Take the first of the owner whose turn it is, and send the owner to the end of the line."""
        owner, queue = next(iter(self._queues.items()))
        waiter = queue.popleft()
        if queue:
            self._queues.move_to_end(owner)
        else:
            del self._queues[owner]
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
        if not waiter.turn.done():
            waiter.turn.set_exception(error)

    def _delay(self, now: float, ahead: int = 0) -> float:
        """Return the seconds until one with *ahead* others before it may go, as far as the budget is concerned."""
        start = max(now, self._refusals.resume_at)
        return start - now + self._budget.delay(start, ahead)

    def _ahead_of(self, owner: Hashable) -> int:
        """Return how many go before a newcomer of this owner, by turns."""
        own = len(self._queues.get(owner, ()))
        others = (len(queue) for other, queue in self._queues.items() if other != owner)
        return own + sum(min(length, own + 1) for length in others)

    def _held_until(self, now: float) -> float:
        return self._held if self._held_since is None else self._held + now - self._held_since

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Admission:
    """One turn, as a context manager; a class, since a request should take less time than making it by contextlib."""

    __slots__ = ("_gate", "_owner", "_permit")

    def __init__(self, gate: RequestLimiter, owner: Hashable) -> None:
        self._gate = gate
        self._owner = owner

    async def __aenter__(self) -> Slot:
        self._permit = await self._gate.enter(self._owner)
        return self._permit

    async def __aexit__(self, *_: object) -> None:
        self._gate.leave(self._permit)


def _too_long(delay: float) -> RateLimitedError:
    return RateLimitedError(f"the rate limit would mean a wait of {delay:.1f} s, which is longer than allowed", delay)
