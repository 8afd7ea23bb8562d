"""Queries for the ledgers of customers and of user groups."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, Self, Unpack

from attrs import field, fields, frozen

from capledger.errors import InvalidQueryError
from capledger.queries import checks
from capledger.queries.subject import SubjectQuery, as_documented, with_changes

if TYPE_CHECKING:
    from capledger.queries.options import CustomerLedgerOptions


def _is_order(_: object, __: object, value: object) -> None:
    if value not in ("asc", "desc"):
        raise InvalidQueryError('order must be "asc" for oldest first or "desc" for newest first')


@frozen(kw_only=True, slots=False)
class _BaseLedgerQuery(SubjectQuery):
    """Dates, order and filters of both types of ledger."""

    start: datetime | None = field(default=None, converter=checks.as_datetime, validator=checks.optional_datetime)
    """First instant, inclusive (v2 and v2.1 ledger pages).

    A date is its midnight. A naive value is server time, an aware one is converted to it.
    """
    end: datetime | None = field(default=None, converter=checks.as_datetime, validator=checks.optional_datetime)
    """End of the span, exclusive, written like ``start``; None is the start of the walk (v2 and v2.1 ledger pages)."""
    order: Literal["asc", "desc"] = field(default="asc", validator=_is_order)
    """Order of the yielded entries, whatever the server does: "asc" oldest first, "desc" newest first (2026 pages)."""
    page_size: int = field(default=100, converter=checks.as_int, validator=checks.positive_int)
    """Entries per request; reduced to the service's maximum if larger (v2 and v2.1 ledger pages)."""
    till_id: int | None = field(default=None, converter=checks.as_optional_int, validator=checks.optional_int)
    """Entries of one till, by its id (v2 and v2.1 ledger pages)."""
    till_ids: tuple[int, ...] = field(default=(), converter=checks.as_ints, validator=checks.ints)
    """Entries of several tills, by their ids (v2 ledger page)."""
    store_id: int | None = field(default=None, converter=checks.as_optional_int, validator=checks.optional_int)
    """Entries of one store, by its id (v2 ledger page)."""
    store_code: str | None = field(default=None, validator=checks.optional_string)
    """Entries of one store, by its code (v2 ledger page)."""
    exclude_point_categories: bool | None = field(default=None, validator=checks.optional_bool)
    """Alternate currencies without points (v2 ledger page)."""
    roles: tuple[str, ...] = field(default=(), converter=checks.as_names, validator=checks.names)
    """Entries of group members with these roles (PRIMARY and others); one role or several (2026 pages)."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        places = self.till_id, self.till_ids, self.store_id, self.store_code
        if len(places) - places.count(None) - places.count(()) > 1:
            raise InvalidQueryError(
                "pass only one of till_id, till_ids, store_id, store_code: the service does not combine them"
            )
        checks.require_order(self.start, self.end)


@frozen(kw_only=True, slots=False)
class CustomerLedgerQuery(_BaseLedgerQuery):
    """The ledger of one customer, with every parameter of the v2 and v2.1 ledger pages as a keyword."""

    program_id: int | None = field(default=None, converter=checks.as_optional_int, validator=checks.optional_int)
    """Entries of one programme (v2 and v2.1 ledger pages)."""
    is_filter_based_on_date: bool | None = field(default=None, validator=checks.optional_bool)
    """Whether the service applies dates; by default it does if there are any (v2 and v2.1 ledger pages)."""
    include_last_one_year_data: bool | None = field(default=None, validator=checks.optional_bool)
    """A year instead of 90 days for requests with one date (v2 and v2.1 ledger pages).

    It has no effect on a walk, which sends both dates or none.
    """
    include_till_concept_events: bool | None = field(default=None, validator=checks.optional_bool)
    """Also deductions at tills of the programme's concept; needs ``program_id`` (v2 and v2.1 ledger pages)."""
    ledger_entry_type: str | None = field(default=None, validator=checks.optional_string)
    """CREDIT, DEBIT or OPENING_BALANCE (v2 and v2.1 ledger pages)."""
    point_category_type: str | None = field(default=None, validator=checks.optional_string)
    """REGULAR, PROMISED or TRIGGER_BASED (v2 and v2.1 ledger pages)."""
    include_concept_details: bool | None = field(default=None, validator=checks.optional_bool)
    """Adds ``concept_id`` and ``concept_name`` to each entry (2026 pages)."""
    is_primary_user: bool | None = field(default=None, validator=checks.optional_bool)
    """The primary member of a group, in v2.1 (2026 pages)."""
    exclude_events: bool | tuple[str, ...] = field(
        default=(), converter=checks.as_bool_or_names, validator=checks.bool_or_names
    )
    """Events to leave out, in v2.1: a boolean or a list of names, since the type is not documented (2026 pages)."""
    event_filter: tuple[str, ...] = field(default=(), converter=checks.as_names, validator=checks.names)
    """Events to keep, in v2.1, e.g. TransactionAdd; one name or several (2026 pages)."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.include_till_concept_events and self.program_id is None:
            raise InvalidQueryError("include_till_concept_events needs the programme: pass program_id too")
        if self.type not in (None, "CUSTOMER"):
            raise InvalidQueryError("type of a customer is CUSTOMER or None: use GroupLedgerQuery for a user group")

    @classmethod
    def _of(cls, name: str, value: str | int, options: CustomerLedgerOptions) -> Self:
        if cls is not CustomerLedgerQuery or not options.keys() <= _OPTIONS:
            return cls(identifier_name=name, identifier_value=value, **options)  # a subclass, or a TypeError
        values = {"identifier_value": value, **options}
        return with_changes(_WITHOUT_OPTIONS[name], values)  # type: ignore[return-value]  # Self is this very class

    @classmethod
    def mobile(cls, value: str | int, **options: Unpack[CustomerLedgerOptions]) -> Self:
        """Return the query for a mobile number, with country code and without a plus."""
        return cls._of("mobile", value, options)

    @classmethod
    def email(cls, value: str, **options: Unpack[CustomerLedgerOptions]) -> Self:
        """Return the query for an e-mail address."""
        return cls._of("email", value, options)

    @classmethod
    def customer_id(cls, value: str | int, **options: Unpack[CustomerLedgerOptions]) -> Self:
        """Return the query for an id of the platform (``identifierName=id``, ``user_id`` in responses)."""
        return cls._of("id", value, options)

    @classmethod
    def external_id(cls, value: str | int, **options: Unpack[CustomerLedgerOptions]) -> Self:
        """Return the query for an id of the brand (``identifierName=externalId``)."""
        return cls._of("externalId", value, options)


_OPTIONS: Final = {item.name for item in fields(CustomerLedgerQuery)} - {"identifier_name", "identifier_value"}
#: Queries by the names of their identifiers, checked once. Those of customers are copies.
_WITHOUT_OPTIONS: Final = {
    name: CustomerLedgerQuery(identifier_name=name, identifier_value="0")
    for name in ("mobile", "email", "id", "externalId")
}


@frozen(kw_only=True, slots=False)
class GroupLedgerQuery(_BaseLedgerQuery):
    """The ledger of one user group: entries of all its members."""

    identifier_name: str = field(default="groupId", converter=as_documented, validator=checks.string)
    """groupId, externalId, primaryUserId or id (v2 and v2.1 ledger pages)."""
    type: str = field(default="USERGROUP2", validator=checks.string)
    """USERGROUP2, or FLEET in organisations that have fleets (v2 ledger page)."""


LedgerQuery = CustomerLedgerQuery | GroupLedgerQuery
