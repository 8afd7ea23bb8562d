"""Requests built from queries; the only module that knows paths and parameter names.

Paths, names and headers are those of the vendor's v2 and v2.1 customer ledger pages, its v2.1 explode page and its page
on balances. Most
parameters are the query's fields in camelCase; the few that are not are named here.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from attrs import define, field, fields

from capledger._sansio.params import encode
from capledger.models import BalancePage, EventsPage, LedgerPage
from capledger.models._fields import camel_case
from capledger.queries import GroupLedgerQuery
from capledger.queries.subject import SubjectQuery

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from attrs import AttrsInstance

    from capledger.queries import BalanceQuery, EventDetailsQuery, LedgerQuery, OrgScope

T = TypeVar("T")

#: A page, which is what sessions fetch; the token request alone has another response type.
PageT = TypeVar("PageT", bound=LedgerPage | EventsPage | BalancePage)

Pairs = tuple[tuple[str, str], ...]

#: Maximum number of events in one request (11014).
MOST_EVENTS = 10

#: Fields of queries that are not sent under their own names.
_NOT_SENT_BY_NAME = frozenset(
    {
        "api_version",
        "at",
        "end",
        "event_ids",
        "event_name",
        "event_reference_ids",
        "get_payment_modes",
        "order",
        "page_size",
        "scope",
        "start",
    }
)


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
    params: Pairs = field(default=(), repr=False)
    """Names and values of the query string, in order, not yet percent-encoded."""
    headers: Pairs = ()
    """Headers of this request alone."""
    subject: str = field(default="", repr=False)
    """The customer's identifier, which is removed from the service's messages."""
    body: bytes | None = field(default=None, repr=False)


class LedgerRequests:
    """Requests for the pages of one query; what they have in common is computed once."""

    def __init__(self, query: LedgerQuery) -> None:
        self._query = query
        self._own_names = tuple(_own_names(query))
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
            params=(
                *self._own_names,
                *_older_spellings(self._query, order),
                ("offset", encode(offset)),
                ("limit", encode(limit)),
                ("order", order),
                *_dates(start, end),
            ),
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
        params=(*_own_names(query), *_events(query, ids_or_references), *_payment_modes(query, version)),
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
        params=(*_own_names(query), ("offset", encode(offset)), ("limit", encode(limit)), *_dates(None, at)),
        headers=_scope_headers(query.scope),
        subject=query.identifier_value,
    )


def _own_names(query: LedgerQuery | EventDetailsQuery | BalanceQuery) -> Iterator[tuple[str, str]]:
    for name, parameter in _parameters(type(query)):  # type: ignore[arg-type]  # mypy applies the hash of instances to the class
        value = getattr(query, name)
        if value is not None and value != ():
            yield parameter, encode(value)


@cache
def _parameters(kind: type[AttrsInstance]) -> tuple[tuple[str, str], ...]:
    # The subject's fields first: an inherited field that a query overrides would otherwise come last.
    names = dict.fromkeys(item.name for model in (SubjectQuery, kind) for item in fields(model))
    return tuple((name, camel_case(name)) for name in names if name not in _NOT_SENT_BY_NAME)


def _older_spellings(query: LedgerQuery, order: str) -> Iterator[tuple[str, str]]:
    """Yield parameters that only the tables for user groups have: ``sort`` and ``role``."""
    if isinstance(query, GroupLedgerQuery):
        if query.roles:
            yield "role", encode(query.roles)
        yield "sort", order


def _dates(start: datetime | None, end: datetime | None) -> Iterator[tuple[str, str]]:
    if start is not None:
        yield "startDate", encode(start)
    if end is not None:
        yield "endDate", encode(end)


def _events(query: EventDetailsQuery, ids_or_references: Sequence[int | str]) -> Iterator[tuple[str, str]]:
    if query.event_name is None:
        yield "eventIds", encode(ids_or_references)
    else:
        yield "eventName", encode(query.event_name)
        yield "eventReferenceIds", encode(ids_or_references)


def _payment_modes(query: EventDetailsQuery, version: str) -> Iterator[tuple[str, str]]:
    if query.get_payment_modes is not None:
        yield "getPaymentModes" if version == "v2" else "getPaymentMode", encode(query.get_payment_modes)


def _scope_headers(scope: OrgScope | None) -> Pairs:
    if scope is None:
        return ()
    headers = (("DATA-SCOPE", scope.data_scope),)
    return (*headers, ("DATA-SCOPE-ORG", encode(scope.org_ids))) if scope.org_ids else headers
