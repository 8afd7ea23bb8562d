"""One answer of the service as a whole."""

from attrs import define, field

from capledger.models._fields import wire
from capledger.models.events import LedgerEvent
from capledger.models.ledger import CustomerDetails, LedgerDetails, LedgerEntry, Notice


@define
class LedgerPage:
    """One page of a ledger, entries as the server ordered them."""

    entries: list[LedgerEntry] = field(factory=list, metadata=wire(key="ledgerEntries"))
    #: None where the answer is "no entries" (11003).
    details: LedgerDetails | None = field(default=None, metadata=wire(key="ledgerDetails"))
    #: None on group ledgers.
    customer_details: CustomerDetails | None = None
    #: Warnings of the service, 11003 among them.
    warnings: list[Notice] = field(factory=list)
    #: The body as it came, JSON in UTF-8, with whatever the models do not know.
    raw: bytes = field(default=b"", repr=False, metadata=wire(sdk_only=True))


@define
class EventsPage:
    """The answer to one request for event details."""

    #: In the server's order; None stands for an id that the service did not know.
    events: list[LedgerEvent | None] = field(factory=list)
    #: Warnings of the service, e.g. 9018.
    warnings: list[Notice] = field(factory=list)
    #: The body as it came, JSON in UTF-8.
    raw: bytes = field(default=b"", repr=False, metadata=wire(sdk_only=True))
