"""Which parts of an event to ask for where it comes along with a ledger's entries."""

from __future__ import annotations

from attrs import field, frozen

from capledger.errors import InvalidQueryError
from capledger.queries import checks


@frozen(kw_only=True)
class EventFlags:
    """What to ask for beyond the usual with ``session.entries(query, details=EventFlags(...))``."""

    #: Bill number, amount, discount and line items.
    get_bill_details: bool | None = field(default=None, validator=checks.optional_flag)
    #: Points by category, allocation strategy and expiry strategy.
    get_points_earned_breakup: bool | None = field(default=None, validator=checks.optional_flag)
    #: Custom fields that the brand has set up.
    get_custom_fields: bool | None = field(default=None, validator=checks.optional_flag)
    #: Extended fields that the brand has set up.
    get_extended_fields: bool | None = field(default=None, validator=checks.optional_flag)
    #: The last of the line items' conversion dates, ``max_conversion_date``.
    get_max_conversion_details: bool | None = field(default=None, validator=checks.optional_flag)
    #: Means of payment.
    get_payment_modes: bool | None = field(default=None, validator=checks.optional_flag)


def as_flags(details: object) -> EventFlags | None:
    """True as no part beyond what every event has, False as no details at all."""
    if isinstance(details, bool):
        return EventFlags() if details else None
    if not isinstance(details, EventFlags):
        raise InvalidQueryError("details has to be True, False or EventFlags(...)")
    return details
