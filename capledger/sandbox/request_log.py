"""The log of the requests that a sandbox received."""

from __future__ import annotations

from bisect import bisect_left

from attrs import define, field


@define(kw_only=True)
class LoggedRequest:
    """One request as received, and its result; times are in seconds of the sandbox's clock."""

    method: str
    path: str
    query: dict[str, str]
    """Query parameters by name, decoded; ``url`` has them as sent."""
    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    """Header fields by lower-case name."""
    started: float
    finished: float | None = None
    """Time of the response; None until then."""
    status: int | None = None
    """HTTP status of the response; None until then, or if a fault closed the connection."""
    number: int = 1
    """Number of the request among those to its path, from 1."""
    connection: int = 1
    """Number of the connection that the request came on, from 1 in the order of their first requests."""
    reused: bool = False
    """Whether the connection had a request before this one."""
    in_flight: int
    """Number of requests in flight when this one arrived, itself included."""
    fault: str | None = None
    """Name of the fault that was played, if any."""


def busiest_minute(requests: list[LoggedRequest], *, seconds: float = 60.0) -> int:
    """Return the most requests received within any ``seconds`` (end excluded), whatever their status."""
    times = sorted(request.started for request in requests)
    return max((bisect_left(times, start + seconds) - rank for rank, start in enumerate(times)), default=0)
