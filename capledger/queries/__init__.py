"""Queries: immutable, checked when they are made, without any I/O.

A query that cannot work raises :class:`~capledger.errors.InvalidQueryError` where it is written, instead of being
refused by the service later. Queries compare, hash and pickle by value; ``attrs.evolve`` makes a changed copy; their
``repr`` does not contain the identifier.
"""

from __future__ import annotations

from capledger.queries.balances import BalanceQuery
from capledger.queries.events import EventDetailsQuery, EventFlags
from capledger.queries.ledger import CustomerLedgerQuery, GroupLedgerQuery, LedgerQuery
from capledger.queries.scope import OrgScope

__all__ = [
    "BalanceQuery",
    "CustomerLedgerQuery",
    "EventDetailsQuery",
    "EventFlags",
    "GroupLedgerQuery",
    "LedgerQuery",
    "OrgScope",
]
