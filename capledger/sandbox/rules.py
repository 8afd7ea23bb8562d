"""How a sandbox behaves where the vendor's pages say nothing or contradict one another."""

from __future__ import annotations

from datetime import tzinfo
from typing import Literal

from attrs import frozen

Edges = Literal["both", "start", "end", "none"]
Order = Literal["ASC", "DESC", "SHUFFLED", "RANDOM"]
TieOrder = Literal["same", "opposite", "ascending", "descending", "random", "replica"]
OffsetMeaning = Literal["page", "index"]
Total = Literal["range", "all_dates", "customer", "page"]
PageNumberEcho = Literal["page", "offset", "index", "zero", "one_more"]
PageSizeEcho = Literal["capacity", "requested", "rows", "zero", "one_more"]
PageCountEcho = Literal["pages", "zero", "one_more"]
Empty = Literal["error400", "error200", "warning", "plain", "nothing"]
DateStyle = Literal["fraction", "plain", "java", "iso"]


@frozen(kw_only=True)
class Rules:
    """One reading of the vendor's pages; the defaults are the reading of the newest ones."""

    seed: int = 0
    """Seed of every random order."""

    edges: Edges = "both"
    """Which bounds of ``startDate`` and ``endDate`` are inclusive; the vendor's pages do not say."""
    edge_precision: Literal["full", "second"] = "full"
    """Whether bounds are compared with the fraction of a second ("full") or in whole seconds ("second")."""
    filter_on: Literal["created", "event"] = "created"
    """Which date of an entry is filtered on: its creation, or the business date of its event."""
    start_date_precision: Literal["second", "day"] = "second"
    """Whether ``startDate`` is used as sent, or as the start of its day."""
    end_date_precision: Literal["second", "day", "whole_day"] = "second"
    """Whether ``endDate`` is used as sent, as the start of its day, or as the end of its day."""
    request_zone: tzinfo | None = None
    """Zone that ``startDate`` and ``endDate`` are read in; None for that of the responses."""
    response_zone: tzinfo | None = None
    """Zone that dates are printed in; None for the ``timezone`` of the sandbox, which is that of its rows."""
    max_days: int | None = 90
    """The longest date range in days; beyond it, an error. None for no limit."""
    max_days_counts: Literal["exact", "days"] = "exact"
    """Whether the length of a date range is exact, or the number of days that it touches."""
    max_days_code: int = 11010
    """The code for a date range that is too long."""
    max_days_message: str = "Interval between startDate and endDate greater than {days} days"
    """The message for a date range that is too long; ``{days}`` is ``max_days``."""
    max_days_status: int = 400
    """HTTP status for a date range that is too long."""

    order_parameters: tuple[str, ...] = ("order",)
    """Query parameters that set the order, the first one present wins; () ignores them all."""
    default_order: Order = "DESC"
    """
    The order without such a parameter.

    "SHUFFLED" is the same random order with every request to the same replica, "RANDOM" another one with every request.
    """
    sort_by: Literal["instant", "local"] = "instant"
    """Whether rows are sorted by instant, or by the date as printed, where an hour can come twice."""
    sort_precision: Literal["full", "second"] = "full"
    """Whether rows are sorted by the fraction of a second too ("full") or by whole seconds ("second")."""
    tie_order: TieOrder = "same"
    """
    The order of rows with equal dates.

    By id in the "same" direction as the dates or in the "opposite" one, by id always "ascending" or "descending", or
    unstable: another order with every request ("random") or on every replica ("replica").
    """

    replicas: int = 1
    """Number of replicas, which serve the ledger requests in turn; see "SHUFFLED" and "replica"."""
    lag: int = 0
    """Number of the latest changes that a lagging replica has not seen; before any change, the newest rows."""
    lag_every: int = 2
    """With ``lag``, every so many ledger requests are served by a lagging replica; 1 for all of them."""

    offset: OffsetMeaning = "page"
    """Whether ``offset`` is a page number or the index of a row, for customers."""
    group_offset: OffsetMeaning = "index"
    """Whether ``offset`` is a page number or the index of a row, for user groups."""
    first_page: Literal[0, 1] = 0
    """The number of the first page; with 1, ``offset`` 0 and 1 both return it."""
    default_limit: int = 10
    """Rows of a page without ``limit``."""
    max_limit: int = 100
    """The largest ``limit``, on v2 and, without ``max_limit_v21``, on v2.1."""
    max_limit_v21: int | None = None
    """The largest ``limit`` on v2.1 if it differs."""
    limit_code: int = 11029
    """The code for a ``limit`` above the maximum: 11029 on the newest pages, 11006 on older ones."""
    limit_message: str = "Limit cannot be greater than {limit}"
    """The message for a ``limit`` above the maximum; ``{limit}`` is the maximum."""
    limit_status: int = 400
    """HTTP status for a ``limit`` above the maximum."""
    cap_silently: bool = False
    """Whether a ``limit`` above the maximum returns the largest page instead of an error."""
    max_depth: int | None = None
    """Number of rows that can be paged through; a page that ends beyond it is an error. None for no limit."""
    max_depth_code: int = 9003
    """The code for a page beyond ``max_depth``."""
    max_depth_message: str = "Result window is too large, from + size must be less than or equal to: [{rows}]"
    """The message for a page beyond ``max_depth``; ``{rows}`` is ``max_depth``."""
    max_depth_status: int = 500
    """HTTP status for a page beyond ``max_depth``."""
    beyond: Literal["nothing", "last_page"] = "nothing"
    """What a page beyond the last one has: no rows, or those of the last page."""
    hidden_every: int | None = None
    """Rows whose ``eventLogId`` is a multiple of it are counted and paged, but not shown; None hides nothing."""

    total: Total = "range"
    """
    What ``totalEntries`` counts.

    The entries that match the filters and the date range ("range"), the filters alone ("all_dates"), all entries of the
    customer ("customer"), or the rows shown on the page ("page").
    """
    total_cap: int | None = None
    """The number at which ``totalEntries`` stops counting; None for no limit."""
    total_offset: int = 0
    """Added to ``totalEntries``: a server with wrong totals."""
    echo_page_number: PageNumberEcho = "page"
    """
    Value of ``pageNumber``.

    The number of the page ("page"), the ``offset`` as sent ("offset"), the number of the page counted from 0 whatever
    ``first_page`` is ("index"), always 0 ("zero"), or one more than the number of the page ("one_more").
    """
    echo_page_size: PageSizeEcho = "capacity"
    """
    Value of ``pageSize``.

    The capacity of the page, as documented ("capacity"), the ``limit`` as sent ("requested"), the number of rows shown
    ("rows"), always 0 ("zero"), or one more than the capacity ("one_more").
    """
    echo_page_count: PageCountEcho = "pages"
    """Value of ``pageCount``: the number of pages of the total, always 0, or one more."""
    omitted: tuple[str, ...] = ()
    """Keys that pages lack: keys of ``ledgerDetails`` such as "totalEntries", or of the page ("ledgerDetails")."""

    empty: Empty = "error400"
    """
    The response without entries.

    An 11003 error with HTTP 400 or 200, an 11003 warning, just no rows ("plain"), or neither rows nor details of
    ledger and customer ("nothing").
    """
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
    retry_after: int | str | None = None
    """
    ``Retry-After`` of a 429: none, seconds, or a string.

    "date" is the HTTP date at which a request is accepted again; any other string is sent as it is, such as "5.0".
    """
    idle_timeout: float | None = None
    """
    Seconds after which an idle connection is reset at its next use; None for no limit.

    This is what a NAT or a load balancer does that forgot the connection. Idle time is that between two requests.
    """

    token_ttl: int = 300
    """Seconds that a token is valid."""
    stated_token_ttl: int | None = None
    """``ttlSeconds`` of a token; None for ``token_ttl``."""
    gateway_status: int | None = None
    """HTTP status of the v1.1 responses 401, 403 and 498; None for the code itself."""
    token_error_status: int = 200
    """HTTP status of the token endpoint's error 320001, which the vendor's pages do not state."""
