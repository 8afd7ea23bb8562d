"""What a walk has cost and how far it got."""

from attrs import define, field

from capledger.models.ledger import Notice


@define
class WalkReport:
    """Counts of one walk; they grow while it runs."""

    #: Attempts sent, retries included.
    requests: int = 0
    #: Of these, the ones sent again after a failure.
    retries: int = 0
    #: Seconds spent waiting for the rate limit or before a retry.
    waited: float = 0.0
    #: Date windows finished; 1 when the history was read whole.
    windows: int = 0
    #: Pages received.
    pages: int = 0
    #: Rows received, also those outside the range asked for.
    rows_received: int = 0
    #: Entries handed out.
    rows_yielded: int = 0
    #: Rows that the server states for what was asked, as far as known.
    rows_expected: int | None = None
    #: Whether the walk reached its end and the rows received are the rows stated.
    complete: bool = False
    #: Warnings of the service, each kind once.
    warnings: list[Notice] = field(factory=list)
    #: Ids or references of events that the service has no details of; of ``session.events`` alone.
    missing: list[int | str] = field(factory=list, repr=False)
    #: When the walk has to be over, in seconds of the session's monotonic clock; None: whenever.
    deadline: float | None = field(default=None, repr=False)
