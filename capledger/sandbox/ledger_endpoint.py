"""The ledger endpoint: a page of entries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from aiohttp import web
from attrs import frozen

from capledger.sandbox import params as read
from capledger.sandbox.customers import SandboxCustomer
from capledger.sandbox.filters import RowFilter, roles_of
from capledger.sandbox.ledger import Ledger, select
from capledger.sandbox.paging import PageRequest
from capledger.sandbox.params import AccountSelector, Parameters
from capledger.sandbox.responses import ErrorResponse, error_item, json_response
from capledger.sandbox.rules import Rules
from capledger.sandbox.serialization import RowFormat, encode_json
from capledger.sandbox.sorting import Sorting
from capledger.sandbox.stores import Stores
from capledger.sandbox.totals import Totals, ledger_details

if TYPE_CHECKING:
    from capledger.sandbox.accounts import AccountMatch

_NO_ENTRIES = error_item(
    11003, "There are no ledger entries present for the given parameters. Try removing parameters to widen the search"
)
_PENDING = error_item(11002, "Customer has pending events, hence ledger may be incomplete. Retry after some time")


@frozen(kw_only=True)
class EndpointRequest:
    """One request to a ledger or event details endpoint, and what is needed to respond to it."""

    query: Parameters
    selector: AccountSelector
    rules: Rules
    stores: Stores
    zone: tzinfo
    """The zone of the dates in rows."""
    scoped: bool
    """Whether the request is to v2.1, which has scopes and closing balances and no ISO dates."""
    number: int
    """Number of the request among those to this endpoint, from 1."""

    def page(self) -> PageRequest:
        """Return the requested page; raise the documented error for an invalid one."""
        limit, offset = read.limit(self.query, self.rules, scoped=self.scoped), read.whole(self.query, "offset", 0)
        meaning = self.rules.group_offset if self.selector.is_group else self.rules.offset
        return PageRequest(
            limit=limit.capacity,
            requested_limit=limit.requested,
            offset=offset,
            by_page=meaning == "page",
            order=read.order(self.query, self.rules),
            rules=self.rules,
        )

    def row_filter(self, ledger: Ledger) -> RowFilter:
        """Return the filters of the request; raise the documented error for an invalid value."""
        query = self.query
        category, points, currencies = _currency_filter(query)
        program_id = read.program(query, self._programs(ledger) if "programId" in query else ())
        by_concept = program_id is not None and read.flag(query, "includeTillConceptEvents")
        return RowFilter(
            entry_type=read.entry_type(query),
            category=category,
            program_id=program_id,
            tills=self.stores.tills(query),
            concept_tills=self.stores.concept_tills(program_id or 0) if by_concept else frozenset(),
            events=read.names(query, "eventFilter"),
            excluded_events=read.names(query, "excludeEvents") or frozenset(),
            roles=self._roles(ledger),
            points=points,
            currencies=currencies,
        )

    def _programs(self, ledger: Ledger) -> set[int]:
        return self.stores.programs | {detail["programId"] for row in ledger.shapes() for detail in row["entryDetails"]}

    def _roles(self, ledger: Ledger) -> frozenset[str] | None:
        requested = read.names(self.query, "roles", "role") if self.selector.is_group else None
        if requested and requested.isdisjoint(role for row in ledger.shapes() for role in roles_of(row)):
            raise ErrorResponse(11018, "No users found for provided roles")
        return requested

    def row_format(self) -> RowFormat:
        """Return the format of the rows in the response."""
        style = "fraction" if self.scoped and self.rules.date_style == "iso" else self.rules.date_style
        with_concepts = read.flag(self.query, "includeConceptDetails")
        zone = self.rules.response_zone
        return RowFormat(
            style,
            self.zone if zone is None else zone,
            self.stores.concepts if with_concepts else None,
            with_concepts,
            None if zone is None else self.zone,
        )


def _currency_filter(query: Parameters) -> tuple[str | None, bool, bool | tuple[str, ...]]:
    """
    Return the category, whether points are shown, and which alternate currencies are.

    This is the table of the v2 customer ledger page: ``pointCategoryType`` is ignored where only alternate currencies
    are selected. Names without ``includeAlternateCurrencies`` show just those currencies.
    """
    category, named = read.category(query), read.currency_names(query)
    every = read.flag(query, "includeAlternateCurrencies")
    if (every or named) and read.flag(query, "excludePointCategories"):
        return None, False, every or named
    return category, every or not named, every or named or False


@frozen
class PageSlice:
    """The rows of a page and its ``ledgerDetails``."""

    view: Ledger
    ranks: Sequence[int]
    """The rows of the page, before any are hidden."""
    shown: Sequence[int]
    """The rows of the page, without those that are hidden."""
    details: dict[str, Any]


def ledger_page(found: AccountMatch, request: EndpointRequest) -> web.Response:
    """Return the response to a request for a page of entries."""
    page = _page_slice(_ledger(found, request), request)
    empty = None if page.ranks else request.rules.empty
    if empty in {"error400", "error200"}:
        return json_response({"errors": [_NO_ENTRIES]}, status=400 if empty == "error400" else 200)
    if empty == "nothing":
        return json_response({"ledgerEntries": [], "warnings": []})
    warnings = ledger_warnings(found, request.query) + ([_NO_ENTRIES] if empty == "warning" else [])
    return _page(found, request, page, warnings)


def _ledger(found: AccountMatch, request: EndpointRequest) -> Ledger:
    """Return the ledger as the replica that serves the request has it."""
    rules = request.rules
    lagging = rules.lag > 0 and request.number % rules.lag_every == 0
    return found.ledger_before(rules.lag) if lagging else found.ledger


def _page_slice(ledger: Ledger, request: EndpointRequest) -> PageSlice:
    rules, page = request.rules, request.page()
    date_range = read.date_range(request.query, rules, request.zone)
    view = ledger.filtered(request.row_filter(ledger))
    selected = select(view, date_range, rules)
    page.check_depth()
    sorting = Sorting(view, page.order, rules, request.zone, request.number)
    ranks = sorting.page(selected, page.first_of(len(selected)), page.limit)
    shown = _without_hidden(view, ranks, rules.hidden_every)
    totals = Totals(date_range=len(selected), all_dates=len(view), customer=len(ledger))
    return PageSlice(view, ranks, shown, ledger_details(page, totals, len(shown)))


def _without_hidden(view: Ledger, ranks: Sequence[int], hidden_every: int | None) -> Sequence[int]:
    if hidden_every is None:
        return ranks
    return [rank for rank in ranks if view.event_log_id(rank) % hidden_every != 0]


def currency_warnings(found: AccountMatch, query: Parameters) -> list[dict[str, Any]]:
    """Return a warning 9018 for every name in ``alternateCurrencyNames`` that no entry has."""
    unknown = set(read.currency_names(query))
    if unknown:
        details = (detail for row in found.ledger.shapes() for detail in row["entryDetails"])
        unknown -= {detail.get("alternateCurrencyName") for detail in details}
    message = "alternate currency with given name not found for org, name: {}"
    return [error_item(9018, message.format(name)) for name in sorted(unknown)]


def ledger_warnings(found: AccountMatch, query: Parameters) -> list[dict[str, Any]]:
    """Return the warnings of a response: unknown currencies, and pending events of the customer."""
    warnings = currency_warnings(found, query)
    return [*warnings, _PENDING] if found.holder.pending else warnings


def _page(
    found: AccountMatch, request: EndpointRequest, page: PageSlice, warnings: list[dict[str, Any]]
) -> web.Response:
    """Return the response, joined from the JSON of the rows."""
    holder, omitted, row_format = found.holder, request.rules.omitted, request.row_format()
    details = page.details | ({"ledgerClosingBalance": holder.closing_balance} if request.scoped else {})
    head = {"ledgerDetails": details}
    if isinstance(holder, SandboxCustomer):
        head = {"customerDetails": holder.details()} | head
    parts = {key: encode_json(value) for key, value in head.items()}
    parts["ledgerEntries"] = b"[" + b",".join(page.view.encoded(rank, row_format) for rank in page.shown) + b"]"
    parts["warnings"] = encode_json(warnings)
    body = b",".join(b'"%b":%b' % (key.encode(), part) for key, part in parts.items() if key not in omitted)
    return web.Response(body=b"{" + body + b"}", content_type="application/json", charset="utf-8")
