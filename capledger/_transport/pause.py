"""The pause of a whole session after HTTP 429: when it ends, and how severe the responses before it are.

Nothing here waits; :mod:`~capledger._transport.limiter` holds all requests until the pause ends. All times are seconds
of one monotonic clock, passed in.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from capledger._transport.rate_limit import MINUTE

if TYPE_CHECKING:
    from capledger._transport.rate_limit import Severity

#: Seconds from the first HTTP 429 in a row to the end of the pause after the latest, above which they are "stalled".
_STALLED_SECONDS = 10.0
#: They are "frequent" when so many of the latest responses were HTTP 429.
_LATEST, _FREQUENT = 50, 15


class RateLimitedStreak:
    """HTTP 429 responses in a row, with no other response between them.

    Those of requests that were sent before the pause after the previous one have the same cause and count once.
    """

    def __init__(self) -> None:
        self.length = 0
        self.resume_at = 0.0
        """When the pause after the latest ends."""
        self._since = 0.0
        self._latest: deque[bool] = deque(maxlen=_LATEST)

    def record(self, now: float, sent: float) -> int:
        """Record the HTTP 429 of a request sent at *sent*; return the length of the streak."""
        self._latest.append(True)
        if now > self.resume_at + MINUTE:
            self.length = 0
        if sent >= self.resume_at or not self.length:
            self._since = self._since if self.length else now
            self.length += 1
        return self.length

    def pause_until(self, moment: float) -> None:
        """Extend the pause to *moment*, if that is later."""
        self.resume_at = max(self.resume_at, moment)

    def end(self, sent: float) -> bool:
        """Record another response, to a request sent at *sent*; return whether that ended a streak."""
        self._latest.append(False)
        ended = self.length > 0 and sent >= self.resume_at
        if ended:
            self.length = 0
        return ended

    def severity(self) -> Severity:
        """Return the severity of the latest HTTP 429; start counting anew after "frequent"."""
        if self.resume_at - self._since > _STALLED_SECONDS:
            return "stalled"
        if sum(self._latest) < _FREQUENT:
            return "isolated"
        self._latest.clear()
        return "frequent"
