"""Walks: from a query to all of its entries, whole and in order."""

from __future__ import annotations

from capledger.walk.balances import BalanceWalk
from capledger.walk.cursor import Cursor
from capledger.walk.enrich import EventEnricher
from capledger.walk.events import EventWalk
from capledger.walk.ledger import LedgerWalk
from capledger.walk.server_profile import ServerProfile

__all__ = ["BalanceWalk", "Cursor", "EventEnricher", "EventWalk", "LedgerWalk", "ServerProfile"]
