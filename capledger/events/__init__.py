"""Details of events: walks over them, and the events of a ledger's entries."""

from __future__ import annotations

from capledger.events.enrich import EventEnricher
from capledger.events.walk import EventWalk

__all__ = ["EventEnricher", "EventWalk"]
