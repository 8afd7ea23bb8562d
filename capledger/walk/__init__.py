"""The walk over a ledger: from a query to all of its entries, whole and in order."""

from __future__ import annotations

from capledger.walk.cursor import Cursor
from capledger.walk.ledger import LedgerWalk
from capledger.walk.server_profile import ServerProfile

__all__ = ["Cursor", "LedgerWalk", "ServerProfile"]
