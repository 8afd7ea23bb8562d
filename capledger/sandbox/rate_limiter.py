"""The requests-per-minute limit of the sandbox."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import ceil
from typing import TYPE_CHECKING

from capledger.sandbox.responses import error_item, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from capledger.sandbox.rules import Rules

_MINUTE = 60.0
_TOO_MANY = 429


class ServerRateLimiter:
    """Counts the requests accepted in the last 60 seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._accepted: deque[float] = deque()

    def check(self, rules: Rules) -> web.Response | None:
        """Count the request and return None; above the limit return the 429 response."""
        if rules.requests_per_minute is None:
            return None
        now = self._clock()
        while self._accepted and self._accepted[0] <= now - _MINUTE:
            self._accepted.popleft()
        if len(self._accepted) < rules.requests_per_minute:
            self._accepted.append(now)
            return None
        body = {"errors": [error_item(_TOO_MANY, "Rate limit exceeded")]}
        return json_response(body, status=_TOO_MANY, headers=self._retry_after(rules, now))

    def _retry_after(self, rules: Rules, now: float) -> dict[str, str]:
        if rules.retry_after is None:
            return {}
        if rules.retry_after != "date":
            return {"Retry-After": str(rules.retry_after)}
        wait = self._accepted[0] + _MINUTE - now if self._accepted else _MINUTE
        return {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=ceil(wait)), usegmt=True)}
