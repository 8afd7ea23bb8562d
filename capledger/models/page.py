"""One response of the service as a whole."""

from attrs import define, field

from capledger.models._fields import wire
from capledger.models._serializable import Serializable
from capledger.models.events import LedgerEvent
from capledger.models.ledger import Balance, CustomerDetails, LedgerDetails, LedgerEntry, Notice


@define
class LedgerPage(Serializable):
    """One page of a ledger, with entries in the order of the server."""

    entries: list[LedgerEntry] = field(factory=list, metadata=wire(key="ledgerEntries"))
    """Entries of the page (v2 and v2.1 ledger pages)."""
    details: LedgerDetails | None = field(default=None, metadata=wire(key="ledgerDetails"))
    """Position of the page; None where the response is "no entries" (11003) (v2 and v2.1 ledger pages)."""
    customer_details: CustomerDetails | None = None
    """The customer; None on group ledgers (v2 and v2.1 ledger pages)."""
    warnings: list[Notice] = field(factory=list)
    """Warnings of the service, 11003 among them (v2 and v2.1 ledger pages)."""
    raw: bytes = field(default=b"", repr=False, metadata=wire(sdk_only=True))
    """The body as received, JSON in UTF-8, including keys that no model has."""


@define
class BalancePage(Serializable):
    """One page of balances, in the order of the server; they are in ``details.ledger_closing_balance``."""

    details: LedgerDetails | None = field(default=None, metadata=wire(key="ledgerDetails"))
    """The balances and the position of the page; None where the response is "no entries" (11003) (balance page)."""
    customer_details: CustomerDetails | None = None
    """The customer (balance page)."""
    warnings: list[Notice] = field(factory=list)
    """Warnings of the service (balance page)."""
    raw: bytes = field(default=b"", repr=False, metadata=wire(sdk_only=True))
    """The body as received, JSON in UTF-8."""

    @property
    def balances(self) -> list[Balance]:
        """Return the balances of the page."""
        return [] if self.details is None else self.details.ledger_closing_balance


@define
class EventsPage(Serializable):
    """The response to one request for event details."""

    events: list[LedgerEvent | None] = field(factory=list)
    """Events in the order of the server; None stands for an id that the server did not know (explode page)."""
    warnings: list[Notice] = field(factory=list)
    """Warnings of the service, e.g. 9018 (explode page)."""
    raw: bytes = field(default=b"", repr=False, metadata=wire(sdk_only=True))
    """The body as received, JSON in UTF-8."""
