"""Ledgers as entries and as rows, and their balances by hand."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

from capledger import Balance, LedgerEntry
from capledger.sandbox import seed_rows
from support.bodies import decode, ledger_request

START, END = datetime(2024, 1, 1), datetime(2025, 1, 1)

#: Programme, points category and currency.
Key = tuple[int | None, str | None, str | None]


def entries_from(rows: list[dict[str, Any]]) -> list[LedgerEntry]:
    """Return the entries that a walk over these rows would yield, in UTC."""
    return decode(ledger_request(), {"ledgerEntries": rows, "warnings": [], "ledgerDetails": {}}).entries


def ledger(seed: int, count: int = 40) -> list[LedgerEntry]:
    return entries_from(seed_rows(seed, count, START, END))


def by_hand(entries: list[LedgerEntry], end: datetime | None = None) -> dict[Key, Decimal]:
    """Return balances from the details of entries before a naive moment, in the plainest way."""
    sums: dict[Key, Decimal] = {}
    for entry in entries:
        if end is not None and entry.ledger_created_date.replace(tzinfo=None) >= end:
            continue
        for detail in entry.entry_details:
            key = detail.program_id, detail.points_category, detail.alternate_currency_name
            assert detail.points is not None
            sums[key] = sums.get(key, Decimal(0)) + (
                -detail.points if detail.ledger_entry_type == "DEBIT" else detail.points
            )
    return sums


def as_balances(sums: dict[Key, Decimal]) -> list[Balance]:
    return [
        Balance(program, f"Programme {program}", category, currency, closing_balance=amount)
        for (program, category, currency), amount in sums.items()
    ]


def rounded_ledger(seed: int, count: int = 40) -> tuple[list[LedgerEntry], list[Balance]]:
    """Return a ledger whose details are rounded to two decimals as the service does, and its exact balances."""
    random = Random(seed)
    entries = ledger(seed, count)
    exact: dict[Key, Decimal] = {}
    for entry in entries:
        nets: dict[str | None, Decimal] = {}
        for detail in entry.entry_details:
            assert detail.points is not None
            if detail.ledger_entry_type != "OPENING_BALANCE":
                amount = detail.points + Decimal(random.randrange(1000)) / 1000
                detail.points = amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
                amount = -amount if detail.ledger_entry_type == "DEBIT" else amount
                currency = detail.alternate_currency_name
                nets[currency] = nets.get(currency, Decimal(0)) + amount
                key = detail.program_id, detail.points_category, currency
                exact[key] = exact.get(key, Decimal(0)) + amount
        entry.net_points_on_event = nets.pop(None, Decimal("0.000"))
        entry.net_alternate_currencies_on_event = {str(name): net for name, net in nets.items()}
    return entries, as_balances(exact)
