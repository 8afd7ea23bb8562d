"""The sandbox's own requests-per-minute limit."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import ceil
from typing import TYPE_CHECKING

from capledger.sandbox.responses import json_answer, notice

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from capledger.sandbox.rules import Rules

_MINUTE = 60.0
_TOO_MANY = 429


class Meter:
    """Counts the requests let through in the last 60 seconds, to the moment."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._passed: deque[float] = deque()

    def refusal(self, rules: Rules) -> web.Response | None:
        """None lets the request pass and counts it; beyond the limit, the 429 to answer."""
        if rules.requests_per_minute is None:
            return None
        now = self._clock()
        while self._passed and self._passed[0] <= now - _MINUTE:
            self._passed.popleft()
        if len(self._passed) < rules.requests_per_minute:
            self._passed.append(now)
            return None
        body = {"errors": [notice(_TOO_MANY, "Rate limit exceeded")]}
        return json_answer(body, status=_TOO_MANY, headers=self._retry_after(rules, now))

    def _retry_after(self, rules: Rules, now: float) -> dict[str, str]:
        if rules.retry_after is None:
            return {}
        if rules.retry_after != "date":
            return {"Retry-After": str(rules.retry_after)}
        wait = self._passed[0] + _MINUTE - now if self._passed else _MINUTE
        return {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=ceil(wait)), usegmt=True)}
