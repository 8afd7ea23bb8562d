"""What the requests of one walk share on their way from the walk to the socket."""

from __future__ import annotations

from typing import Protocol

from attrs import define


class Counters(Protocol):
    """Where requests are counted; a :class:`~capledger.WalkReport` is one."""

    requests: int
    """Attempts sent, retries included."""
    retries: int
    """Attempts sent after a failed one."""
    waited: float
    """Seconds spent waiting for the rate limit, in pauses and before retries."""
    last_failure: str | None
    """Type and message of the error of the last attempt that failed."""


@define(eq=False)
class RequestContext:
    """State shared by all requests of one walk; the limiter takes turns between contexts.

    Compared and hashed by identity.
    """

    counters: Counters
    deadline: float | None = None
    """When the requests must be over, in seconds of the session clock's monotonic time; None for no deadline."""
