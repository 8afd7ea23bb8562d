"""Many ledgers at once: a bounded number in flight, an outcome for each, in bounded memory."""

from __future__ import annotations

from capledger.many.fetch import ManyWalks, OnOutcome, fetch_many, stream_many
from capledger.many.outcome import LedgerOutcome
from capledger.many.progress import Progress
from capledger.many.queries import Queries

__all__ = ["LedgerOutcome", "ManyWalks", "OnOutcome", "Progress", "Queries", "fetch_many", "stream_many"]
