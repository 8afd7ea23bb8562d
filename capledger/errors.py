"""Every error that capledger raises, with what it knows as fields.

::

    CapledgerError
    ├── InvalidQueryError (also ValueError)     the query cannot be asked; raised before any request
    ├── ConfigurationError                      the session cannot work as it was set up
    │   └── SessionClosedError                  used before it was opened or after it was closed
    ├── ConnectionFailedError                   no whole answer came: refused, reset, cut off
    ├── RequestTimeoutError (also TimeoutError) no answer within the time allowed
    ├── RateLimitedError                        HTTP 429, or our own limit would mean too long a wait
    ├── AuthenticationError                     the credentials or the token were refused
    ├── PermissionDeniedError                   known, but not allowed (HTTP 403, codes 4000 and 403)
    ├── ServerError                             HTTP 5xx, or an answer that is not the API's
    │   └── AnswerTooLargeError                 an answer of more than 64 MiB; ask for smaller pages
    ├── DecodeError                             JSON of another shape than documented
    ├── PaginationError                         the server repeats or contradicts itself
    ├── IncompleteLedgerError                   rows received are not the total the server states
    └── ApiError                                a code in the answer's ``errors``
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

Every class survives pickling; one without fields of its own needs no ``@define``. No text here ever holds a credential,
a token or a customer's identifier.
"""

from __future__ import annotations

from attrs import define, field


@define(slots=False)
class CapledgerError(Exception):
    """Anything that went wrong here; catch this to catch all of it."""

    message: str
    #: Where the walk that failed can be taken up again (``resume_from=``); None outside a walk.
    cursor: str | None = field(default=None, init=False, repr=False)

    def __str__(self) -> str:
        return self.message


class InvalidQueryError(CapledgerError, ValueError):
    """The query cannot be asked as it is; the text says what to change. No request was sent."""


class ConfigurationError(CapledgerError):
    """The session cannot work as it was set up; the text says what to change."""


class SessionClosedError(ConfigurationError):
    """The session was not opened yet, is closed, or belongs to another event loop."""


class ConnectionFailedError(CapledgerError):
    """No whole answer came: refused, reset or cut off, at every attempt."""


class RequestTimeoutError(CapledgerError, TimeoutError):
    """No whole answer within ``timeout``, or the walk's deadline has passed."""


@define(slots=False)
class RateLimitedError(CapledgerError):
    """The service refused for the rate (HTTP 429), or our own budget would mean too long a wait."""

    #: Seconds until a request may be sent again, as far as known.
    retry_after: float | None = None
    request_id: str | None = None


@define(slots=False)
class AuthenticationError(CapledgerError):
    """The credentials were refused (HTTP 401, 498; code 320001 of the token endpoint)."""

    #: The HTTP status of the answer.
    status: int | None = None
    code: int | None = None
    request_id: str | None = None


@define(slots=False)
class PermissionDeniedError(CapledgerError):
    """The credentials are known but may not read this (HTTP 403; codes 4000, 403)."""

    status: int | None = None
    code: int | None = None
    request_id: str | None = None


@define(slots=False)
class ServerError(CapledgerError):
    """The service failed (HTTP 5xx), or something before it answered in its place."""

    status: int | None = None
    code: int | None = None
    request_id: str | None = None


class AnswerTooLargeError(ServerError):
    """The answer is larger than 64 MiB, or unpacks to more; it was not read to its end."""


@define(slots=False)
class DecodeError(CapledgerError):
    """The answer is JSON but not of the documented shape."""

    #: Where, and what was expected there: ``$.ledgerEntries[3].eventLogId: expected an integer, got a string``.
    paths: tuple[str, ...] = ()
    request_id: str | None = None


class PaginationError(CapledgerError):
    """The server repeats a page or contradicts itself, and asking again did not settle it."""


@define(slots=False)
class IncompleteLedgerError(CapledgerError):
    """The rows that came are not the total the server states, and asking again did not settle it."""

    #: Rows stated by the server for this window or history.
    expected: int | None = None
    #: Rows that came.
    received: int | None = None


@define(slots=False)
class ApiError(CapledgerError):
    """A code in the answer's ``errors`` list, whatever the HTTP status."""

    #: The API's own code, e.g. 8015.
    code: int = 0
    #: The HTTP status of the answer.
    status: int | None = None
    request_id: str | None = None

    def __str__(self) -> str:
        return f"{self.message} (code {self.code})"


class CustomerNotFoundError(ApiError):
    """8015, 11012: nobody is known by this identifier and source."""


class InvalidIdentifierError(ApiError):
    """8013, 11013, 1632: the identifier's name or value is not one the service accepts."""


class InvalidSourceError(ApiError):
    """8003: the source is unknown to the organisation."""


class InvalidFilterError(ApiError):
    """A till, store, programme, category, role or currency that the service does not accept, alone or together."""


class LimitTooLargeError(ApiError):
    """11006, 11029: more rows a page asked for than the service gives. Walks adapt to it by themselves."""


class SpanTooLongError(ApiError):
    """11010: more days asked for than the service gives. Walks adapt to it by themselves."""


class InvalidDateError(ApiError):
    """11011: the service does not accept the date."""


class PendingEventsError(ApiError):
    """11002: events of the customer are still being worked on, so the ledger may be incomplete; ask again later."""


class EventNotFoundError(ApiError):
    """9021, 9022, 11014 to 11017, 11024: an event, its name or its reference is not known."""


class InvalidEventRequestError(ApiError):
    """11021, 11023: ids and references both, or neither."""


class FeatureDisabledError(ApiError):
    """11019: the organisation's settings do not record what was asked for."""


class LedgerUnavailableError(ApiError):
    """9003, 9004: the service could not read the ledger (its own failure, or input it does not explain)."""


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
