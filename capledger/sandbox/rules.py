"""How a sandbox behaves where the vendor's pages say nothing or contradict one another."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

Edges = Literal["both", "start", "end", "none"]
Order = Literal["ASC", "DESC", "SHUFFLED"]
OffsetMeaning = Literal["page", "index"]
Empty = Literal["error400", "error200", "warning", "plain"]
DateStyle = Literal["fraction", "plain", "java", "iso"]


@frozen(kw_only=True)
class Rules:
    """One reading of the vendor's pages; the defaults are the reading of the newest ones."""

    edges: Edges = "both"
    """Which bounds of ``startDate`` and ``endDate`` are inclusive; the vendor's pages do not say."""
    edge_precision: Literal["full", "second"] = "full"
    """Whether bounds are compared with the fraction of a second ("full") or in whole seconds ("second")."""
    filter_on: Literal["created", "event"] = "created"
    """Which date of an entry is filtered on: its creation, or the business date of its event."""
    max_days: int | None = 90
    """The longest date range in days; beyond it, 11010. None for no limit."""

    order_parameters: tuple[str, ...] = ("order",)
    """Query parameters that set the order, the first one present wins; () ignores them all."""
    default_order: Order = "DESC"
    """The order without such a parameter; "SHUFFLED" is the same random order every time."""

    offset: OffsetMeaning = "page"
    """Whether ``offset`` is a page number or the index of a row, for customers."""
    group_offset: OffsetMeaning = "index"
    """Whether ``offset`` is a page number or the index of a row, for user groups."""
    echo_page_number: Literal["page", "offset"] = "page"
    """Value of ``pageNumber`` where ``offset`` is an index: the page of that index, or the offset itself."""
    echo_page_size: Literal["capacity", "rows"] = "capacity"
    """Value of ``pageSize``: the capacity of a page (as documented), or the number of rows on this one."""
    total_offset: int = 0
    """Added to ``totalEntries``: a server that misstates its totals."""

    default_limit: int = 10
    """Rows of a page without ``limit``."""
    max_limit: int = 100
    """The largest ``limit``, on v2 and, without ``max_limit_v21``, on v2.1."""
    max_limit_v21: int | None = None
    """The largest ``limit`` on v2.1 if it differs."""
    limit_code: Literal[11029, 11006] = 11029
    """The code for a ``limit`` above the maximum: 11029 on the newest pages, 11006 on older ones."""
    cap_silently: bool = False
    """Whether a ``limit`` above the maximum returns the largest page instead of an error."""

    empty: Empty = "error400"
    """A page without entries: an 11003 error with HTTP 400 or 200, an 11003 warning, or just no rows."""
    date_style: DateStyle = "fraction"
    """
    The style of dates.

    "fraction" is ``2024-08-30 11:17:57.0``, "plain" has no fractions, "java" is ``Date.toString`` for
    ``ledgerCreatedDate``, and "iso" is "fraction" with the ISO dates of v2 beside it.
    """

    unknown_events: Literal["error", "null", "omit", "warning"] = "error"
    """The response to unknown event ids: error 9021, a null in their place, nothing, or a 9021 warning."""
    unsupported_events: Literal["error", "null", "omit"] = "error"
    """The response to events of a kind without details, such as PointsExpiry: error 11014, null, or nothing."""
    source_values_recorded: bool = True
    """Whether ``getPointsEarnedBreakup`` is supported; 11019 if not, as for organisations that do not record it."""

    latency: float = 0.0
    """Seconds from a request to its response, which has the state of the ledger when the request arrived."""
    requests_per_minute: int | None = None
    """Requests accepted in any 60 seconds; beyond it, 429. None for no limit. Token requests do not count."""
    retry_after: int | Literal["date"] | None = None
    """``Retry-After`` of a 429: none, seconds, or "date" for the HTTP date at which a request is accepted again."""

    token_ttl: int = 300
    """Seconds that a token is valid."""
    gateway_status: int | None = None
    """HTTP status of the v1.1 responses 401, 403 and 498; None for the code itself."""
    token_error_status: int = 200
    """HTTP status of the token endpoint's error 320001, which the vendor's pages do not state."""
