"""An async SDK for the points ledger of a loyalty platform.

Open a :class:`LedgerSession`, describe what to read with a query, and walk it with ``async for``. Every public name can
be imported from here; ``capledger.sandbox`` holds the server for tests of your own.
"""

from __future__ import annotations

from capledger.errors import (
    ApiError,
    AuthenticationError,
    CapledgerError,
    ConfigurationError,
    ConnectedOrgError,
    ConnectionFailedError,
    CustomerNotFoundError,
    DecodeError,
    EventNotFoundError,
    FeatureDisabledError,
    IncompleteLedgerError,
    InvalidDateError,
    InvalidEventRequestError,
    InvalidFilterError,
    InvalidIdentifierError,
    InvalidQueryError,
    InvalidSourceError,
    LedgerUnavailableError,
    LimitTooLargeError,
    PaginationError,
    PendingEventsError,
    PermissionDeniedError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
    SessionClosedError,
    SpanTooLongError,
)
from capledger.queries import CustomerLedgerQuery, EventDetailsQuery, GroupLedgerQuery, LedgerQuery, OrgScope

__all__ = [
    "ApiError",
    "AuthenticationError",
    "CapledgerError",
    "ConfigurationError",
    "ConnectedOrgError",
    "ConnectionFailedError",
    "CustomerLedgerQuery",
    "CustomerNotFoundError",
    "DecodeError",
    "EventDetailsQuery",
    "EventNotFoundError",
    "FeatureDisabledError",
    "GroupLedgerQuery",
    "IncompleteLedgerError",
    "InvalidDateError",
    "InvalidEventRequestError",
    "InvalidFilterError",
    "InvalidIdentifierError",
    "InvalidQueryError",
    "InvalidSourceError",
    "LedgerQuery",
    "LedgerUnavailableError",
    "LimitTooLargeError",
    "OrgScope",
    "PaginationError",
    "PendingEventsError",
    "PermissionDeniedError",
    "RateLimitedError",
    "RequestTimeoutError",
    "ServerError",
    "SessionClosedError",
    "SpanTooLongError",
]
