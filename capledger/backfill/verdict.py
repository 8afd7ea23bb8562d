"""What a failure means for the customer and for the job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import define

from capledger.backfill.state import Ended
from capledger.errors import (
    AnswerTooLargeError,
    ApiError,
    AuthenticationError,
    CapledgerError,
    ConfigurationError,
    ConnectionFailedError,
    DecodeError,
    IncompleteLedgerError,
    InvalidQueryError,
    PaginationError,
    PendingEventsError,
    PermissionDeniedError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
)

if TYPE_CHECKING:
    from capledger.backfill.state import Customer, State
    from capledger.models import WalkReport

#: What concerns every customer, and so ends the job; it can be gone on with.
FOR_ALL: Final = (AuthenticationError, ConfigurationError)
#: What may have nothing to do with the customer.
_OF_THE_SERVICE: Final = (
    ConnectionFailedError,
    RequestTimeoutError,
    RateLimitedError,
    ServerError,
    PermissionDeniedError,
)
#: What may be otherwise if the whole ledger is asked for again.
_OF_THE_LEDGER: Final = (IncompleteLedgerError, PaginationError, PendingEventsError, DecodeError)
_INCOMPLETE: Final = (IncompleteLedgerError, PendingEventsError)

#: Times that a customer is begun before a failure that may pass is taken for good.
MOST_ROUNDS: Final = 3


@define(slots=False)
class JobStoppedError(CapledgerError):
    """One ledger after the other failed, so the job was stopped; it can be gone on with."""


def is_of_the_service(error: CapledgerError) -> bool:
    """Tell whether everybody may be failing for this reason."""
    return isinstance(error, _OF_THE_SERVICE) and not isinstance(error, AnswerTooLargeError)


def failed(customer: Customer, error: CapledgerError, report: WalkReport, rows: int) -> Ended:
    """Give what becomes of a customer after a failure: put off while it may pass, else set aside."""
    anew = isinstance(error, _OF_THE_LEDGER) or (customer.cursor is not None and isinstance(error, InvalidQueryError))
    passing = (anew or is_of_the_service(error)) and customer.failures + 1 < MOST_ROUNDS
    state: State = "planned" if passing else "incomplete" if isinstance(error, _INCOMPLETE) else "set_aside"
    return Ended(
        customer.id,
        state,
        rows=0 if anew or not passing else rows,
        requests=report.requests,
        retries=report.retries,
        code=code_of(error),
        error=f"{type(error).__name__}: {error.message}",
        drop=anew or not passing,
    )


def finished(customer: Customer, report: WalkReport, rows: int) -> Ended:
    """Give what becomes of a customer whose walk came to its end."""
    if report.complete:
        state: State = "done" if rows else "empty"
        return Ended(customer.id, state, rows=rows, requests=report.requests, retries=report.retries)
    pending = PendingEventsError("the service says that the ledger may be incomplete", code=11002)
    return failed(customer, pending, report, rows)


def code_of(error: CapledgerError) -> int | None:
    """Give the API's code, or the HTTP status where there is none."""
    if isinstance(error, ApiError):
        return error.code
    if isinstance(error, ServerError | PermissionDeniedError):
        return error.code or error.status
    return None
