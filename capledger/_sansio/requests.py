"""Requests built from queries; the only module that knows paths and headers of endpoints.

They are those of the vendor's v2 and v2.1 customer ledger pages, its v2.1 explode page and its page on balances. Names
and values of parameters are in :mod:`capledger._sansio.params`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from attrs import define, field

from capledger._sansio.params import (
    Params,
    date_params,
    encode,
    event_params,
    older_spellings,
    payment_mode_params,
    query_params,
)
from capledger.models import BalancePage, EventsPage, LedgerPage
from capledger.queries import GroupLedgerQuery

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from capledger.queries import BalanceQuery, EventDetailsQuery, LedgerQuery, OrgScope

T = TypeVar("T")

#: A page, which is what sessions fetch; the token request alone has another response type.
PageT = TypeVar("PageT", bound=LedgerPage | EventsPage | BalancePage)

#: Maximum number of events in one request (11014).
MOST_EVENTS = 10


@define(kw_only=True)
class Request(Generic[T]):
    """One HTTP request with the type of its response, so that ``await fetch(request)`` is typed."""

    path: str
    """Path below the base URL, with its leading slash: ``/v2/pointsLedger/getCustomerLedgerInfo``."""
    response_type: type[T]
    """Type that the response is decoded into."""
    endpoint: str
    """Name of the endpoint in logs: customer_ledger, group_ledger, event_details, balances or token."""
    method: str = "GET"
    params: Params = field(factory=dict, repr=False)
    """Values of the query string by name, in order, not yet percent-encoded."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers of this request alone."""
    subject: str = field(default="", repr=False)
    """The customer's identifier, which is removed from the service's messages."""
    body: bytes | None = field(default=None, repr=False)


class LedgerRequests:
    """Requests for the pages of one query; what they have in common is computed once."""

    def __init__(self, query: LedgerQuery) -> None:
        self._query = query
        self._params = query_params(query)
        self._headers = _scope_headers(query.scope)
        self._path = f"/{'v2' if query.scope is None else 'v2.1'}/pointsLedger/getCustomerLedgerInfo"
        self._endpoint = "group_ledger" if isinstance(query, GroupLedgerQuery) else "customer_ledger"

    def page(
        self,
        *,
        offset: int,
        limit: int,
        order: Literal["ASC", "DESC"],
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Request[LedgerPage]:
        """Return the request for one page.

        Args:
            offset: position of the page, in the server's terms.
            limit: number of entries in the page.
            order: sort order of the entries.
            start: start of the window, naive in the server's zone; None is not sent.
            end: end of the window, naive in the server's zone; None is not sent.
        """
        return Request(
            path=self._path,
            response_type=LedgerPage,
            endpoint=self._endpoint,
            params={
                **self._params,
                **older_spellings(self._query, order),
                "offset": str(offset),
                "limit": str(limit),
                "order": order,
                **date_params(start, end),
            },
            headers=self._headers,
            subject=self._query.identifier_value,
        )


def event_details(query: EventDetailsQuery, *, ids_or_references: Sequence[int | str]) -> Request[EventsPage]:
    """Return the request for up to :data:`MOST_EVENTS` events of a query, by id, or by reference if it has a name."""
    version = query.api_version or "v2.1"
    return Request(
        path=f"/{version}/pointsLedger/getLedgerExplodeInfo",
        response_type=EventsPage,
        endpoint="event_details",
        params={
            **query_params(query),
            **event_params(query, ids_or_references),
            **payment_mode_params(query, version),
        },
        headers=_scope_headers(query.scope),
        subject=query.identifier_value,
    )


def balances(query: BalanceQuery, *, offset: int, limit: int, at: datetime | None) -> Request[BalancePage]:
    """Return the request for one page of balances.

    Args:
        query: whose balances.
        offset: number of the page, from 0.
        limit: number of balances in the page.
        at: moment of the balances, naive in the server's zone; None is not sent.
    """
    return Request(
        path=f"/{'v2' if query.scope is None else 'v2.1'}/pointsLedger/getCustomerLedgerBalance",
        response_type=BalancePage,
        endpoint="balances",
        params={**query_params(query), "offset": str(offset), "limit": str(limit), **date_params(None, at)},
        headers=_scope_headers(query.scope),
        subject=query.identifier_value,
    )


def _scope_headers(scope: OrgScope | None) -> tuple[tuple[str, str], ...]:
    if scope is None:
        return ()
    headers = (("DATA-SCOPE", scope.data_scope),)
    return (*headers, ("DATA-SCOPE-ORG", encode(scope.org_ids))) if scope.org_ids else headers
