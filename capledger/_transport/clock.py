"""Where time comes from, so that tests own it."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import datetime, timedelta, tzinfo
from typing import Protocol

from capledger.errors import ConfigurationError


class Clock(Protocol):
    """What time it is, and how to let some of it pass."""

    def now(self, zone: tzinfo) -> datetime:
        """Return the date and time of day in *zone*, aware."""

    def monotonic(self) -> float:
        """Return seconds since some fixed moment, never going backwards; it runs with the event loop's timers."""

    async def sleep(self, seconds: float) -> None:
        """Let *seconds* pass."""


class SystemClock:
    """The machine's own clocks."""

    def now(self, zone: tzinfo) -> datetime:
        """Return the date and time of day in *zone*, aware."""
        return datetime.now(zone)

    def monotonic(self) -> float:
        """Return the seconds of the machine's monotonic clock, which asyncio's timers follow as well."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let *seconds* pass."""
        await asyncio.sleep(seconds)


SYSTEM_CLOCK = SystemClock()


def to_seconds(value: float | timedelta) -> float:
    """Return a length of time in seconds; it may be given as a number of seconds or as a timedelta.

    Raises:
        ConfigurationError: it is neither, is negative, or is not finite.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if not is_number(seconds) or not 0 <= seconds < math.inf:
        raise ConfigurationError(f"a length of time must be seconds or a timedelta, zero or more; got {value!r}")
    return float(seconds)


def is_number(value: object) -> bool:
    """Return whether a value given by a caller is a number, whatever its annotation promised."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def to_optional_seconds(value: float | timedelta | None) -> float | None:
    """Return a length of time in seconds, or None as it is."""
    return None if value is None else to_seconds(value)
