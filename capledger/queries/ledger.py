"""Ledgers of customers and of user groups."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, Self, Unpack

from attrs import field, fields, frozen

from capledger.errors import InvalidQueryError
from capledger.queries import checks
from capledger.queries.scope import OrgScope
from capledger.queries.subject import SubjectQuery, as_documented

if TYPE_CHECKING:
    from attrs import AttrsInstance

    from capledger.queries.options import CustomerLedgerOptions


def _is_order(_: object, __: object, value: object) -> None:
    if value not in ("asc", "desc"):
        raise InvalidQueryError('order has to be "asc" for oldest first or "desc" for newest first')


#: Fields that say how entries are fetched, not which.
_HOW: Final = frozenset({"page_size"})


@cache
def _decisive(kind: type[AttrsInstance]) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind) if item.name not in _HOW)


def _fingerprint(value: object) -> str:
    match value:
        case OrgScope():
            return f"{value.data_scope}:{_fingerprint(value.org_ids)}"
        case datetime():
            return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat()
        case tuple():
            return ",".join(sorted(str(item) for item in value))
    return str(value)


@frozen(kw_only=True)
class _LedgerSpan(SubjectQuery):
    """What ledgers of both kinds can be narrowed by."""

    #: First instant wanted, inclusive; a day is its midnight. Naive is server time, aware is converted.
    start: datetime | None = field(default=None, converter=checks.as_moment, validator=checks.optional_moment)
    #: End of the span, exclusive, written like ``start``; None is the moment when the walk starts.
    end: datetime | None = field(default=None, converter=checks.as_moment, validator=checks.optional_moment)
    #: What is yielded: "asc" is oldest first, "desc" newest first, whatever the service does.
    order: Literal["asc", "desc"] = field(default="asc", validator=_is_order)
    #: Entries to ask for at a time; more than the service gives is brought down to what it gives.
    page_size: int = field(default=100, validator=checks.at_least_one)
    #: Entries of one till.
    till_id: int | None = field(default=None, validator=checks.optional_whole)
    #: Entries of several tills.
    till_ids: tuple[int, ...] = field(default=(), converter=checks.as_numbers, validator=checks.whole_numbers)
    #: Entries of one store, by its id.
    store_id: int | None = field(default=None, validator=checks.optional_whole)
    #: Entries of one store, by its code.
    store_code: str | None = field(default=None, validator=checks.optional_text)
    #: Alternate currencies alone, without points.
    exclude_point_categories: bool | None = field(default=None, validator=checks.optional_flag)
    #: Entries of group members in these roles (PRIMARY and so on); one role or several.
    roles: tuple[str, ...] = field(default=(), converter=checks.as_names, validator=checks.names)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        checks.one_at_most(self, "till_id", "till_ids", "store_id", "store_code")
        checks.in_order(self.start, self.end)

    def fingerprint_fields(self) -> tuple[tuple[str, str], ...]:
        """Name and text of all that decides which entries come back and in what order; holds the identifier.

        Equal for two queries that differ only in how they fetch (``page_size``), in the order of names in a list, or in
        the zone that the same instant is written in. What was left out is not in it.
        """
        names = _decisive(type(self))  # type: ignore[arg-type]  # mypy holds the class to its instances' hash
        values = ((name, getattr(self, name)) for name in names)
        texts = ((name, _fingerprint(value)) for name, value in values if value is not None and value != ())
        return (("query", type(self).__name__), *texts)


@frozen(kw_only=True)
class CustomerLedgerQuery(_LedgerSpan):
    """The ledger of one customer; every parameter of the two ``customer-ledger`` documents is a keyword."""

    #: Entries of one programme.
    program_id: int | None = field(default=None, validator=checks.optional_whole)
    #: Whether the service applies dates at all; it does by itself when there are any.
    is_filter_based_on_date: bool | None = field(default=None, validator=checks.optional_flag)
    #: A year instead of 90 days where only one date goes out; a walk sends both or none, so it changes nothing there.
    include_last_one_year_data: bool | None = field(default=None, validator=checks.optional_flag)
    #: Also deductions at tills of the programme's concept; needs ``program_id``.
    include_till_concept_events: bool | None = field(default=None, validator=checks.optional_flag)
    #: CREDIT, DEBIT or OPENING_BALANCE.
    ledger_entry_type: str | None = field(default=None, validator=checks.optional_text)
    #: REGULAR, PROMISED or TRIGGER_BASED.
    point_category_type: str | None = field(default=None, validator=checks.optional_text)
    #: Adds ``concept_id`` and ``concept_name`` to each entry.
    include_concept_details: bool | None = field(default=None, validator=checks.optional_flag)
    #: The primary member of a group (v2.1).
    is_primary_user: bool | None = field(default=None, validator=checks.optional_flag)
    #: Events to leave out (v2.1); no document gives its kind, so a flag goes out as one and names as a list.
    exclude_events: bool | tuple[str, ...] = field(
        default=(), converter=checks.as_flag_or_names, validator=checks.flag_or_names
    )
    #: Events to keep (v2.1), TransactionAdd for example; one name or several.
    event_filter: tuple[str, ...] = field(default=(), converter=checks.as_names, validator=checks.names)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.include_till_concept_events and self.program_id is None:
            raise InvalidQueryError("include_till_concept_events needs the programme: give program_id too")
        if self.type not in (None, "CUSTOMER"):
            raise InvalidQueryError("type of a customer is CUSTOMER or None: use GroupLedgerQuery for a user group")

    @classmethod
    def mobile(cls, value: str | int, **options: Unpack[CustomerLedgerOptions]) -> Self:
        """The customer with this mobile number, country code first and without a plus."""
        return cls(identifier_name="mobile", identifier_value=value, **options)

    @classmethod
    def email(cls, value: str, **options: Unpack[CustomerLedgerOptions]) -> Self:
        """The customer with this e-mail address."""
        return cls(identifier_name="email", identifier_value=value, **options)

    @classmethod
    def customer_id(cls, value: str | int, **options: Unpack[CustomerLedgerOptions]) -> Self:
        """The customer with this id of the platform's own (``identifierName=id``, ``user_id`` in answers)."""
        return cls(identifier_name="id", identifier_value=value, **options)

    @classmethod
    def external_id(cls, value: str | int, **options: Unpack[CustomerLedgerOptions]) -> Self:
        """The customer with this id of the brand's own (``identifierName=externalId``)."""
        return cls(identifier_name="externalId", identifier_value=value, **options)


@frozen(kw_only=True)
class GroupLedgerQuery(_LedgerSpan):
    """The ledger of one user group: entries of all its members."""

    #: groupId, externalId, primaryUserId or id.
    identifier_name: str = field(default="groupId", converter=as_documented, validator=checks.text)
    #: USERGROUP2, or FLEET where the organisation has such.
    type: str = field(default="USERGROUP2", validator=checks.text)


LedgerQuery = CustomerLedgerQuery | GroupLedgerQuery
