"""Walks: from a query to all of its entries, by windows and pages, whole and in order."""

from __future__ import annotations

from capledger.walk.cursor import Cursor
from capledger.walk.events import EventWalk
from capledger.walk.facts import EndpointFacts
from capledger.walk.join import EventJoin
from capledger.walk.ledger import LedgerWalk

__all__ = ["Cursor", "EndpointFacts", "EventJoin", "EventWalk", "LedgerWalk"]
