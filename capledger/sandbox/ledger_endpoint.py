"""The ledger endpoint: a page of entries from the parameters of a request."""

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
from capledger.sandbox.params import Parameters, Subject
from capledger.sandbox.responses import Refusal, json_answer, notice
from capledger.sandbox.rules import Rules
from capledger.sandbox.serialization import Look
from capledger.sandbox.stores import Places

if TYPE_CHECKING:
    from capledger.sandbox.accounts import Found

_NOTHING = notice(
    11003, "There are no ledger entries present for the given parameters. Try removing parameters to widen the search"
)
_PENDING = notice(11002, "Customer has pending events, hence ledger may be incomplete. Retry after some time")


@frozen
class Asked:
    """One request for a page, in context."""

    query: Parameters
    subject: Subject
    rules: Rules
    places: Places
    zone: tzinfo
    #: True on v2.1, which knows scopes and closing balances and no ISO twins.
    scoped: bool

    def row_filter(self, ledger: Ledger) -> RowFilter:
        """The filters of the request; refuses values that are no such thing."""
        query = self.query
        category, points, currencies = _kinds(query)
        program_id = read.program(query, self._programs(ledger) if "programId" in query else ())
        by_concept = program_id is not None and read.flag(query, "includeTillConceptEvents")
        return RowFilter(
            entry_type=read.entry_type(query),
            category=category,
            program_id=program_id,
            tills=self.places.tills(query),
            concept_tills=self.places.concept_tills(program_id or 0) if by_concept else frozenset(),
            events=read.names(query, "eventFilter"),
            excluded_events=read.names(query, "excludeEvents") or frozenset(),
            roles=self._roles(ledger),
            points=points,
            currencies=currencies,
        )

    def _programs(self, ledger: Ledger) -> set[int]:
        return self.places.programs | {detail["programId"] for row in ledger.shapes() for detail in row["entryDetails"]}

    def _roles(self, ledger: Ledger) -> frozenset[str] | None:
        asked = read.names(self.query, "roles", "role") if self.subject.is_group else None
        if asked and asked.isdisjoint(role for row in ledger.shapes() for role in roles_of(row)):
            raise Refusal(11018, "No users found for provided roles")
        return asked

    def look(self) -> Look:
        """How the rows are to be written."""
        style = "fraction" if self.scoped and self.rules.date_style == "iso" else self.rules.date_style
        with_concepts = read.flag(self.query, "includeConceptDetails")
        return Look(style, self.zone, self.places.concepts if with_concepts else None, with_concepts)


def _kinds(query: Parameters) -> tuple[str | None, bool, bool | tuple[str, ...]]:
    """
    Category, whether points are shown, and which alternate currencies.

    By the table of the v2 document: ``pointCategoryType`` counts for nothing where only alternate currencies are asked.
    Names without ``includeAlternateCurrencies`` show just those currencies.
    """
    category, named = read.category(query), read.currency_names(query)
    every = read.flag(query, "includeAlternateCurrencies")
    if (every or named) and read.flag(query, "excludePointCategories"):
        return None, False, every or named
    return category, every or not named, every or named or False


@frozen
class Shown:
    """Which rows a page shows, and what it says of itself."""

    view: Ledger
    ranks: Sequence[int]
    details: dict[str, Any]


def ledger_page(found: Found, asked: Asked) -> web.Response:
    """The answer to a request for a page of entries."""
    shown = _shown(found.ledger, asked)
    warnings = _warnings(found, asked.query)
    if not shown.ranks and asked.rules.empty in {"error400", "error200"}:
        return json_answer({"errors": [_NOTHING]}, status=400 if asked.rules.empty == "error400" else 200)
    if not shown.ranks and asked.rules.empty == "warning":
        warnings.append(_NOTHING)
    look = asked.look()
    return _page(found, asked, shown.details, [shown.view.encoded(rank, look) for rank in shown.ranks], warnings)


def _shown(ledger: Ledger, asked: Asked) -> Shown:
    query, rules = asked.query, asked.rules
    limit, offset = read.limit(query, rules, scoped=asked.scoped), read.whole(query, "offset", 0)
    order, span = read.order(query, rules), read.span(query, rules)
    view = ledger.filtered(asked.row_filter(ledger))
    ranks = ordered(view, select(view, span, rules), order)
    by_page = (rules.group_offset if asked.subject.is_group else rules.offset) == "page"
    first = offset * limit if by_page else offset
    shown = ranks[first : first + limit]
    number = first // limit if rules.echo_page_number == "page" else offset
    return Shown(view, shown, _details(len(ranks), number, len(shown), limit, rules))


def _details(total: int, page_number: int, shown: int, limit: int, rules: Rules) -> dict[str, Any]:
    stated = max(0, total + rules.total_offset)
    return {
        "pageNumber": page_number,
        "pageSize": limit if rules.echo_page_size == "capacity" else shown,
        "totalEntries": stated,
        "pageCount": -(-stated // limit),
    }


def currency_warnings(found: Found, query: Parameters) -> list[dict[str, Any]]:
    """A warning 9018 for every name in ``alternateCurrencyNames`` that no entry knows."""
    unknown = set(read.currency_names(query))
    if unknown:
        details = (detail for row in found.ledger.shapes() for detail in row["entryDetails"])
        unknown -= {detail.get("alternateCurrencyName") for detail in details}
    message = "alternate currency with given name not found for org, name: {}"
    return [notice(9018, message.format(name)) for name in sorted(unknown)]


def _warnings(found: Found, query: Parameters) -> list[dict[str, Any]]:
    warnings = currency_warnings(found, query)
    return [*warnings, _PENDING] if found.holder.pending else warnings


def _page(
    found: Found, asked: Asked, details: dict[str, Any], rows: Sequence[bytes], warnings: list[dict[str, Any]]
) -> web.Response:
    """The whole body, put together from the rows' own JSON."""
    holder = found.holder
    head: dict[str, Any] = {"customerDetails": holder.details()} if isinstance(holder, SandboxCustomer) else {}
    head["ledgerDetails"] = details | ({"ledgerClosingBalance": holder.closing_balance} if asked.scoped else {})
    opening = msgspec.json.encode(head)[:-1]
    body = b"".join(
        (opening, b',"ledgerEntries":[', b",".join(rows), b'],"warnings":', msgspec.json.encode(warnings), b"}")
    )
    return web.Response(body=body, content_type="application/json", charset="utf-8")
