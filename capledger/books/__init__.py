"""The books of a ledger, computed from its entries: movements, balances, statements, and whether they add up.

All functions are pure and take entries in any order, from one ledger: a list of
:class:`~capledger.models.LedgerEntry`, rows of a backfill as dictionaries, Arrow batches, or a DuckDB relation. They
need the whole ledger, so a walk is collected first: ``books.movements(await session.entries(query).collect())``.
Amounts are :class:`~decimal.Decimal`, added without rounding.

An entry's net has three decimals, while the amounts in its details can be rounded to two. Balances are sums of the
amounts as printed; :attr:`Movement.exact` is the amount that the net proves, and :attr:`Movement.rounding` bounds the
difference where it proves none.
"""

from __future__ import annotations

from capledger.books.balances import (
    AccountStatement,
    RunningBalance,
    Statement,
    balances_at,
    running_balances,
    statement,
)
from capledger.books.checks import Discrepancy, check_books
from capledger.books.movements import LedgerAccount, Movement, movements
from capledger.books.rows import EntrySource

__all__ = [
    "AccountStatement",
    "Discrepancy",
    "EntrySource",
    "LedgerAccount",
    "Movement",
    "RunningBalance",
    "Statement",
    "balances_at",
    "check_books",
    "movements",
    "running_balances",
    "statement",
]
