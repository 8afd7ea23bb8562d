"""The ledger endpoint: a page of entries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web
from attrs import frozen

from capledger.sandbox import params as read
from capledger.sandbox.customers import SandboxCustomer
from capledger.sandbox.filters import RowFilter, roles_of
from capledger.sandbox.ledger import Ledger, ordered, select
from capledger.sandbox.params import AccountSelector, Parameters
from capledger.sandbox.responses import ErrorResponse, error_item, json_response
from capledger.sandbox.rules import Rules
from capledger.sandbox.serialization import RowFormat
from capledger.sandbox.stores import Stores

if TYPE_CHECKING:
    from capledger.sandbox.accounts import AccountMatch

_NO_ENTRIES = error_item(
    11003, "There are no ledger entries present for the given parameters. Try removing parameters to widen the search"
)
_PENDING = error_item(11002, "Customer has pending events, hence ledger may be incomplete. Retry after some time")


@frozen
class EndpointRequest:
    """One request to a ledger or event details endpoint, and what is needed to respond to it."""

    query: Parameters
    selector: AccountSelector
    rules: Rules
    stores: Stores
    zone: tzinfo
    scoped: bool
    """Whether the request is to v2.1, which has scopes and closing balances and no ISO dates."""

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
        return RowFormat(style, self.zone, self.stores.concepts if with_concepts else None, with_concepts)


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
    details: dict[str, Any]


def ledger_page(found: AccountMatch, request: EndpointRequest) -> web.Response:
    """Return the response to a request for a page of entries."""
    page = _page_slice(found.ledger, request)
    warnings = _warnings(found, request.query)
    if not page.ranks and request.rules.empty in {"error400", "error200"}:
        return json_response({"errors": [_NO_ENTRIES]}, status=400 if request.rules.empty == "error400" else 200)
    if not page.ranks and request.rules.empty == "warning":
        warnings.append(_NO_ENTRIES)
    row_format = request.row_format()
    return _page(found, request, page.details, [page.view.encoded(rank, row_format) for rank in page.ranks], warnings)


def _page_slice(ledger: Ledger, request: EndpointRequest) -> PageSlice:
    query, rules = request.query, request.rules
    limit, offset = read.limit(query, rules, scoped=request.scoped), read.whole(query, "offset", 0)
    order, date_range = read.order(query, rules), read.date_range(query, rules)
    view = ledger.filtered(request.row_filter(ledger))
    ranks = ordered(view, select(view, date_range, rules), order)
    by_page = (rules.group_offset if request.selector.is_group else rules.offset) == "page"
    first = offset * limit if by_page else offset
    shown = ranks[first : first + limit]
    number = first // limit if rules.echo_page_number == "page" else offset
    return PageSlice(view, shown, _details(len(ranks), number, len(shown), limit, rules))


def _details(total: int, page_number: int, shown: int, limit: int, rules: Rules) -> dict[str, Any]:
    total_entries = max(0, total + rules.total_offset)
    return {
        "pageNumber": page_number,
        "pageSize": limit if rules.echo_page_size == "capacity" else shown,
        "totalEntries": total_entries,
        "pageCount": -(-total_entries // limit),
    }


def currency_warnings(found: AccountMatch, query: Parameters) -> list[dict[str, Any]]:
    """Return a warning 9018 for every name in ``alternateCurrencyNames`` that no entry has."""
    unknown = set(read.currency_names(query))
    if unknown:
        details = (detail for row in found.ledger.shapes() for detail in row["entryDetails"])
        unknown -= {detail.get("alternateCurrencyName") for detail in details}
    message = "alternate currency with given name not found for org, name: {}"
    return [error_item(9018, message.format(name)) for name in sorted(unknown)]


def _warnings(found: AccountMatch, query: Parameters) -> list[dict[str, Any]]:
    warnings = currency_warnings(found, query)
    return [*warnings, _PENDING] if found.holder.pending else warnings


def _page(
    found: AccountMatch,
    request: EndpointRequest,
    details: dict[str, Any],
    rows: Sequence[bytes],
    warnings: list[dict[str, Any]],
) -> web.Response:
    """Return the response, joined from the JSON of the rows."""
    holder = found.holder
    head: dict[str, Any] = {"customerDetails": holder.details()} if isinstance(holder, SandboxCustomer) else {}
    head["ledgerDetails"] = details | ({"ledgerClosingBalance": holder.closing_balance} if request.scoped else {})
    opening = msgspec.json.encode(head)[:-1]
    body = b"".join(
        (opening, b',"ledgerEntries":[', b",".join(rows), b'],"warnings":', msgspec.json.encode(warnings), b"}")
    )
    return web.Response(body=body, content_type="application/json", charset="utf-8")
