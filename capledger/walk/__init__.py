"""The walk over a ledger: from a query to all of its entries, whole and in order."""

from __future__ import annotations

from capledger.walk.ledger import LedgerWalk

__all__ = ["LedgerWalk"]
