"""Ledger entries, their movements, and the details of the page they were on.

Sources: the v2 and v2.1 pages of ``getCustomerLedgerInfo``, and the page of ``getCustomerLedgerBalance`` for closing
balances. Amounts are :class:`~decimal.Decimal` with the digits and the scale of the response. Dates are aware: the
value of the ISO twin where the response has one, else the response's string in the session's timezone. What the
response leaves out or sends as null is None or empty.
"""

from datetime import datetime
from decimal import Decimal

from attrs import define, field

from capledger.models._fields import wire
from capledger.models._serializable import Serializable
from capledger.models.events import LedgerEvent


@define
class Notice(Serializable):
    """A warning of the service: the request succeeded, a secondary activity failed."""

    code: int | None = None
    """The API's code, e.g. 11002 (pending events) or 9018 (unknown alternate currency) (explode and 2026 pages)."""
    message: str = ""
    """The API's message, without the customer's identifier (explode and 2026 pages)."""
    status: bool | None = None
    """False wherever the vendor's pages show it (explode and 2026 pages)."""


@define
class EntryDetail(Serializable):
    """One movement of an entry: an amount of one currency, in one category of one programme."""

    ledger_entry_type: str | None = None
    """CREDIT, DEBIT, OPENING_BALANCE and others; unknown types are kept as received (v2 and v2.1 ledger pages)."""
    points: Decimal | None = None
    """Amount in points or in the alternate currency below; not negative for a DEBIT (v2 and v2.1 ledger pages)."""
    points_category: str | None = None
    """Main (redeemable), DelayedAccrualPointCategory (promised) and others (v2 and v2.1 ledger pages)."""
    program_name: str | None = None
    """Name of the programme (v2 and v2.1 ledger pages)."""
    program_id: int | None = None
    """Id of the programme (v2 and v2.1 ledger pages)."""
    alternate_currency_name: str | None = None
    """Currency of the amount; None for points (v2 and v2.1 ledger pages)."""


@define
class TransactionDetails(Serializable):
    """The transaction behind an entry. Amounts are in the organisation's currency."""

    transaction_id: int | None = None
    """Id of the transaction (v2 and v2.1 ledger pages)."""
    transaction_number: str | None = field(default=None, metadata=wire(number_as_string=True))
    """Number that the till gave to the bill (v2 and v2.1 ledger pages)."""
    date: datetime | None = None
    """Business time, aware; can be earlier or later than the entry's own date (v2 and v2.1 ledger pages)."""
    date_iso: datetime | None = None
    """ISO twin of ``date``, which takes its value (2026 pages)."""
    amount: Decimal | None = None
    """Net amount, after discounts and taxes (v2 and v2.1 ledger pages)."""
    gross_bill_amount: Decimal | None = None
    """Amount before discounts and taxes (v2 and v2.1 ledger pages)."""
    source: str | None = None
    """Where it took place, e.g. instore (v2 and v2.1 ledger pages)."""


@define
class EventSummary(Serializable):
    """The event as the ledger summarises it; :class:`LedgerEvent` has all details."""

    event_date: datetime | None = None
    """Business time of the event, aware (v2 and v2.1 ledger pages)."""
    event_date_iso: datetime | None = None
    """ISO twin of ``event_date``, which takes its value (2026 pages)."""
    event_display_name: str | None = None
    """Name of the event for people (v2 and v2.1 ledger pages)."""
    promotion_name: str | None = None
    """Name of the promotion (v2 and v2.1 ledger pages)."""
    promotion_description: str | None = None
    """Description of the promotion (v2 and v2.1 ledger pages)."""
    promotion_identifier: str | None = field(default=None, metadata=wire(number_as_string=True))
    """External identifier of the promotion (v2 and v2.1 ledger pages)."""
    promotion_id: int | None = None
    """Id of the promotion (v2 and v2.1 ledger pages)."""
    reason: str | None = None
    """Reason, e.g. POINTS_ISSUE for goodwill points (v2 and v2.1 ledger pages)."""


@define
class CustomerDetails(Serializable):
    """The customer that the ledger belongs to; group ledgers have none."""

    first_name: str | None = field(default=None, repr=False)
    """First name (v2 and v2.1 ledger pages)."""
    last_name: str | None = field(default=None, repr=False)
    """Last name (v2 and v2.1 ledger pages)."""
    user_id: int | None = field(default=None, repr=False)
    """Id of the customer on the platform (v2 and v2.1 ledger pages)."""
    external_id: str | None = field(default=None, repr=False, metadata=wire(number_as_string=True))
    """Id of the customer at the brand (v2 and v2.1 ledger pages)."""
    entity_type: str | None = None
    """CUSTOMER, or FLEET for a group (v2 and v2.1 ledger pages)."""


@define
class MemberIdentifier(Serializable):
    """The identifier of a member of a user group."""

    type: str | None = None
    """MOBILE, EMAIL and others (v2 and v2.1 ledger pages)."""
    value: str | None = field(default=None, repr=False, metadata=wire(number_as_string=True))
    """The identifier itself (v2 and v2.1 ledger pages)."""
    role: str | None = None
    """Role of the member in the group, e.g. DRIVER (v2 and v2.1 ledger pages)."""


@define
class MemberDetails(Serializable):
    """The member of a user group who caused an entry."""

    first_name: str | None = field(default=None, repr=False)
    """First name (v2 and v2.1 ledger pages)."""
    last_name: str | None = field(default=None, repr=False)
    """Last name (v2 and v2.1 ledger pages)."""
    identifier: MemberIdentifier | None = None
    """Identifier and role in the group (v2 and v2.1 ledger pages)."""
    user_id: int | None = field(default=None, repr=False, metadata=wire(zero_is_empty=True))
    """Id of the customer on the platform (v2 and v2.1 ledger pages)."""


@define
class LedgerEntry(Serializable):
    """One entry of the ledger: an event and its movements."""

    event_log_id: int
    """Id of the event, accepted by ``EventDetailsQuery(event_ids=[...])`` (v2 and v2.1 ledger pages)."""
    event_name: str
    """TransactionAdd, PointsExpiry and others; unknown names are kept as received (v2 and v2.1 ledger pages)."""
    ledger_created_date: datetime
    """When the entry was written, aware; walks filter and order by it (v2 and v2.1 ledger pages)."""
    customer_id: int | None = field(default=None, repr=False)
    """Id of the customer (v2 and v2.1 ledger pages).

    On group ledgers it is the id of the group with a minus sign, on PointsExpiry the id of the programme.
    """
    ledger_created_date_iso: datetime | None = None
    """ISO twin of ``ledger_created_date``, which takes its value (2026 pages)."""
    customer_details: MemberDetails | None = None
    """The member who caused the entry, on group ledgers (v2 and v2.1 ledger pages)."""
    entry_details: list[EntryDetail] = field(factory=list)
    """The movements (v2 and v2.1 ledger pages)."""
    net_points_on_event: Decimal | None = None
    """Credits less debits in points, with three decimals (v2 and v2.1 ledger pages).

    The service may round amounts in ``entry_details`` to two decimals, so that their sum can differ.
    """
    net_alternate_currencies_on_event: dict[str, Decimal] = field(factory=dict)
    """Credits less debits by alternate currency; empty when the response has none (v2 and v2.1 ledger pages)."""
    transaction_details: TransactionDetails | None = None
    """The transaction behind the entry (v2 and v2.1 ledger pages)."""
    store: str | None = None
    """Name of the store; "" for events without one, such as PointsExpiry (v2 and v2.1 ledger pages)."""
    store_code: str | None = field(default=None, metadata=wire(number_as_string=True))
    """Code of the store; "" like ``store`` (v2 and v2.1 ledger pages)."""
    till_code: str | None = field(default=None, metadata=wire(number_as_string=True))
    """Code of the till; "" like ``store`` (v2 and v2.1 ledger pages)."""
    event_details: EventSummary | None = None
    """Summary of the event (v2 and v2.1 ledger pages)."""
    source_program_id: int | None = None
    """Id of the programme that the event belongs to (v2 and v2.1 ledger pages)."""
    source_program_name: str | None = None
    """Name of the programme that the event belongs to (v2 and v2.1 ledger pages)."""
    org_id: int | None = None
    """Id of the organisation; None in v2 responses up to 2025 (v2 and v2.1 ledger pages)."""
    concept_id: int | None = None
    """Id of the concept, with ``include_concept_details``; -1 when the service could not resolve it (2026 pages)."""
    concept_name: str | None = None
    """Name of the concept, with ``include_concept_details`` (2026 pages)."""
    event: LedgerEvent | None = field(default=None, eq=False, metadata=wire(sdk_only=True))
    """The event with all details, for walks with ``details=``; not in the ledger's response, ignored by comparisons."""


@define
class Balance(Serializable):
    """The balance of one account of a customer: one currency, in one category of one programme."""

    program_id: int | None = None
    """Id of the programme (v2.1 ledger and balance pages)."""
    program_name: str | None = None
    """Name of the programme (v2.1 ledger and balance pages)."""
    points_category: str | None = None
    """Category, as in :class:`EntryDetail` (v2.1 ledger and balance pages)."""
    alternate_currency_name: str | None = None
    """Currency of the amount; None for points (v2.1 ledger and balance pages).

    The vendor's page describes the name and prints no example of its key; the ledger's key is expected.
    """
    closing_balance: Decimal = field(kw_only=True)
    """Amount in points, or in the alternate currency named above (v2.1 ledger and balance pages)."""


@define
class LedgerDetails(Serializable):
    """Position of a page in the ledger that was requested."""

    page_number: int | None = None
    """Number of the page, from 0 (v2 and v2.1 ledger pages)."""
    page_size: int | None = None
    """Capacity of a page in rows, not the number of rows on this one (v2 and v2.1 ledger pages)."""
    total_entries: int | None = None
    """Rows on all pages of the requested window and filters, or balances on all pages (v2 and v2.1 ledger pages)."""
    page_count: int | None = None
    """Number of pages (v2 and v2.1 ledger pages)."""
    ledger_closing_balance: list[Balance] = field(factory=list)
    """The balances of the page; empty on ledger pages as documented (v2.1 ledger and balance pages)."""
