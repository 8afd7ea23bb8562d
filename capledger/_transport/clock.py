"""The source of time, replaceable in tests."""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta, tzinfo
from typing import Protocol

from capledger.errors import ConfigurationError


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

    def monotonic(self) -> float:
        """Return the seconds of the machine's monotonic clock, which asyncio's timers follow as well."""
        return time.monotonic()


SYSTEM_CLOCK = SystemClock()


def to_seconds(value: float | timedelta) -> float:
    """Return a duration in seconds, from a number of seconds or a timedelta.

    Raises:
        ConfigurationError: the value is neither, is negative, or is not finite.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if not _is_number(seconds) or not 0 <= seconds < math.inf:
        raise ConfigurationError(f"a duration must be seconds or a timedelta, zero or more; got {value!r}")
    return float(seconds)


def _is_number(value: object) -> bool:
    """Return whether a value is an int or a float and no bool, whatever its annotation promised."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def to_optional_seconds(value: float | timedelta | None) -> float | None:
    """Return a duration in seconds, or None unchanged."""
    return None if value is None else to_seconds(value)
