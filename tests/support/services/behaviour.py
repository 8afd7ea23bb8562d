"""How a modelled service behaves where the documents leave it open; every switch combines with every other."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

from attrs import field, frozen

from support.services.rows import Row

INDIA = timezone(timedelta(hours=5, minutes=30))
BERLIN = ZoneInfo("Europe/Berlin")

Echo = Literal["right", "shown", "absent", "zero", "more"]
Empty = Literal["error400", "error200", "text code", "warning", "plain", "nothing"]


@frozen
class Refusal:
    """How a request is refused."""

    code: int
    message: str = ""
    status: int = 400


@frozen
class Write:
    """A change of the ledger before a request is answered, or between a stop and a resume."""

    request: int | None = None
    """The number of the request, from 0; None for a change at a stop."""
    stop: int | None = None
    """The number of the stop, from 0; None for a change at a request."""
    adds: tuple[Row, ...] = ()
    deletes: tuple[int, ...] = ()
    """Indexes into the rows that were there at the start."""


@frozen(kw_only=True)
class Behaviour:
    """One reading of the documents; the default is the plainest."""

    sort_by: Literal["ms", "second", "wall"] = "ms"
    """What rows are sorted by; "wall" is the date as printed, in which an hour can come twice."""
    ties: Literal["along", "id", "id desc", "insertion", "random", "id random", "rotating"] = "along"
    """The order of rows that compare equal: by id and in the direction of the order, by id whatever the direction, as
    written, at random for each request, at random among the rows of one event, or by id and one row further with each
    request.
    """
    direction: Literal["honoured", "asc", "desc", "shuffled", "reshuffled"] = "honoured"
    """Whether ``order`` is honoured, a fixed direction, the same disorder each time, or a new one each time."""

    dates: Literal["ms", "second", "plain"] = "second"
    iso: bool = False
    """Whether each date has its ISO twin."""
    zone: tzinfo = UTC

    start_inclusive: bool = True
    end_inclusive: bool = True
    compare_seconds: bool = False
    """Whether the filter compares whole seconds."""
    day_only: Literal["no", "until", "through"] = "no"
    """Whether ``startDate`` and ``endDate`` are cut to their day, and whether the day of ``endDate`` belongs to it."""
    cut_bounds: Literal["both", "start", "end"] = "both"
    """Which of them are cut, if any is."""
    filter_shift: int = 0
    """Minutes by which the zone of request dates differs from that of the answers."""
    filter_on: Literal["created", "other"] = "created"

    totals: Literal["right", "ignore dates", "absent", "page"] = "right"
    total_cap: int | None = None
    page_count: Echo = "right"
    page_number: Echo = "right"
    page_size: Echo = "right"
    details: Literal["always", "never"] = "always"
    """Whether there is a ``ledgerDetails`` at all."""

    offset: Literal["page", "from 1", "index"] = "page"
    beyond: Literal["empty", "last page"] = "empty"
    """What a page beyond the last one shows."""
    limit_cap: int = 100
    limit_refusal: Refusal | None = Refusal(11029, "Limit cannot be greater than 100")
    """None cuts the limit silently."""
    span_cap: int = 90
    span_counts: Literal["exact", "days"] = "exact"
    """Whether a span is measured exactly, or by the days that it touches."""
    span_refusal: Refusal = Refusal(11010, "Date range cannot be more than 90 days")
    deep_rows: int | None = None
    """Rows from the first one on that pages may reach; None for all of them."""
    deep_refusal: Refusal = Refusal(500_001, "Result window is too large")

    empty: Empty = "error400"
    replicas: tuple[int, ...] = (0,)
    """For each replica, how many of the newest written rows it lacks; each request goes to a random one."""
    first_short: int | None = None
    """Rows on the very first page, where it is an odd one."""
    rewords: bool = False
    """Whether names of programmes and the scale of amounts change between requests."""
    latency: tuple[float, ...] = field(default=(0.05,))
    """Seconds that responses take, drawn for each."""
