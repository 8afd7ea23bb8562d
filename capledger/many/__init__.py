"""Many ledgers at once: as many as there is room for, an outcome for each, in bounded memory."""

from __future__ import annotations

from capledger.many.outcome import LedgerOutcome
from capledger.many.progress import Progress
from capledger.many.source import Queries
from capledger.many.walks import ManyWalks, OnOutcome, fetch_many, stream_many

__all__ = ["LedgerOutcome", "ManyWalks", "OnOutcome", "Progress", "Queries", "fetch_many", "stream_many"]
