"""An async SDK for the points ledger of a loyalty platform.

Open a :class:`LedgerSession`, describe a ledger with a query, and iterate over it with ``async for``. All public names
can be imported from here; ``capledger.sandbox`` has a server for your own tests.
"""

from __future__ import annotations

import importlib
import typing

if typing.TYPE_CHECKING:
    from capledger._transport.lease_book import LeaseBook
    from capledger._transport.leased import LeasedRateLimiter, LeaseSource
    from capledger._transport.rate_limit import RateLimit, RateLimiter
    from capledger._transport.retry import RetryPolicy
    from capledger.auth import BasicAuth, OAuthClientCredentials
    from capledger.balances import BalanceWalk
    from capledger.errors import (
        AnswerTooLargeError,
        ApiError,
        AuthenticationError,
        CapledgerError,
        ConcurrentUseError,
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
    from capledger.events import EventWalk
    from capledger.many import BalanceOutcome, LedgerOutcome, ManyWalks, Progress
    from capledger.models import (
        Balance,
        BalancePage,
        CustomerDetails,
        EntryDetail,
        EventsPage,
        EventSummary,
        LedgerDetails,
        LedgerEntry,
        LedgerEvent,
        LedgerPage,
        MemberDetails,
        Notice,
        TransactionDetails,
        WalkReport,
    )
    from capledger.queries import (
        BalanceQuery,
        CustomerLedgerQuery,
        EventDetailsQuery,
        EventFlags,
        GroupLedgerQuery,
        LedgerQuery,
        OrgScope,
    )
    from capledger.session import LedgerSession
    from capledger.walk import LedgerWalk

__all__ = [
    "AnswerTooLargeError",
    "ApiError",
    "AuthenticationError",
    "Balance",
    "BalanceOutcome",
    "BalancePage",
    "BalanceQuery",
    "BalanceWalk",
    "BasicAuth",
    "CapledgerError",
    "ConcurrentUseError",
    "ConfigurationError",
    "ConnectedOrgError",
    "ConnectionFailedError",
    "CustomerDetails",
    "CustomerLedgerQuery",
    "CustomerNotFoundError",
    "DecodeError",
    "EntryDetail",
    "EventDetailsQuery",
    "EventFlags",
    "EventNotFoundError",
    "EventSummary",
    "EventWalk",
    "EventsPage",
    "FeatureDisabledError",
    "GroupLedgerQuery",
    "IncompleteLedgerError",
    "InvalidDateError",
    "InvalidEventRequestError",
    "InvalidFilterError",
    "InvalidIdentifierError",
    "InvalidQueryError",
    "InvalidSourceError",
    "LeaseBook",
    "LeaseSource",
    "LeasedRateLimiter",
    "LedgerDetails",
    "LedgerEntry",
    "LedgerEvent",
    "LedgerOutcome",
    "LedgerPage",
    "LedgerQuery",
    "LedgerSession",
    "LedgerUnavailableError",
    "LedgerWalk",
    "LimitTooLargeError",
    "ManyWalks",
    "MemberDetails",
    "Notice",
    "OAuthClientCredentials",
    "OrgScope",
    "PaginationError",
    "PendingEventsError",
    "PermissionDeniedError",
    "Progress",
    "RateLimit",
    "RateLimitedError",
    "RateLimiter",
    "RequestTimeoutError",
    "RetryPolicy",
    "ServerError",
    "SessionClosedError",
    "SpanTooLongError",
    "TransactionDetails",
    "WalkReport",
]

#: Modules of the names that are neither errors nor models.
_MODULES = {
    "BalanceOutcome": "many",
    "BalanceQuery": "queries",
    "BalanceWalk": "balances",
    "BasicAuth": "auth",
    "CustomerLedgerQuery": "queries",
    "EventDetailsQuery": "queries",
    "EventFlags": "queries",
    "EventWalk": "events",
    "GroupLedgerQuery": "queries",
    "LeaseBook": "_transport.lease_book",
    "LeaseSource": "_transport.leased",
    "LeasedRateLimiter": "_transport.leased",
    "LedgerOutcome": "many",
    "LedgerQuery": "queries",
    "LedgerSession": "session",
    "LedgerWalk": "walk",
    "ManyWalks": "many",
    "OAuthClientCredentials": "auth",
    "OrgScope": "queries",
    "Progress": "many",
    "RateLimit": "_transport.rate_limit",
    "RateLimiter": "_transport.rate_limit",
    "RetryPolicy": "_transport.retry",
}

if not typing.TYPE_CHECKING:  # a type checker would accept any name

    def __getattr__(name: str) -> object:
        """Import a public name at its first use (PEP 562).

        The sandbox and the command line's help need few of them, and all take a third as long to import as the
        dependencies.
        """
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = _MODULES.get(name) or ("errors" if name.endswith("Error") else "models")
        value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        return value


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
