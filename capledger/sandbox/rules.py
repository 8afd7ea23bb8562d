"""How a sandbox behaves where the documents are silent or contradict one another."""

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
    """One reading of the documents; the default is the reading of the newest ones."""

    #: Which edges of ``startDate`` and ``endDate`` belong to what is asked; the documents do not say.
    edges: Edges = "both"
    #: "full" compares with the fraction of a second, "second" only whole seconds.
    edge_precision: Literal["full", "second"] = "full"
    #: Which date of an entry the server filters on: when it was written, or the event's business date.
    filter_on: Literal["created", "event"] = "created"
    #: The longest span between both dates, in days, before 11010; None for no limit.
    max_days: int | None = 90

    #: Query parameters that set the order, the first one present wins; () ignores the order asked for.
    order_parameters: tuple[str, ...] = ("order",)
    #: The order when none is asked for; "SHUFFLED" is the same disorder every time.
    default_order: Order = "DESC"

    #: What ``offset`` counts for customers, and for user groups.
    offset: OffsetMeaning = "page"
    group_offset: OffsetMeaning = "index"
    #: What ``pageNumber`` echoes where ``offset`` is an index: the page it falls in, or the offset itself.
    echo_page_number: Literal["page", "offset"] = "page"
    #: What ``pageSize`` echoes: the capacity of a page (as documented), or the rows on this one.
    echo_page_size: Literal["capacity", "rows"] = "capacity"
    #: Added to ``totalEntries``: a server that misstates its totals.
    total_offset: int = 0

    #: Rows on a page: when none are asked for, and at most (on v2, and on v2.1 if that differs).
    default_limit: int = 10
    max_limit: int = 100
    max_limit_v21: int | None = None
    #: The code for a ``limit`` above the maximum: 11029 in the newest documents, 11006 before.
    limit_code: Literal[11029, 11006] = 11029
    #: True gives the largest page allowed instead of refusing a larger one.
    cap_silently: bool = False

    #: How "no ledger entries" is said: an 11003 error with HTTP 400 or 200, an 11003 warning, or just no rows.
    empty: Empty = "error400"
    #: "fraction" is ``2024-08-30 11:17:57.0``, "plain" lacks fractions, "java" is ``Date.toString`` for
    #: ``ledgerCreatedDate``, and "iso" is "fraction" with the ISO twins of v2 beside it.
    date_style: DateStyle = "fraction"

    #: What event details say of ids that are unknown: 9021, a null in their place, nothing, or a 9021 warning.
    unknown_events: Literal["error", "null", "omit", "warning"] = "error"
    #: The same for events whose kind has no details, such as PointsExpiry: 11014, null, or nothing.
    unsupported_events: Literal["error", "null", "omit"] = "error"
    #: False refuses ``getPointsEarnedBreakup`` with 11019, as an organisation that does not record it does.
    source_values_recorded: bool = True

    #: Seconds from a request to its answer, which says how things were when the request came.
    latency: float = 0.0
    #: Requests answered in any 60 seconds, beyond which 429 is said; None for no limit. Token requests are free.
    requests_per_minute: int | None = None
    #: ``Retry-After`` of a 429: none, seconds, or "date" for the HTTP date at which there is room again.
    retry_after: int | Literal["date"] | None = None

    #: Seconds that a token lives.
    token_ttl: int = 300
    #: HTTP status of the v1.1 answers 401, 403 and 498; None for the code itself.
    gateway_status: int | None = None
    #: HTTP status of the token endpoint's refusal (code 320001), which the documents do not state.
    token_refusal_status: int = 200
