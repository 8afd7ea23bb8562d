"""Queries for the balances of a customer."""

from __future__ import annotations

from datetime import datetime

from attrs import field, frozen

from capledger.queries import checks
from capledger.queries.subject import SubjectQuery


@frozen(kw_only=True, slots=False)
class BalanceQuery(SubjectQuery):
    """The balances of one customer, by programme, points category and currency."""

    at: datetime | None = field(default=None, converter=checks.as_datetime, validator=checks.optional_datetime)
    """The moment of the balances; None is now (balance page).

    A date is its midnight, as in other queries. A naive value is server time, an aware one is converted to it;
    fractions of a second are cut off. Whether entries of this very second are included is not documented.
    """
    page_size: int = field(default=100, converter=checks.as_int, validator=checks.positive_int)
    """Balances per request; reduced to the service's maximum if larger (balance page)."""
    till_id: int | None = field(default=None, converter=checks.as_optional_int, validator=checks.optional_int)
    """Balances at one till, by its id (balance page)."""
    include_till_concept_events: bool | None = field(default=None, validator=checks.optional_bool)
    """Also events at tills of the programme's concept (balance page)."""
    ledger_entry_type: str | None = field(default=None, validator=checks.optional_string)
    """CREDIT, DEBIT or OPENING_BALANCE (balance page)."""
    point_category_type: str | None = field(default=None, validator=checks.optional_string)
    """REGULAR, PROMISED or TRIGGER_BASED (balance page)."""
