"""The source of time, replaceable in tests."""

from __future__ import annotations

import time
from datetime import datetime, tzinfo
from typing import Protocol


class Clock(Protocol):
    """Time of day and monotonic time."""

    def now(self, zone: tzinfo) -> datetime:
        """Return the current date and time in *zone*, aware."""

    def monotonic(self) -> float:
        """Return seconds since some fixed moment, never going backwards, in step with the event loop's timers."""


class SystemClock:
    """The machine's own clocks."""

    def now(self, zone: tzinfo) -> datetime:
        """Return the current date and time in *zone*, aware."""
        return datetime.now(zone)

    monotonic = staticmethod(time.monotonic)
    """Seconds of the machine's monotonic clock, which asyncio's timers follow as well."""


SYSTEM_CLOCK = SystemClock()
