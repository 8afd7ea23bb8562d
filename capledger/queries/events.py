"""Queries for the details of events, and the flags that select parts of them."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from capledger.errors import InvalidQueryError
from capledger.queries import checks
from capledger.queries.subject import SubjectQuery


def _is_version(_: object, __: object, value: object) -> None:
    if value not in (None, "v2", "v2.1"):
        raise InvalidQueryError('api_version must be None, "v2" or "v2.1"')


@frozen(kw_only=True, slots=False)
class EventDetailsQuery(SubjectQuery):
    """Events of one customer or group, by their ids or by name and references; any number of them."""

    event_ids: tuple[int, ...] = field(default=(), converter=checks.as_event_ids, validator=checks.ints)
    """``event_log_id`` of ledger entries, in the order wanted; an id may be a string of digits (explode page)."""
    event_name: str | None = field(default=None, validator=checks.optional_string)
    """GenericEvent, TransactionAdd or ReturnBill, with ``event_reference_ids`` (explode page)."""
    event_reference_ids: tuple[str, ...] = field(default=(), converter=checks.as_references, validator=checks.names)
    """Bill ids (TransactionAdd, ReturnBill) or request ids (GenericEvent), in the order wanted (explode page)."""
    get_bill_details: bool | None = field(default=None, validator=checks.optional_bool)
    """Bill number, amount, discount and line items (explode page)."""
    get_points_earned_breakup: bool | None = field(default=None, validator=checks.optional_bool)
    """Points by category, allocation strategy and expiry strategy (explode page)."""
    get_custom_fields: bool | None = field(default=None, validator=checks.optional_bool)
    """Custom fields of the brand (explode page)."""
    get_extended_fields: bool | None = field(default=None, validator=checks.optional_bool)
    """Extended fields of the brand (explode page)."""
    get_max_conversion_details: bool | None = field(default=None, validator=checks.optional_bool)
    """``max_conversion_date``, the last of the line items' conversion dates (explode page)."""
    get_payment_modes: bool | None = field(default=None, validator=checks.optional_bool)
    """Payment modes; sent as ``getPaymentModes`` to v2 and as ``getPaymentMode`` to v2.1 (explode and 2026 pages)."""
    is_primary_user: bool | None = field(default=None, validator=checks.optional_bool)
    """The primary member of a group (explode page)."""
    api_version: Literal["v2", "v2.1"] | None = field(default=None, validator=_is_version)
    """None is v2.1, the version that is documented in full (explode and 2026 pages)."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.event_ids and (self.event_name or self.event_reference_ids):
            raise InvalidQueryError("pass event_ids, or event_name with event_reference_ids, but not both")
        if not self.event_ids and not self.event_name:
            raise InvalidQueryError(
                "no event is named: pass event_ids that are not empty, or event_name with event_reference_ids"
            )
        if self.event_name and not self.event_reference_ids:
            raise InvalidQueryError("event_name needs the references of the events: pass event_reference_ids too")
        if self.scope is not None and self.api_version == "v2":
            raise InvalidQueryError('scope needs v2.1: leave out api_version="v2"')


@frozen(kw_only=True)
class EventFlags:
    """Optional parts of the events in ``session.entries(query, details=EventFlags(...))``."""

    get_bill_details: bool | None = field(default=None, validator=checks.optional_bool)
    """Bill number, amount, discount and line items (explode page)."""
    get_points_earned_breakup: bool | None = field(default=None, validator=checks.optional_bool)
    """Points by category, allocation strategy and expiry strategy (explode page)."""
    get_custom_fields: bool | None = field(default=None, validator=checks.optional_bool)
    """Custom fields of the brand (explode page)."""
    get_extended_fields: bool | None = field(default=None, validator=checks.optional_bool)
    """Extended fields of the brand (explode page)."""
    get_max_conversion_details: bool | None = field(default=None, validator=checks.optional_bool)
    """``max_conversion_date``, the last of the line items' conversion dates (explode page)."""
    get_payment_modes: bool | None = field(default=None, validator=checks.optional_bool)
    """Payment modes (explode and 2026 pages)."""


def as_flags(details: object) -> EventFlags | None:
    """Return the flags of a ``details`` argument: none set for True, None for False."""
    if isinstance(details, bool):
        return EventFlags() if details else None
    if not isinstance(details, EventFlags):
        raise InvalidQueryError("details must be True, False or EventFlags(...)")
    return details
