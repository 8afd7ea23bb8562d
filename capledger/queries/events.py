"""Details of single events ("explode")."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from capledger.errors import InvalidQueryError
from capledger.queries import checks
from capledger.queries.subject import SubjectQuery


def _is_version(_: object, __: object, value: object) -> None:
    if value not in (None, "v2", "v2.1"):
        raise InvalidQueryError('api_version has to be None, "v2" or "v2.1"')


@frozen(kw_only=True)
class EventDetailsQuery(SubjectQuery):
    """Events of one customer or group, by their ids or by name and references; any number of them."""

    #: ``event_log_id`` of ledger entries, in the order wanted; digits may be texts.
    event_ids: tuple[int, ...] = field(default=(), converter=checks.as_event_ids, validator=checks.whole_numbers)
    #: GenericEvent, TransactionAdd or ReturnBill, with ``event_reference_ids``.
    event_name: str | None = field(default=None, validator=checks.optional_text)
    #: Bill ids (TransactionAdd, ReturnBill) or request ids (GenericEvent), in the order wanted.
    event_reference_ids: tuple[str, ...] = field(default=(), converter=checks.as_references, validator=checks.names)
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
    #: Means of payment; goes out as ``getPaymentModes`` to v2 and ``getPaymentMode`` to v2.1, as their documents say.
    get_payment_modes: bool | None = field(default=None, validator=checks.optional_flag)
    #: The primary member of a group.
    is_primary_user: bool | None = field(default=None, validator=checks.optional_flag)
    #: None is v2.1, the version that is documented in full.
    api_version: Literal["v2", "v2.1"] | None = field(default=None, validator=_is_version)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.event_ids and (self.event_name or self.event_reference_ids):
            raise InvalidQueryError("give event_ids, or event_name with event_reference_ids, but not both")
        if not self.event_ids and not self.event_name:
            raise InvalidQueryError(
                "no event is named: give event_ids that are not empty, or event_name with event_reference_ids"
            )
        if self.event_name and not self.event_reference_ids:
            raise InvalidQueryError("event_name needs the references of the events: give event_reference_ids too")
        if self.scope is not None and self.api_version == "v2":
            raise InvalidQueryError('scope needs v2.1: leave out api_version="v2"')
