"""What a sandbox remembers of the requests it got."""

from __future__ import annotations

from bisect import bisect_left

from attrs import define, field


@define(kw_only=True)
class LoggedRequest:
    """One request as it arrived, and how it was answered; times are of the sandbox's clock, in seconds."""

    method: str
    path: str
    #: Parameters by name, decoded. ``url`` has them as they were sent.
    query: dict[str, str]
    url: str = field(repr=False)
    #: Header fields by lower-case name.
    headers: dict[str, str] = field(repr=False)
    started: float
    #: None while the answer is being made.
    finished: float | None = None
    #: The HTTP status answered; None while the answer is being made, or where a fault cut the connection before it.
    status: int | None = None
    #: Requests being answered when this one arrived, itself included.
    in_flight: int
    #: The fault that was played, if any.
    fault: str | None = None


def busiest_minute(requests: list[LoggedRequest], *, seconds: float = 60.0) -> int:
    """The most requests that arrived within any ``seconds``, the last moment excluded; refused ones count too."""
    times = sorted(request.started for request in requests)
    return max((bisect_left(times, start + seconds) - rank for rank, start in enumerate(times)), default=0)
