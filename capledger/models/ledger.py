"""The ledger's answer: entries, what they moved, and the page they stood on.

Documents: the v2 and v2.1 ``getCustomerLedgerInfo`` pages, and ``getCustomerLedgerBalance`` for closing balances.
Amounts are :class:`~decimal.Decimal` with the digits and the scale of the answer. Dates are aware: the ISO twin's value
where the answer has one, else the answer's text in the session's timezone. What the answer leaves out or sends as null
is None, or empty.
"""

from datetime import datetime
from decimal import Decimal

from attrs import define, field

from capledger.models._fields import wire
from capledger.models.events import LedgerEvent


@define
class Notice:
    """A warning of the service: the main thing succeeded, something beside it did not."""

    #: The API's code, e.g. 11002 (pending events) or 9018 (unknown alternate currency).
    code: int | None = None
    #: The API's text, with the customer's identifier taken out.
    message: str = ""
    #: False wherever the documents show it.
    status: bool | None = None


@define
class EntryDetail:
    """One movement of an entry: so much of one currency, in one category of one programme."""

    #: CREDIT, DEBIT, OPENING_BALANCE, ... kept as it came.
    ledger_entry_type: str | None = None
    #: Amount in points, or in the alternate currency named below; not negative for a DEBIT.
    points: Decimal | None = None
    #: Main (redeemable), DelayedAccrualPointCategory or ExternalTriggerBasedPointCategory (promised), ...
    points_category: str | None = None
    program_name: str | None = None
    program_id: int | None = None
    #: None: points. Otherwise the amount is in this currency.
    alternate_currency_name: str | None = None


@define
class TransactionDetails:
    """The transaction behind an entry. Amounts are in the organisation's currency."""

    transaction_id: int | None = None
    #: The till's own number of the bill.
    transaction_number: str | None = field(default=None, metadata=wire(number_as_string=True))
    #: Business time, which can be earlier or later than the entry's own.
    date: datetime | None = None
    #: The twin as it came (2026 answers); ``date`` has its value then.
    date_iso: datetime | None = None
    #: Net amount, after discounts and taxes.
    amount: Decimal | None = None
    #: Before any discount or tax.
    gross_bill_amount: Decimal | None = None
    #: Where it took place, e.g. instore.
    source: str | None = None


@define
class EventSummary:
    """What the ledger itself says of an event; :class:`LedgerEvent` has all of it."""

    #: Business time of the event.
    event_date: datetime | None = None
    #: The twin as it came (2026 answers); ``event_date`` has its value then.
    event_date_iso: datetime | None = None
    event_display_name: str | None = None
    promotion_name: str | None = None
    promotion_description: str | None = None
    #: The promotion's external identifier.
    promotion_identifier: str | None = field(default=None, metadata=wire(number_as_string=True))
    promotion_id: int | None = None
    #: E.g. POINTS_ISSUE for goodwill points.
    reason: str | None = None


@define
class CustomerDetails:
    """The customer whose ledger it is; group ledgers have none."""

    first_name: str | None = field(default=None, repr=False)
    last_name: str | None = field(default=None, repr=False)
    user_id: int | None = field(default=None, repr=False)
    external_id: str | None = field(default=None, repr=False, metadata=wire(number_as_string=True))
    #: CUSTOMER, or FLEET for a group.
    entity_type: str | None = None


@define
class MemberIdentifier:
    """How a member of a user group is known."""

    #: MOBILE, EMAIL, ...
    type: str | None = None
    value: str | None = field(default=None, repr=False, metadata=wire(number_as_string=True))
    #: The member's part in the group, e.g. DRIVER.
    role: str | None = None


@define
class MemberDetails:
    """The member of a user group who caused an entry."""

    first_name: str | None = field(default=None, repr=False)
    last_name: str | None = field(default=None, repr=False)
    identifier: MemberIdentifier | None = None
    user_id: int | None = field(default=None, repr=False, metadata=wire(zero_is_empty=True))


@define
class LedgerEntry:
    """One entry of the ledger: an event and what it moved."""

    #: The event's id; ``EventDetailsQuery(event_ids=[...])`` takes it.
    event_log_id: int
    #: TransactionAdd, PointsExpiry, ...: open, kept as it came.
    event_name: str
    #: When the entry was written; what walks filter and order by.
    ledger_created_date: datetime
    #: The customer; on group ledgers negative, and the group's id without the sign; on PointsExpiry the programme's id.
    customer_id: int | None = field(default=None, repr=False)
    #: The twin as it came (2026 answers); ``ledger_created_date`` has its value then.
    ledger_created_date_iso: datetime | None = None
    #: The member who caused it, on group ledgers.
    customer_details: MemberDetails | None = None
    entry_details: list[EntryDetail] = field(factory=list)
    #: Credits less debits in points, with three decimals; rows of ``entry_details`` may be rounded to two.
    net_points_on_event: Decimal | None = None
    #: The same for each alternate currency by its name; empty when the answer has none.
    net_alternate_currencies_on_event: dict[str, Decimal] = field(factory=dict)
    transaction_details: TransactionDetails | None = None
    #: Name of the store; "" for events without one, such as PointsExpiry. So are the two codes.
    store: str | None = None
    store_code: str | None = field(default=None, metadata=wire(number_as_string=True))
    till_code: str | None = field(default=None, metadata=wire(number_as_string=True))
    event_details: EventSummary | None = None
    source_program_id: int | None = None
    source_program_name: str | None = None
    #: The organisation; null in v2 answers up to 2025.
    org_id: int | None = None
    #: With ``include_concept_details``; -1 when the service could not resolve it.
    concept_id: int | None = None
    #: With ``include_concept_details``.
    concept_name: str | None = None
    #: Everything about the event, where details were asked for with the entries; not part of the ledger's answer,
    #: and not looked at when entries are compared.
    event: LedgerEvent | None = field(default=None, eq=False, metadata=wire(sdk_only=True))


@define
class ClosingBalance:
    """The balance of one category of one programme as of the last entry (``getCustomerLedgerBalance``)."""

    points_category: str | None = None
    program_name: str | None = None
    program_id: int | None = None
    #: In points, or in the alternate currency named below.
    closing_balance: Decimal | None = None
    #: None: points.
    alternate_currency_name: str | None = None


@define
class LedgerDetails:
    """Where a page stands in the ledger that was asked for."""

    #: From 0.
    page_number: int | None = None
    #: Capacity of a page in rows, not the rows on this one.
    page_size: int | None = None
    #: Rows in all for the window and filters asked for.
    total_entries: int | None = None
    page_count: int | None = None
    #: Empty on ledger pages as documented.
    ledger_closing_balance: list[ClosingBalance] = field(factory=list)
