"""Many ledgers at once: a bounded number in flight, an outcome for each, in bounded memory."""

from __future__ import annotations

from capledger.many.fetch import FetchOptions, ManyWalks, OnOutcome, StreamOptions, WalkOptions, fetch_many, stream_many
from capledger.many.ledger_pages import LedgerOpener
from capledger.many.outcome import BalanceOutcome, LedgerOutcome
from capledger.many.progress import Progress
from capledger.many.queries import AnyQueries, BalanceQueries, Queries

__all__ = [
    "AnyQueries",
    "BalanceOutcome",
    "BalanceQueries",
    "FetchOptions",
    "LedgerOpener",
    "LedgerOutcome",
    "ManyWalks",
    "OnOutcome",
    "Progress",
    "Queries",
    "StreamOptions",
    "WalkOptions",
    "fetch_many",
    "stream_many",
]
