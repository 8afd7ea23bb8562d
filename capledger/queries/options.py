"""Keywords of ``CustomerLedgerQuery.mobile(...)`` and its siblings, for type checkers and editors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from capledger.queries.scope import OrgScope


class CustomerLedgerOptions(TypedDict, total=False):
    """Every keyword of :class:`CustomerLedgerQuery` except the identifier; documented there."""

    source: str
    account_id: str | int | None
    type: str | None
    include_alternate_currencies: bool | None
    alternate_currency_names: str | Iterable[str] | None
    scope: OrgScope | None
    start: date | None
    end: date | None
    order: Literal["asc", "desc"]
    page_size: int
    till_id: int | None
    till_ids: int | Iterable[int] | None
    store_id: int | None
    store_code: str | None
    exclude_point_categories: bool | None
    roles: str | Iterable[str] | None
    program_id: int | None
    is_filter_based_on_date: bool | None
    include_last_one_year_data: bool | None
    include_till_concept_events: bool | None
    ledger_entry_type: str | None
    point_category_type: str | None
    include_concept_details: bool | None
    is_primary_user: bool | None
    exclude_events: bool | str | Iterable[str] | None
    event_filter: str | Iterable[str] | None
