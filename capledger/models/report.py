"""Counters of a walk."""

from attrs import define, field

from capledger.models._serializable import Serializable
from capledger.models.ledger import Notice


@define
class WalkReport(Serializable):
    """Counters of one walk, updated while it runs."""

    requests: int = 0
    """Attempts sent, retries included."""
    retries: int = 0
    """Attempts that repeated a failed one."""
    waited: float = 0.0
    """Seconds spent waiting for the rate limit or before a retry."""
    last_failure: str | None = field(default=None, kw_only=True)
    """Type and message of the error of the last attempt that failed, retried or not; None if none failed."""
    windows: int = 0
    """Date windows finished; 1 when the whole history was read."""
    pages: int = 0
    """Pages received."""
    rows_received: int = 0
    """Rows received, including rows outside the requested range."""
    rows_yielded: int = 0
    """Entries yielded."""
    rows_expected: int | None = None
    """Rows that the server states for the request, as far as known."""
    complete: bool = False
    """Whether the walk reached its end and the rows received are the rows stated."""
    warnings: list[Notice] = field(factory=list)
    """Warnings of the service, each kind once."""
    missing: list[int | str] = field(factory=list, repr=False)
    """Ids or references of events that the service has no details of; filled by ``session.events`` only."""
