"""All errors that capledger raises, with their data as fields.

::

    CapledgerError
    ├── InvalidQueryError (also ValueError)     the query cannot be sent; raised before any request
    ├── ConfigurationError                      the session cannot work as configured
    │   └── SessionClosedError                  used before it was opened or after it was closed
    ├── ConcurrentUseError                      two tasks iterate over one walk
    ├── ConnectionFailedError                   no complete response: refused, reset, cut off
    ├── RequestTimeoutError (also TimeoutError) no response within the time allowed
    ├── RateLimitedError                        HTTP 429, or the rate limit would require too long a wait
    ├── AuthenticationError                     the credentials or the token were refused
    ├── PermissionDeniedError                   authenticated, but not allowed (HTTP 403, codes 4000 and 403)
    ├── ServerError                             HTTP 5xx, or a response that is not the API's
    │   └── AnswerTooLargeError                 a response of more than 64 MiB; use a smaller page_size
    ├── DecodeError                             JSON of another shape than documented
    ├── PaginationError                         the server repeats or contradicts itself
    ├── IncompleteLedgerError                   rows received are not the total that the server states
    └── ApiError                                a code in the response's ``errors``
        ├── CustomerNotFoundError               8015, 11012
        ├── InvalidIdentifierError              8013, 11013, 1632
        ├── InvalidSourceError                  8003
        ├── InvalidFilterError                  11001, 11004 to 11009, 11018, 11025 to 11028, 9005, 9018
        ├── LimitTooLargeError                  11006, 11029
        ├── SpanTooLongError                    11010
        ├── InvalidDateError                    11011
        ├── PendingEventsError                  11002
        ├── EventNotFoundError                  9021, 9022, 11014 to 11017, 11024
        ├── InvalidEventRequestError            11021, 11023
        ├── FeatureDisabledError                11019
        ├── LedgerUnavailableError              9003, 9004
        └── ConnectedOrgError                   310144

Every class survives pickling; one without fields of its own needs no ``@define``. No message contains a credential, a
token or a customer's identifier.
"""

from __future__ import annotations

from typing import Any

from attrs import asdict, define, field


@define(slots=False)
class CapledgerError(Exception):
    """Base of all errors of capledger."""

    message: str
    """One sentence, without personal data."""
    cursor: str | None = field(default=None, init=False, repr=False)
    """Position at which the failed walk can be resumed (``resume_from=``); None outside a walk."""
    query: Any = field(default=None, init=False, repr=False)
    """The ledger query that failed, on errors of one of many ledgers; it holds the identifier, so it is in
    no message, ``repr`` or log record."""

    def __str__(self) -> str:
        return self.message

    def to_dict(self) -> dict[str, Any]:
        """Return the name of the class as ``type``, and the fields, without the query."""
        return {"type": type(self).__name__, **asdict(self, filter=lambda attribute, _: attribute.name != "query")}


class InvalidQueryError(CapledgerError, ValueError):
    """The query cannot be sent as it is; the message says what to change. No request was sent."""


class ConfigurationError(CapledgerError):
    """The session cannot work as configured; the message says what to change."""


class SessionClosedError(ConfigurationError):
    """The session was not opened yet, is closed, or belongs to another event loop."""


class ConcurrentUseError(CapledgerError):
    """Two tasks iterate over one walk; give each task a walk of its own."""


class ConnectionFailedError(CapledgerError):
    """No complete response at any attempt: the connection was refused, reset or cut off."""


class RequestTimeoutError(CapledgerError, TimeoutError):
    """No complete response within ``timeout``, or the walk's deadline has passed."""


@define(slots=False)
class RateLimitedError(CapledgerError):
    """The service answered HTTP 429, or the session's rate limit would require too long a wait."""

    retry_after: float | None = None
    """Seconds until a request may be sent again, None where unknown."""
    request_id: str | None = None
    """The service's id of the request, for its support."""


@define(slots=False)
class AuthenticationError(CapledgerError):
    """The credentials were refused (HTTP 401, 498; code 320001 of the token endpoint)."""

    status: int | None = None
    """HTTP status of the response."""
    code: int | None = None
    """The API's code, None where the response has none."""
    request_id: str | None = None
    """The service's id of the request, for its support."""


@define(slots=False)
class PermissionDeniedError(CapledgerError):
    """The credentials are valid but may not read this (HTTP 403; codes 4000, 403)."""

    status: int | None = None
    """HTTP status of the response."""
    code: int | None = None
    """The API's code, None where the response has none."""
    request_id: str | None = None
    """The service's id of the request, for its support."""


@define(slots=False)
class ServerError(CapledgerError):
    """The service failed (HTTP 5xx), or a proxy responded in its place."""

    status: int | None = None
    """HTTP status of the response."""
    code: int | None = None
    """The API's code, None where the response has none."""
    request_id: str | None = None
    """The service's id of the request, for its support."""


class AnswerTooLargeError(ServerError):
    """The response is larger than 64 MiB after decompression; it was not read to its end."""


@define(slots=False)
class DecodeError(CapledgerError):
    """The response is JSON but not of the documented shape."""

    paths: tuple[str, ...] = ()
    """Each path with its problem: ``$.ledgerEntries[3].eventLogId: expected an integer, got a string``."""
    request_id: str | None = None
    """The service's id of the request, for its support."""


class PaginationError(CapledgerError):
    """The server repeats a page or contradicts itself, and retries did not settle it."""


@define(slots=False)
class IncompleteLedgerError(CapledgerError):
    """The rows received are not the total that the server states, and retries did not settle it."""

    expected: int | None = None
    """Number of rows that the server states for the window or history."""
    received: int | None = None
    """Number of rows received."""


@define(slots=False)
class ApiError(CapledgerError):
    """A code in the response's ``errors`` list, whatever the HTTP status."""

    code: int = 0
    """The API's code, e.g. 8015; 0 where the item has none."""
    status: int | None = None
    """HTTP status of the response."""
    request_id: str | None = None
    """The service's id of the request, for its support."""

    def __str__(self) -> str:
        return f"{self.message} (code {self.code})"


class CustomerNotFoundError(ApiError):
    """8015, 11012: the service knows no customer with this identifier and source."""


class InvalidIdentifierError(ApiError):
    """8013, 11013, 1632: the service does not accept the identifier's name or value."""


class InvalidSourceError(ApiError):
    """8003: the organisation has no such source."""


class InvalidFilterError(ApiError):
    """A till, store, programme, category, role or currency that the service does not accept, alone or together."""


class LimitTooLargeError(ApiError):
    """11006, 11029: the page is larger than the service allows. Walks adapt to it automatically."""


class SpanTooLongError(ApiError):
    """11010: the date range is longer than the service allows. Walks adapt to it automatically."""


class InvalidDateError(ApiError):
    """11011: the service does not accept the date."""


class PendingEventsError(ApiError):
    """11002: events of the customer are still being processed, so the ledger may be incomplete; retry later."""


class EventNotFoundError(ApiError):
    """9021, 9022, 11014 to 11017, 11024: the service knows no such event, event name or reference."""


class InvalidEventRequestError(ApiError):
    """11021, 11023: ids and references both, or neither."""


class FeatureDisabledError(ApiError):
    """11019: the organisation's settings do not record the requested data."""


class LedgerUnavailableError(ApiError):
    """9003, 9004: the service could not read the ledger, by its own failure or for input that it does not explain."""


class ConnectedOrgError(ApiError):
    """310144: the organisation in the scope is not a connected one."""


#: The class for each documented code; any other code is a plain :class:`ApiError`.
ERROR_CLASSES: dict[int, type[ApiError]] = {
    code: error_class
    for error_class, codes in (
        (CustomerNotFoundError, (8015, 11012)),
        (InvalidIdentifierError, (8013, 11013, 1632)),
        (InvalidSourceError, (8003,)),
        (InvalidFilterError, (11001, 11004, 11005, 11007, 11008, 11009, 11018, 11025, 11026, 11027, 11028, 9005, 9018)),
        (LimitTooLargeError, (11006, 11029)),
        (SpanTooLongError, (11010,)),
        (InvalidDateError, (11011,)),
        (PendingEventsError, (11002,)),
        (EventNotFoundError, (9021, 9022, 11014, 11015, 11016, 11017, 11024)),
        (InvalidEventRequestError, (11021, 11023)),
        (FeatureDisabledError, (11019,)),
        (LedgerUnavailableError, (9003, 9004)),
        (ConnectedOrgError, (310144,)),
    )
    for code in codes
}
