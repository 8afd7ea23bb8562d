"""Pages of balances, decoded by both decoders alike, and what is no such page."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from support.bodies import decode

from capledger import ApiError, Balance, BalancePage, BalanceQuery, DecodeError
from capledger._sansio import fast
from capledger._sansio.requests import Request, balances

BODY: dict[str, Any] = {
    "customerDetails": {"userId": 712345678, "externalId": "harbour-2", "entityType": "CUSTOMER"},
    "ledgerDetails": {
        "pageNumber": 0,
        "pageSize": 10,
        "totalEntries": 2,
        "pageCount": 1,
        "ledgerClosingBalance": [
            {"pointsCategory": "Main", "programName": "Quay", "programId": 2118, "closingBalance": "30000.000"},
            {
                "pointsCategory": "Main",
                "programName": "Quay",
                "programId": 2118,
                "closingBalance": "-12.500",
                "alternateCurrencyName": "Shell",
            },
        ],
    },
    "warnings": [],
}
EXPECTED = [
    Balance(2118, "Quay", "Main", closing_balance=Decimal("30000.000")),
    Balance(2118, "Quay", "Main", "Shell", closing_balance=Decimal("-12.500")),
]


def request() -> Request[BalancePage]:
    query = BalanceQuery(identifier_name="mobile", identifier_value="917400000001")
    return balances(query, offset=0, limit=100, at=None)


def with_balance(**changes: Any) -> dict[str, Any]:
    balance = {**BODY["ledgerDetails"]["ledgerClosingBalance"][0], **changes}
    kept = {name: value for name, value in balance.items() if value is not ...}
    return {**BODY, "ledgerDetails": {**BODY["ledgerDetails"], "ledgerClosingBalance": [kept]}}


def test_both_decoders_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast and the tolerant decoder return the same page, amounts with every digit."""
    quick = decode(request(), BODY)
    monkeypatch.setattr(fast, "decode", lambda *_: None)
    slow = decode(request(), BODY)

    assert quick == slow
    assert quick.balances == EXPECTED
    assert [str(item.closing_balance) for item in quick.balances] == ["30000.000", "-12.500"]
    assert quick.customer_details is not None


@pytest.mark.parametrize("amount", ["30000.000", 30000, "3E+4"])
def test_amounts_may_be_strings_or_numbers(amount: Any) -> None:
    """An amount is accepted as a string or a number."""
    assert decode(request(), with_balance(closingBalance=amount)).balances[0].closing_balance == 30000


@pytest.mark.parametrize("amount", [..., None, True, "much", "NaN", []])
def test_a_balance_needs_an_amount(amount: Any) -> None:
    """A balance without an amount, or with something else in its place, is an error that names the path."""
    with pytest.raises(DecodeError, match=r"\$\.ledgerDetails\.ledgerClosingBalance\[0\]\.closingBalance"):
        decode(request(), with_balance(closingBalance=amount))


@pytest.mark.parametrize("body", [{}, {"warnings": []}, {"ledgerEntries": []}, {"ledgerDetails": None}])
def test_other_bodies_are_no_page(body: dict[str, Any]) -> None:
    """A body without ``ledgerDetails`` is an error, not a customer without balances."""
    with pytest.raises(DecodeError, match=r"\$\.ledgerDetails: missing"):
        decode(request(), body)


@pytest.mark.parametrize("status", [200, 400])
def test_no_entries_is_an_empty_page(status: int) -> None:
    """Code 11003 is an empty page, whatever the HTTP status; any other code raises."""
    errors = [{"status": False, "code": 11003, "message": "There are no ledger entries present"}]

    assert decode(request(), {"errors": errors}, status).balances == []
    with pytest.raises(ApiError):
        decode(request(), {"errors": [{"status": False, "code": 11012, "message": "Invalid userId"}]}, status)
