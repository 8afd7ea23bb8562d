"""Faults of pages of balances; other responses stay unchanged."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from capledger.sandbox.faults.context import Fault, FaultContext
from capledger.sandbox.responses import body_of, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web


def edit_balances(name: str, change: Callable[[dict[str, Any]], object]) -> Fault:
    """Respond with the page of balances after ``change(details)`` edited its ``ledgerDetails`` in place."""

    async def respond(context: FaultContext) -> web.Response:
        response = await context.regular_response()
        page = json.loads(body_of(response))
        if context.logged.path.endswith("/getCustomerLedgerBalance") and "ledgerDetails" in page:
            change(page["ledgerDetails"])
            return json_response(page, status=response.status)
        return response

    return Fault(name, respond)


def wrong_balance(delta: str = "1.000", *, row: int = 0) -> Fault:
    """Add ``delta`` to a balance of the page, by its position: an error in the books of the service."""

    def change(details: dict[str, Any]) -> None:
        if row < len(details["ledgerClosingBalance"]):
            balance = details["ledgerClosingBalance"][row]
            balance["closingBalance"] = str(Decimal(balance["closingBalance"]) + Decimal(delta))

    return edit_balances("wrong_balance", change)
