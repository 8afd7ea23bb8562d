"""The balance endpoint: the balances of a customer, as its ledger has them."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from capledger.sandbox import params as read
from capledger.sandbox.customers import SandboxCustomer
from capledger.sandbox.ledger import select
from capledger.sandbox.ledger_endpoint import EndpointRequest, ledger_warnings
from capledger.sandbox.responses import json_response
from capledger.sandbox.rows import CATEGORIES
from capledger.sandbox.totals import Totals, ledger_details

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

    from capledger.sandbox.accounts import AccountMatch
    from capledger.sandbox.filters import RowFilter
    from capledger.sandbox.rows import LedgerRow

#: Programme, points category and alternate currency ("" for points).
_BalanceKey = tuple[int, str, str]

_DECIMALS: Final = Decimal("0.001")
#: Keeps every digit of sums.
_EXACT: Final = Context(prec=100)


def balances_page(found: AccountMatch, request: EndpointRequest) -> web.Response:
    """Return the response to a request for a page of balances."""
    page = request.page()
    keep = evolve(request.row_filter(found.ledger), program_id=None)
    ledger = found.ledger.filtered(keep)
    end = read.end_date(request.query, request.rules, request.zone)
    rows = (ledger.row(rank) for rank in select(ledger, end, request.rules))
    balances = _balances(ledger.shapes(), rows, _categories(keep))
    shown = balances[page.first : page.first + page.limit]
    totals = Totals(date_range=len(balances), all_dates=len(balances), customer=len(balances))
    details = ledger_details(page, totals, len(shown)) | {"ledgerClosingBalance": shown}
    head = {"customerDetails": found.holder.details()} if isinstance(found.holder, SandboxCustomer) else {}
    warnings = ledger_warnings(found, request.query)
    return json_response(head | {"ledgerDetails": details, "warnings": warnings})


def _categories(keep: RowFilter) -> Iterable[str]:
    """Return the categories of points that every programme has a balance in, as far as the request selects them."""
    if not keep.points:
        return ()
    return CATEGORIES.values() if keep.category is None else (keep.category,)


def _balances(
    shapes: Iterable[LedgerRow], rows: Iterable[LedgerRow], categories: Iterable[str]
) -> list[dict[str, Any]]:
    """Return the balances of all accounts of a ledger, with the amounts of the selected rows."""
    names: dict[int, str] = {}
    amounts: dict[_BalanceKey, Decimal] = {}
    for detail in (detail for row in shapes for detail in row["entryDetails"]):
        names[detail["programId"]] = detail["programName"]
        amounts |= {(detail["programId"], category, ""): Decimal(0) for category in categories}
        amounts[_key(detail)] = Decimal(0)
    for detail in (detail for row in rows for detail in row["entryDetails"]):
        amount = Decimal(detail["points"])
        change = _EXACT.subtract if detail["ledgerEntryType"] == "DEBIT" else _EXACT.add
        amounts[_key(detail)] = change(amounts[_key(detail)], amount)
    return [_item(key, names[key[0]], amount) for key, amount in sorted(amounts.items(), key=_order)]


def _order(item: tuple[_BalanceKey, Decimal]) -> tuple[str, ...]:
    """Return the key that sorts balances, also of rows without a programme or category."""
    return tuple(f"{part:012}" if isinstance(part, int) else str(part or "") for part in item[0])


def _key(detail: dict[str, Any]) -> _BalanceKey:
    return detail["programId"], detail["pointsCategory"], detail.get("alternateCurrencyName") or ""


def _item(key: _BalanceKey, program_name: str, amount: Decimal) -> dict[str, Any]:
    program_id, category, currency = key
    item = {
        "pointsCategory": category,
        "programName": program_name,
        "programId": program_id,
        "closingBalance": str(amount.quantize(_DECIMALS, context=_EXACT)),
    }
    return item | {"alternateCurrencyName": currency} if currency else item
