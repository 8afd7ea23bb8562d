"""Data sets that each run brings up to date, and proves to be what the service has."""

from __future__ import annotations

from capledger.backfill.sync.sync import Sync

__all__ = ["Sync"]
